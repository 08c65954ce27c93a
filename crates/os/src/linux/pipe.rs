//! pipe(2): 64 KiB, our end non-blocking, the child's end blocking as programs expect.

use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::PipeFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

/// Our end, not yet on any runtime.
#[derive(Debug)]
pub struct RawReader(OwnedFd);

/// Our end on the current tokio runtime.
#[derive(Debug)]
pub struct Reader(Receiver);

impl Reader {
    /// Registers with the current tokio runtime. Errors: no room in the kernel's tables.
    pub fn open(raw: RawReader) -> io::Result<Reader> {
        Receiver::from_owned_fd(raw.0).map(Reader)
    }

    /// Lets the pipe hold as much, as far as the system does: fcntl(2), F_SETPIPE_SZ; /proc/sys/fs/pipe-max-size for plain users.
    pub fn widen(&self, bytes: usize) {
        // It works as it is, only slower.
        let _ = rustix::pipe::fcntl_setpipe_size(&self.0, bytes);
    }

    /// Waits for bytes; 0 once the last writer has closed its end. Cancel-safe.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).await
    }

    /// Takes what is there now; `WouldBlock` when nothing is, 0 at the end.
    pub fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // Not `Receiver::try_read`: that believes tokio's last news from epoll and can say "nothing" while bytes are
        // there. Last words must be taken at once, so the kernel itself is asked.
        Ok(rustix::io::read(&self.0, buf)?)
    }
}

/// Our end of what the child reads, not yet on any runtime. Dropping it ends the child's input.
#[derive(Debug)]
pub struct RawWriter(OwnedFd);

/// Our end of what the child reads, on the current tokio runtime. Dropping it ends the child's input.
#[derive(Debug)]
pub struct Writer(Sender);

impl Writer {
    /// Registers with the current tokio runtime. Errors: no room in the kernel's tables.
    pub fn open(raw: RawWriter) -> io::Result<Writer> {
        Sender::from_owned_fd(raw.0).map(Writer)
    }

    /// Waits until the pipe has taken all of it; `BrokenPipe` once nobody can read it any more. Not cancel-safe: how much
    /// was taken is not told.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }
}

/// Our end and the child's of its input; both close on exec.
pub(crate) fn input() -> io::Result<(OwnedFd, RawWriter)> {
    let (childs, ours) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((childs, RawWriter(ours)))
}

/// Our end and the child's; both close on exec.
pub(crate) fn pair() -> io::Result<(RawReader, OwnedFd)> {
    let (ours, childs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((RawReader(ours), childs))
}
