//! The operating system's service manager, seen by the command line. All calls block.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(unix)]
pub use crate::sys::manager::unit_text;
pub use crate::sys::manager::{Manager, detect};

/// Which manager this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The Windows service control manager.
    Scm,
    /// systemd as PID 1.
    Systemd,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Scm => "the Windows service manager",
            Kind::Systemd => "systemd",
        })
    }
}

/// When the manager starts a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At boot.
    Auto,
    /// At boot, after the automatic ones (systemd has no such thing: as `Auto`).
    Delayed,
    /// When somebody asks.
    Manual,
    /// Never; asking is refused.
    Disabled,
}

/// One service as the manager is to know it: how to start its guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The service's name; the unit on Linux is `mainstay-NAME.service`.
    pub name: String,
    /// The name that people see in lists; empty: `name` (systemd shows the description alone).
    pub display_name: String,
    /// For people.
    pub description: String,
    /// The guard's executable, absolute.
    pub binary: PathBuf,
    /// The guard's arguments, without the executable.
    pub args: Vec<OsString>,
    /// When it is started.
    pub start: Start,
    /// The longest an orderly stop may take (systemd: `TimeoutStopSec`; Windows: pre-shutdown time-out).
    pub stop_limit: Duration,
    /// Who the guard, and so the program, runs as (Windows): `NT SERVICE\\NAME`, `LocalService`, `.\\user`, `DOMAIN\\gmsa$` …
    /// `None`: LocalSystem on Windows. Always `None` on Linux: there the guard keeps its rights and changes the program's.
    pub account: Option<String>,
    /// What is started before it and stopped after it: names of services as the manager knows them.
    pub after: Vec<String>,
    /// The same of load-order groups (Windows) or targets (systemd).
    pub after_groups: Vec<String>,
    /// The guard ends with its program's work (kind `once`), and the service counts as active after that (systemd: `RemainAfterExit`).
    pub remains: bool,
}

/// A service's state as the manager knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OsState {
    /// Not running.
    Stopped {
        /// Windows: `dwWin32ExitCode`. Linux: the guard's exit code.
        win32_exit: u32,
        /// Windows: `dwServiceSpecificExitCode`. Linux: 0.
        specific_exit: u32,
    },
    /// On its way up.
    StartPending,
    /// Running.
    Running {
        /// The guard.
        pid: u32,
    },
    /// On its way down.
    StopPending,
    /// Paused (Windows only).
    Paused,
    /// systemd gave up on it.
    Failed,
}

/// Why the manager did not do what was asked. Every text begins with "cannot" and says what to do, where that is known.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// We lack the right to.
    #[error("cannot {action}: {remedy}")]
    NotPrivileged {
        /// What was tried, e.g. `install payment`.
        action: String,
        /// What to do, e.g. "run this as administrator".
        remedy: &'static str,
    },
    /// No such service.
    #[error("cannot find a service named {0}: it is not installed")]
    NotInstalled(String),
    /// There is one already.
    #[error("cannot install {0}: a service of this name exists already")]
    Exists(String),
    /// Its start is forbidden.
    #[error("cannot start {0}: it is disabled; change its start type first")]
    Disabled(String),
    /// The manager said no, or could not be asked.
    #[error("cannot {action} {name}: {source}")]
    Refused {
        /// What was tried, e.g. `start`.
        action: &'static str,
        /// The service.
        name: String,
        /// The manager's words.
        source: io::Error,
    },
    /// Accepted, but not done in time; it may still come about.
    #[error("cannot {action} {name} within {limit:?}: it is still {state}")]
    TimedOut {
        /// What was tried, e.g. `stop`.
        action: &'static str,
        /// The service.
        name: String,
        /// How long we waited.
        limit: Duration,
        /// What it was doing then, e.g. "stopping".
        state: &'static str,
    },
}
