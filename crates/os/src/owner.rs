//! What started this guard (the Windows service manager, systemd, or nobody in particular), seen by the guard.

use crate::tree::Exit;

pub use crate::sys::owner::{Owner, run};

/// What the guard tells its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Still starting.
    Starting,
    /// The service is up.
    Up,
    /// It is halted as a whole, to be continued (SCM: PAUSED; systemd knows no such state: the status text tells).
    Paused,
    /// Going down.
    Stopping,
    /// Down for good: the last thing a guard says.
    Stopped {
        /// How the program ended, where it did.
        exit: Option<Exit>,
        /// The guard gave up (as opposed to: was told to stop). The owner then shows a failed service, and the
        /// program's exit code as the service-specific one.
        failed: bool,
    },
}

/// What an owner asks of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Stop the service and exit.
    Stop,
    /// The operating system goes down (Windows: shutdown or pre-shutdown; Linux can't tell it from `Stop`).
    Shutdown,
    /// Halt the program (SCM: PAUSE).
    Pause,
    /// Let it go on (SCM: CONTINUE).
    Continue,
    /// Read the spec again (SCM: PARAMCHANGE; systemd: SIGHUP, `systemctl reload`).
    Reload,
}
