//! The settings of a service that the crate `windows-service` has no call for, or would copy a password for.
//!
//! Microsoft: "ChangeServiceConfigW function", "ChangeServiceConfig2W function".

use std::io;
use std::ptr;

use windows_service::service::Service;
use windows_sys::Win32::System::Services::{
    ChangeServiceConfig2W, ChangeServiceConfigW, QUERY_SERVICE_CONFIGW, QueryServiceConfigW, SC_HANDLE,
    SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, SERVICE_CONFIG_SERVICE_SID_INFO, SERVICE_NO_CHANGE,
    SERVICE_REQUIRED_PRIVILEGES_INFOW, SERVICE_SID_INFO, SERVICE_SID_TYPE_UNRESTRICTED,
};

use super::account::{self, Kind};
use super::win32;
use crate::account::Secret;
use crate::manager::Entry;

/// All that the token of a guard's account, and so of its program, keeps: passing through folders on the way to a file, and
/// names in `Global\`. Both are everybody's, or every service's; one that the account lacks would keep the service from
/// starting.
const PRIVILEGES: [&str; 2] = ["SeChangeNotifyPrivilege", "SeCreateGlobalPrivilege"];

/// What stands before the name of one of our services in [`Entry::after`].
const OURS: &str = "mainstay:";

/// "The maximum size is 8K bytes" (Microsoft: "QueryServiceConfigW function").
const CONFIG_WORDS: usize = 8 * 1024 / size_of::<usize>();

/// "The account password […] maximum length is 256" for services, generously.
const PASSWORD_UNITS_MAX: usize = 1024;

/// Sets the account, with its password if it has one, the dependencies and the display name.
pub(super) fn set(
    service: &Service,
    entry: &Entry,
    account: Option<&str>,
    password: Option<&Secret>,
) -> io::Result<()> {
    let dependencies = dependencies(entry)?;
    let display_name = win32::wide(if entry.display_name.is_empty() { &entry.name } else { &entry.display_name })?;
    let account = account.map(win32::wide).transpose()?;
    let mut password = password.map(secret_units).transpose()?;
    let pointer = |units: Option<&Vec<u16>>| units.map_or(ptr::null(), |units| units.as_ptr());
    // SAFETY: every text ends with a NUL (the dependencies with two) and lives during the call; null: no change.
    let done = win32::check(unsafe {
        ChangeServiceConfigW(
            handle(service),
            SERVICE_NO_CHANGE,
            SERVICE_NO_CHANGE,
            SERVICE_NO_CHANGE,
            ptr::null(),
            ptr::null(),
            ptr::null_mut(),
            dependencies.as_ptr(),
            pointer(account.as_ref()),
            pointer(password.as_ref()),
            display_name.as_ptr(),
        )
    });
    if let Some(units) = &mut password {
        wipe(units);
    }
    done
}

