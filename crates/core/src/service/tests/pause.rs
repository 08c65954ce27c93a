//! Halting, going on, and reading the configuration again.

use expect_test::expect;

use super::script::{Stage, check, check_with, spec};
use crate::status::History;

#[test]
fn a_run_is_halted_and_goes_on() {
    check(
        "start; spawned; pause; pause; paused; paused; pause; +1h tick; continue; continue; stop",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        pause                    up
        paused                   paused      paused | REPORT
        paused                   paused
        pause                    paused
        +3600s tick              paused
        continue                 up          ordered continue | continued | CONTINUE 1 | REPORT
        continue                 up
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
    check(
        "start; spawned; pause; paused; start; pause; paused; start-now",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        start                    up          ordered start | continued | CONTINUE 1 | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        start-now                up          ordered startnow | continued | CONTINUE 1 | REPORT
    "#]],
    );
}

#[test]
fn a_pause_that_fails_changes_nothing() {
    check(
        "start; spawned; pause; unpaused; unpaused; stop",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        unpaused                 up          pause failed: no freezer
        unpaused                 up
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
}

#[test]
fn a_pause_that_nobody_wants_any_more_is_taken_back() {
    check(
        "start; spawned; pause; continue; paused",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        continue                 up          ordered continue
        paused                   up          CONTINUE 1
    "#]],
    );
    check(
        "start; spawned; pause; start; paused",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        start                    up          ordered start
        paused                   up          CONTINUE 1
    "#]],
    );
    check(
        "start; spawned; pause; stop; paused; exit 0; paused; emptied; paused",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
        paused                   stopping    CONTINUE 1
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        paused                   stopping    CONTINUE 1
        emptied                  down        down | REPORT
        paused                   down
    "#]],
    );
    check(
        "start; spawned; pause; kill; paused; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        kill                     stopping    ordered kill | killed | KILL 1 | REPORT
        paused                   stopping
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
    check(
        "start; spawned; pause; exit 1; paused; emptied; paused; paused @1",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        paused                   stopping
        emptied                  starting    SPAWN 2 payment | REPORT
        paused                   starting
        paused @1                starting
    "#]],
    );
}

#[test]
fn what_can_not_be_halted() {
    check(
        "pause; continue; reload; start; pause; continue; stop; pause; continue",
        expect![[r#"
        pause                    down        refused: cannot pause payment: it is not running
        continue                 down        refused: cannot continue payment: it is not running
        reload                   down        refused: cannot reload payment: its spec has no [reload]
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        pause                    starting    refused: cannot pause payment: it is still being started
        continue                 starting    refused: cannot continue payment: it is still being started
        stop                     stopping    ordered stop | REPORT
        pause                    stopping    refused: cannot pause payment: it is being stopped
        continue                 stopping    refused: cannot continue payment: it is being stopped
    "#]],
    );
    check_with(
        "kind=forking",
        "start; spawned; pause; exit 0; pause",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        pause                    starting    refused: cannot pause payment: it is still being started
        exit 0                   starting    ADOPT 1 - | REPORT
        pause                    starting    refused: cannot pause payment: it is still being started
    "#]],
    );
    check_with(
        "hook=pre-start",
        "start; pause; hooked pre-start ended",
        expect![[r#"
        start                    starting    ordered start | HOOK 1 pre-start | REPORT
        pause                    starting    refused: cannot pause payment: it is still being started
        hooked pre-start ended   starting    pre-start hook Ended | spawn failed: its pre-start hook failed: it was ended | HOOK 2 pre-start | REPORT
    "#]],
    );
    check_with(
        "after=db",
        "start; pause",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        pause                    waiting     refused: cannot pause payment: it is not running
    "#]],
    );
}

#[test]
fn a_halted_run_goes_on_before_it_is_asked_to_end() {
    check(
        "start; spawned; pause; paused; stop; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        stop                     stopping    ordered stop | CONTINUE 1 | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
    check(
        "start; spawned; pause; paused; restart; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        restart                  stopping    ordered restart | CONTINUE 1 | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "hook=pre-stop",
        "start; spawned; pause; paused; retire",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        retire                   stopping    ordered retire | CONTINUE 1 | HOOK 1 pre-stop | REPORT
    "#]],
    );
    check(
        "start; spawned; pause; paused; spec program=/srv/b",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        spec program=/srv/b      stopping    spec changed, restart | CONTINUE 1 | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
    check(
        "start; spawned; pause; paused; kill; signal 9; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        kill                     stopping    ordered kill | killed | KILL 1 | REPORT
        signal 9                 stopping    signal SIGKILL after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
    check(
        "start; spawned; pause; paused; dependents 1; shutdown",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        dependents 1             paused
        shutdown                 stopping    ordered shutdown | holding for 1 | CONTINUE 1 | REPORT
    "#]],
    );
    check_with(
        "after=db:ready:stop",
        "start; awaiting 0:db; seen db ready:1; spawned; pause; paused; seen db failed:1",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        awaiting 0:db            waiting
        seen db ready:1          starting    SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        seen db failed:1         stopping    followed: db failed or was stopped | CONTINUE 1 | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
}

#[test]
fn a_halted_run_that_dies_has_crashed() {
    check(
        "start; spawned; pause; +1s paused; +1h signal 9; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        +1s paused               paused      paused | REPORT
        +3600s signal 9          stopping    signal SIGKILL after 1s | KILL 1 | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn times_do_not_count_while_it_is_halted() {
    check_with(
        "ready=delay:5s timeout=9s",
        "start; spawned; +2s pause; paused; +1h tick; continue; +2s tick; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        +2s pause                starting    ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        +3600s tick              paused
        continue                 starting    ordered continue | continued | CONTINUE 1 | REPORT
        +2s tick                 starting
        +1s due                  up          ready after 5s | REPORT
    "#]],
    );
    check_with(
        "ready=tcp:80 timeout=9s",
        "start; spawned; +8s notready; pause; paused; +1h continue; due; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | PROBE 1 Tcp("localhost:80") | REPORT
        +8s notready             starting
        pause                    starting    ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        +3600s continue          starting    ordered continue | continued | CONTINUE 1 | REPORT
        +10ms due                starting    PROBE 1 Tcp("localhost:80")
        +990ms due               stopping    not ready after 9s: Some("refused") | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
    check_with(
        "ready=tcp:80 timeout=9s",
        "start; spawned; pause; paused; notready; +1h continue; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | PROBE 1 Tcp("localhost:80") | REPORT
        pause                    starting    ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        notready                 paused
        +3600s continue          starting    ordered continue | continued | CONTINUE 1 | REPORT
        +10ms due                starting    PROBE 1 Tcp("localhost:80")
    "#]],
    );
    check_with(
        "max=1m",
        "start; spawned; +50s pause; paused; +1h continue; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +50s pause               up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        +3600s continue          up          ordered continue | continued | CONTINUE 1 | REPORT
        +10s due                 stopping    overdue after 60s | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
    // It has lived for a second: that is not stable.
    check_with(
        "delay=1s",
        "start; nospawn; due; spawned; pause; paused; +1h continue; +1s exit 1; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  backoff     spawn failed: no such file | backoff 1s, 1 failures | REPORT
        +1s due                  starting    SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 2
        paused                   paused      paused | REPORT
        +3600s continue          up          ordered continue | continued | CONTINUE 2 | REPORT
        +1s exit 1               stopping    exit code 1 after 1s | KILL 2 | REPORT
        emptied                  backoff     backoff 1s, 2 failures | REPORT
    "#]],
    );
}

#[test]
fn what_a_program_said_before_it_was_halted_counts() {
    check_with(
        "ready=log:up hook=post-start",
        "start; spawned; +1s pause; paused; +1s ready; ready; +1s continue; exit 1",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("up") | REPORT
        spawned                  starting    spawned | REPORT
        +1s pause                starting    ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        +1s ready                paused      ready after 1s | HOOK 1 post-start | REPORT
        ready                    paused
        +1s continue             up          ordered continue | continued | CONTINUE 1 | REPORT
        exit 1                   stopping    exit code 1 after 1s | KILL 1 | REPORT
    "#]],
    );
}

#[test]
fn a_mended_probe_is_awaited_when_it_goes_on() {
    check_with(
        "ready=tcp:1 timeout=9s",
        "start; spawned; pause; paused; +1h spec ready=delay:3s; continue; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | PROBE 1 Tcp("localhost:1") | REPORT
        pause                    starting    ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        +3600s spec ready=delay:3s paused      spec changed
        continue                 starting    ordered continue | continued | CONTINUE 1 | REPORT
        +3s due                  up          ready after 3s | REPORT
    "#]],
    );
    check_with(
        "ready=tcp:1",
        "start; spawned; pause; paused; spec ready=none; continue",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | PROBE 1 Tcp("localhost:1") | REPORT
        pause                    starting    ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        spec ready=none          paused      spec changed | ready after 0ns | REPORT
        continue                 up          ordered continue | continued | CONTINUE 1 | REPORT
    "#]],
    );
    check(
        "start; spawned; pause; paused; spec ready=tcp:1; continue",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        spec ready=tcp:1         paused      spec changed
        continue                 up          ordered continue | continued | CONTINUE 1 | REPORT
    "#]],
    );
}

#[test]
fn a_halted_run_is_wanted() {
    let mut stage = Stage::new(spec(), History::default());
    stage.play("start; spawned; +11s pause; paused");
    assert!(stage.service.wanted());
    assert_eq!(stage.service.status().pid, Some(101));
    assert_eq!(stage.service.deadline(), None);
}

#[test]
fn a_new_guard_does_not_take_a_halt_for_a_stable_run() {
    let mut stage = Stage::new(spec(), History::default());
    stage.play("start; nospawn; spawned; +1s pause; paused; +1h tick");
    assert_eq!(stage.service.history(stage.now).failures, 1);
    stage.play("continue; +10s tick");
    assert_eq!(stage.service.history(stage.now).failures, 0);
}

#[test]
fn a_program_is_told_to_read_its_configuration_again() {
    check_with(
        "reload=1",
        "start; spawned; reload; reloaded; reload; unreloaded; exit 0; reloaded; emptied; reloaded; reload",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        reload                   up          ordered reload | RELOAD 1 Signal(1)
        reloaded                 up          reloaded
        reload                   up          ordered reload | RELOAD 1 Signal(1)
        unreloaded               up          reload failed: no such event
        exit 0                   stopping    exit code 0 after 0ns | KILL 1 | REPORT
        reloaded                 stopping    reloaded
        emptied                  done        done exit code 0 | REPORT
        reloaded                 done
        reload                   done        refused: cannot reload payment: it is not running
    "#]],
    );
    check_with(
        "reload=1 ready=log:x",
        "start; reload; spawned; reload; pause; paused; reload; stop; reload",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("x") | REPORT
        reload                   starting    refused: cannot reload payment: it is still being started
        spawned                  starting    spawned | REPORT
        reload                   starting    ordered reload | RELOAD 1 Signal(1)
        pause                    starting    ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        reload                   paused      refused: cannot reload payment: it is paused
        stop                     stopping    ordered stop | CONTINUE 1 | asked | ASK 1 CtrlC | REPORT
        reload                   stopping    refused: cannot reload payment: it is being stopped
    "#]],
    );
    check(
        "start; spawned; reload",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        reload                   up          refused: cannot reload payment: its spec has no [reload]
    "#]],
    );
}

#[test]
fn a_limit_is_written_down() {
    check(
        "limit; start; spawned; limit; signal 9; limit; emptied; limit @1",
        expect![[r#"
            limit                    down        limit hit: Memory
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            limit                    up          limit hit: Memory
            signal 9                 stopping    signal SIGKILL after 0ns | KILL 1 | REPORT
            limit                    stopping    limit hit: Memory
            emptied                  starting    SPAWN 2 payment | REPORT
            limit @1                 starting
        "#]],
    );
}
