//! Accounts and access lists: who we are, who they are, who may touch what we make.
//!
//! Access lists are written in SDDL (Microsoft: "Security Descriptor String Format").

use std::io;
use std::mem::transmute;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_NONE_MAPPED, ERROR_SUCCESS, HANDLE, LocalFree, NTSTATUS};
use windows_sys::Win32::Security::Authentication::Identity::{
    LSA_HANDLE, LSA_OBJECT_ATTRIBUTES, LSA_UNICODE_STRING, LsaAddAccountRights, LsaClose, LsaOpenPolicy,
    POLICY_CREATE_ACCOUNT, POLICY_LOOKUP_NAMES,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, ConvertStringSidToSidW,
    EXPLICIT_ACCESS_W, GRANT_ACCESS, GetNamedSecurityInfoW, NO_MULTIPLE_TRUSTEE, SDDL_REVISION_1, SE_FILE_OBJECT,
    SetEntriesInAclW, SetNamedSecurityInfoW, TRUSTEE_IS_SID, TRUSTEE_IS_UNKNOWN, TRUSTEE_W,
};
use windows_sys::Win32::Security::{
    ACE_FLAGS, ACL, AdjustTokenPrivileges, CONTAINER_INHERIT_ACE, CheckTokenMembership, CopySid, CreateWellKnownSid,
    DACL_SECURITY_INFORMATION, GetTokenInformation, LookupAccountNameW, LookupAccountSidW, LookupPrivilegeValueW,
    NO_INHERITANCE, OBJECT_INHERIT_ACE, PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
    SE_PRIVILEGE_ENABLED, SECURITY_ATTRIBUTES, SID_NAME_USE, TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY,
    TOKEN_USER, TokenUser, WinBuiltinAdministratorsSid,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows_sys::core::PCWSTR;

use super::library::{Function, Library};
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

/// An account, by what the system calls it.
#[derive(Debug, Clone)]
pub(super) struct Sid([u32; SID_WORDS]);

impl Sid {
    /// `S-1-5-…`
    pub(super) fn from_text(text: &str) -> io::Result<Sid> {
        let units = win32::wide(text)?;
        let mut made: PSID = ptr::null_mut();
        // SAFETY: the text ends with a NUL, the result lives.
        win32::check(unsafe { ConvertStringSidToSidW(units.as_ptr(), &raw mut made) })?;
        let mut sid = Sid([0; SID_WORDS]);
        // SAFETY: the call succeeded: a valid SID, to be freed with LocalFree; any SID fits into ours.
        unsafe {
            let done = win32::check(CopySid(size_of_val(&sid.0) as u32, sid.0.as_mut_ptr().cast(), made));
            LocalFree(made);
            done?;
        }
        Ok(sid)
    }

    /// Of an account that exists. `NotFound`: there is none. May ask a domain controller.
    pub(super) fn of_name(name: &str) -> io::Result<Sid> {
        let units = win32::wide(name)?;
        let mut sid = Sid([0; SID_WORDS]);
        let mut size = size_of_val(&sid.0) as u32;
        let mut domain = [0_u16; 260];
        let mut domain_length = domain.len() as u32;
        let mut kind: SID_NAME_USE = 0;
        // SAFETY: the name ends with a NUL, the buffers have the sizes given.
        let done = win32::check(unsafe {
            LookupAccountNameW(
                ptr::null(),
                units.as_ptr(),
                sid.0.as_mut_ptr().cast(),
                &raw mut size,
                domain.as_mut_ptr(),
                &raw mut domain_length,
                &raw mut kind,
            )
        });
        match done {
            Err(error) if win32::is(&error, ERROR_NONE_MAPPED) => {
                Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no account named {name}")))
            }
            answer => answer.map(|()| sid),
        }
    }

    /// Of the account `NT SERVICE\name`, also before there is such a service: S-1-5-80 and the SHA-1 of the name in capitals
    /// (what `sc showsid` prints).
    pub(super) fn of_service(name: &str) -> io::Result<Sid> {
        let capitals: Vec<u8> = name.encode_utf16().map(capital).flat_map(u16::to_le_bytes).collect();
        let text = sha1(&capitals)?.iter().fold("S-1-5-80".to_owned(), |text, word| format!("{text}-{word}"));
        Sid::from_text(&text)
    }

    fn as_psid(&self) -> PSID {
        self.0.as_ptr().cast_mut().cast()
    }
}

/// As the system's own table has it for one UTF-16 unit; a letter whose capital is longer stays as it is.
fn capital(unit: u16) -> u16 {
    let mut capitals = char::from_u32(u32::from(unit)).into_iter().flat_map(char::to_uppercase);
    match (capitals.next(), capitals.next()) {
        (Some(one), None) => u16::try_from(u32::from(one)).unwrap_or(unit),
        (Some(_) | None, _) => unit,
    }
}

/// Five words, as a SID takes them. bcrypt is loaded for the command line alone, which makes accounts.
fn sha1(bytes: &[u8]) -> io::Result<[u32; 5]> {
    type Hash = unsafe extern "system" fn(usize, *const u8, u32, *const u8, u32, *mut u8, u32) -> NTSTATUS;
    /// `BCRYPT_SHA1_ALG_HANDLE` of bcrypt.h.
    const SHA1: usize = 0x31;
    let function = Library::load("bcrypt.dll")?.function(c"BCryptHash")?;
    // SAFETY: the type is that of the function's page.
    let hash = unsafe { transmute::<Function, Hash>(function) };
    let mut words = [0_u32; 5];
    // SAFETY: both buffers have the sizes given; there is no key.
    win32::check_status(unsafe {
        let size = size_of_val(&words) as u32;
        hash(SHA1, ptr::null(), 0, bytes.as_ptr(), bytes.len() as u32, words.as_mut_ptr().cast(), size)
    })?;
    Ok(words)
}

/// Gives an account one of the rights of LSA policy.
pub(super) fn grant_right(account: &Sid, right: &str) -> io::Result<()> {
    let mut units: Vec<u16> = right.encode_utf16().collect();
    let bytes = size_of_val(units.as_slice()) as u16;
    let right = LSA_UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: units.as_mut_ptr() };
    let attributes = LSA_OBJECT_ATTRIBUTES::default();
    let access = (POLICY_CREATE_ACCOUNT | POLICY_LOOKUP_NAMES).cast_unsigned();
    let mut policy: LSA_HANDLE = 0;
    // SAFETY: everything pointed to lives during the calls; the handle is closed once.
    let status = unsafe {
        win32::check_status(LsaOpenPolicy(ptr::null(), &raw const attributes, access, &raw mut policy))?;
        let status = LsaAddAccountRights(policy, account.as_psid(), &raw const right, 1);
        LsaClose(policy);
        status
    };
    win32::check_status(status)
}

