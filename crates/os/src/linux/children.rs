//! Which children are whose: the mains of our trees, which nobody but their [`super::tree::Tree`] may reap.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The main process of a living [`super::tree::Tree`], not reaped yet.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) pid: u32,
    pub(crate) mark: String,
}

/// A process has one set of children, so this is one table per process. It is locked while a child is made (until it
/// is entered) and while the reaper looks, so that the reaper can't take a child nobody has entered yet.
static CHILDREN: Mutex<Vec<Child>> = Mutex::new(Vec::new());

pub(crate) fn lock() -> MutexGuard<'static, Vec<Child>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No more ours: reaped by its tree, or left to the reaper.
pub(crate) fn forget(pid: u32) {
    lock().retain(|child| child.pid != pid);
}
