//! pidfd_open(2): a process held by a descriptor, so that nothing is ever done to another one with its number.
#![expect(unsafe_code, reason = "pidfd_send_signal with any signal number is not wrapped by rustix")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags};
use tokio::io::Interest;

use super::procfs;
use super::readiness::{self, UNTOLD_POLL_MS};

#[derive(Debug)]
pub(crate) struct Pidfd(OwnedFd);

impl Pidfd {
    pub(crate) fn new(fd: OwnedFd) -> Pidfd {
        Pidfd(fd)
    }

    /// `None`: no such process.
    pub(crate) fn open(pid: u32) -> io::Result<Option<Pidfd>> {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(Pidfd(fd))),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// `None`: gone, or another process by now. The stamp is compared *after* the descriptor holds the process.
    pub(crate) fn open_stamped(pid: u32, stamp: u64) -> io::Result<Option<Pidfd>> {
        let Some(held) = Pidfd::open(pid)? else { return Ok(None) };
        match procfs::stat(pid) {
            Ok(found) if found.start == stamp => Ok(Some(held)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A process that is gone can't be signalled: that is fine.
    pub(crate) fn signal(&self, number: i32) -> io::Result<()> {
        // SAFETY: plain integers and a null siginfo, as pidfd_send_signal(2) allows.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                number,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        match io::Error::last_os_error() {
            _ if result == 0 => Ok(()),
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        }
    }

    /// Dead already, reaped or not?
    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead_within(Duration::ZERO)
    }

    /// Blocks this thread until it is dead, at most `limit`.
    pub(crate) fn is_dead_within(&self, limit: Duration) -> bool {
        let limit = Timespec::try_from(limit).ok();
        let mut watched = [PollFd::new(&self.0, PollFlags::IN)];
        matches!(poll(&mut watched, limit.as_ref()), Ok(ready) if ready > 0)
    }

    /// Ends when the process has; cancel-safe.
    pub(crate) async fn dead(&self) {
        if self.is_dead() {
            return;
        }
        if let Ok(registered) = readiness::watch(self.0.as_fd(), Interest::READABLE) {
            // An error here means the runtime shuts down: then nobody waits for us.
            let _ = registered.readable().await;
        }
        while !self.is_dead() {
            tokio::time::sleep(Duration::from_millis(UNTOLD_POLL_MS)).await;
        }
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
