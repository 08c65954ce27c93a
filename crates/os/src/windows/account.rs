//! Who we are.

use super::security::{self, User};

/// Whether this process has the rights of an administrator now (elevated), as the service manager asks for them.
pub fn is_privileged() -> bool {
    security::is_administrator()
}

/// The account this process runs as: `DOMAIN\name`, or its SID where the name can't be had.
pub fn name() -> String {
    User::own().and_then(|user| user.name().or_else(|_| user.sid_text())).unwrap_or_else(|_| "unknown".to_owned())
}
