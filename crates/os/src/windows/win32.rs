//! Small safe pieces of Win32 that several facilities need: wide strings, long paths, owned handles, errors.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::path::{Component, Path, Prefix};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    HANDLE, INVALID_HANDLE_VALUE, NTSTATUS, RtlNtStatusToDosError, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::WaitForSingleObject;
use windows_sys::core::BOOL;

/// From this many UTF-16 units on (the NUL included) a path is passed in its `\\?\` form. `MAX_PATH` is 260, and
/// folders must leave room for an 8.3 name (Microsoft: "Maximum Path Length Limitation").
const LONG_PATH_FROM: usize = 247;

/// A NUL-terminated UTF-16 string; refuses a NUL inside, which Win32 would silently cut at.
pub(crate) fn wide(text: impl AsRef<OsStr>) -> io::Result<Vec<u16>> {
    let mut units: Vec<u16> = text.as_ref().encode_wide().collect();
    if units.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a NUL character inside"));
    }
    units.push(0);
    Ok(units)
}

/// A path for Win32, in its `\\?\` form when it is long.
pub(crate) fn wide_path(path: &Path) -> io::Result<Vec<u16>> {
    wide(extended(path))
}

/// The `\\?\` form of a long absolute path; every other path as it is (Microsoft: "Naming Files, Paths, and
/// Namespaces"). In that form the system takes the rest literally, so `.`, `..` and `/` are resolved here.
pub(crate) fn extended(path: &Path) -> OsString {
    let plain = path.as_os_str();
    if plain.encode_wide().count() + 1 < LONG_PATH_FROM || !path.is_absolute() {
        return plain.to_os_string();
    }
    let mut components = path.components();
    let mut long = OsString::from(r"\\?\");
    match components.next() {
        Some(Component::Prefix(prefix)) => match prefix.kind() {
            Prefix::Disk(_) => long.push(prefix.as_os_str()),
            Prefix::UNC(server, share) => {
                long.push(r"UNC\");
                long.push(server);
                long.push(r"\");
                long.push(share);
            }
            // Already in such a form, or a device.
            Prefix::Verbatim(_) | Prefix::VerbatimUNC(..) | Prefix::VerbatimDisk(_) | Prefix::DeviceNS(_) => {
                return plain.to_os_string();
            }
        },
        Some(Component::RootDir | Component::CurDir | Component::ParentDir | Component::Normal(_)) | None => {
            return plain.to_os_string();
        }
    }
    let mut parts: Vec<&OsStr> = Vec::new();
    for component in components {
        match component {
            Component::Normal(part) => parts.push(part),
            Component::ParentDir => {
                parts.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    if parts.is_empty() {
        long.push(r"\");
    }
    for part in parts {
        long.push(r"\");
        long.push(part);
    }
    long
}

/// The text of a UTF-16 buffer up to its NUL.
pub(crate) fn text(units: &[u16]) -> OsString {
    let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
    OsString::from_wide(units.get(..end).unwrap_or(units))
}

/// The NUL-terminated text at `start`.
///
/// # Safety
/// `start` is null or points to UTF-16 units that end with a NUL and live during the call.
pub(crate) unsafe fn text_at(start: *const u16) -> OsString {
    if start.is_null() {
        return OsString::new();
    }
    let mut length = 0;
    // SAFETY: the caller vouches for a NUL, and every unit before it lies in the same allocation.
    while unsafe { *start.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: just counted.
    OsString::from_wide(unsafe { std::slice::from_raw_parts(start, length) })
}

/// `Err` with the thread's last error when a Win32 call answered FALSE.
pub(crate) fn check(answer: BOOL) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The error of a call that returns its code instead of setting the thread's last error.
pub(crate) fn error(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// `Err` with the Win32 code of an NTSTATUS that is no success.
pub(crate) fn check_status(status: NTSTATUS) -> io::Result<()> {
    // SAFETY: a plain call.
    if status < 0 { Err(error(unsafe { RtlNtStatusToDosError(status) })) } else { Ok(()) }
}

/// Whether `error` is this Win32 code.
pub(crate) fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

/// Takes over a handle that a call just made; null and `INVALID_HANDLE_VALUE` mean that it failed.
///
/// # Safety
/// `handle` is the result of a call that gives its caller a handle of its own.
pub(crate) unsafe fn own(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: valid, and nobody else closes it: the caller vouches.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Waits for a handle; `true` when it was signalled in time.
pub(crate) fn wait(handle: BorrowedHandle<'_>, limit: Duration) -> io::Result<bool> {
    let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX - 1);
    // SAFETY: the handle is open for the length of the call.
    match unsafe { WaitForSingleObject(handle.as_raw_handle(), milliseconds) } {
        WAIT_OBJECT_0 => Ok(true),
        WAIT_TIMEOUT => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets a bounded retry wait where no event can be waited for: a scanner's hold on a file, the service manager.
#[expect(clippy::disallowed_methods, reason = "the system offers no event for these; every caller has a bound")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        assert_eq!(extended(Path::new(path)), OsString::from(expected), "{path}");
    }

    #[test]
    fn a_short_path_stays_as_it_is() {
        check(r"C:\a b\c.exe", r"C:\a b\c.exe");
        check(r"relative\c.exe", r"relative\c.exe");
        check(r"C:/a/../b", r"C:/a/../b");
    }

    #[test]
    fn a_long_path_gets_the_extended_form_with_its_dots_resolved() {
        let long = "x".repeat(240);
        check(&format!(r"C:\{long}\b.exe"), &format!(r"\\?\C:\{long}\b.exe"));
        check(&format!(r"C:/a/./{long}/../{long}\b.exe"), &format!(r"\\?\C:\a\{long}\b.exe"));
        check(&format!(r"\\server\share\{long}\b.exe"), &format!(r"\\?\UNC\server\share\{long}\b.exe"));
        check(&format!(r"\\?\C:\{long}\b.exe"), &format!(r"\\?\C:\{long}\b.exe"));
        check(&format!(r"C:\..\{long}\..\..\{long}"), &format!(r"\\?\C:\{long}"));
    }

    #[test]
    fn a_long_relative_path_is_left_to_its_caller() {
        let long = "x".repeat(300);
        check(&format!(r"{long}\b.exe"), &format!(r"{long}\b.exe"));
        check(&format!(r"\{long}"), &format!(r"\{long}"));
    }

    #[test]
    fn the_limit_counts_utf16_units() {
        let path = |units: usize| format!(r"C:\{}", "x".repeat(units - 3));
        check(&path(245), &path(245));
        check(&path(246), &format!(r"\\?\{}", path(246)));
        // One emoji is two units.
        let emoji = format!(r"C:\{}", "😀".repeat(122));
        check(&emoji, &format!(r"\\?\{emoji}"));
    }

    #[test]
    fn a_nul_inside_is_refused() {
        assert!(wide("a\0b").is_err());
        assert_eq!(wide("ab").ok(), Some(vec![97, 98, 0]));
    }
}
