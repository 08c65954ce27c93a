//! Files by open(2), rename(2), fsync(2); locks by fcntl(2) on the open file description.
//!
//! Locks are `F_OFD_SETLK` and not flock(2): only they can be *asked about* (`F_OFD_GETLK`) without being taken, so that
//! `mainstay status` can't make a guard that starts at that moment believe the service has one already.
#![expect(unsafe_code, reason = "rustix has no open-file-description locks")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes a folder only its owner may look into (0700), and missing parents with the default mode. One that exists
/// keeps its mode.
pub fn make_private_dir(p: &Path) -> io::Result<()> {
    if let Some(parent) = p.parent() {
        make_dir(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(p) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && p.is_dir() => Ok(()),
        other => other,
    }
}

/// Makes a folder and missing parents with the default mode.
pub fn make_dir(p: &Path) -> io::Result<()> {
    if p.as_os_str().is_empty() { Ok(()) } else { fs::create_dir_all(p) }
}

/// Replaces a file whole: a reader, or we after a power cut, see the old bytes or the new ones. The mode of the old
/// file is kept.
pub fn replace(p: &Path, bytes: &[u8]) -> io::Result<()> {
    let mode = fs::metadata(p).ok().map(|old| old.permissions().mode() & 0o7777);
    let new = beside(p);
    let written = write_new(&new, bytes, mode).and_then(|()| fs::rename(&new, p));
    if let Err(error) = written {
        let _ = fs::remove_file(&new); // the first error is the one to tell
        return Err(error);
    }
    // The rename itself lives in the folder.
    let folder = p.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// A name nobody else uses: two may replace the same file at once, the later one wins.
pub(crate) fn beside(p: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = p.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    p.with_file_name(name)
}

fn write_new(p: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(p)?;
    if let Some(mode) = mode {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

/// For appending; made when missing. Everybody may read, rename or delete it meanwhile.
pub fn open_append(p: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(p)
}

/// For reading.
pub fn open_read(p: &Path) -> io::Result<File> {
    File::open(p)
}

/// Bytes of this folder's disk that we may still fill: statvfs(3), of a quota the system tells nothing here.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether the path still leads to this very file: not after it was renamed, deleted or replaced.
pub fn same_file(f: &File, p: &Path) -> bool {
    match (f.metadata(), fs::metadata(p)) {
        (Ok(open), Ok(named)) => open.dev() == named.dev() && open.ino() == named.ino(),
        _ => false,
    }
}

/// A lock that the kernel releases when we end, however we end.
#[derive(Debug)]
pub struct Lock {
    /// The lock is this open file description's.
    file: File,
}

impl Lock {
    /// `None`: somebody else has it. `note` (who we are) can be read by [`lock_note`] while it is held. The file stays
    /// after the end: removing it would let two hold a lock of the same name.
    pub fn acquire(p: &Path, note: &str) -> io::Result<Option<Lock>> {
        loop {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(p)?;
            let mut whole = whole_file();
            // SAFETY: the descriptor is open and the structure complete.
            if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut whole) } != 0 {
                let error = io::Error::last_os_error();
                return match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::EACCES) => Ok(None),
                    _ => Err(error),
                };
            }
            if !same_file(&file, p) {
                continue; // somebody deleted the file while we locked it: a newcomer would lock another one
            }
            file.set_len(0)?;
            file.write_all(note.as_bytes())?;
            return Ok(Some(Lock { file }));
        }
    }
}

impl Drop for Lock {
    /// Closing is not enough at once: a child that is just being made holds the same description until its exec.
    fn drop(&mut self) {
        let mut whole = libc::flock { l_type: libc::F_UNLCK as libc::c_short, ..whole_file() };
        // SAFETY: as in `acquire`. It can't fail on an open file; if it did, closing releases it a moment later.
        unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut whole) };
    }
}

/// The note of who holds the lock; `None` when nobody does.
pub fn lock_note(p: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(p) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut asked = whole_file();
    // SAFETY: as in `acquire`; it only asks and fills in the structure.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut asked) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if asked.l_type == libc::F_UNLCK as libc::c_short {
        return Ok(None);
    }
    let mut note = Vec::new();
    file.read_to_end(&mut note)?;
    Ok(Some(String::from_utf8_lossy(&note).into_owned()))
}

/// A write lock from 0 to the end, however far. `l_pid` must be 0 for these locks.
fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
