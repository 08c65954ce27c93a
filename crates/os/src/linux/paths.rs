//! The Filesystem Hierarchy Standard's places (hier(7)).

use crate::paths::Paths;

/// A machine-wide installation's folders.
pub fn system() -> Paths {
    Paths {
        specs: "/etc/mainstay/services".into(),
        state: "/var/lib/mainstay".into(),
        logs: "/var/log/mainstay".into(),
        run: "/run/mainstay".into(),
    }
}
