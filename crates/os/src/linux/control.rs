//! A Unix socket: unix(7). Only root and the guard's own account can reach it (mode 0600 in a folder with 0700), and
//! `SO_PEERCRED` says who it was.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};

use super::account;
use crate::control::Peer;

/// `sun_path` holds 108 bytes with the NUL.
const SUN_PATH_MAX: usize = 107;

/// A full queue of connections (the listener is busy) is tried again this often …
const BUSY_TRIES_MAX: u32 = 50;
/// … after this long: one second together.
const BUSY_MS: u64 = 20;

/// Where a service's guard listens: `RUN_DIR/NAME.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    folder: PathBuf,
    file: String,
}

impl Address {
    /// `tag` tells installations apart where names are machine-wide (Windows); a folder does that here.
    pub fn new(run_dir: &Path, _tag: &str, name: &str) -> Address {
        Address { folder: run_dir.to_owned(), file: format!("{name}.sock") }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.file)
    }

    /// A path short enough for `sun_path`: a longer folder is opened and named by its descriptor, which must be kept
    /// while the path is used.
    fn short_path(&self) -> io::Result<(PathBuf, Option<File>)> {
        let path = self.path();
        if path.as_os_str().len() <= SUN_PATH_MAX {
            return Ok((path, None));
        }
        let folder = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(&self.folder)?;
        Ok((format!("/proc/self/fd/{}/{}", folder.as_raw_fd(), self.file).into(), Some(folder)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path().display())
    }
}

/// The guard's end. Dropping it removes the socket.
#[derive(Debug)]
pub struct Listener {
    listening: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket file.
    identity: Option<(u64, u64)>,
}

impl Listener {
    /// Listens. The caller holds the service's lock, so a socket that exists is stale and is removed. Needs a tokio
    /// runtime.
    pub fn bind(a: &Address) -> io::Result<Listener> {
        let path = a.path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (short, _folder) = a.short_path()?;
        let listening = UnixListener::bind(short)?;
        // The folder is private already; between the two lines nobody else gets in.
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Listener { listening, identity: identity(&path), path })
    }

    /// The next who connects. Cancel-safe.
    pub async fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        let (stream, _) = self.listening.accept().await?;
        let credentials = stream.peer_cred()?;
        let uid = credentials.uid();
        let peer = Peer {
            pid: credentials.pid().and_then(|pid| u32::try_from(pid).ok()),
            user: account::name_of(uid),
            may_order: uid == 0 || uid == rustix::process::geteuid().as_raw(),
        };
        Ok((Stream(stream), peer))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Not the one of a successor that was quick to come. Stale ones are removed by the next guard as well.
        if self.identity.is_some() && self.identity == identity(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Either end of a connection.
#[derive(Debug)]
pub struct Stream(UnixStream);

/// Connects. `NotFound`: nobody is there (no socket, or a stale one). A busy listener is tried for a second.
pub async fn connect(a: &Address) -> io::Result<Stream> {
    let mut tries = 0;
    let (short, _folder) = a.short_path()?;
    loop {
        let attempt = UnixStream::connect(&short).await;
        match attempt {
            Ok(stream) => return Ok(Stream(stream)),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return Err(io::Error::new(ErrorKind::NotFound, format!("nobody listens at {a}")));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && tries < BUSY_TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(BUSY_MS)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
