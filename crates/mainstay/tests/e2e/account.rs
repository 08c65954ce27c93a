//! Who a program is and what that allows. On Linux only root can show it: for anybody else those tests end at once. On Windows the service
//! manager logs accounts on: `scm.rs`.

#[cfg(unix)]
use mainstay_wire::status::State;

use crate::world::{World, fixture};
#[cfg(unix)]
use crate::world::{list, text_of};
#[cfg(unix)]
use linux::{of_status, open_world, said};

/// A service with an account, refused for this reason by `validate`.
#[track_caller]
fn assert_refused(account: &str, place: &str, why: &str) {
    let world = World::new();
    world.fixture("one", &["forever"], &format!("[account]\n{account}"));
    let said = world.run(&["validate", "one"]).failed(1);
    assert!(said.contains(&format!("one.toml:{place}")) && said.contains(why), "{said}");
}

#[test]
fn an_unknown_account_is_refused_by_its_name() {
    assert_refused("user = 'nobody-has-this-name'", "4:8", "nobody-has-this-name");
}

#[test]
fn an_empty_account_is_refused() {
    assert_refused("user = ' '", "4:8", "`account.user` is empty");
}

/// Only the service manager can log somebody on, and a home has none.
#[cfg(windows)]
#[test]
fn a_program_runs_as_its_user_with_all_that_belongs_to_it() {
    assert_refused(r"user = 'NT AUTHORITY\LocalService'", "4:8", "with --home");
}

#[cfg(unix)]
#[test]
fn a_program_runs_as_its_user_with_all_that_belongs_to_it() {
    let Some(mut world) = open_world() else { return };
    let commands = ["cat", "/proc/self/status", "env", "HOME", "env", "USER", "env", "LOGNAME"];
    let printed = said(&mut world, &commands, "user = 'nobody'");
    let four = ["65534"; 4].join(" ");
    let none = "0000000000000000";
    let found =
        ["Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs"].map(|name| of_status(&printed, name));
    assert_eq!(found, [&four, &four, "65534", none, none, none, "1"]);
    assert!(
        printed.contains(&"USER=nobody".to_owned()) && printed.contains(&"LOGNAME=nobody".to_owned()),
        "{printed:?}"
    );
    let home = printed.iter().find_map(|line| line.strip_prefix("HOME=")).unwrap();
    assert!(!home.contains("root"), "{home}");
}

#[cfg(unix)]
#[test]
fn groups_can_be_named_instead_of_the_users() {
    let Some(mut world) = open_world() else { return };
    let account = "user = '4711'\ngroup = '4712'\ngroups = ['4714', 'daemon']";
    let printed = said(&mut world, &["cat", "/proc/self/status"], account);
    let found = ["Uid", "Gid", "Groups"].map(|name| of_status(&printed, name));
    assert_eq!(found, [["4711"; 4].join(" "), ["4712"; 4].join(" "), "1 4712 4714".to_owned()]);
    let said = {
        world.fixture(
            "two",
            &["forever"],
            "[account]\nuser = '4711'\ngroup = 'no-such-group'\n[restart]\non = 'never'",
        );
        world.until_state("two", State::Done);
        world.story()
    };
    assert!(said.contains("cannot find a group no-such-group"), "{said}");
}

#[cfg(windows)]
#[test]
fn groups_can_be_named_instead_of_the_users() {
    assert_refused("group = 'x'", "4:9", "Windows");
    assert_refused("groups = ['x']", "4:10", "Windows");
}

/// The bits of a set of capabilities.
#[cfg(unix)]
fn bits(numbers: impl IntoIterator<Item = u8>) -> u64 {
    numbers.into_iter().fold(0, |set, number| set | (1 << number))
}

#[cfg(unix)]
#[test]
fn root_has_the_least_capabilities_unless_it_asks_for_more() {
    let set = |account: &str| {
        let mut world = open_world()?;
        let printed = said(&mut world, &["cat", "/proc/self/status"], account);
        let sets = ["CapBnd", "CapEff"].map(|name| u64::from_str_radix(&of_status(&printed, name), 16).unwrap());
        Some((sets, of_status(&printed, "NoNewPrivs")))
    };
    let Some((default, no_new)) = set("") else { return };
    // What we have ourselves may be less than all: a container's root.
    let ours = std::fs::read_to_string("/proc/self/status").unwrap();
    let ours: Vec<String> = ours.lines().map(str::to_owned).collect();
    let ours = u64::from_str_radix(&of_status(&ours, "CapBnd"), 16).unwrap();
    let least = bits(mainstay_core_default());
    assert_eq!((default, no_new.as_str()), ([least & ours; 2], "1"));
    let (all, _) = set("capabilities = 'all'").unwrap();
    assert_eq!(all, [ours; 2]);
    let (one, _) = set("capabilities = ['net_bind_service']").unwrap();
    assert_eq!(one, [1 << 10; 2]);
    let (none, no_new) = set("capabilities = []\nnew-privileges = true").unwrap();
    assert_eq!((none, no_new.as_str()), ([0; 2], "0"));
}

