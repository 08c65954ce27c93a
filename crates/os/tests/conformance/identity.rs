//! Telling processes and boots apart.

use std::io::ErrorKind;

use mainstay_os::clock;
use mainstay_os::process::{Watched, start_stamp};

#[cfg(unix)]
use crate::stage::Second;
use crate::stage::{LIMIT, Stage, lives, within};

#[tokio::test]
async fn a_stamp_stays_and_a_wrong_one_finds_nobody() {
    let stage = Stage::new();
    let mut run = stage.start(&["forever"]);
    let (pid, stamp) = (run.tree.pid(), run.tree.start_stamp());
    assert_eq!(start_stamp(pid).unwrap(), stamp);
    assert!(lives(pid, stamp));
    assert!(Watched::open(pid, stamp - 1).unwrap().is_none());
    assert!(Watched::open(pid, stamp + 1).unwrap().is_none());
    let mut watched = Watched::open(pid, stamp).unwrap().unwrap();
    assert_eq!(watched.pid(), pid);
    watched.kill().unwrap();
    within(LIMIT, "it ends", watched.exited()).await;
    run.exited().await;
    assert!(Watched::open(pid, stamp).unwrap().is_none());
    watched.kill().unwrap(); // gone: harmless
}

#[test]
fn no_process_has_no_stamp() {
    let error = start_stamp(u32::MAX - 7).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(Watched::open(u32::MAX - 7, 1).unwrap().is_none());
}

/// Hard case 3, with a pid that really is another process's.
#[cfg(unix)]
#[tokio::test]
async fn a_reused_pid_is_a_stranger() {
    let Some(unshare) = new_pid_namespace() else { return };
    assert!(Second::start_by(unshare, "pid_reuse", &[]).passed().await);
}

/// Up to this binary's own arguments. `None` where we may not: a plain user without user namespaces; the fake stamp
/// above is what is left then.
#[cfg(unix)]
pub(crate) fn new_pid_namespace() -> Option<std::process::Command> {
    let mut unshare = std::process::Command::new("unshare");
    if !mainstay_os::account::is_privileged() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    let mut trial = std::process::Command::new("unshare");
    trial.args(unshare.get_args()).arg("true").stderr(std::process::Stdio::null());
    let allowed = trial.status().is_ok_and(|status| status.success());
    assert!(allowed || !mainstay_os::account::is_privileged(), "unshare(1) from util-linux is needed");
    unshare.arg(std::env::current_exe().unwrap());
    allowed.then_some(unshare)
}

#[test]
fn clocks_go_forward_and_the_boot_keeps_its_name() {
    let (mono, wall) = clock::now();
    let (later, _) = clock::now();
    assert!(later >= mono && mono > 0);
    let year_2020_ns = 1_577_836_800_i64 * 1_000_000_000;
    assert!(wall > year_2020_ns);
    assert!(!clock::boot_id().is_empty());
    assert_eq!(clock::boot_id(), clock::boot_id());
}
