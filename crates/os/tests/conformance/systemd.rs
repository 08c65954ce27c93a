//! The units we write, judged by systemd's own tool.

use std::process::Command;
use std::time::Duration;

use mainstay_os::manager::{Entry, Start, unit_text};

use crate::stage::fixture;

fn entry(start: Start) -> Entry {
    Entry {
        name: "payment".to_owned(),
        description: "Payment API, 100 % ours\nsecond line".to_owned(),
        binary: fixture(),
        args: ["guard", "payment", "--home", "/a b/ä%h$X${Y}\\\"'", "", ";", "tab\t"].map(Into::into).into(),
        start,
        stop_limit: Duration::from_millis(12_500),
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
        "Restart=always",
        "RestartPreventExitStatus=78",
        "StartLimitIntervalSec=0",
        "KillMode=mixed",
        "Delegate=yes",
        "TimeoutStopSec=13",
        "WantedBy=multi-user.target",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("RefuseManualStart"));
    assert!(unit_text(&entry(Start::Disabled)).contains("RefuseManualStart=yes"));
}
