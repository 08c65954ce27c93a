//! New specs, in every phase.

use expect_test::expect;

use super::script::{check, check_with, spec};

#[test]
fn an_equal_spec_or_one_of_another_name_is_ignored() {
    check(
        "start; spawned; spec description=; spec name=other program=x",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        spec description=        up
        spec name=other program=x up
    "#]],
    );
}

#[test]
fn policy_is_taken_in_place() {
    check(
        "start; spawned; spec delay=5s; spec keep=9; spec description=x; exit 1; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        spec delay=5s            up          spec changed
        spec keep=9              up          spec changed
        spec description=x       up          spec changed
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        emptied                  backoff     backoff 5s, 1 failures | REPORT
    "#]],
    );
}

#[test]
fn another_program_replaces_the_run() {
    check(
        "start; spawned; spec program=/srv/b; exit 0; emptied; spawned; spec stdout=/tmp/o",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        spec program=/srv/b      stopping    spec changed, restart | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  starting    SPAWN 2 b | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        spec stdout=/tmp/o       stopping    spec changed, restart | asked | ASK 2 CtrlC | REPORT
    "#]],
    );
}

#[test]
fn another_program_before_the_spawn_is_answered() {
    check(
        "start; spec program=/srv/b; spawned; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spec program=/srv/b      stopping    spec changed, restart | REPORT
        spawned                  stopping    spawned | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  starting    SPAWN 2 b | REPORT
    "#]],
    );
}

#[test]
fn the_old_program_is_asked_in_its_own_way() {
    check(
        "start; spawned; spec ladder=7s,kill program=/srv/b; exit 0; emptied; spawned; stop",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        spec ladder=7s,kill program=/srv/b stopping    spec changed, restart | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  starting    SPAWN 2 b | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 2 Command(["ask-7s"]) | REPORT
    "#]],
    );
}

#[test]
fn another_program_in_back_off_starts_at_once() {
    check(
        "start; nospawn; nospawn; spec program=/srv/b",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  starting    spawn failed: no such file | SPAWN 2 payment | REPORT
        nospawn                  backoff     spawn failed: no such file | backoff 237.5ms, 2 failures | REPORT
        spec program=/srv/b      starting    spec changed, restart | SPAWN 3 b | REPORT
    "#]],
    );
}

#[test]
fn other_policy_in_back_off_shortens_the_wait() {
    check(
        "start; nospawn; nospawn; spec delay=10ms; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  starting    spawn failed: no such file | SPAWN 2 payment | REPORT
        nospawn                  backoff     spawn failed: no such file | backoff 237.5ms, 2 failures | REPORT
        spec delay=10ms          backoff     spec changed
        +10ms due                starting    SPAWN 3 payment | REPORT
    "#]],
    );
}

#[test]
fn any_change_leaves_quarantine() {
    check_with(
        "quarantine=0",
        "start; spawned; exit 1; emptied; spec description=x",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        emptied                  quarantined quarantined: 0 in 300s, release None | REPORT
        spec description=x       starting    spec changed, restart | SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn nothing_is_started_for_a_spec_where_nothing_is_wanted() {
    check(
        "spec program=/srv/b; start; spawned; exit 0; emptied; spec program=/srv/c",
        expect![[r#"
        spec program=/srv/b      down        spec changed
        start                    starting    ordered start | SPAWN 1 b | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 0                   stopping    exit code 0 after 0ns | KILL 1 | REPORT
        emptied                  done        done exit code 0 | REPORT
        spec program=/srv/c      done        spec changed
    "#]],
    );
    check(
        "start; spawned; stop; spec program=/srv/b; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
        spec program=/srv/b      stopping    spec changed
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
    check(
        "retire; spec program=/srv/b",
        expect![[r#"
        retire                   down        ordered retire | RETIRE -
        spec program=/srv/b      down        spec changed
    "#]],
    );
}

#[test]
fn disabling_leaves_the_run_alone_but_nothing_follows_it() {
    check(
        "start; spawned; spec disabled=yes; start; restart; exit 1; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        spec disabled=yes        up          spec changed
        start                    up          refused: cannot start payment: its spec says that it is disabled
        restart                  up          refused: cannot start payment: its spec says that it is disabled
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        emptied                  done        done exit code 1 | REPORT
    "#]],
    );
    check(
        "start; nospawn; nospawn; spec disabled=yes",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  starting    spawn failed: no such file | SPAWN 2 payment | REPORT
        nospawn                  backoff     spawn failed: no such file | backoff 237.5ms, 2 failures | REPORT
        spec disabled=yes        down        spec changed | down | REPORT
    "#]],
    );
    check(
        "start; spawned; restart; spec disabled=yes; exit 0; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            restart                  stopping    ordered restart | asked | ASK 1 CtrlC | REPORT
            spec disabled=yes        stopping    spec changed, restart | REPORT
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  down        down | REPORT
        "#]],
    );
}

#[test]
fn a_mended_probe_needs_no_restart() {
    check_with(
        "ready=tcp:1",
        "start; spawned; notready; spec ready=tcp:2; ready",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | PROBE 1 Tcp("localhost:1") | REPORT
        notready                 starting
        spec ready=tcp:2         starting    spec changed | PROBE 1 Tcp("localhost:2")
        ready                    up          ready after 0ns | REPORT
    "#]],
    );
    check_with(
        "ready=tcp:1",
        "start; spawned; +2s spec ready=delay:1s; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | PROBE 1 Tcp("localhost:1") | REPORT
        +2s spec ready=delay:1s  starting    spec changed
        due                      up          ready after 2s | REPORT
    "#]],
    );
    check_with(
        "ready=tcp:1",
        "start; spawned; +2s spec ready=none",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | PROBE 1 Tcp("localhost:1") | REPORT
        +2s spec ready=none      up          spec changed | ready after 2s | REPORT
    "#]],
    );
    check_with(
        "ready=log:a",
        "start; ready; spec ready=log:b; spawned; ready",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("a") | REPORT
        ready                    starting
        spec ready=log:b         starting    spec changed | PROBE 1 Log("b")
        spawned                  starting    spawned | REPORT
        ready                    up          ready after 0ns | REPORT
    "#]],
    );
}

#[test]
fn any_change_forgives_what_was_before() {
    check_with(
        "quarantine=1",
        "start; spawned; exit 1; emptied; spawned; spec description=x; exit 1; emptied; spawned; exit 1; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            emptied                  starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            spec description=x       up          spec changed
            exit 1                   stopping    exit code 1 after 0ns | KILL 2 | REPORT
            emptied                  starting    SPAWN 3 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 3 | REPORT
            emptied                  quarantined quarantined: 1 in 300s, release None | REPORT
        "#]],
    );
}

#[test]
fn what_is_held_back_needs_no_new_run_and_the_rest_is_taken() {
    let old = spec();
    let mut new = spec();
    new.launch.args = vec!["--other".to_owned()];
    new.log.stdout = Some("elsewhere.log".to_owned());
    new.log.keeping.rotate.keep = 99;
    new.description = "another".to_owned();
    assert!(old.needs_new_run(&new));
    let held = old.held_against(new.clone());
    assert!(!old.needs_new_run(&held));
    assert_eq!((held.log.keeping.rotate.keep, held.description.as_str()), (99, "another"));
    assert!(held.needs_new_run(&new), "what was held back is still wanted");
}
