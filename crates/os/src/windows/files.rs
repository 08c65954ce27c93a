//! Private folders, replaced files, shared logs, locks.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_IO_PENDING, ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION,
    LocalFree,
};
use windows_sys::Win32::Security::Authorization::{GetNamedSecurityInfoW, SE_FILE_OBJECT};
use windows_sys::Win32::Security::{OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, CreateDirectoryW, FILE_FLAG_BACKUP_SEMANTICS, FILE_SHARE_DELETE, FILE_SHARE_READ,
    FILE_SHARE_WRITE, GetDiskFreeSpaceExW, GetFileInformationByHandle, LOCK_FILE_FLAGS, LOCKFILE_EXCLUSIVE_LOCK,
    LOCKFILE_FAIL_IMMEDIATELY, LockFileEx,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::security::{self, Descriptor, User};
use super::win32;

/// Everybody may read, write, rename and delete what we have open: log tools, virus scanners, backups.
const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// A scanner or backup holds a file for a moment: so long a replacement is tried, in steps that catch a short gap.
const REPLACE_LIMIT: Duration = Duration::from_secs(1);
const REPLACE_PAUSE: Duration = Duration::from_millis(1);

/// Makes a folder, with those above it, that only the system, administrators and we may enter. One that exists already
/// is taken if it belongs to one of these.
pub fn make_private_dir(path: &Path) -> io::Result<()> {
    make(path, Access::Private).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot make the private folder {}: {error}", path.display()))
    })
}

/// Makes a folder, with those above it, with the access rights of the folder it is made in; in ProgramData everybody may
/// read it, but only the system, administrators and we may change anything.
pub fn make_dir(path: &Path) -> io::Result<()> {
    make(path, Access::Inherited)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot make the folder {}: {error}", path.display())))
}

/// Who may do what in a new folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// As in the folder above.
    Inherited,
    /// Everybody may read, only the system, administrators and we may change anything. Everything we make in ProgramData
    /// is at most that open: what a folder inherits there lets every user put files into it.
    Readable,
    /// The system, administrators and we.
    Private,
}

fn make(path: &Path, access: Access) -> io::Result<()> {
    let data = program_data();
    if path.is_dir() {
        // Everybody may make folders in ProgramData, so a stranger might have been there first.
        let exposed = access == Access::Private || path.parent() == Some(&data);
        return if exposed { check_owner(path) } else { Ok(()) };
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make(parent, Access::Inherited)?;
    }
    let access = if access == Access::Inherited && path.starts_with(&data) { Access::Readable } else { access };
    let sddl = match access {
        Access::Inherited => None,
        // 0x1200a9: read and execute, as FILE_GENERIC_READ | FILE_GENERIC_EXECUTE.
        Access::Readable => Some(security::private_sddl("OICI")? + "(A;OICI;0x1200a9;;;BU)"),
        Access::Private => Some(security::private_sddl("OICI")?),
    };
    match create_folder(path, sddl.as_deref()) {
        // Somebody was faster: theirs is looked at as one that was there before.
        Err(error) if win32::is(&error, ERROR_ALREADY_EXISTS) && path.is_dir() => make(path, access),
        answer => answer,
    }
}

fn create_folder(path: &Path, sddl: Option<&str>) -> io::Result<()> {
    let name = win32::wide_path(path)?;
    let access = sddl.map(Descriptor::new).transpose()?;
    let attributes = access.as_ref().map(Descriptor::attributes);
    let attributes = attributes.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the name ends with a NUL; the attributes and their descriptor live during the call.
    win32::check(unsafe { CreateDirectoryW(name.as_ptr(), attributes) })
}

fn program_data() -> PathBuf {
    std::env::var_os("ProgramData").map_or_else(|| PathBuf::from(r"C:\ProgramData"), PathBuf::from)
}

/// The system, the administrators, TrustedInstaller or we must be its owner.
fn check_owner(path: &Path) -> io::Result<()> {
    const TRUSTED: [&str; 3] =
        ["S-1-5-18", "S-1-5-32-544", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"];
    let owner = owner(path)?;
    if TRUSTED.contains(&owner.as_str()) || owner == User::own()?.sid_text()? {
        return Ok(());
    }
    let text = format!("{} exists and belongs to another account ({owner}); remove it or take it over", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn owner(path: &Path) -> io::Result<String> {
    let name = win32::wide_path(path)?;
    let mut owner: PSID = ptr::null_mut();
    let mut descriptor: PSECURITY_DESCRIPTOR = ptr::null_mut();
    // SAFETY: the name ends with a NUL, the results live; the owner points into the descriptor.
    unsafe {
        let code = GetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &raw mut owner,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut descriptor,
        );
        if code != 0 {
            return Err(win32::error(code));
        }
        let text = security::sid_text(owner);
        LocalFree(descriptor);
        text
    }
}

/// Replaces a file's contents whole: whoever reads it sees the old or the new, also after a power cut. Waits up to a
/// second for somebody who has it open without sharing.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = beside(path);
    let done = write_whole(&fresh, bytes).and_then(|()| move_over(&fresh, path));
    if done.is_err() {
        // Nothing to do about a leftover; the next replacement writes over it.
        let _ = std::fs::remove_file(&fresh);
    }
    done.map_err(|error| io::Error::new(error.kind(), format!("cannot replace {}: {error}", path.display())))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    PathBuf::from(name)
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The standard library's rename replaces the target even while others have it open with FILE_SHARE_DELETE (POSIX
/// semantics, NTFS since Windows 10 1607). Elsewhere, and in Wine, an open target is in the way until it is closed.
/// ReplaceFileW could do it there too, but for a moment there would be no file.
fn move_over(from: &Path, to: &Path) -> io::Result<()> {
    let begin = Instant::now();
    loop {
        match std::fs::rename(from, to) {
            Err(error) if is_held(&error) && !to.is_dir() && begin.elapsed() < REPLACE_LIMIT => {
                win32::pause(REPLACE_PAUSE);
            }
            answer => return answer,
        }
    }
}

/// Somebody has it open without FILE_SHARE_DELETE, or it is about to be deleted.
fn is_held(error: &io::Error) -> bool {
    [ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION].iter().any(|&code| win32::is(error, code))
}

/// Opens a log to write at its end, made if it is missing. It may be moved away or deleted while open.
pub fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).share_mode(SHARE_ALL).open(path)
}

