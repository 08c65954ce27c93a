//! Accounts and access lists: who we are, who they are, who may touch what we make.
//!
//! Access lists are written in SDDL (Microsoft: "Security Descriptor String Format").

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    CheckTokenMembership, CreateWellKnownSid, GetTokenInformation, LookupAccountSidW, PSECURITY_DESCRIPTOR, PSID,
    SECURITY_ATTRIBUTES, SID_NAME_USE, TOKEN_QUERY, TOKEN_USER, TokenUser, WinBuiltinAdministratorsSid,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::win32;

/// The largest SID there is (SECURITY_MAX_SID_SIZE), in words.
const SID_WORDS: usize = 68 / size_of::<u32>();

/// The user of a token; the SID inside points into the buffer.
pub(super) struct User {
    buffer: Vec<usize>,
}

impl User {
    /// Ours.
    pub(super) fn own() -> io::Result<User> {
        // SAFETY: the pseudo handle of this process is always valid.
        User::of(unsafe { GetCurrentProcess() })
    }

    /// The one a process runs as.
    pub(super) fn of_process(process: BorrowedHandle<'_>) -> io::Result<User> {
        User::of(process.as_raw_handle())
    }

    fn of(process: HANDLE) -> io::Result<User> {
        let mut token: HANDLE = ptr::null_mut();
        // SAFETY: the process's handle is valid during the call, the result lives.
        win32::check(unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) })?;
        // SAFETY: the call succeeded and gave us the handle.
        let token: OwnedHandle = unsafe { win32::own(token) }?;
        // TOKEN_USER and the SID behind it.
        let mut buffer = vec![0_usize; size_of::<TOKEN_USER>().div_ceil(size_of::<usize>()) + SID_WORDS];
        let mut used = 0;
        // SAFETY: the buffer is aligned for TOKEN_USER and has the size given.
        win32::check(unsafe {
            GetTokenInformation(
                token.as_raw_handle(),
                TokenUser,
                buffer.as_mut_ptr().cast(),
                size_of_val(buffer.as_slice()) as u32,
                &raw mut used,
            )
        })?;
        Ok(User { buffer })
    }

    fn sid(&self) -> PSID {
        // SAFETY: filled with a TOKEN_USER by `of`.
        unsafe { (*self.buffer.as_ptr().cast::<TOKEN_USER>()).User.Sid }
    }

    /// `S-1-5-…`
    pub(super) fn sid_text(&self) -> io::Result<String> {
        // SAFETY: the SID is valid as long as `self`.
        unsafe { sid_text(self.sid()) }
    }

    /// `DOMAIN\name`, as people know it. May ask a domain controller.
    pub(super) fn name(&self) -> io::Result<String> {
        let (mut name, mut domain) = ([0_u16; 260], [0_u16; 260]);
        let (mut name_length, mut domain_length) = (name.len() as u32, domain.len() as u32);
        let mut kind: SID_NAME_USE = 0;
        // SAFETY: the SID is valid, the buffers have the lengths given.
        win32::check(unsafe {
            LookupAccountSidW(
                ptr::null(),
                self.sid(),
                name.as_mut_ptr(),
                &raw mut name_length,
                domain.as_mut_ptr(),
                &raw mut domain_length,
                &raw mut kind,
            )
        })?;
        let (name, domain) = (win32::text(&name), win32::text(&domain));
        Ok(if domain.is_empty() {
            name.display().to_string()
        } else {
            format!("{}\\{}", domain.display(), name.display())
        })
    }
}

/// # Safety
/// `sid` is a valid SID.
pub(super) unsafe fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text: *mut u16 = ptr::null_mut();
    // SAFETY: the caller vouches for the SID; the result lives.
    win32::check(unsafe { ConvertSidToStringSidW(sid, &raw mut text) })?;
    // SAFETY: the call succeeded: a NUL-terminated string, to be freed with LocalFree.
    unsafe {
        let answer = win32::text_at(text).to_string_lossy().into_owned();
        LocalFree(text.cast());
        Ok(answer)
    }
}

/// Whether our token has the administrators' rights now: not for a member who has not elevated.
pub(super) fn is_administrator() -> bool {
    let mut sid = [0_u32; SID_WORDS];
    let mut size = size_of_val(&sid) as u32;
    let mut member = 0;
    // SAFETY: the buffer can hold any SID; a null token is the caller's own.
    unsafe {
        CreateWellKnownSid(WinBuiltinAdministratorsSid, ptr::null_mut(), sid.as_mut_ptr().cast(), &raw mut size) != 0
            && CheckTokenMembership(ptr::null_mut(), sid.as_mut_ptr().cast(), &raw mut member) != 0
            && member != 0
    }
}

/// A security descriptor made from SDDL.
pub(super) struct Descriptor(PSECURITY_DESCRIPTOR);

// SAFETY: memory that nothing changes after it was made.
unsafe impl Send for Descriptor {}
// SAFETY: as above.
unsafe impl Sync for Descriptor {}

impl Descriptor {
    pub(super) fn new(sddl: &str) -> io::Result<Descriptor> {
        let units = win32::wide(sddl)?;
        let mut descriptor = ptr::null_mut();
        // SAFETY: the text ends with a NUL, the result lives.
        win32::check(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                units.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        })?;
        Ok(Descriptor(descriptor))
    }

    /// Not inheritable; points into `self`.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0,
            bInheritHandle: 0,
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: made by `new`, to be freed with LocalFree.
        unsafe { LocalFree(self.0) };
    }
}

/// Full rights for the system, the administrators and us; none for anybody else, and nothing inherited from above.
/// `flags`: `OICI` for a folder whose contents inherit it.
pub(super) fn private_sddl(flags: &str) -> io::Result<String> {
    let us = User::own()?.sid_text()?;
    Ok(format!("D:P(A;{flags};FA;;;SY)(A;{flags};FA;;;BA)(A;{flags};FA;;;{us})"))
}