/// Switches a privilege of ours on; it must be in our token.
pub(super) fn enable_privilege(name: PCWSTR) -> io::Result<()> {
    let mut token: HANDLE = ptr::null_mut();
    // SAFETY: the pseudo handle of this process is always valid, the result lives.
    win32::check(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &raw mut token) })?;
    // SAFETY: the call succeeded and gave us the handle.
    let token: OwnedHandle = unsafe { win32::own(token) }?;
    let mut wanted = TOKEN_PRIVILEGES { PrivilegeCount: 1, ..TOKEN_PRIVILEGES::default() };
    wanted.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    // SAFETY: the name is a constant with a NUL; the structure holds one privilege, as it says.
    win32::check(unsafe { LookupPrivilegeValueW(ptr::null(), name, &raw mut wanted.Privileges[0].Luid) })?;
    // SAFETY: as above.
    win32::check(unsafe {
        AdjustTokenPrivileges(token.as_raw_handle(), 0, &raw const wanted, 0, ptr::null_mut(), ptr::null_mut())
    })
}

/// Adds the right to change all in this folder to its access list, with all rights for the system and administrators, and
/// cuts it off from the folder above.
pub(super) fn let_modify(path: &Path, account: &Sid) -> io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    grant(path, account, MODIFY)
}

/// The same for one file, and not more than that.
pub(super) fn let_modify_file(path: &Path, account: &Sid) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    grant(path, account, MODIFY)
}

/// The right to read a folder and all in it.
pub(super) fn let_read(path: &Path, account: &Sid) -> io::Result<()> {
    grant(path, account, READ)
}

