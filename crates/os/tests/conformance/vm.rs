//! What this machine's cgroups may lack, shown in a virtual one with all controllers of version 2.
//!
//! It needs `scripts/cgroup-vm.sh setup`, which `./check` runs.

use std::process::Command;

use crate::stage::{Second, fixture};

/// Boots the machine, and ends it after a minute at the latest.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/cgroup-vm.sh");

#[tokio::test]
async fn vm_limits_are_kept_and_told() {
    let is_set_up = Command::new(SCRIPT).arg("check").output().unwrap().status.success();
    assert!(is_set_up, "the virtual machine is not set up: run scripts/cgroup-vm.sh setup");
    let mut command = Command::new(SCRIPT);
    command.arg("run").arg("--with").arg(fixture());
    command.args(["--env", super::roles::ROLE, "--env", super::roles::ARGS]);
    command.arg(std::env::current_exe().unwrap());
    let mut machine = Second::start_by(command, "limited", &[]);
    for said in [
        "memory is limited",
        "processes are limited",
        "the processor is limited",
        "a frozen run is killed",
        "nothing is inherited",
    ] {
        assert_eq!(machine.line().await, said);
    }
    assert!(machine.passed().await);
}
