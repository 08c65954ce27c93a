//! Which children are whose. The main process of a tree is reaped by its [`super::tree::Tree`] alone; a detached process
//! by the reaper; what is neither was adopted, or made by somebody else in this process.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A child this crate made, not reaped yet.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) pid: u32,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of a living tree of the place with this mark.
    Main {
        mark: String,
    },
    Detached,
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
