//! How runs come up, end by themselves and are started again.

use expect_test::expect;

use super::script::{check, check_with};

#[test]
fn a_crash_is_followed_by_a_new_run_at_once() {
    check(
        "start; spawned; +1s exit 1; emptied; spawned",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +1s exit 1               stopping    exit code 1 after 1s | KILL 1 | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
    "#]],
    );
}

#[test]
fn success_is_done() {
    check(
        "start; spawned; +1s exit 0; emptied; tick; start",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +1s exit 0               stopping    exit code 0 after 1s | KILL 1 | REPORT
        emptied                  done        done exit code 0 | REPORT
        tick                     done
        start                    starting    ordered start | SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn the_next_run_waits_until_descendants_are_gone() {
    check(
        "start; spawned; exit 1; due; due; due; exit 1; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        +1s due                  stopping    KILL 1
        +2s due                  stopping    unkillable 2 | KILL 1
        +4s due                  stopping    KILL 1
        exit 1                   stopping
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn back_off_grows_and_quarantine_comes_at_the_fourth_restart() {
    check(
        "start; spawned; exit 1; emptied; spawned; exit 1; emptied; tick; due; spawned; exit 1; emptied; due; spawned; exit 1; emptied; +24h tick",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            emptied                  starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 2 | REPORT
            emptied                  backoff     backoff 237.5ms, 2 failures | REPORT
            tick                     backoff
            +237.5ms due             starting    SPAWN 3 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 3 | REPORT
            emptied                  backoff     backoff 400ms, 3 failures | REPORT
            +400ms due               starting    SPAWN 4 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 4 | REPORT
            emptied                  quarantined quarantined: 3 in 300s, release None | REPORT
            +86400s tick             quarantined
        "#]],
    );
}

#[test]
fn a_stable_run_resets_the_back_off() {
    check_with(
        "delay=100ms",
        "start; spawned; exit 1; emptied; due; spawned; exit 1; emptied; due; spawned; +10s exit 1; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            emptied                  backoff     backoff 100ms, 1 failures | REPORT
            +100ms due               starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 2 | REPORT
            emptied                  backoff     backoff 237.5ms, 2 failures | REPORT
            +237.5ms due             starting    SPAWN 3 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            +10s exit 1              stopping    exit code 1 after 10s | KILL 3 | REPORT
            emptied                  backoff     backoff 100ms, 1 failures | REPORT
        "#]],
    );
}

#[test]
fn a_named_exit_code_goes_before_the_rule() {
    check_with(
        "on=always fail=3",
        "start; spawned; exit 3; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 3                   stopping    exit code 3 after 0ns | KILL 1 | REPORT
        emptied                  done        done exit code 3 | REPORT
    "#]],
    );
}

#[test]
fn always_restarts_a_success_too() {
    check_with(
        "on=always",
        "start; spawned; +10s exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +10s exit 0              stopping    exit code 0 after 10s | KILL 1 | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn a_failed_spawn_is_a_failed_run() {
    check(
        "start; nospawn; nospawn; due; nospawn; due; spawned; +1s signal 11; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  starting    spawn failed: no such file | SPAWN 2 payment | REPORT
        nospawn                  backoff     spawn failed: no such file | backoff 237.5ms, 2 failures | REPORT
        +237.5ms due             starting    SPAWN 3 payment | REPORT
        nospawn                  backoff     spawn failed: no such file | backoff 400ms, 3 failures | REPORT
        +400ms due               starting    SPAWN 4 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        +1s signal 11            stopping    signal SIGSEGV after 1s | KILL 4 | REPORT
        emptied                  quarantined quarantined: 3 in 300s, release None | REPORT
    "#]],
    );
}

#[test]
fn a_service_that_could_not_start_and_must_not_try_again_is_done() {
    check_with(
        "on=never",
        "start; nospawn; retire",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  done        spawn failed: no such file | done - | REPORT
        retire                   down        ordered retire | RETIRE - | REPORT
    "#]],
    );
}

#[test]
fn ready_after_a_delay() {
    check_with(
        "ready=delay:2s",
        "start; spawned; +1s tick; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        +1s tick                 starting
        +1s due                  up          ready after 2s | REPORT
    "#]],
    );
}

#[test]
fn a_probe_is_repeated_until_it_succeeds_quickly_at_first() {
    check_with(
        "ready=tcp:80",
        "start; spawned; notready; notready; +5ms tick; due; notready; due; +3s notready; due; notready; due; notready; due; notready; due; notready; due; ready; notready; ready",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  starting    spawned | PROBE 1 Tcp("localhost:80") | REPORT
            notready                 starting
            notready                 starting
            +5ms tick                starting
            +5ms due                 starting    PROBE 1 Tcp("localhost:80")
            notready                 starting
            +20ms due                starting    PROBE 1 Tcp("localhost:80")
            +3s notready             starting
            +40ms due                starting    PROBE 1 Tcp("localhost:80")
            notready                 starting
            +80ms due                starting    PROBE 1 Tcp("localhost:80")
            notready                 starting
            +160ms due               starting    PROBE 1 Tcp("localhost:80")
            notready                 starting
            +320ms due               starting    PROBE 1 Tcp("localhost:80")
            notready                 starting
            +500ms due               starting    PROBE 1 Tcp("localhost:80")
            ready                    up          ready after 4.13s | REPORT
            notready                 up
            ready                    up
        "#]],
    );
}

#[test]
fn a_log_line_is_watched_for_from_the_start_and_may_come_before_the_answer() {
    check_with(
        "ready=log:up",
        "start; spawned; notready; ready",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("up") | REPORT
        spawned                  starting    spawned | REPORT
        notready                 starting
        ready                    up          ready after 0ns | REPORT
    "#]],
    );
    check_with(
        "ready=log:up",
        "start; ready; spawned",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("up") | REPORT
        ready                    starting
        spawned                  up          spawned | ready after 0ns | REPORT
    "#]],
    );
}

#[test]
fn a_run_that_is_not_ready_in_time_is_ended_and_counts_as_a_failure() {
    check_with(
        "ready=tcp:80 timeout=1s",
        "start; spawned; notready; due; +989ms notready; due; +1s exit 0; emptied; spawned; due; ready; exit 0; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  starting    spawned | PROBE 1 Tcp("localhost:80") | REPORT
            notready                 starting
            +10ms due                starting    PROBE 1 Tcp("localhost:80")
            +989ms notready          starting
            +1ms due                 stopping    not ready after 1s: Some("refused") | asked | ASK 1 CtrlC | REPORT
            +1s exit 0               stopping    exit code 0 after 2s, asked | REPORT
            emptied                  starting    SPAWN 2 payment | REPORT
            spawned                  starting    spawned | PROBE 2 Tcp("localhost:80") | REPORT
            +1s due                  stopping    not ready after 1s: None | asked | ASK 2 CtrlC | REPORT
            ready                    stopping
            exit 0                   stopping    exit code 0 after 1s, asked | REPORT
            emptied                  backoff     backoff 237.5ms, 2 failures | REPORT
        "#]],
    );
}

#[test]
fn a_run_that_never_got_ready_is_not_stable_however_long_it_lived() {
    check_with(
        "ready=log:up timeout=1h",
        "start; spawned; due; exit 1; emptied; spawned; due; exit 1; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("up") | REPORT
            spawned                  starting    spawned | REPORT
            +3600s due               stopping    not ready after 3600s: None | asked | ASK 1 CtrlC | REPORT
            exit 1                   stopping    exit code 1 after 3600s, asked | REPORT
            emptied                  starting    SPAWN 2 payment | PROBE 2 Log("up") | REPORT
            spawned                  starting    spawned | REPORT
            +3600s due               stopping    not ready after 3600s: None | asked | ASK 2 CtrlC | REPORT
            exit 1                   stopping    exit code 1 after 3600s, asked | REPORT
            emptied                  backoff     backoff 237.5ms, 2 failures | REPORT
        "#]],
    );
}

#[test]
fn an_exit_before_it_is_ready_is_an_exit() {
    check_with(
        "ready=log:up timeout=60s",
        "start; spawned; +1s exit 1; emptied; spawned; ready",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("up") | REPORT
        spawned                  starting    spawned | REPORT
        +1s exit 1               stopping    exit code 1 after 1s | KILL 1 | REPORT
        emptied                  starting    SPAWN 2 payment | PROBE 2 Log("up") | REPORT
        spawned                  starting    spawned | REPORT
        ready                    up          ready after 0ns | REPORT
    "#]],
    );
}

#[test]
fn quarantine_is_left_by_an_order_and_forgiven() {
    check_with(
        "quarantine=0",
        "start; spawned; exit 1; emptied; start; spawned; exit 1; emptied; stop; start",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            emptied                  quarantined quarantined: 0 in 300s, release None | REPORT
            start                    starting    ordered start | SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 2 | REPORT
            emptied                  quarantined quarantined: 0 in 300s, release None | REPORT
            stop                     down        ordered stop | down | REPORT
            start                    starting    ordered start | SPAWN 3 payment | REPORT
        "#]],
    );
}

#[test]
fn quarantine_is_left_when_its_time_is_over() {
    check_with(
        "quarantine=0 release=1h",
        "start; spawned; exit 1; emptied; +59m tick; due; spawned",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        emptied                  quarantined quarantined: 0 in 300s, release Some(3600s) | REPORT
        +3540s tick              quarantined
        +60s due                 starting    released | SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
    "#]],
    );
}

#[test]
fn a_late_exit_of_an_old_run_is_ignored() {
    check(
        "start; spawned; exit 1; emptied; spawned; exit 1 @1; emptied @1; spawned @1; nospawn @1; ready @1; exit 7 @9",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            emptied                  starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1 @1                up
            emptied @1               up
            spawned @1               up
            nospawn @1               up
            ready @1                 up
            exit 7 @9                up
        "#]],
    );
}

#[test]
fn events_that_make_no_sense_change_nothing() {
    check(
        "spawned; exit 1; emptied; ready; notready; tick; asked; unasked; nospawn",
        expect![[r#"
        spawned                  down
        exit 1                   down
        emptied                  down
        ready                    down
        notready                 down
        tick                     down
        asked                    down
        unasked                  down
        nospawn                  down
    "#]],
    );
    check(
        "start; exit 1; emptied; notready; tick; spawned; spawned; emptied; nospawn; unasked; tick",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        exit 1                   starting
        emptied                  starting
        notready                 starting
        tick                     starting
        spawned                  up          spawned | ready after 0ns | REPORT
        spawned                  up
        emptied                  up
        nospawn                  up
        unasked                  up
        tick                     up
    "#]],
    );
    check(
        "start; spawned; exit 1; exit 1; spawned; ready; notready; unasked; nospawn; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        exit 1                   stopping
        spawned                  stopping
        ready                    stopping
        notready                 stopping
        unasked                  stopping    ask failed: CtrlC: no console
        nospawn                  stopping
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn a_release_from_quarantine_forgives_what_was_before() {
    check_with(
        "quarantine=1 release=1s",
        "start; nospawn; nospawn; due; nospawn; nospawn; due; spawned; exit 1; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            nospawn                  starting    spawn failed: no such file | SPAWN 2 payment | REPORT
            nospawn                  quarantined spawn failed: no such file | quarantined: 1 in 300s, release Some(1s) | REPORT
            +1s due                  starting    released | SPAWN 3 payment | REPORT
            nospawn                  starting    spawn failed: no such file | SPAWN 4 payment | REPORT
            nospawn                  quarantined spawn failed: no such file | quarantined: 1 in 300s, release Some(1s) | REPORT
            +1s due                  starting    released | SPAWN 5 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 5 | REPORT
            emptied                  starting    SPAWN 6 payment | REPORT
        "#]],
    );
}
