//! What people order, in every phase.

use expect_test::expect;

use super::script::{Stage, adjust, check, check_with, spec};
use crate::event::RunId;
use crate::exit::Exit;
use crate::status::{History, Phase};
use std::time::Duration;

#[test]
fn an_order_that_changes_nothing_leaves_no_record() {
    check(
        "stop; kill; start; start; spawned; start; stop; stop; exit 0; emptied; stop",
        expect![[r#"
        stop                     down
        kill                     down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        start                    starting
        spawned                  up          spawned | ready after 0ns | REPORT
        start                    up
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
        stop                     stopping
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | REPORT
        stop                     down
    "#]],
    );
}

#[test]
fn start_cuts_a_back_off_short() {
    check(
        "start; nospawn; nospawn; start",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  starting    spawn failed: no such file | SPAWN 2 payment | REPORT
        nospawn                  backoff     spawn failed: no such file | backoff 237.5ms, 2 failures | REPORT
        start                    starting    ordered start | SPAWN 3 payment | REPORT
    "#]],
    );
}

#[test]
fn a_start_while_stopping_is_remembered_and_a_later_stop_forgets_it() {
    check(
        "start; spawned; stop; start; start; exit 0; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
            start                    stopping    ordered start | REPORT
            start                    stopping
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  starting    SPAWN 2 payment | REPORT
        "#]],
    );
    check(
        "start; spawned; stop; start; stop; exit 0; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
            start                    stopping    ordered start | REPORT
            stop                     stopping    ordered stop | REPORT
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  down        down | REPORT
        "#]],
    );
}

#[test]
fn a_stop_while_the_spawn_is_not_answered_wins() {
    check(
        "start; stop; spawned; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        stop                     stopping    ordered stop | REPORT
        spawned                  stopping    spawned | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
    check(
        "start; stop; nospawn",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        stop                     stopping    ordered stop | REPORT
        nospawn                  down        spawn failed: no such file | down | REPORT
    "#]],
    );
    check(
        "start; kill; kill; spawned; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        kill                     stopping    ordered kill | REPORT
        kill                     stopping
        spawned                  stopping    spawned | killed | KILL 1 | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
}

#[test]
fn a_stop_in_back_off_wins() {
    check(
        "start; nospawn; nospawn; stop; +1h tick",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  starting    spawn failed: no such file | SPAWN 2 payment | REPORT
        nospawn                  backoff     spawn failed: no such file | backoff 237.5ms, 2 failures | REPORT
        stop                     down        ordered stop | down | REPORT
        +3600s tick              down
    "#]],
    );
}

#[test]
fn a_stop_after_a_crash_wins_over_the_policy() {
    check(
        "start; spawned; exit 1; stop; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            stop                     stopping    ordered stop | REPORT
            emptied                  down        down | REPORT
        "#]],
    );
    check(
        "start; spawned; exit 0; start; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 0                   stopping    exit code 0 after 0ns | KILL 1 | REPORT
        start                    stopping    ordered start
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn kill_ends_at_once_and_cuts_a_ladder_short() {
    check(
        "start; spawned; kill; kill; exit 0; signal 9; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        kill                     stopping    ordered kill | killed | KILL 1 | REPORT
        kill                     stopping
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        signal 9                 stopping
        emptied                  down        down | REPORT
    "#]],
    );
    check(
        "start; spawned; stop; kill; signal 9; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
        kill                     stopping    ordered kill | killed | KILL 1
        signal 9                 stopping    signal SIGKILL after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
    check(
        "start; spawned; stop; exit 0; kill; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        kill                     stopping    ordered kill | killed | KILL 1
        emptied                  down        down | REPORT
    "#]],
    );
}

#[test]
fn restart_is_a_stop_and_a_start() {
    check(
        "start; spawned; restart; restart; exit 0; emptied; spawned",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        restart                  stopping    ordered restart | asked | ASK 1 CtrlC | REPORT
        restart                  stopping
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
    "#]],
    );
    check(
        "restart; restart; spawned; exit 0; emptied",
        expect![[r#"
        restart                  starting    ordered restart | SPAWN 1 payment | REPORT
        restart                  stopping    ordered restart | REPORT
        spawned                  stopping    spawned | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn a_kill_during_a_restart_is_the_last_order() {
    check(
        "start; spawned; restart; kill; signal 9; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            restart                  stopping    ordered restart | asked | ASK 1 CtrlC | REPORT
            kill                     stopping    ordered kill | killed | KILL 1 | REPORT
            signal 9                 stopping    signal SIGKILL after 0ns, asked | REPORT
            emptied                  down        down | REPORT
        "#]],
    );
}

#[test]
fn retire_ends_the_run_and_nothing_is_started_any_more() {
    check(
        "start; spawned; retire; start; restart; stop; retire; kill; signal 9; emptied; start; retire; resume",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            retire                   stopping    ordered retire | asked | ASK 1 CtrlC | REPORT
            start                    stopping    refused: cannot start payment: its guard is on its way out
            restart                  stopping    refused: cannot start payment: its guard is on its way out
            stop                     stopping
            retire                   stopping
            kill                     stopping    ordered kill | killed | KILL 1
            signal 9                 stopping    signal SIGKILL after 0ns, asked | REPORT
            emptied                  down        down | RETIRE - | REPORT
            start                    down        refused: cannot start payment: its guard is on its way out
            retire                   down
            resume                   down
        "#]],
    );
    check(
        "start; retire; spawned; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        retire                   stopping    ordered retire | REPORT
        spawned                  stopping    spawned | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | RETIRE - | REPORT
    "#]],
    );
}

#[test]
fn retire_of_a_service_that_is_done_tells_its_exit() {
    check_with(
        "fail=3",
        "start; spawned; exit 3; emptied; retire",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 3                   stopping    exit code 3 after 0ns | KILL 1 | REPORT
        emptied                  done        done exit code 3 | REPORT
        retire                   down        ordered retire | RETIRE exit code 3 | REPORT
    "#]],
    );
    check(
        "retire; retire",
        expect![[r#"
        retire                   down        ordered retire | RETIRE -
        retire                   down
    "#]],
    );
}

#[test]
fn a_disabled_service_is_not_started() {
    check_with(
        "disabled=yes",
        "start; restart; resume; stop; spec disabled=no; start",
        expect![[r#"
        start                    down        refused: cannot start payment: its spec says that it is disabled
        restart                  down        refused: cannot start payment: its spec says that it is disabled
        resume                   down
        stop                     down
        spec disabled=no         down        spec changed
        start                    starting    ordered start | SPAWN 1 payment | REPORT
    "#]],
    );
}

#[test]
fn an_ordered_start_resets_the_counts() {
    let mut stage = Stage::new(spec(), History::default());
    stage.play("start; nospawn; nospawn; due");
    assert_eq!(stage.service.status().restarts, 2);
    stage.play("spawned; restart; exit 0; emptied");
    assert_eq!(stage.service.status().restarts, 0);
    assert_eq!(
        stage.service.history(stage.now),
        History { last_run: RunId(4), last_exit: stage.service.status().last_exit, ..History::default() }
    );
}

#[test]
fn a_new_guard_goes_on_where_the_old_one_died() {
    let mut old = Stage::new(spec(), History::default());
    old.play("start; nospawn; nospawn; due; nospawn");
    assert!(old.service.wanted());
    let history = old.service.history(old.now);
    let mut new = Stage::new(spec(), history);
    assert_eq!(new.service.status().phase, Phase::Down);
    expect![[r#"
        resume                   starting    SPAWN 4 payment | REPORT
        resume                   starting
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 4 | REPORT
        emptied                  backoff     backoff 950ms, 4 failures | REPORT
    "#]]
    .assert_eq(&new.play("resume; resume; spawned; exit 1; emptied"));
}

#[test]
fn quarantine_survives_the_guard_and_an_order_leaves_it() {
    let quarantined = History { last_run: RunId(8), quarantined: Some(Duration::from_secs(5)), ..History::default() };
    let mut stage = Stage::new(spec(), quarantined);
    assert!(stage.service.wanted());
    expect![[r#"
        resume                   quarantined
        +3600s tick              quarantined
        start                    starting    ordered start | SPAWN 9 payment | REPORT
    "#]]
    .assert_eq(&stage.play("resume; +1h tick; start"));
}

#[test]
fn quarantine_goes_on_under_a_new_guard_for_what_is_left_of_it() {
    let mut quarantined = spec();
    ["quarantine=0", "release=1h"].iter().for_each(|change| adjust(&mut quarantined, change));
    let mut old = Stage::new(quarantined.clone(), History::default());
    old.play("start; nospawn; +10m tick");
    let history = old.service.history(old.now);
    assert_eq!(history.quarantined, Some(Duration::from_secs(600)));
    // The next guard comes ten minutes later.
    let new = Stage::new(quarantined.clone(), history.clone().aged(Duration::from_secs(600)));
    let status = new.service.status();
    assert_eq!(status.phase, Phase::Quarantined);
    assert_eq!(status.next, Some(new.now.mono.after(Duration::from_secs(2_400))));
    assert_eq!(new.service.history(new.now).quarantined, Some(Duration::from_secs(1_200)));
    // A spec that says "never" or "disabled" meanwhile has left it.
    for change in ["quarantine=never", "disabled=yes"] {
        let mut other = quarantined.clone();
        adjust(&mut other, change);
        assert_eq!(Stage::new(other, history.clone()).service.status().phase, Phase::Down, "{change}");
    }
}

#[test]
fn a_service_that_was_done_is_done_under_the_next_guard_too() {
    let done = History { last_run: RunId(8), done: true, last_exit: Some(Exit::Code(0)), ..History::default() };
    let stage = Stage::new(spec(), done.clone());
    assert_eq!((stage.service.status().phase, stage.service.history(stage.now)), (Phase::Done, done));
}
