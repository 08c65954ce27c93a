//! The job dies with its guard.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use mainstay_os::process::{Watched, start_stamp};

use crate::bed;

#[test]
fn a_killed_guard_takes_its_program_along() {
    bed::run(async {
        let mut guard = Command::new(bed::TESTBED)
            .args(["hold", "none", bed::TESTBED, "ctrl-c"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(guard.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let pid: u32 = line.trim_end().parse().unwrap();
        let mut program = Watched::open(pid, start_stamp(pid).unwrap()).unwrap().expect("it lives");
        guard.kill().unwrap();
        guard.wait().unwrap();
        tokio::time::timeout(Duration::from_secs(5), program.exited()).await.expect("ended with its guard");
        assert!(Watched::open(pid, start_stamp(pid).unwrap_or(0)).unwrap().is_none());
    });
}
