//! Who we are, and the accounts that services run as.
//!
//! Microsoft: "Service User Accounts", "LookupAccountNameW function", "LsaAddAccountRights function". Accounts are named as
//! the service manager takes them: `LocalSystem`, `NT AUTHORITY\LocalService`, `NT SERVICE\NAME`, `.\user`, `DOMAIN\user`,
//! `user@domain`, `DOMAIN\gmsa$`.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::security::{self, Sid, User};

/// The right that a service's account must have.
const LOG_ON_AS_SERVICE: &str = "SeServiceLogonRight";

/// What kind of account a service runs as; decides about its password and its rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All rights.
    LocalSystem,
    LocalService,
    NetworkService,
    /// `NT SERVICE\NAME`: made up by the system for the service of this name.
    Virtual,
    /// `DOMAIN\name$`: a group managed service account, whose password the domain keeps.
    Managed,
    /// Somebody's, with a password.
    User,
}

impl Kind {
    pub(super) fn of(account: &str) -> Kind {
        let plain = account.to_ascii_lowercase();
        let short = plain.strip_prefix(r"nt authority\").unwrap_or(plain.strip_prefix(r".\").unwrap_or(&plain));
        let squeezed: String = short.chars().filter(|c| *c != ' ').collect();
        match squeezed.as_str() {
            "localsystem" => Kind::LocalSystem,
            "system" if plain != r".\system" => Kind::LocalSystem,
            "localservice" => Kind::LocalService,
            "networkservice" => Kind::NetworkService,
            _ if plain.starts_with(r"nt service\") => Kind::Virtual,
            _ if plain.ends_with('$') => Kind::Managed,
            _ => Kind::User,
        }
    }

    pub(super) fn has_password(self) -> bool {
        match self {
            Kind::User => true,
            Kind::LocalSystem | Kind::LocalService | Kind::NetworkService | Kind::Virtual | Kind::Managed => false,
        }
    }
}

/// The name as the service manager takes it: a plain user is one of this machine.
pub(super) fn manager_name(account: &str) -> String {
    match Kind::of(account) {
        Kind::LocalSystem => "LocalSystem".to_owned(),
        Kind::LocalService => r"NT AUTHORITY\LocalService".to_owned(),
        Kind::NetworkService => r"NT AUTHORITY\NetworkService".to_owned(),
        Kind::User if !account.contains(['\\', '@']) => format!(r".\{account}"),
        Kind::Virtual | Kind::Managed | Kind::User => account.to_owned(),
    }
}

/// Whether this process has the rights of an administrator now (elevated), as the service manager asks for them.
pub fn is_privileged() -> bool {
    security::is_administrator()
}

/// The account this process runs as: `DOMAIN\name`, or its SID where the name can't be had.
pub fn name() -> String {
    User::own().and_then(|user| user.name().or_else(|_| user.sid_text())).unwrap_or_else(|_| "unknown".to_owned())
}

/// Whether there is such an account. `NotFound`: no. May ask a domain controller. The account of a service that is not
/// installed yet counts as one that is there.
pub fn check(user: &str) -> io::Result<()> {
    sid(user).map(drop)
}

/// The account a new service gets where none is named: one of its own that may do next to nothing.
pub fn default_user(service: &str) -> Option<String> {
    virtual_user(service)
}

/// An account that the system makes up for one service: `NT SERVICE\NAME`. It has no password.
pub fn virtual_user(service: &str) -> Option<String> {
    Some(format!(r"NT SERVICE\{service}"))
}

/// Lets a user's account log on as a service; nothing to do for the accounts that always may. Needs an administrator.
pub fn let_log_on_as_service(user: &str) -> io::Result<()> {
    match Kind::of(user) {
        Kind::LocalSystem | Kind::LocalService | Kind::NetworkService | Kind::Virtual => Ok(()),
        Kind::Managed | Kind::User => sid(user)
            .and_then(|sid| security::grant_right(&sid, LOG_ON_AS_SERVICE))
            .map_err(|error| io::Error::new(error.kind(), format!("cannot let {user} log on as a service: {error}"))),
    }
}

/// The account may change the folder and all in it from now on, beside whoever may already; the system and administrators
/// keep all rights; what the folder above grants is kept as it is now and no longer follows it.
pub fn own_folder(path: &Path, user: &str) -> io::Result<()> {
    sid(user).and_then(|sid| security::let_modify(path, &sid)).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot give the folder {} to {user}: {error}", path.display()))
    })
}

