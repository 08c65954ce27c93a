//! Programs that run as somebody else. Only root can show it: for anybody else these tests end at once.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use mainstay_os::account::{self, RunAs};
use mainstay_os::process::Watched;
use mainstay_os::tree::{Launch, SpawnError};

use crate::stage::{LIMIT, Run, Second, Stage, within, words};

/// In every `/etc/passwd`.
const NOBODY: u32 = 65_534;

/// `CAP_NET_BIND_SERVICE`, capabilities(7).
const BIND: u8 = 10;

fn nobody() -> RunAs {
    RunAs { user: Some("nobody".to_owned()), ..RunAs::default() }
}

/// A place whose folder anybody may enter; `None`: we are not root.
fn stage() -> Option<Stage> {
    let stage = account::is_privileged().then(Stage::new)?;
    std::fs::set_permissions(stage.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    Some(stage)
}

fn shell(stage: &Stage, run_as: &RunAs, script: &str) -> Result<Run, SpawnError> {
    let args = words(&["-c", script]);
    stage.launch(&Launch { program: "/bin/sh".as_ref(), args: &args, run_as: Some(run_as), ..stage.plain() })
}

/// The lines of `/proc/self/status` with these names, as the program finds them.
async fn status(stage: &Stage, run_as: &RunAs, names: &[&str]) -> Vec<String> {
    let script = "while read -r line; do echo \"$line\"; done </proc/self/status";
    let found = shell(stage, run_as, script).unwrap().finish().await;
    let value = |name: &&str| {
        let line = found.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    names.iter().map(value).collect()
}

#[tokio::test]
async fn a_program_has_all_numbers_of_its_user_and_none_of_ours() {
    let Some(stage) = stage() else { return };
    let found = status(&stage, &nobody(), &["Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs"]).await;
    let four = |id: &str| [id; 4].join(" ");
    let none = "0000000000000000";
    assert_eq!(found, [&four("65534"), &four("65534"), "65534", none, none, none, "1"]);

    let by_number = RunAs {
        user: Some("4711".to_owned()),
        group: Some("4712".to_owned()),
        groups: vec!["4714".to_owned(), "root".to_owned()],
        new_privileges: true,
        ..RunAs::default()
    };
    let found = status(&stage, &by_number, &["Uid", "Gid", "Groups", "NoNewPrivs"]).await;
    assert_eq!(found, [&four("4711"), &four("4712"), "0 4712 4714", "0"]);
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), rustix::process::DumpableBehavior::Dumpable);
}

#[tokio::test]
async fn a_user_gets_the_capabilities_it_is_given_and_can_get_no_others() {
    let Some(stage) = stage() else { return };
    let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let bind = "0000000000000400";
    let run_as = RunAs { capabilities: Some(vec![BIND]), ..nobody() };
    assert_eq!(status(&stage, &run_as, &sets).await, [bind; 5]);

    let run_as = RunAs { capabilities: Some(vec![]), ..nobody() };
    assert_eq!(status(&stage, &run_as, &sets).await, ["0000000000000000"; 5]);

    // Root has them without their being ambient.
    let run_as = RunAs { capabilities: Some(vec![BIND]), ..RunAs::default() };
    assert_eq!(status(&stage, &run_as, &sets[1..4]).await, [bind; 3]);
}

/// The kernel forgets the parent-death signal when the user changes.
#[tokio::test]
async fn a_program_of_another_user_dies_with_its_guard() {
    if !account::is_privileged() {
        return;
    }
    let mut guard = Second::start("guard_of_nobody", &[]);
    let line = guard.line().await;
    let (pid, stamp) = line.split_once(' ').unwrap();
    let mut main = Watched::open(pid.parse().unwrap(), stamp.parse().unwrap()).unwrap().unwrap();
    guard.kill();
    within(LIMIT, "the program dies with its guard", main.exited()).await;
}

#[tokio::test]
async fn the_working_directory_must_be_open_to_the_user() {
    let Some(stage) = stage() else { return };
    std::fs::set_permissions(stage.folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    match shell(&stage, &nobody(), "true") {
        Err(SpawnError::Directory { source, .. }) => assert_eq!(source.kind(), ErrorKind::PermissionDenied),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it stands where it may not look"),
    }
    account::own_folder(stage.folder.path(), "nobody").unwrap();
    let found = std::fs::metadata(stage.folder.path()).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (NOBODY, NOBODY, 0o750));
    shell(&stage, &nobody(), "touch here").unwrap().finish().await;
}

/// Programs log to `/dev/stdout`: opened anew, as the user.
#[tokio::test]
async fn a_user_may_open_its_own_output_again() {
    let Some(stage) = stage() else { return };
    let mut run = shell(&stage, &nobody(), "echo out >/proc/self/fd/1").unwrap();
    assert_eq!(run.finish().await.trim_end(), "out");
}

#[tokio::test]
async fn an_unknown_account_is_named_in_the_refusal() {
    let Some(stage) = stage() else { return };
    let unknown = [
        RunAs { user: Some("no-such-user".to_owned()), ..RunAs::default() },
        RunAs { group: Some("no-such-group".to_owned()), ..nobody() },
        RunAs { groups: vec!["no-such-group".to_owned()], ..nobody() },
    ];
    for run_as in unknown {
        let Err(error) = shell(&stage, &run_as, "true") else { panic!("{run_as:?} was found") };
        assert!(matches!(error, SpawnError::Account { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("cannot run /bin/sh as no"), "{text}");
        assert!(text.contains("no-such-"), "{text}");
    }
    assert_eq!(account::check("no-such-user").unwrap_err().kind(), ErrorKind::NotFound);
    account::check("nobody").unwrap();
    account::check("4711").unwrap();
    // A start after a failed one works.
    shell(&stage, &nobody(), "true").unwrap().finish().await;
}

#[tokio::test]
async fn who_is_not_root_can_not_become_another() {
    let mut second = Second::start("impostor", &[]);
    let said = second.line().await;
    assert!(said.starts_with("cannot run ") && said.contains(" as root: ") && said.contains("only root may"), "{said}");
    assert!(second.passed().await);
}

#[test]
fn a_users_own_variables_come_from_the_table() {
    let found = account::variables_of("root").unwrap();
    let value = |wanted: &str| found.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.to_str().unwrap());
    assert_eq!(value("USER"), Some("root"));
    assert_eq!(value("LOGNAME"), Some("root"));
    assert!(value("HOME").is_some_and(|home| home.starts_with('/')));
    assert!(value("SHELL").is_some());
    assert_eq!(account::variables_of("4711").unwrap(), []);
    assert!(account::variables_of("no-such-user").is_err());
    assert!(account::let_log_on_as_service("root").is_err_and(|error| error.kind() == ErrorKind::Unsupported));
}