/// docs/DESIGN.md, "What may a program do when its spec says nothing?": fourteen.
#[cfg(unix)]
fn mainstay_core_default() -> [u8; 14] {
    [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31]
}

#[cfg(windows)]
#[test]
fn root_has_the_least_capabilities_unless_it_asks_for_more() {
    assert_refused("capabilities = 'all'", "4:16", "Windows");
    assert_refused("new-privileges = true", "4:18", "Windows");
}

#[cfg(unix)]
#[test]
fn a_user_can_be_given_one_capability() {
    let Some(mut world) = open_world() else { return };
    let account = "user = 'nobody'\ncapabilities = ['CAP_NET_BIND_SERVICE']";
    let printed = said(&mut world, &["cat", "/proc/self/status"], account);
    let bind = "0000000000000400";
    assert_eq!(["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|name| of_status(&printed, name)), [bind; 5]);
}

#[cfg(unix)]
#[test]
fn an_unknown_capability_is_refused_with_the_one_that_was_meant() {
    assert_refused("capabilities = ['CAP_NET_BIND']", "4:17", "did you mean `CAP_NET_BIND_SERVICE`?");
}

/// Hooks are the service's own commands, so they are who it is.
#[cfg(unix)]
#[test]
fn hooks_run_as_the_programs_user() {
    let Some(mut world) = open_world() else { return };
    let program = linux::program(&world);
    let hook = list(&[text_of(&program), "cat".to_owned(), "/proc/self/status".to_owned()]);
    let printed = said(&mut world, &["print", "ran"], &format!("user = 'nobody'\n[hooks]\npre-start = {hook}"));
    assert_eq!(of_status(&printed, "Uid"), ["65534"; 4].join(" "));
}

#[cfg(unix)]
#[test]
fn what_a_user_may_not_use_is_told_by_a_failed_start() {
    use std::os::unix::fs::PermissionsExt;
    let Some(mut world) = open_world() else { return };
    let closed = world.path("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let rest = format!(
        "directory = {}\n[account]\nuser = 'nobody'\n[restart]\non = 'never'",
        crate::world::quoted(&text_of(&closed))
    );
    world.fixture("one", &["forever"], &rest);
    world.up();
    world.until_state("one", State::Done);
    let story = world.story();
    assert!(story.contains("closed as working directory") && story.contains("ermission denied"), "{story}");
}

#[test]
fn a_spec_without_an_account_says_nothing_of_one() {
    let world = World::new();
    world.program("one", &fixture(), &["forever"], "");
    let shown = world.json(&["show", "one"]);
    assert!(!shown.to_string().contains("password"), "{shown}");
}

#[cfg(unix)]
mod linux {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use mainstay_os::account;
    use mainstay_wire::status::State;

    use crate::world::{World, fixture};

    /// One whose files anybody may use; `None`: we are not root.
    pub(super) fn open_world() -> Option<World> {
        let world = account::is_privileged().then(World::new)?;
        fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(world.path("bin")).unwrap();
        fs::set_permissions(world.path("bin"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(fixture(), program(&world)).unwrap();
        fs::set_permissions(program(&world), fs::Permissions::from_mode(0o755)).unwrap();
        Some(world)
    }

    /// The test program where every user may start it.
    pub(super) fn program(world: &World) -> PathBuf {
        world.path("bin").join("fixture-child")
    }

    /// What the program prints that has this account.
    pub(super) fn said(world: &mut World, commands: &[&str], account: &str) -> Vec<String> {
        let commands = [commands, &["exit", "0"]].concat();
        world.program("one", &program(world), &commands, &format!("[account]\n{account}"));
        world.up();
        let status = world.until("one", "is over", |status| matches!(status.state, State::Done | State::Backoff));
        assert_eq!(status.state, State::Done, "{}", world.story());
        world.printed("one")
    }

    /// A line of `/proc/self/status`.
    pub(super) fn of_status(printed: &[String], name: &str) -> String {
        let line = printed.iter().find_map(|line| line.strip_prefix(&format!("{name}:")));
        let line = line.unwrap_or_else(|| panic!("no {name} in {printed:?}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
