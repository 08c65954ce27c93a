//! The units we write, judged by systemd's own tool.

use std::process::Command;
use std::time::Duration;

use mainstay_os::manager::{Entry, Start, unit_text};

use crate::stage::{LIMIT, Second, fixture, new_mark, within};

fn entry(start: Start) -> Entry {
    Entry {
        name: "payment".to_owned(),
        display_name: "Payment".to_owned(),
        description: "Payment API, 100 % ours\nsecond line".to_owned(),
        binary: fixture(),
        args: ["guard", "payment", "--home", "/a b/ä%h$X${Y}\\\"'", "", ";", "tab\t"].map(Into::into).into(),
        start,
        stop_limit: Duration::from_millis(12_500),
        account: None,
        after: vec!["mainstay:web@1".to_owned(), "ssh".to_owned()],
        after_groups: vec!["network-online".to_owned()],
        remains: start == Start::Manual,
    }
}

#[test]
fn systemd_has_no_complaint() {
    for start in [Start::Auto, Start::Delayed, Start::Manual, Start::Disabled] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mainstay-payment.service");
        std::fs::write(&path, unit_text(&entry(start))).unwrap();
        let verified = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap_or_else(|error| {
            panic!("systemd-analyze: {error}; install it: scripts/setup-systemd.sh, or apt-get install systemd")
        });
        // Unknown settings are warnings with code 0: every line counts.
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && said.is_empty(), "{start:?}: {said}");
    }
}

#[test]
fn a_unit_says_what_the_guard_relies_on() {
    let text = unit_text(&entry(Start::Auto));
    for line in [
        "Description=Payment API, 100 %% ours second line",
        "Type=notify",
        "NotifyAccess=main",
        "Restart=on-failure",
        "RestartPreventExitStatus=78",
        "StartLimitIntervalSec=0",
        "KillMode=mixed",
        "Delegate=yes",
        "TimeoutStopSec=13",
        "WantedBy=multi-user.target",
        "After=mainstay-web@1.service ssh.service network-online.target",
        "Wants=mainstay-web@1.service ssh.service network-online.target",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("RefuseManualStart") && !text.contains("RemainAfterExit"));
    assert!(unit_text(&entry(Start::Manual)).contains("\nRemainAfterExit=yes\n"));
    assert!(unit_text(&entry(Start::Disabled)).contains("RefuseManualStart=yes"));
}

/// As systemd starts a guard: in a cgroup that is marked as delegated. Root alone can make one.
#[tokio::test]
async fn a_delegated_unit_gets_a_group_for_the_guard_and_one_for_the_program() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let Some(point) = mounts.lines().find(|m| m.contains(" cgroup2 rw")).and_then(|m| m.split(' ').nth(1)) else {
        return;
    };
    if !mainstay_os::account::is_privileged() {
        return;
    }
    let unit = std::path::Path::new(point).join(format!("mainstay-{}.service", new_mark()));
    std::fs::create_dir(&unit).unwrap();
    rustix::fs::setxattr(&unit, "user.delegate", b"1", rustix::fs::XattrFlags::empty()).unwrap();
    let mut guard = Second::start("delegated", &[unit.to_str().unwrap()]);
    let pids = |group: &str| std::fs::read_to_string(unit.join(group).join("cgroup.procs")).unwrap();
    let main = within(LIMIT, "the program runs", guard.line()).await;
    assert_eq!(pids("guard").trim(), guard.pid().to_string());
    assert_eq!(pids(""), "", "nobody is in the unit's own group");
    assert_eq!(pids("run/1").trim(), main);
    guard.kill();
    // What systemd does with a dead unit.
    std::fs::write(unit.join("cgroup.kill"), "1").unwrap();
    within(LIMIT, "the unit's group is empty", async {
        while std::fs::read_to_string(unit.join("cgroup.events")).unwrap().contains("populated 1") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for group in ["run/1", "run", "guard", ""] {
        std::fs::remove_dir(unit.join(group)).unwrap();
    }
}
