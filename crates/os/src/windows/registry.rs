//! The few registry calls that are needed, all below HKEY_LOCAL_MACHINE.

use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS, ERROR_SUCCESS};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_LOCAL_MACHINE, KEY_READ, KEY_WRITE, REG_DWORD, REG_EXPAND_SZ, REG_OPTION_NON_VOLATILE, RRF_RT_REG_SZ,
    RegCloseKey, RegCreateKeyExW, RegDeleteTreeW, RegEnumKeyExW, RegGetValueW, RegOpenKeyExW, RegQueryValueExW,
    RegSetValueExW,
};

use super::win32;

/// "Key name: 255 characters" (Microsoft: "Registry Element Size Limits"), and a NUL.
const NAME_UNITS: usize = 256;

/// An open key.
#[derive(Debug)]
pub(super) struct Key(HKEY);

impl Key {
    /// None: there is no such key.
    pub(super) fn open(path: &str) -> io::Result<Option<Key>> {
        let path = win32::wide(path)?;
        let mut key: HKEY = ptr::null_mut();
        // SAFETY: the path ends with a NUL, the result lives.
        match unsafe { RegOpenKeyExW(HKEY_LOCAL_MACHINE, path.as_ptr(), 0, KEY_READ, &raw mut key) } {
            ERROR_SUCCESS => Ok(Some(Key(key))),
            ERROR_FILE_NOT_FOUND => Ok(None),
            code => Err(win32::error(code)),
        }
    }

    /// Opens it to write, made if it is missing.
    pub(super) fn create(path: &str) -> io::Result<Key> {
        let path = win32::wide(path)?;
        let mut key: HKEY = ptr::null_mut();
        // SAFETY: the path ends with a NUL, the result lives.
        let code = unsafe {
            RegCreateKeyExW(
                HKEY_LOCAL_MACHINE,
                path.as_ptr(),
                0,
                ptr::null(),
                REG_OPTION_NON_VOLATILE,
                KEY_READ | KEY_WRITE,
                ptr::null(),
                &raw mut key,
                ptr::null_mut(),
            )
        };
        answer(code)?;
        Ok(Key(key))
    }

    /// Deletes a key with all below it; fine when there is none.
    pub(super) fn delete(path: &str) -> io::Result<()> {
        let path = win32::wide(path)?;
        // SAFETY: the path ends with a NUL.
        match unsafe { RegDeleteTreeW(HKEY_LOCAL_MACHINE, path.as_ptr()) } {
            ERROR_FILE_NOT_FOUND => Ok(()),
            code => answer(code),
        }
    }

    /// The names of the keys directly below.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for index in 0.. {
            let mut name = [0_u16; NAME_UNITS];
            let mut length = name.len() as u32;
            // SAFETY: the buffer has the length given; the other results are not asked for.
            let code = unsafe {
                RegEnumKeyExW(
                    self.0,
                    index,
                    name.as_mut_ptr(),
                    &raw mut length,
                    ptr::null(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                )
            };
            match code {
                ERROR_SUCCESS => names.push(win32::text(&name).to_string_lossy().into_owned()),
                ERROR_NO_MORE_ITEMS => break,
                code => return Err(win32::error(code)),
            }
        }
        Ok(names)
    }

    /// A text value of the key `below` this one (empty: its own), with its variables (`%SystemRoot%`) filled in; None when
    /// there is no such text.
    pub(super) fn text(&self, below: &str, name: &str) -> Option<String> {
        let (below, name) = (win32::wide(below).ok()?, win32::wide(name).ok()?);
        let mut bytes = 0;
        // SAFETY: both names end with a NUL; without a buffer only the size is told.
        let code = unsafe {
            RegGetValueW(
                self.0,
                below.as_ptr(),
                name.as_ptr(),
                RRF_RT_REG_SZ,
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut bytes,
            )
        };
        answer(code).ok()?;
        // Room for growth: what the variables are filled in with counts only roughly.
        let mut units = vec![0_u16; bytes as usize];
        let mut bytes = size_of_val(units.as_slice()) as u32;
        // SAFETY: the buffer has the size given.
        let code = unsafe {
            RegGetValueW(
                self.0,
                below.as_ptr(),
                name.as_ptr(),
                RRF_RT_REG_SZ,
                ptr::null_mut(),
                units.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        answer(code).ok()?;
        Some(win32::text(&units).to_string_lossy().into_owned())
    }

    /// A text value as it stands there, without its NUL, and its type; `None`: there is no such value.
    pub(super) fn raw(&self, name: &str) -> io::Result<Option<(u32, Vec<u16>)>> {
        let name = win32::wide(name)?;
        let (mut kind, mut bytes) = (0, 0);
        loop {
            let mut units = vec![0_u16; (bytes as usize).div_ceil(size_of::<u16>())];
            bytes = size_of_val(units.as_slice()) as u32;
            // SAFETY: the name ends with a NUL, the buffer has the size given, the results live.
            let code = unsafe {
                RegQueryValueExW(
                    self.0,
                    name.as_ptr(),
                    ptr::null(),
                    &raw mut kind,
                    units.as_mut_ptr().cast(),
                    &raw mut bytes,
                )
            };
            match code {
                ERROR_FILE_NOT_FOUND => return Ok(None),
                ERROR_SUCCESS if bytes as usize <= size_of_val(units.as_slice()) => {
                    let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
                    units.truncate(end);
                    return Ok(Some((kind, units)));
                }
                // There is more than we had room for, or it has grown.
                ERROR_SUCCESS | ERROR_MORE_DATA => {}
                code => return Err(win32::error(code)),
            }
        }
    }

    /// Sets a text value with its type.
    pub(super) fn set_raw(&self, name: &str, kind: u32, units: &[u16]) -> io::Result<()> {
        let bytes: Vec<u8> = units.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()).collect();
        self.set(name, kind, &bytes)
    }

    pub(super) fn set_expandable(&self, name: &str, value: &str) -> io::Result<()> {
        let value = win32::wide(value)?;
        self.set(name, REG_EXPAND_SZ, &value.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>())
    }

    pub(super) fn set_number(&self, name: &str, value: u32) -> io::Result<()> {
        self.set(name, REG_DWORD, &value.to_le_bytes())
    }

    fn set(&self, name: &str, kind: u32, bytes: &[u8]) -> io::Result<()> {
        let name = win32::wide(name)?;
        // SAFETY: the name ends with a NUL, the bytes have the length given.
        answer(unsafe { RegSetValueExW(self.0, name.as_ptr(), 0, kind, bytes.as_ptr(), bytes.len() as u32) })
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: our own key, closed once.
        unsafe { RegCloseKey(self.0) };
    }
}

fn answer(code: u32) -> io::Result<()> {
    if code == ERROR_SUCCESS { Ok(()) } else { Err(win32::error(code)) }
}
