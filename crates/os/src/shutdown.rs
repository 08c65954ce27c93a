//! For programs in the foreground: being asked to end.

pub use crate::sys::shutdown::{Signals, end_with_reader};

/// How we were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person pressed Ctrl-C (or Ctrl-Break).
    Interrupt,
    /// Somebody else wants us gone: SIGTERM, SIGHUP; console closed, logoff, shutdown.
    Terminate,
}
