//! Where a machine-wide installation keeps its files.

use std::path::PathBuf;

pub use crate::sys::paths::system;

/// The four folders of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// One `NAME.toml` per service.
    pub specs: PathBuf,
    /// Journals, locks, state.
    pub state: PathBuf,
    /// Captured output, one folder per service.
    pub logs: PathBuf,
    /// Control sockets; gone after a reboot.
    pub run: PathBuf,
}
