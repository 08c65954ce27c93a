//! Accounts: who this process is, and who a program or a service shall be.

use std::fmt;

pub use crate::sys::account::{
    check, default_user, is_privileged, let_log_on_as_service, let_read, name, own_file, own_folder, variables_of,
    virtual_user,
};

/// Who a program runs as, where its guard changes that for it (Linux; on Windows the service manager logs the guard on as the service's
/// account and the program has the guard's, so a launch with this is refused there).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunAs {
    /// Its name or number; `None`: ours.
    pub user: Option<String>,
    /// Its main group, by name or number; `None`: the user's own.
    pub group: Option<String>,
    /// More groups; empty: those the user is in by `/etc/group`, if a user is named.
    pub groups: Vec<String>,
    /// The capabilities that it, and what it executes, may have at most; a program that is not root gets them as ambient ones.
    /// `None`: as we have them (a named user that is not root: none).
    pub capabilities: Option<Vec<u8>>,
    /// `false`: nothing it executes can get more rights (`PR_SET_NO_NEW_PRIVS`).
    pub new_privileges: bool,
}

/// A password on its way to the service manager: never shown, wiped when dropped.
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        std::hint::black_box(&bytes); // or the fill could be left out as dead
    }
}