/// Opens a file that others write, move or delete meanwhile.
pub fn open_read(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).share_mode(SHARE_ALL).open(path)
}

/// Bytes of this folder's disk that we may still fill, quotas counted: GetDiskFreeSpaceExW.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let path = win32::wide_path(folder)?;
    let mut free = 0;
    // SAFETY: the path ends with a NUL, the result lives, the other two are not wanted.
    win32::check(unsafe { GetDiskFreeSpaceExW(path.as_ptr(), &raw mut free, ptr::null_mut(), ptr::null_mut()) })?;
    Ok(free)
}

/// Whether the path still leads to this very file.
pub fn same_file(file: &File, path: &Path) -> bool {
    // No access at all is enough to ask what it is, and disturbs nobody.
    let there =
        OpenOptions::new().access_mode(0).share_mode(SHARE_ALL).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path);
    match (identity(file), there.and_then(|there| identity(&there))) {
        (Ok((our_volume, our_index)), Ok((their_volume, their_index))) => {
            // Wine forgets a renamed file's volume: 0.
            our_index == their_index && (our_volume == their_volume || our_volume == 0)
        }
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    }
}

/// Volume and index: "the identifier and the volume serial number uniquely identify a file on a single computer".
fn identity(file: &File) -> io::Result<(u32, (u32, u32))> {
    let mut facts = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, the result lives.
    win32::check(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut facts) })?;
    Ok((facts.dwVolumeSerialNumber, (facts.nFileIndexHigh, facts.nFileIndexLow)))
}

/// A lock that the system takes back when its holder dies, with a note for people that everybody can read.
///
/// Two bytes far behind any text are locked, so that the text stays readable ("LockFileEx function": a locked range can't
/// be read by others, and may lie beyond the end of the file). The first is the lock itself; nobody touches it who does
/// not want to have it. The second says "the note is written", and is what those try who only ask.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The two bytes' distance from the place 2^62 in the file.
const OWNED: u32 = 0;
const NOTED: u32 = 1;

/// Somebody who only asks holds the second byte for an instant.
const NOTED_LIMIT: Duration = Duration::from_secs(1);
const NOTED_PAUSE: Duration = Duration::from_millis(1);

impl Lock {
    /// None: somebody else has it.
    pub fn acquire(path: &Path, note: &str) -> io::Result<Option<Lock>> {
        acquire(path, note)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot lock {}: {error}", path.display())))
    }
}

fn acquire(path: &Path, note: &str) -> io::Result<Option<Lock>> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).share_mode(SHARE_ALL).open(path)?;
    if !try_lock(&file, OWNED, LOCKFILE_EXCLUSIVE_LOCK)? {
        return Ok(None);
    }
    file.set_len(0)?;
    file.write_all(note.as_bytes())?;
    let begin = Instant::now();
    while !try_lock(&file, NOTED, LOCKFILE_EXCLUSIVE_LOCK)? {
        if begin.elapsed() >= NOTED_LIMIT {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "another program holds on to its second byte"));
        }
        win32::pause(NOTED_PAUSE);
    }
    Ok(Some(Lock { _file: file }))
}

/// The holder's note; None when nobody holds the lock.
pub fn lock_note(path: &Path) -> io::Result<Option<String>> {
    let mut file = match open_read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Shared, so that two who ask don't take each other for a holder.
    if try_lock(&file, NOTED, 0)? {
        return Ok(None);
    }
    let mut note = String::new();
    file.read_to_string(&mut note)?;
    Ok(Some(note))
}

/// Locks one of the two bytes; the lock ends with the handle.
fn try_lock(file: &File, byte: u32, kind: LOCK_FILE_FLAGS) -> io::Result<bool> {
    let mut place = OVERLAPPED::default();
    place.Anonymous.Anonymous.OffsetHigh = 0x4000_0000;
    place.Anonymous.Anonymous.Offset = byte;
    // SAFETY: the handle is open and synchronous, so `place` is only used during the call.
    let done = unsafe { LockFileEx(file.as_raw_handle(), kind | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &raw mut place) };
    match win32::check(done) {
        Ok(()) => Ok(true),
        Err(error) if win32::is(&error, ERROR_LOCK_VIOLATION) || win32::is(&error, ERROR_IO_PENDING) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_in_program_data_is_ours_and_may_exist() {
        let top = program_data().join(format!("mainstay-test-{}", std::process::id()));
        let (logs, state) = (top.join("logs").join("payment"), top.join("state"));
        for _ in 0..2 {
            make_dir(&logs).unwrap();
            make_private_dir(&state).unwrap();
        }
        check_owner(&top).unwrap();
        std::fs::write(logs.join("file"), "we may write").unwrap();
        std::fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_said() {
        let file = std::env::temp_dir().join(format!("mainstay-test-file-{}", std::process::id()));
        std::fs::write(&file, "").unwrap();
        let error = make_private_dir(&file.join("below")).unwrap_err().to_string();
        assert!(error.starts_with("cannot make the private folder "), "{error}");
        std::fs::remove_file(&file).unwrap();
    }
}
