//! The operating system's own log: Event Log or journald. Important records are repeated there.

pub use crate::sys::oslog::{register_source, unregister_source, write};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Something went wrong and was handled.
    Warning,
    /// Somebody has to look.
    Error,
}
