//! Accounts by number, named from `/etc/passwd` alone: name services (LDAP …) would load libraries into every guard.

use std::fs;

/// Whether we are root.
pub fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// The account we run as, e.g. `root`; `uid 1234` where `/etc/passwd` has no name for it.
pub fn name() -> String {
    name_of(rustix::process::geteuid().as_raw())
}

pub(crate) fn name_of(uid: u32) -> String {
    fs::read("/etc/passwd")
        .ok()
        .and_then(|table| name_in(&String::from_utf8_lossy(&table), uid))
        .unwrap_or_else(|| format!("uid {uid}"))
}

/// passwd(5): `name:password:uid:gid:…`.
fn name_in(table: &str, uid: u32) -> Option<String> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::name_in;

    #[test]
    fn names_come_from_the_third_field() {
        let table = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33::/:/bin/false\n";
        assert_eq!(name_in(table, 33).as_deref(), Some("web"));
        assert_eq!(name_in(table, 1), None);
    }
}