/// The same for one file.
pub fn own_file(path: &Path, user: &str) -> io::Result<()> {
    sid(user).and_then(|sid| security::let_modify_file(path, &sid)).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot give the file {} to {user}: {error}", path.display()))
    })
}

/// The account may read the folder and all in it from now on, also what is put there later.
pub fn let_read(path: &Path, user: &str) -> io::Result<()> {
    sid(user)
        .and_then(|sid| security::let_read(path, &sid))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot let {user} read {}: {error}", path.display())))
}

/// Nothing: the service manager sets a user's variables when it logs the service on.
pub fn variables_of(_user: &str) -> io::Result<Vec<(OsString, OsString)>> {
    Ok(Vec::new())
}

fn sid(user: &str) -> io::Result<Sid> {
    match Kind::of(user) {
        Kind::LocalSystem => Sid::from_text("S-1-5-18"),
        Kind::LocalService => Sid::from_text("S-1-5-19"),
        Kind::NetworkService => Sid::from_text("S-1-5-20"),
        Kind::Virtual => match user.split_once('\\') {
            Some((_, service)) if !service.is_empty() => Sid::of_service(service),
            Some(_) | None => Err(io::Error::new(io::ErrorKind::NotFound, format!("{user} names no service"))),
        },
        Kind::Managed | Kind::User => Sid::of_name(&full_name(user)),
    }
}

/// The name to look up, where `.` does not stand for this machine.
fn full_name(user: &str) -> String {
    match (user.strip_prefix(r".\"), std::env::var("COMPUTERNAME")) {
        (Some(name), Ok(machine)) => format!(r"{machine}\{name}"),
        (Some(name), Err(_)) => name.to_owned(),
        (None, _) => user.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_known_by_its_name_and_named_as_the_manager_takes_it() {
        for (account, kind, name) in [
            ("LocalSystem", Kind::LocalSystem, "LocalSystem"),
            (r".\LocalSystem", Kind::LocalSystem, "LocalSystem"),
            (r"NT Authority\SYSTEM", Kind::LocalSystem, "LocalSystem"),
            ("localservice", Kind::LocalService, r"NT AUTHORITY\LocalService"),
            (r"NT AUTHORITY\Local Service", Kind::LocalService, r"NT AUTHORITY\LocalService"),
            (r"nt authority\networkservice", Kind::NetworkService, r"NT AUTHORITY\NetworkService"),
            (r"NT SERVICE\web@1", Kind::Virtual, r"NT SERVICE\web@1"),
            (r"CORP\web$", Kind::Managed, r"CORP\web$"),
            ("bob", Kind::User, r".\bob"),
            (r".\bob", Kind::User, r".\bob"),
            (r".\system", Kind::User, r".\system"),
            (r"CORP\bob", Kind::User, r"CORP\bob"),
            ("bob@corp.example", Kind::User, "bob@corp.example"),
        ] {
            assert_eq!((Kind::of(account), manager_name(account).as_str()), (kind, name), "{account}");
            assert_eq!(kind.has_password(), kind == Kind::User);
        }
    }

    /// Wine has no such rights; elsewhere it takes an administrator.
    #[test]
    fn a_user_gets_the_right_to_log_on_as_a_service_or_the_answer_says_which_user_does_not() {
        let missing = let_log_on_as_service("no-such-user-here").unwrap_err().to_string();
        assert!(missing.starts_with("cannot let no-such-user-here log on as a service: "), "{missing}");
        let own = name();
        if let Err(error) = let_log_on_as_service(&own) {
            println!("{error}");
            assert!(error.to_string().starts_with(&format!("cannot let {own} log on as a service: ")), "{error}");
        }
    }

    #[test]
    fn accounts_of_the_system_are_there_and_made_up_names_are_not() {
        for account in ["LocalSystem", "LocalService", r"NT AUTHORITY\NetworkService", r"NT SERVICE\web@1"] {
            check(account).unwrap();
            let_log_on_as_service(account).unwrap();
        }
        check(&name()).unwrap();
        for missing in ["no-such-user-here", r"NT SERVICE\", r".\no-such-user-here"] {
            let error = check(missing).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{missing}: {error}");
        }
        assert_eq!(default_user("web").as_deref(), Some(r"NT SERVICE\web"));
    }
}
