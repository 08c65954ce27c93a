//! A child's environment, built as a value: nothing here changes our own.

use std::ffi::{OsStr, OsString};

use crate::tree::MARK_VARIABLE;

pub use crate::sys::environment::{merge, same_name};

/// What was said to us and not to our children: systemd's notify socket, watchdog, passed descriptors and log stream
/// (sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3), systemd.exec(5)), and another guard's mark.
const OURS_ALONE: [&str; 13] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "FDSTORE",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "INVOCATION_ID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    MARK_VARIABLE,
];

/// Our own environment as a child may have it: without what our owner meant for us alone (its notify socket, our
/// watchdog, our mark). On Windows with the hidden `=C:` entries (each drive's current directory).
pub fn inherited() -> Vec<(OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| !is_ours_alone(name)).collect()
}

fn is_ours_alone(name: &OsStr) -> bool {
    OURS_ALONE.iter().any(|&ours| name == ours)
}

#[cfg(test)]
mod tests {
    use super::is_ours_alone;

    #[test]
    fn what_our_owner_told_us_is_not_passed_on() {
        assert!(is_ours_alone("NOTIFY_SOCKET".as_ref()) && is_ours_alone("MAINSTAY_MARK".as_ref()));
        assert!(!is_ours_alone("PATH".as_ref()) && !is_ours_alone("HOME".as_ref()));
    }
}
