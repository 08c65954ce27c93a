//! Files whose change replaces a run, or is told to it.

use expect_test::expect;

use super::script::{Stage, adjust, check, check_with, spec};
use crate::status::History;

#[test]
fn a_changed_file_replaces_the_run_when_all_is_quiet() {
    check_with(
        "watch=500ms",
        "start; spawned; changed a; +400ms changed b; +400ms tick; due; exit 0; emptied; spawned",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        changed a                up
        +400ms changed b         up
        +400ms tick              up
        +100ms due               stopping    file changed: b | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 900ms, asked | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
    "#]],
    );
    check(
        "start; spawned; changed a; tick",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        changed a                up
        tick                     up
    "#]],
    );
    check_with(
        "watch=500ms",
        "start; spawned; changed a; spec watch=no; +1s tick",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        changed a                up
        spec watch=no            up          spec changed
        +1s tick                 up
    "#]],
    );
}

#[test]
fn a_changed_file_is_told_to_a_program_that_can_read_it_again() {
    check_with(
        "watch=500ms:reload reload=1",
        "start; spawned; changed a; due; reloaded",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        changed a                up
        +500ms due               up          file changed: a | RELOAD 1 Signal(1)
        reloaded                 up          reloaded
    "#]],
    );
    check_with(
        "watch=500ms:reload",
        "start; spawned; changed a; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        changed a                up
        +500ms due               stopping    file changed: a | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
    check_with(
        "watch=500ms:reload reload=1",
        "start; changed a; due; spawned; exit 0; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        changed a                starting
        +500ms due               stopping    file changed: a | REPORT
        spawned                  stopping    spawned | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn a_changed_file_starts_what_is_not_there_unless_nobody_wants_it() {
    check_with(
        "watch=0ms",
        "changed a; tick; start; spawned; exit 0; changed a; tick; emptied; spawned; exit 0; emptied; changed a; tick",
        expect![[r#"
        changed a                down
        tick                     down
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 0                   stopping    exit code 0 after 0ns | KILL 1 | REPORT
        changed a                stopping
        tick                     stopping    file changed: a
        emptied                  starting    SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 0                   stopping    exit code 0 after 0ns | KILL 2 | REPORT
        emptied                  done        done exit code 0 | REPORT
        changed a                done
        tick                     starting    file changed: a | SPAWN 3 payment | REPORT
    "#]],
    );
    check_with(
        "watch=0ms delay=1m",
        "start; nospawn; changed a; tick; stop; changed a; tick; nospawn; changed a; tick",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  backoff     spawn failed: no such file | backoff 60s, 1 failures | REPORT
        changed a                backoff
        tick                     starting    file changed: a | SPAWN 2 payment | REPORT
        stop                     stopping    ordered stop | REPORT
        changed a                stopping
        tick                     stopping
        nospawn                  down        spawn failed: no such file | down | REPORT
        changed a                down
        tick                     down
    "#]],
    );
    check_with(
        "watch=0ms quarantine=0",
        "start; nospawn; changed a; tick",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  quarantined spawn failed: no such file | quarantined: 0 in 300s, release None | REPORT
        changed a                quarantined
        tick                     starting    file changed: a | SPAWN 2 payment | REPORT
    "#]],
    );
    check_with(
        "watch=0ms after=db",
        "start; changed a; tick; awaiting; changed a; tick; retire; changed a",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        changed a                waiting
        tick                     waiting
        awaiting                 skipped     skipped: there is no service db | REPORT
        changed a                skipped
        tick                     skipped     file changed: a | skipped: there is no service db
        retire                   down        ordered retire | RETIRE - | AWAIT 0 | REPORT
        changed a                down
    "#]],
    );
    check_with(
        "watch=0ms",
        "start; spawned; spec disabled=yes; changed a; tick",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        spec disabled=yes        up          spec changed
        changed a                up
        tick                     up
    "#]],
    );
    check_with(
        "watch=0ms hook=pre-start",
        "start; changed a; hooked pre-start 0; tick",
        expect![[r#"
        start                    starting    ordered start | HOOK 1 pre-start | REPORT
        changed a                starting
        hooked pre-start 0       starting    pre-start hook Exited(Code(0)) | SPAWN 1 payment
        tick                     starting
    "#]],
    );
    check_with(
        "watch=0ms",
        "start; spawned; pause; paused; changed a; tick",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        pause                    up          ordered pause | PAUSE 1
        paused                   paused      paused | REPORT
        changed a                paused
        tick                     stopping    file changed: a | CONTINUE 1 | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
}

#[test]
fn a_changed_file_is_a_new_chance() {
    let mut spec = spec();
    adjust(&mut spec, "watch=0ms");
    let mut stage = Stage::new(spec, History::default());
    stage.play("start; nospawn; nospawn; changed a; tick");
    let history = stage.service.history(stage.now);
    assert_eq!((history.restarts, history.failures, history.recent_restarts.len()), (0, 0, 0));
}
