//! The mark in the environment by which a service's processes are known where no cgroup holds them.

use super::procfs;
use crate::tree::MARK_VARIABLE;

/// Behind the mark of a run whose descendants may leave it.
const BREAKAWAY_SUFFIX: &str = "/breakaway";

/// What a run's processes carry.
pub(crate) fn value(mark: &str, breakaway: bool) -> String {
    if breakaway { format!("{mark}{BREAKAWAY_SUFFIX}") } else { mark.to_owned() }
}

/// What a process carries, if it does and can be read.
pub(crate) fn of(pid: u32) -> Option<Vec<u8>> {
    procfs::variable(pid, MARK_VARIABLE)
}

/// Whether a carried value is this mark.
pub(crate) fn is(value: &[u8], mark: &str) -> bool {
    value.strip_suffix(BREAKAWAY_SUFFIX.as_bytes()).unwrap_or(value) == mark.as_bytes()
}

/// Whether it was started by a run that its descendants may leave.
pub(crate) fn may_break_away(pid: u32) -> bool {
    of(pid).is_some_and(|value| value.ends_with(BREAKAWAY_SUFFIX.as_bytes()))
}
