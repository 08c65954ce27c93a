//! The end of everything, in order.

use expect_test::expect;

use super::script::{Stage, check, check_with, spec};
use crate::status::History;

#[test]
fn a_shutdown_waits_for_those_that_come_after() {
    check(
        "dependents 2; start; spawned; shutdown; shutdown; start; reload; dependents 1; unasked; ready; dependents 0; exit 0; emptied",
        expect![[r#"
        dependents 2             down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        shutdown                 stopping    ordered shutdown | holding for 2 | REPORT
        shutdown                 stopping
        start                    stopping    refused: cannot start payment: its guard is on its way out
        reload                   stopping    refused: cannot reload payment: its spec has no [reload]
        dependents 1             stopping    REPORT
        unasked                  stopping
        ready                    stopping
        dependents 0             stopping    asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | RETIRE - | REPORT
    "#]],
    );
    check(
        "start; spawned; shutdown",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        shutdown                 stopping    ordered shutdown | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
    check_with(
        "hook=pre-stop",
        "dependents 2; start; spawned; shutdown; due; hooked pre-stop 0",
        expect![[r#"
        dependents 2             down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        shutdown                 stopping    ordered shutdown | holding for 2 | REPORT
        +60s due                 stopping    HOOK 1 pre-stop | REPORT
        hooked pre-stop 0        stopping    pre-stop hook Exited(Code(0)) | asked | ASK 1 CtrlC
    "#]],
    );
    for script in ["shutdown", "start; nospawn; nospawn; shutdown", "start; spawned; exit 0; emptied; shutdown"] {
        let trace = Stage::new(spec(), History::default()).play(&format!("dependents 1; {script}"));
        assert!(trace.contains("RETIRE"), "{trace}");
    }
    check(
        "dependents 1; start; shutdown; spawned",
        expect![[r#"
        dependents 1             down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        shutdown                 stopping    ordered shutdown | REPORT
        spawned                  stopping    spawned | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
}

#[test]
fn a_shutdown_that_waits_can_be_hurried() {
    check(
        "dependents 2; start; spawned; shutdown; retire; retire",
        expect![[r#"
        dependents 2             down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        shutdown                 stopping    ordered shutdown | holding for 2 | REPORT
        retire                   stopping    ordered retire | asked | ASK 1 CtrlC | REPORT
        retire                   stopping
    "#]],
    );
    check(
        "dependents 2; start; spawned; shutdown; stop",
        expect![[r#"
        dependents 2             down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        shutdown                 stopping    ordered shutdown | holding for 2 | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
    check(
        "dependents 2; start; spawned; shutdown; kill; kill",
        expect![[r#"
        dependents 2             down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        shutdown                 stopping    ordered shutdown | holding for 2 | REPORT
        kill                     stopping    ordered kill | killed | KILL 1 | REPORT
        kill                     stopping
    "#]],
    );
}

#[test]
fn nothing_is_restarted_while_everything_goes_down() {
    check(
        "dependents 2; start; spawned; shutdown; exit 1; dependents 0; emptied",
        expect![[r#"
        dependents 2             down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        shutdown                 stopping    ordered shutdown | holding for 2 | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        dependents 0             stopping
        emptied                  down        down | RETIRE - | REPORT
    "#]],
    );
    check(
        "dependents 2; start; spawned; shutdown; emptied",
        expect![[r#"
        dependents 2             down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        shutdown                 stopping    ordered shutdown | holding for 2 | REPORT
        emptied                  down        down | RETIRE - | REPORT
    "#]],
    );
    check(
        "dependents 2; start; spawned; exit 1; shutdown; emptied",
        expect![[r#"
        dependents 2             down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        shutdown                 stopping    ordered shutdown | REPORT
        emptied                  down        down | RETIRE - | REPORT
    "#]],
    );
}
