//! The ladder as the machine climbs it.

use expect_test::expect;

use super::script::{Stage, check, check_with, spec};
use crate::status::History;
use std::time::Duration;

#[test]
fn a_run_that_ends_when_asked() {
    check(
        "start; spawned; stop; asked; +3s exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
        asked                    stopping
        +3s exit 0               stopping    exit code 0 after 3s, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
}

#[test]
fn a_run_that_ignores_every_step_is_killed() {
    check(
        "start; spawned; stop; asked; tick; due; asked; due; due; due; due; due; due; signal 9; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
            asked                    stopping
            tick                     stopping
            +10s due                 stopping    asked | ASK 1 Signal(15)
            asked                    stopping
            +5s due                  stopping    killed | KILL 1
            +1s due                  stopping    KILL 1
            +2s due                  stopping    unkillable 2 | KILL 1
            +4s due                  stopping    KILL 1
            +8s due                  stopping    unkillable 4 | KILL 1
            +16s due                 stopping    KILL 1
            signal 9                 stopping    signal SIGKILL after 46s, asked | REPORT
            emptied                  down        down | REPORT
        "#]],
    );
}

#[test]
fn a_step_that_can_not_be_carried_out_is_skipped() {
    check(
        "start; spawned; stop; unasked; unasked; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
        unasked                  stopping    ask failed: CtrlC: no console | asked | ASK 1 Signal(15)
        unasked                  stopping    ask failed: Signal(15): no console | killed | KILL 1
        emptied                  down        down | REPORT
    "#]],
    );
}

#[test]
fn a_stop_command_that_fails_late_does_not_skip_the_next_step() {
    let mut stage = Stage::new(spec(), History::default());
    stage.play("start; spawned; stop");
    let late = crate::event::Event::Asked(stage.service.status().run, crate::spec::Ask::CtrlC, Err("too late".into()));
    stage.play("due");
    let until = stage.service.deadline();
    let effects = stage.send(late);
    assert_eq!(effects.len(), 1, "only the record: {effects:?}");
    assert_eq!(stage.service.deadline(), until);
}

#[test]
fn descendants_linger_two_seconds_and_are_killed() {
    check(
        "start; spawned; stop; +1s exit 0; unasked; due; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
        +1s exit 0               stopping    exit code 0 after 1s, asked | REPORT
        unasked                  stopping    ask failed: CtrlC: no console
        +2s due                  stopping    killed | KILL 1
        emptied                  down        down | REPORT
    "#]],
    );
}

#[test]
fn descendants_get_only_what_is_left_of_the_step() {
    check_with(
        "ladder=3s,1h,kill",
        "start; spawned; stop; +2s exit 0; +1s tick; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 Command(["ask-3s"]) | REPORT
        +2s exit 0               stopping    exit code 0 after 2s, asked | REPORT
        +1s tick                 stopping    killed | KILL 1
        emptied                  down        down | REPORT
    "#]],
    );
}

#[test]
fn a_zero_wait_asks_and_goes_on() {
    check_with(
        "ladder=0s,0s,kill",
        "start; spawned; stop; due; due; signal 9; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 Command(["ask-0s"]) | REPORT
        due                      stopping    asked | ASK 1 Command(["ask-0s"])
        due                      stopping    killed | KILL 1
        signal 9                 stopping    signal SIGKILL after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
}

#[test]
fn the_stop_limit_is_the_sum_of_the_waits_and_a_margin() {
    assert_eq!(Stage::new(spec(), History::default()).service.stop_limit(), Duration::from_secs(20));
}