fn grant(path: &Path, account: &Sid, rights: u32) -> io::Result<()> {
    let name = win32::wide_path(path)?;
    // On a file these flags would say nothing.
    let inheritance =
        if std::fs::metadata(path)?.is_dir() { CONTAINER_INHERIT_ACE | OBJECT_INHERIT_ACE } else { NO_INHERITANCE };
    let (mut before, mut descriptor) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the name ends with a NUL; the results live; `before` points into the descriptor, which is freed after its use.
    unsafe {
        code(GetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION,
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut before,
            ptr::null_mut(),
            &raw mut descriptor,
        ))?;
        let after = AccessList::with(before, account, rights, inheritance);
        LocalFree(descriptor);
        code(SetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
            ptr::null_mut(),
            ptr::null_mut(),
            after?.0,
            ptr::null(),
        ))
    }
}

/// An access list that was made for us.
struct AccessList(*mut ACL);

impl AccessList {
    /// The list before, with these rights for an account, and all rights for the system and administrators.
    ///
    /// # Safety
    /// `before` is null or a valid list.
    unsafe fn with(before: *const ACL, account: &Sid, rights: u32, inheritance: ACE_FLAGS) -> io::Result<AccessList> {
        let (system, administrators) = (Sid::from_text("S-1-5-18")?, Sid::from_text("S-1-5-32-544")?);
        let entries = [(account, rights), (&system, FILE_ALL_ACCESS), (&administrators, FILE_ALL_ACCESS)]
            .map(|(sid, rights)| entry(sid, rights, inheritance));
        let mut after = ptr::null_mut();
        // SAFETY: the caller vouches for the list; the SIDs outlive the entries; the result is ours.
        code(unsafe { SetEntriesInAclW(entries.len() as u32, entries.as_ptr(), before, &raw mut after) })?;
        Ok(AccessList(after))
    }
}

impl Drop for AccessList {
    fn drop(&mut self) {
        // SAFETY: made by SetEntriesInAclW, to be freed with LocalFree.
        unsafe { LocalFree(self.0.cast()) };
    }
}

/// Read, write, execute and delete, but not the access list itself: what the Explorer calls "Modify".
const MODIFY: u32 = FILE_GENERIC_READ | FILE_GENERIC_WRITE | FILE_GENERIC_EXECUTE | DELETE;

/// To look, not to change.
const READ: u32 = FILE_GENERIC_READ | FILE_GENERIC_EXECUTE;

/// Points to the SID.
fn entry(account: &Sid, rights: u32, inheritance: ACE_FLAGS) -> EXPLICIT_ACCESS_W {
    EXPLICIT_ACCESS_W {
        grfAccessPermissions: rights,
        grfAccessMode: GRANT_ACCESS,
        grfInheritance: inheritance,
        Trustee: TRUSTEE_W {
            pMultipleTrustee: ptr::null_mut(),
            MultipleTrusteeOperation: NO_MULTIPLE_TRUSTEE,
            TrusteeForm: TRUSTEE_IS_SID,
            TrusteeType: TRUSTEE_IS_UNKNOWN,
            ptstrName: account.as_psid().cast(),
        },
    }
}

