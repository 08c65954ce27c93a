//! Accounts by name and number, from `/etc/passwd` and `/etc/group` alone: name services (LDAP …) would load libraries into
//! every guard.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rustix::fs::{Gid, Mode, Uid};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Whether we are root.
pub fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// The account we run as, e.g. `root`; `uid 1234` where `/etc/passwd` has no name for it.
pub fn name() -> String {
    name_of(rustix::process::geteuid().as_raw())
}

/// Whether there is such a user: a name in `/etc/passwd`, or any number. Errors: `NotFound`; the table can't be read.
pub fn check(user: &str) -> io::Result<()> {
    find_user(user).map(drop)
}

/// The account a new service gets where none is named: none, its guard's.
pub fn default_user(_service: &str) -> Option<String> {
    None
}

/// An account that the system makes up for one service: not on Linux.
pub fn virtual_user(_service: &str) -> Option<String> {
    None
}

/// Windows only: `Unsupported`.
pub fn let_log_on_as_service(user: &str) -> io::Result<()> {
    let text = format!("cannot let {user} log on as a service: that is a right of Windows accounts");
    Err(io::Error::new(ErrorKind::Unsupported, text))
}

/// The folder itself, not what is in it, belongs to the user and its main group from now on; others may not look into it
/// (0750). Errors: no such user, no folder (a symbolic link is none: it could lead anywhere), not ours to give.
pub fn own_folder(path: &Path, user: &str) -> io::Result<()> {
    let found = find_user(user)?;
    let group = found.group.ok_or_else(|| no_group_of(user))?;
    let context = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot give the folder {} to {user}: {error}", path.display()))
    };
    let folder = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(path);
    let folder = folder.map_err(context)?;
    rustix::fs::fchown(&folder, Some(Uid::from_raw(found.id)), Some(Gid::from_raw(group)))
        .and_then(|()| rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o750)))
        .map_err(|error| context(error.into()))
}

/// Windows only: `Unsupported`. Guards are root here.
pub fn own_file(path: &Path, user: &str) -> io::Result<()> {
    let text = format!("cannot give the file {} to {user}: it is for guards that are not root", path.display());
    Err(io::Error::new(ErrorKind::Unsupported, text))
}

/// Windows only: `Unsupported`. Guards are root here.
pub fn let_read(path: &Path, user: &str) -> io::Result<()> {
    let text = format!("cannot let {user} read {}: it is for guards that are not root", path.display());
    Err(io::Error::new(ErrorKind::Unsupported, text))
}

/// What a log-in as this user would put into the environment: `HOME`, `USER`, `LOGNAME`, `SHELL`. Empty for a number that
/// `/etc/passwd` has no line for.
pub fn variables_of(user: &str) -> io::Result<Vec<(OsString, OsString)>> {
    let Some(login) = find_user(user)?.login else { return Ok(Vec::new()) };
    let shell = if login.shell.is_empty() { "/bin/sh" } else { &login.shell }; // passwd(5)
    let variables = [("HOME", login.home.as_str()), ("USER", &login.name), ("LOGNAME", &login.name), ("SHELL", shell)];
    Ok(variables.map(|(name, value)| (name.into(), value.into())).into())
}

/// A user as the tables know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: u32,
    /// `None`: a number that has no line in the table.
    pub(crate) group: Option<u32>,
    pub(crate) login: Option<Login>,
}

/// The texts of a user's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) name: String,
    home: String,
    shell: String,
}

pub(crate) fn find_user(user: &str) -> io::Result<User> {
    user_in(&table(PASSWD)?, user)
        .ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("cannot find a user {user} in {PASSWD}")))
}

pub(crate) fn find_group(group: &str) -> io::Result<u32> {
    group_in(&table(GROUP)?, group)
        .ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("cannot find a group {group} in {GROUP}")))
}

/// The groups that a user is in beside its main one.
pub(crate) fn groups_of(user: &str) -> io::Result<Vec<u32>> {
    Ok(groups_in(&table(GROUP)?, user))
}

/// No main group is known, and root's would be too much.
pub(crate) fn no_group_of(user: &str) -> io::Error {
    let text = format!("the user {user} has no line in {PASSWD}: name a group too");
    io::Error::new(ErrorKind::NotFound, text)
}

