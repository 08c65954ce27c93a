//! Libraries that are loaded only where they are needed, or that not every Windows has.

use std::ffi::{CStr, OsStr};
use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW};

use super::win32;

/// Any function of a library, before it is known which.
pub(super) type Function = unsafe extern "system" fn() -> isize;

/// A library of the system's, never unloaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Library(HMODULE);

impl Library {
    pub(super) fn load(name: &str) -> io::Result<Library> {
        let name = win32::wide(OsStr::new(name))?;
        // SAFETY: the name ends with a NUL; only the system folder is searched.
        let library = unsafe { LoadLibraryExW(name.as_ptr(), ptr::null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32) };
        if library.is_null() { Err(io::Error::last_os_error()) } else { Ok(Library(library)) }
    }

    /// To be transmuted into a function pointer of the type on its page.
    pub(super) fn function(self, name: &CStr) -> io::Result<Function> {
        // SAFETY: the library is loaded for good; the name ends with a NUL.
        unsafe { GetProcAddress(self.0, name.as_ptr().cast()) }.ok_or_else(io::Error::last_os_error)
    }
}