fn code(answer: u32) -> io::Result<()> {
    if answer == ERROR_SUCCESS { Ok(()) } else { Err(win32::error(answer)) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use windows_sys::Win32::Security::Authorization::ConvertSecurityDescriptorToStringSecurityDescriptorW;
    use windows_sys::Win32::Security::{
        GetSecurityDescriptorDacl, InitializeSecurityDescriptor, SECURITY_DESCRIPTOR, SetSecurityDescriptorDacl,
    };

    fn sddl(descriptor: PSECURITY_DESCRIPTOR) -> String {
        let mut text: *mut u16 = ptr::null_mut();
        // SAFETY: the descriptor is valid, the result lives and is freed with LocalFree.
        unsafe {
            win32::check(ConvertSecurityDescriptorToStringSecurityDescriptorW(
                descriptor,
                SDDL_REVISION_1,
                DACL_SECURITY_INFORMATION,
                &raw mut text,
                ptr::null_mut(),
            ))
            .unwrap();
            let answer = win32::text_at(text).to_string_lossy().into_owned();
            LocalFree(text.cast());
            answer
        }
    }

    fn sddl_of(path: &Path) -> String {
        let name = win32::wide_path(path).unwrap();
        let mut descriptor = ptr::null_mut();
        // SAFETY: the name ends with a NUL, the result lives and is freed with LocalFree.
        unsafe {
            let answer = GetNamedSecurityInfoW(
                name.as_ptr(),
                SE_FILE_OBJECT,
                DACL_SECURITY_INFORMATION,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut descriptor,
            );
            code(answer).unwrap();
            let text = sddl(descriptor);
            LocalFree(descriptor);
            text
        }
    }

    fn payment() -> (Sid, String) {
        let account = Sid::of_service("payment").unwrap();
        // SAFETY: valid.
        let text = unsafe { sid_text(account.as_psid()) }.unwrap();
        (account, text)
    }

    #[test]
    fn an_account_is_added_to_an_access_list_and_all_others_stay() {
        let (account, text) = payment();
        let before = Descriptor::new("D:(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)").unwrap();
        let mut descriptor = SECURITY_DESCRIPTOR::default();
        let (mut there, mut dacl, mut by_default) = (0, ptr::null_mut(), 0);
        // SAFETY: everything lives during the calls; the list is freed after its use.
        let after = unsafe {
            let descriptor: PSECURITY_DESCRIPTOR = (&raw mut descriptor).cast();
            win32::check(GetSecurityDescriptorDacl(before.0, &raw mut there, &raw mut dacl, &raw mut by_default))
                .unwrap();
            let list = AccessList::with(dacl, &account, MODIFY, CONTAINER_INHERIT_ACE | OBJECT_INHERIT_ACE).unwrap();
            win32::check(InitializeSecurityDescriptor(descriptor, 1)).unwrap();
            win32::check(SetSecurityDescriptorDacl(descriptor, 1, list.0, 0)).unwrap();
            sddl(descriptor)
        };
        let modify = format!("(A;OICI;0x1301bf;;;{text})");
        for ace in ["(A;OICI;FA;;;SY)", "(A;OICI;FA;;;BA)", "(A;OICI;0x1200a9;;;BU)", &modify] {
            assert!(after.contains(ace), "{ace} in {after}");
        }
        let reads = entry(&account, READ, NO_INHERITANCE);
        assert_eq!((reads.grfAccessPermissions, reads.grfInheritance), (0x1200a9, 0), "of one file, to look at");
    }

    /// Microsoft: "TrustedInstaller", whose SID is in every access list of the system's files.
    #[test]
    fn a_services_account_has_the_sid_that_windows_gives_it() {
        let sid = Sid::of_service("TrustedInstaller").unwrap();
        // SAFETY: valid.
        let text = unsafe { sid_text(sid.as_psid()) }.unwrap();
        assert_eq!(text, "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464");
        assert_eq!(Sid::of_service("trustedinstaller").unwrap().0, sid.0);
        assert_ne!(Sid::of_service("web@1").unwrap().0, Sid::of_service("web").unwrap().0);
        assert_eq!(("äßÿ1@".encode_utf16().map(capital).collect::<Vec<_>>()), [0xC4, 0xDF, 0x178, 0x31, 0x40]);
    }

    #[test]
    fn a_folder_given_to_an_account_keeps_the_system_and_administrators() {
        let folder = std::env::temp_dir().join(format!("mainstay-test-own-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let (account, account_text) = payment();
        let inside = folder.join("inside");
        for _ in 0..2 {
            let_modify(&folder, &account).unwrap();
            let sddl = sddl_of(&folder);
            // Wine keeps of a folder's list what fits into the mode bits of Unix.
            if std::env::var_os("WINEPREFIX").is_none() {
                assert!(sddl.starts_with("D:P"), "{sddl}");
                for who in [";;;SY)", ";;;BA)", &format!(";;;{account_text})")] {
                    assert!(sddl.contains(who), "{who} in {sddl}");
                }
            }
        }
        std::fs::write(&inside, "we may write").unwrap();
        assert!(let_modify(&inside, &account).is_err(), "no folder");
        assert!(let_modify_file(&folder, &account).is_err(), "no file");
        let reader = Sid::of_service("reader").unwrap();
        let_read(&folder, &reader).unwrap();
        let_modify_file(&inside, &reader).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_privilege_that_everybody_has_can_be_switched_on() {
        enable_privilege(windows_sys::Win32::Security::SE_CHANGE_NOTIFY_NAME).unwrap();
    }
}
