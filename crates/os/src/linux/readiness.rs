//! Being told by the runtime that a descriptor has news: epoll(7).
#![expect(unsafe_code, reason = "tokio takes a descriptor on trust")]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How often a descriptor is asked where the runtime has no room to be told by it (no memory, no epoll watch left, or
/// a second waiter on the same one).
pub(crate) const UNTOLD_POLL_MS: u64 = 50;

/// Registers a descriptor that somebody else owns for as long as the answer lives.
pub(crate) fn watch(fd: BorrowedFd<'_>, interest: Interest) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    // SAFETY: the borrow keeps the descriptor open, and the same one, until the registration is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// Registers a descriptor that is given away for good.
pub(crate) fn own(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: it is closed when the registration is dropped, and not before.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}
