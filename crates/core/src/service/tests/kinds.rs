//! What a main process is, when its work is done, and how long it may take.

use expect_test::expect;

use super::script::{Stage, adjust, check_with, spec};
use crate::status::{History, Standing};

#[test]
fn what_is_to_end_is_done_when_it_ended_well_whatever_the_policy() {
    check_with(
        "kind=once on=always",
        "start; spawned; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 0                   stopping    exit code 0 after 0ns | KILL 1 | REPORT
        emptied                  done        done exit code 0 | REPORT
    "#]],
    );
    check_with(
        "kind=once on=always",
        "start; spawned; exit 1; emptied; spawned; stop; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 2 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
    check_with(
        "kind=once on=never",
        "start; spawned; exit 1; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        emptied                  done        done exit code 1 | REPORT
    "#]],
    );
}

#[test]
fn how_far_each_kind_has_come() {
    let came = |setup: &str, script: &str| led(setup, script).service.status().standing;
    for (setup, script, standing) in [
        ("", "tick", Standing::Failed),
        ("", "start", Standing::Pending),
        ("ready=log:x", "start; spawned", Standing::Started),
        ("", "start; spawned", Standing::Ready),
        ("", "start; spawned; exit 1", Standing::Pending),
        ("delay=1s", "start; spawned; exit 1; emptied", Standing::Pending),
        ("quarantine=0", "start; spawned; exit 1; emptied", Standing::Failed),
        ("", "start; spawned; exit 0", Standing::Pending),
        ("", "start; spawned; exit 0; emptied", Standing::Done),
        ("fail=3", "start; spawned; exit 3", Standing::Failed),
        ("fail=3", "start; spawned; exit 3; emptied", Standing::Failed),
        ("", "start; spawned; stop", Standing::Failed),
        ("", "start; spawned; restart", Standing::Pending),
        ("", "start; spawned; restart; spec disabled=yes", Standing::Failed),
        ("", "start; spawned; stop; exit 0; emptied", Standing::Failed),
        ("", "retire", Standing::Failed),
        ("kind=once", "start; spawned", Standing::Started),
        ("kind=once", "start; spawned; pause; paused", Standing::Started),
        ("kind=once", "start; spawned; exit 0; emptied", Standing::Done),
        ("kind=once on=never", "start; spawned; exit 1; emptied", Standing::Failed),
        ("kind=forking", "start; spawned", Standing::Pending),
        ("kind=forking", "start; spawned; exit 0", Standing::Pending),
        ("kind=forking", "start; spawned; exit 0; adopted", Standing::Ready),
        ("hook=pre-start", "start", Standing::Pending),
        ("", "start; spawned; pause; paused", Standing::Ready),
        ("ready=log:x", "start; spawned; pause; paused", Standing::Started),
        ("ready=log:x", "start; spawned; dependents 1; shutdown", Standing::Started),
        ("", "start; spawned; dependents 1; shutdown", Standing::Ready),
        ("", "start; spawned; dependents 1; shutdown; dependents 0", Standing::Failed),
        ("on=never ready=log:x timeout=1s", "start; spawned; due; exit 0; emptied", Standing::Failed),
    ] {
        assert_eq!(came(setup, script), standing, "{setup}: {script}");
    }
}

#[test]
fn what_was_done_well_is_so_under_the_next_guard_too() {
    for (code, standing) in [(0, Standing::Done), (1, Standing::Failed)] {
        let old = led("on=never", &format!("start; spawned; exit {code}; emptied"));
        let new = Stage::new(old.service.spec().clone(), old.service.history(old.now));
        assert_eq!(new.service.status().standing, standing);
    }
}

#[test]
fn a_program_that_leaves_its_main_process_behind() {
    check_with(
        "kind=forking",
        "start; adopted; spawned; adopted; ready; emptied; exit 0; exit 0; adopted; adopted; +1s exit 1; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            adopted                  starting
            spawned                  starting    spawned | REPORT
            adopted                  starting
            ready                    starting
            emptied                  starting
            exit 0                   starting    ADOPT 1 - | REPORT
            exit 0                   starting
            adopted                  up          adopted 201 | ready after 0ns | REPORT
            adopted                  up
            +1s exit 1               stopping    exit code 1 after 1s | KILL 1 | REPORT
            emptied                  starting    SPAWN 2 payment | REPORT
        "#]],
    );
    check_with(
        "kind=forking:/run/x.pid ready=tcp:80",
        "start; spawned; +1s exit 0; +1s adopted; +1s ready; stop",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        +1s exit 0               starting    ADOPT 1 /run/x.pid | REPORT
        +1s adopted              starting    adopted 201 | PROBE 1 Tcp("localhost:80") | REPORT
        +1s ready                up          ready after 3s | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
    check_with(
        "kind=forking ready=log:up",
        "start; spawned; ready; exit 0; adopted",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("up") | REPORT
        spawned                  starting    spawned | REPORT
        ready                    starting
        exit 0                   starting    ADOPT 1 - | REPORT
        adopted                  up          adopted 201 | ready after 0ns | REPORT
    "#]],
    );
    check_with(
        "kind=forking ready=log:up",
        "start; ready; spawned; exit 0; ready; adopted",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("up") | REPORT
        ready                    starting
        spawned                  starting    spawned | REPORT
        exit 0                   starting    ADOPT 1 - | REPORT
        ready                    starting
        adopted                  up          adopted 201 | ready after 0ns | REPORT
    "#]],
    );
    check_with(
        "kind=forking ready=log:up",
        "start; ready; spawned; spec ready=log:b; exit 0; adopted; ready",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("up") | REPORT
        ready                    starting
        spawned                  starting    spawned | REPORT
        spec ready=log:b         starting    spec changed | PROBE 1 Log("b")
        exit 0                   starting    ADOPT 1 - | REPORT
        adopted                  starting    adopted 201 | REPORT
        ready                    up          ready after 0ns | REPORT
    "#]],
    );
}

#[test]
fn a_program_that_leaves_nothing_or_too_much_behind_has_failed() {
    check_with(
        "kind=forking",
        "start; spawned; exit 1; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "kind=forking hook=post-stop",
        "start; spawned; exit 0; emptied; hooked post-stop 0",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        exit 0                   starting    ADOPT 1 - | REPORT
        emptied                  stopping    adopt failed: the program has left no main process | HOOK 1 post-stop | REPORT
        hooked post-stop 0       starting    post-stop hook Exited(Code(0)) | SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "kind=forking",
        "start; spawned; exit 0; unadopted; unadopted; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        exit 0                   starting    ADOPT 1 - | REPORT
        unadopted                stopping    adopt failed: two are left | KILL 1 | REPORT
        unadopted                stopping
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "kind=forking timeout=5s",
        "start; spawned; exit 0; +4s tick; due; signal 9; adopted; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        exit 0                   starting    ADOPT 1 - | REPORT
        +4s tick                 starting
        +1s due                  stopping    not ready after 5s: Some("the program has left no main process") | killed | KILL 1 | REPORT
        signal 9                 stopping
        adopted                  stopping
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "kind=forking timeout=5s",
        "start; spawned; due; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        +5s due                  stopping    not ready after 5s: Some("the program has not left its main process alone") | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 5s, asked | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "kind=forking",
        "start; spawned; spec timeout=5s; exit 0; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        spec timeout=5s          starting    spec changed
        exit 0                   starting    ADOPT 1 - | REPORT
        +5s due                  stopping    not ready after 5s: Some("the program has left no main process") | killed | KILL 1 | REPORT
    "#]],
    );
}

#[test]
fn a_stop_while_the_main_process_is_looked_for() {
    check_with(
        "kind=forking hook=pre-stop",
        "start; spawned; stop; hooked pre-stop 0; exit 0; adopted; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        stop                     stopping    ordered stop | HOOK 1 pre-stop | REPORT
        hooked pre-stop 0        stopping    pre-stop hook Exited(Code(0)) | asked | ASK 1 CtrlC
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        adopted                  stopping
        emptied                  down        down | REPORT
    "#]],
    );
    check_with(
        "kind=forking hook=pre-stop",
        "start; spawned; exit 0; stop; adopted; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        exit 0                   starting    ADOPT 1 - | REPORT
        stop                     stopping    ordered stop | killed | KILL 1 | REPORT
        adopted                  stopping
        emptied                  down        down | REPORT
    "#]],
    );
    check_with(
        "kind=forking",
        "start; stop; spawned; exit 0; due; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        stop                     stopping    ordered stop | REPORT
        spawned                  stopping    spawned | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        +2s due                  stopping    killed | KILL 1
        emptied                  down        down | REPORT
    "#]],
    );
    check_with(
        "kind=forking",
        "start; spawned; exit 0; spec kind=simple; emptied; spawned",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        exit 0                   starting    ADOPT 1 - | REPORT
        spec kind=simple         stopping    spec changed, restart | killed | KILL 1 | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
    "#]],
    );
}

#[test]
fn a_run_that_lives_longer_than_it_may_is_ended_as_a_failure() {
    check_with(
        "max=1m hook=pre-stop",
        "start; spawned; +59s tick; due; hooked pre-stop 0; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +59s tick                up
        +1s due                  stopping    overdue after 60s | HOOK 1 pre-stop | REPORT
        hooked pre-stop 0        stopping    pre-stop hook Exited(Code(0)) | asked | ASK 1 CtrlC
        exit 0                   stopping    exit code 0 after 60s, asked | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "max=5s on=never ready=log:x timeout=1m",
        "start; spawned; due; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("x") | REPORT
        spawned                  starting    spawned | REPORT
        +5s due                  stopping    overdue after 5s | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 5s, asked | REPORT
        emptied                  done        done - | REPORT
    "#]],
    );
    check_with(
        "max=5s kind=once",
        "start; spawned; due; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +5s due                  stopping    overdue after 5s | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 5s, asked | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "max=5s kind=forking",
        "start; spawned; exit 0; due; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        exit 0                   starting    ADOPT 1 - | REPORT
        +5s due                  stopping    overdue after 5s | killed | KILL 1 | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "",
        "start; spawned; +1h spec max=1m; due; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +3600s spec max=1m       up          spec changed
        due                      stopping    overdue after 60s | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 3600s, asked | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
    // A stable one is forgiven what was before, and counts as a first failure each time.
    check_with(
        "max=1m delay=1s",
        "start; spawned; due; exit 0; emptied; due; spawned; due; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +60s due                 stopping    overdue after 60s | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 60s, asked | REPORT
        emptied                  backoff     backoff 1s, 1 failures | REPORT
        +1s due                  starting    SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +60s due                 stopping    overdue after 60s | asked | ASK 2 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 60s, asked | REPORT
        emptied                  backoff     backoff 1s, 1 failures | REPORT
    "#]],
    );
}

fn led(setup: &str, script: &str) -> Stage {
    let mut spec = spec();
    setup.split_whitespace().for_each(|change| adjust(&mut spec, change));
    let mut stage = Stage::new(spec, History::default());
    stage.play(script);
    stage
}