/// With all its room at once, so that growing leaves no copy behind.
fn secret_units(secret: &Secret) -> io::Result<Vec<u16>> {
    let mut units = Vec::with_capacity(PASSWORD_UNITS_MAX);
    for unit in secret.reveal().encode_utf16() {
        if unit == 0 || units.len() + 1 >= PASSWORD_UNITS_MAX {
            wipe(&mut units);
            let text = "the password has a NUL character, or is too long";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        units.push(unit);
    }
    units.push(0);
    Ok(units)
}

fn wipe(units: &mut [u16]) {
    units.fill(0);
    std::hint::black_box(units); // or the fill could be left out as dead
}

/// The account the service runs as now.
pub(super) fn account_of(service: &Service) -> io::Result<String> {
    let mut buffer = vec![0_usize; CONFIG_WORDS];
    let mut needed = 0;
    // SAFETY: the buffer is aligned for the structure and has the size given.
    win32::check(unsafe {
        QueryServiceConfigW(
            handle(service),
            buffer.as_mut_ptr().cast(),
            size_of_val(buffer.as_slice()) as u32,
            &raw mut needed,
        )
    })?;
    // SAFETY: the call succeeded: a structure whose texts end with a NUL inside the buffer, or are null.
    Ok(unsafe { win32::text_at((*buffer.as_ptr().cast::<QUERY_SERVICE_CONFIGW>()).lpServiceStartName) }
        .to_string_lossy()
        .into_owned())
}

/// Whether both names mean one account.
pub(super) fn same_account(left: &str, right: &str) -> bool {
    account::manager_name(left).eq_ignore_ascii_case(&account::manager_name(right))
}

/// Gives the service an identity of its own beside its account (`NT SERVICE\NAME`), for access lists.
pub(super) fn set_own_sid(service: &Service) -> io::Result<()> {
    let info = SERVICE_SID_INFO { dwServiceSidType: SERVICE_SID_TYPE_UNRESTRICTED };
    // SAFETY: the structure belongs to the level.
    win32::check(unsafe {
        ChangeServiceConfig2W(handle(service), SERVICE_CONFIG_SERVICE_SID_INFO, (&raw const info).cast())
    })
}

/// Takes all privileges but a few from a service that is not LocalSystem; that one gets all of its own back.
pub(super) fn set_privileges(service: &Service, account: &str) -> io::Result<()> {
    let mut units = match Kind::of(account) {
        Kind::LocalSystem => vec![0, 0],
        Kind::LocalService | Kind::NetworkService | Kind::Virtual | Kind::Managed | Kind::User => {
            texts(PRIVILEGES.iter().map(|&name| name.to_owned()))?
        }
    };
    let info = SERVICE_REQUIRED_PRIVILEGES_INFOW { pmszRequiredPrivileges: units.as_mut_ptr() };
    // SAFETY: the structure belongs to the level; its texts live during the call.
    win32::check(unsafe {
        ChangeServiceConfig2W(handle(service), SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, (&raw const info).cast())
    })
}

/// Services by the manager's names, groups with a `+` in front. Empty means none, where null would mean "as before".
fn dependencies(entry: &Entry) -> io::Result<Vec<u16>> {
    let services = entry.after.iter().map(|name| name.strip_prefix(OURS).unwrap_or(name).to_owned());
    let groups = entry.after_groups.iter().map(|group| format!("+{group}"));
    texts(services.chain(groups))
}

/// Each with a NUL, and one more.
fn texts(all: impl Iterator<Item = String>) -> io::Result<Vec<u16>> {
    let mut units = Vec::new();
    for text in all {
        units.extend(win32::wide(&text)?);
    }
    if units.is_empty() {
        units.push(0);
    }
    units.push(0);
    Ok(units)
}

fn handle(service: &Service) -> SC_HANDLE {
    service.raw_handle()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::Start;

    fn entry(after: &[&str], groups: &[&str]) -> Entry {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Entry {
            name: "web".to_owned(),
            display_name: String::new(),
            description: String::new(),
            binary: "x".into(),
            args: Vec::new(),
            start: Start::Manual,
            stop_limit: std::time::Duration::ZERO,
            account: None,
            after: owned(after),
            after_groups: owned(groups),
            remains: false,
        }
    }

    #[test]
    fn dependencies_are_the_managers_names_and_groups_have_a_plus() {
        let check = |after: &[&str], groups: &[&str], expected: &str| {
            let units = dependencies(&entry(after, groups)).unwrap();
            assert_eq!(String::from_utf16(&units).unwrap(), expected);
        };
        check(&[], &[], "\0\0");
        check(&["mainstay:db@1", "Tcpip"], &["NetworkProvider"], "db@1\0Tcpip\0+NetworkProvider\0\0");
        assert!(dependencies(&entry(&["a\0b"], &[])).is_err());
    }

    #[test]
    fn a_password_is_passed_whole_or_refused() {
        assert_eq!(secret_units(&Secret::new("ä1".to_owned())).unwrap(), [0xE4, 0x31, 0]);
        assert!(secret_units(&Secret::new("a\0b".to_owned())).is_err());
        assert!(secret_units(&Secret::new("x".repeat(PASSWORD_UNITS_MAX))).is_err());
    }

    #[test]
    fn one_account_has_several_names() {
        assert!(same_account(r"NT AUTHORITY\SYSTEM", "LocalSystem"));
        assert!(same_account("Bob", r".\bob"));
        assert!(!same_account(r"CORP\bob", r".\bob"));
    }
}