/// Every client is looked up, and mostly it is the same user: the last answer holds until the table is written anew.
pub(crate) fn name_of(uid: u32) -> String {
    static LAST: Mutex<Option<(u32, SystemTime, String)>> = Mutex::new(None);
    let written = fs::metadata(PASSWD).and_then(|metadata| metadata.modified()).ok();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some((known, at, name)), Some(written)) = (&*last, written)
        && (*known, *at) == (uid, written)
    {
        return name.clone();
    }
    let found = table(PASSWD).ok().and_then(|table| name_in(&table, uid));
    let name = found.unwrap_or_else(|| format!("uid {uid}"));
    *last = written.map(|written| (uid, written, name.clone()));
    name
}

fn table(path: &str) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot read {path}: {error}"))),
    }
}

/// passwd(5): `name:password:uid:gid:comment:home:shell`.
fn line_of(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let id = fields.nth(1)?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let home = fields.nth(1).unwrap_or("/").to_owned();
    let shell = fields.next().unwrap_or_default().trim_end().to_owned();
    Some(User { id, group: Some(group), login: Some(Login { name, home, shell }) })
}

fn name_in(table: &str, uid: u32) -> Option<String> {
    table.lines().filter_map(line_of).find(|user| user.id == uid)?.login.map(|login| login.name)
}

/// A name comes first, as for chown(1): one of digits alone is still a name.
fn user_in(table: &str, user: &str) -> Option<User> {
    let has_name = |found: &User| found.login.as_ref().is_some_and(|login| login.name == user);
    let named = table.lines().filter_map(line_of).find(has_name);
    named.or_else(|| {
        let id = number(user)?;
        let numbered = table.lines().filter_map(line_of).find(|found| found.id == id);
        Some(numbered.unwrap_or(User { id, group: None, login: None }))
    })
}

/// group(5): `name:password:gid:member,member`.
fn group_in(table: &str, group: &str) -> Option<u32> {
    let named = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? == group { fields.nth(1)?.parse().ok() } else { None }
    });
    named.or_else(|| number(group))
}

fn groups_in(table: &str, user: &str) -> Vec<u32> {
    let number = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let id = fields.next()?.parse().ok()?;
        fields.next()?.trim_end().split(',').any(|member| member == user).then_some(id)
    };
    table.lines().filter_map(number).collect()
}

/// The highest number means "leave it" to setresuid(2).
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&id| id != u32::MAX && text.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:5:5::/:\nweb:x:33:34::/srv/web:\n44:x:55:56::/:/bin/false\n";

    #[test]
    fn names_come_from_the_third_field() {
        assert_eq!(name_in(USERS, 33).as_deref(), Some("web"));
        assert_eq!(name_in(USERS, 1), None);
        assert_eq!(name_in(USERS, 5), None);
    }

    #[test]
    fn a_user_is_found_by_name_and_then_by_number() {
        let ids = |user: &str| user_in(USERS, user).map(|found| (found.id, found.group));
        assert_eq!(ids("web"), Some((33, Some(34))));
        assert_eq!(ids("33"), Some((33, Some(34))));
        assert_eq!(ids("44"), Some((55, Some(56))), "a name of digits");
        assert_eq!(ids("4711"), Some((4711, None)));
        for none in ["", "we", "+33", "-1", "4294967295", "4294967296"] {
            assert_eq!(ids(none), None, "{none}");
        }
    }

    #[test]
    fn groups_are_those_with_the_user_among_their_members() {
        let table = "root:x:0:\nadm:x:4:syslog,web\nwebs:x:5:webs\nx:x:web\ncdrom:x:24:web\n7:x:8:\n";
        assert_eq!(groups_in(table, "web"), [4, 24]);
        assert_eq!(groups_in(table, "nobody"), []);
        assert_eq!(group_in(table, "adm"), Some(4));
        assert_eq!(group_in(table, "7"), Some(8));
        assert_eq!(group_in(table, "9"), Some(9));
        assert_eq!(group_in(table, "staff"), None);
    }
}
