//! The exit codes of every verb, documented in `docs/reference/cli.md`.

/// It was not done.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong; nothing was tried.
pub(crate) const USAGE: u8 = 2;
/// The service has no running guard or program.
pub(crate) const NOT_RUNNING: u8 = 3;
/// No service has this name.
pub(crate) const NO_SUCH_SERVICE: u8 = 4;
/// This user may not.
pub(crate) const NOT_PERMITTED: u8 = 5;
/// It was ordered but did not come about in time.
pub(crate) const TIMED_OUT: u8 = 6;
