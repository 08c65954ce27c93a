//! Commands of the service's own at certain moments.

use expect_test::expect;

use super::script::{Stage, adjust, check_with, spec};
use crate::exit::Exit;
use crate::status::{History, Phase, Standing};

#[test]
fn a_run_waits_for_the_hook_before_it() {
    check_with(
        "hook=pre-start ready=log:up",
        "start; ready; spawned; tick; hooked pre-start 0; hooked pre-start 0; spawned; ready; exit 1; emptied; hooked pre-start 0 @1; hooked pre-start 0; spawned",
        expect![[r#"
            start                    starting    ordered start | HOOK 1 pre-start | REPORT
            ready                    starting
            spawned                  starting
            tick                     starting
            hooked pre-start 0       starting    pre-start hook Exited(Code(0)) | SPAWN 1 payment | PROBE 1 Log("up")
            hooked pre-start 0       starting    pre-start hook Exited(Code(0))
            spawned                  starting    spawned | REPORT
            ready                    up          ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            emptied                  starting    HOOK 2 pre-start | REPORT
            hooked pre-start 0 @1    starting    pre-start hook Exited(Code(0))
            hooked pre-start 0       starting    pre-start hook Exited(Code(0)) | SPAWN 2 payment | PROBE 2 Log("up")
            spawned                  starting    spawned | REPORT
        "#]],
    );
}

#[test]
fn a_hook_that_fails_forbids_the_run_and_is_judged_like_one_that_could_not_start() {
    check_with(
        "hook=pre-start",
        "start; hooked pre-start 3; hooked pre-start timeout; due; hooked pre-start missing; due; hooked pre-start ended",
        expect![[r#"
            start                    starting    ordered start | HOOK 1 pre-start | REPORT
            hooked pre-start 3       starting    pre-start hook Exited(Code(3)) | spawn failed: its pre-start hook failed: exit code 3 | HOOK 2 pre-start | REPORT
            hooked pre-start timeout backoff     pre-start hook TimedOut | spawn failed: its pre-start hook failed: it took too long | backoff 237.5ms, 2 failures | REPORT
            +237.5ms due             starting    HOOK 3 pre-start | REPORT
            hooked pre-start missing backoff     pre-start hook NotStarted("no such file") | spawn failed: its pre-start hook failed: no such file | backoff 400ms, 3 failures | REPORT
            +400ms due               starting    HOOK 4 pre-start | REPORT
            hooked pre-start ended   quarantined pre-start hook Ended | spawn failed: its pre-start hook failed: it was ended | quarantined: 3 in 300s, release None | REPORT
        "#]],
    );
    check_with(
        "hook=pre-start on=never",
        "start; hooked pre-start 3; start; hooked pre-start 0",
        expect![[r#"
        start                    starting    ordered start | HOOK 1 pre-start | REPORT
        hooked pre-start 3       done        pre-start hook Exited(Code(3)) | spawn failed: its pre-start hook failed: exit code 3 | done - | REPORT
        start                    starting    ordered start | HOOK 2 pre-start | REPORT
        hooked pre-start 0       starting    pre-start hook Exited(Code(0)) | SPAWN 2 payment
    "#]],
    );
}

#[test]
fn a_hook_whose_failure_is_ignored_is_only_written_down() {
    for end in ["3", "timeout", "missing"] {
        let mut stage = led("hook=pre-start:ignore", "start");
        stage.play(&format!("hooked pre-start {end}; spawned"));
        assert_eq!(stage.service.status().phase, Phase::Up, "{end}");
    }
}

#[test]
fn a_named_code_of_the_hook_means_that_the_service_shall_not_run() {
    check_with(
        "hook=pre-start:abort:3 on=always",
        "start; hooked pre-start 3; tick; resume",
        expect![[r#"
        start                    starting    ordered start | HOOK 1 pre-start | REPORT
        hooked pre-start 3       done        pre-start hook Exited(Code(3)) | done - | REPORT
        tick                     done
        resume                   done
    "#]],
    );
    let stage = led("hook=pre-start:abort:3", "start; hooked pre-start 3");
    let status = stage.service.status();
    assert_eq!((status.standing, status.last_exit), (Standing::Failed, None));
    assert_eq!(status.note.as_deref(), Some("its pre-start hook forbids it: exit code 3"));
    assert!(!stage.service.wanted());
}

#[test]
fn an_order_ends_the_hook_before_the_run_and_then_nothing_lives() {
    check_with(
        "hook=pre-start hook=pre-stop hook=post-stop",
        "start; stop; stop; kill; hooked pre-start ended; start; kill; hooked pre-start 0; start; restart; hooked pre-start ended; stop; start; hooked pre-start 0; retire; hooked pre-start ended",
        expect![[r#"
            start                    starting    ordered start | HOOK 1 pre-start | REPORT
            stop                     stopping    ordered stop | END HOOK 1 pre-start | REPORT
            stop                     stopping
            kill                     stopping
            hooked pre-start ended   down        pre-start hook Ended | down | REPORT
            start                    starting    ordered start | HOOK 2 pre-start | REPORT
            kill                     stopping    ordered kill | END HOOK 2 pre-start | REPORT
            hooked pre-start 0       down        pre-start hook Exited(Code(0)) | down | REPORT
            start                    starting    ordered start | HOOK 3 pre-start | REPORT
            restart                  stopping    ordered restart | END HOOK 3 pre-start | REPORT
            hooked pre-start ended   starting    pre-start hook Ended | HOOK 4 pre-start | REPORT
            stop                     stopping    ordered stop | END HOOK 4 pre-start | REPORT
            start                    stopping    ordered start | REPORT
            hooked pre-start 0       starting    pre-start hook Exited(Code(0)) | HOOK 5 pre-start | REPORT
            retire                   stopping    ordered retire | END HOOK 5 pre-start | REPORT
            hooked pre-start ended   down        pre-start hook Ended | down | RETIRE - | REPORT
        "#]],
    );
    check_with(
        "hook=pre-start",
        "start; spec program=/srv/b; hooked pre-start ended; hooked pre-start 0",
        expect![[r#"
        start                    starting    ordered start | HOOK 1 pre-start | REPORT
        spec program=/srv/b      stopping    spec changed, restart | END HOOK 1 pre-start | REPORT
        hooked pre-start ended   starting    pre-start hook Ended | HOOK 2 pre-start | REPORT
        hooked pre-start 0       starting    pre-start hook Exited(Code(0)) | SPAWN 2 b
    "#]],
    );
    check_with(
        "hook=pre-start",
        "start; spec unhook=pre-start; hooked pre-start 1; spawned",
        expect![[r#"
        start                    starting    ordered start | HOOK 1 pre-start | REPORT
        spec unhook=pre-start    starting    spec changed
        hooked pre-start 1       starting    pre-start hook Exited(Code(1)) | spawn failed: its pre-start hook failed: exit code 1 | SPAWN 2 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
    "#]],
    );
}

#[test]
fn a_service_that_is_disabled_meanwhile_is_not_started() {
    check_with(
        "hook=pre-start",
        "start; spec disabled=yes; hooked pre-start 0",
        expect![[r#"
        start                    starting    ordered start | HOOK 1 pre-start | REPORT
        spec disabled=yes        starting    spec changed
        hooked pre-start 0       down        pre-start hook Exited(Code(0)) | down | REPORT
    "#]],
    );
    check_with(
        "hook=pre-start on=always",
        "start; spec disabled=yes; hooked pre-start 1",
        expect![[r#"
        start                    starting    ordered start | HOOK 1 pre-start | REPORT
        spec disabled=yes        starting    spec changed
        hooked pre-start 1       done        pre-start hook Exited(Code(1)) | spawn failed: its pre-start hook failed: exit code 1 | done - | REPORT
    "#]],
    );
}

#[test]
fn the_hook_before_the_stop_is_waited_for_and_its_failure_changes_nothing() {
    check_with(
        "hook=pre-stop",
        "start; spawned; stop; unasked; tick; hooked pre-stop 1; hooked pre-stop 1; exit 0; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            stop                     stopping    ordered stop | HOOK 1 pre-stop | REPORT
            unasked                  stopping
            tick                     stopping
            hooked pre-stop 1        stopping    pre-stop hook Exited(Code(1)) | asked | ASK 1 CtrlC
            hooked pre-stop 1        stopping    pre-stop hook Exited(Code(1))
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  down        down | REPORT
        "#]],
    );
    for setup in ["hook=pre-stop", "hook=pre-stop ladder=kill"] {
        for how in ["restart", "retire", "shutdown", "spec program=/srv/b"] {
            let mut stage = led(setup, "start; spawned");
            assert!(stage.play(how).contains("HOOK 1 pre-stop"), "{how}");
        }
    }
}

#[test]
fn nobody_who_wants_it_dead_waits_for_the_hook_before_the_stop() {
    check_with(
        "hook=pre-stop",
        "start; spawned; kill",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        kill                     stopping    ordered kill | killed | KILL 1 | REPORT
    "#]],
    );
    check_with(
        "hook=pre-stop",
        "start; spawned; stop; kill; hooked pre-stop ended; signal 9; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | HOOK 1 pre-stop | REPORT
        kill                     stopping    ordered kill | END HOOK 1 pre-stop | killed | KILL 1
        hooked pre-stop ended    stopping    pre-stop hook Ended
        signal 9                 stopping    signal SIGKILL after 0ns, asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
    check_with(
        "hook=pre-stop ready=log:x timeout=1s",
        "start; spawned; due",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | PROBE 1 Log("x") | REPORT
        spawned                  starting    spawned | REPORT
        +1s due                  stopping    not ready after 1s: None | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
    check_with(
        "hook=pre-stop",
        "start; stop; spawned",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        stop                     stopping    ordered stop | REPORT
        spawned                  stopping    spawned | asked | ASK 1 CtrlC | REPORT
    "#]],
    );
}

#[test]
fn a_run_that_ends_during_the_hook_before_its_stop_has_been_stopped() {
    check_with(
        "hook=pre-stop",
        "start; spawned; stop; exit 1; due; emptied; hooked pre-stop ended",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | HOOK 1 pre-stop | REPORT
        exit 1                   stopping    exit code 1 after 0ns, asked | END HOOK 1 pre-stop | REPORT
        +2s due                  stopping    killed | KILL 1
        emptied                  down        down | REPORT
        hooked pre-stop ended    down        pre-stop hook Ended
    "#]],
    );
    check_with(
        "hook=pre-stop",
        "start; spawned; stop; exit 1; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | HOOK 1 pre-stop | REPORT
        exit 1                   stopping    exit code 1 after 0ns, asked | END HOOK 1 pre-stop | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
    check_with(
        "hook=pre-stop",
        "start; spawned; stop; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | HOOK 1 pre-stop | REPORT
        emptied                  down        END HOOK 1 pre-stop | down | REPORT
    "#]],
    );
}

#[test]
fn everything_that_follows_a_run_waits_for_the_hook_after_it() {
    check_with(
        "hook=post-stop",
        "start; spawned; exit 1; emptied; emptied; tick; hooked post-stop 0; hooked post-stop 0; spawned; stop; exit 0; emptied; start; stop; hooked post-stop timeout",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            emptied                  stopping    HOOK 1 post-stop
            emptied                  stopping
            tick                     stopping
            hooked post-stop 0       starting    post-stop hook Exited(Code(0)) | SPAWN 2 payment | REPORT
            hooked post-stop 0       starting    post-stop hook Exited(Code(0))
            spawned                  up          spawned | ready after 0ns | REPORT
            stop                     stopping    ordered stop | asked | ASK 2 CtrlC | REPORT
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  stopping    HOOK 2 post-stop
            start                    stopping    ordered start | REPORT
            stop                     stopping    ordered stop | REPORT
            hooked post-stop timeout down        post-stop hook TimedOut | down | REPORT
        "#]],
    );
    check_with(
        "hook=post-stop",
        "start; spawned; exit 0; emptied; hooked post-stop 0; retire",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 0                   stopping    exit code 0 after 0ns | KILL 1 | REPORT
        emptied                  stopping    HOOK 1 post-stop
        hooked post-stop 0       done        post-stop hook Exited(Code(0)) | done exit code 0 | REPORT
        retire                   down        ordered retire | RETIRE exit code 0 | REPORT
    "#]],
    );
    check_with(
        "hook=post-stop",
        "start; spawned; retire; exit 0; emptied; stop; hooked post-stop 0",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        retire                   stopping    ordered retire | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  stopping    HOOK 1 post-stop
        stop                     stopping
        hooked post-stop 0       down        post-stop hook Exited(Code(0)) | down | RETIRE - | REPORT
    "#]],
    );
    check_with(
        "hook=post-stop",
        "start; nospawn; stop; nospawn",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        nospawn                  starting    spawn failed: no such file | SPAWN 2 payment | REPORT
        stop                     stopping    ordered stop | REPORT
        nospawn                  down        spawn failed: no such file | down | REPORT
    "#]],
    );
}

#[test]
fn a_kill_ends_the_hook_after_the_run() {
    check_with(
        "hook=post-stop",
        "start; spawned; exit 1; emptied; kill; kill; hooked post-stop ended",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        emptied                  stopping    HOOK 1 post-stop
        kill                     stopping    ordered kill | END HOOK 1 post-stop | REPORT
        kill                     stopping
        hooked post-stop ended   down        post-stop hook Ended | down | REPORT
    "#]],
    );
}

#[test]
fn nobody_waits_for_the_others() {
    check_with(
        "hook=post-start hook=on-exit hook=on-quarantine hook=pre-rotate hook=on-rotate hook=on-suspend hook=on-resume quarantine=0",
        "suspending; rotating out.log; rotated old.log; start; suspending; spawned; rotated a.log; suspending; resumed; hooked post-start 1; exit 1; suspending; emptied; hooked on-exit 0; hooked on-exit 0 @7; start; spawned; hooked on-exit timeout @1",
        expect![[r#"
            suspending               down
            rotating out.log         down        HOOK 0 pre-rotate out.log
            rotated old.log          down        HOOK 0 on-rotate old.log
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            suspending               starting
            spawned                  up          spawned | ready after 0ns | HOOK 1 post-start | REPORT
            rotated a.log            up          HOOK 1 on-rotate a.log
            suspending               up          HOOK 1 on-suspend
            resumed                  up          HOOK 1 on-resume
            hooked post-start 1      up          post-start hook Exited(Code(1))
            exit 1                   stopping    exit code 1 after 0ns | HOOK 1 on-exit itself | KILL 1 | REPORT
            suspending               stopping
            emptied                  quarantined quarantined: 0 in 300s, release None | HOOK 1 on-quarantine | REPORT
            hooked on-exit 0         quarantined on-exit hook Exited(Code(0))
            hooked on-exit 0 @7      quarantined
            start                    starting    ordered start | SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | HOOK 2 post-start | REPORT
            hooked on-exit timeout @1 up          on-exit hook TimedOut
        "#]],
    );
    check_with(
        "",
        "start; spawned; rotating a.log; rotated a.log; suspending; resumed; exit 1; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        rotating a.log           up
        rotated a.log            up
        suspending               up
        resumed                  up
        exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
        emptied                  starting    SPAWN 2 payment | REPORT
    "#]],
    );
}

#[test]
fn the_end_of_a_run_that_was_asked_is_an_exit_too() {
    check_with(
        "hook=on-exit",
        "start; spawned; kill; signal 9; emptied",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        kill                     stopping    ordered kill | killed | KILL 1 | REPORT
        signal 9                 stopping    signal SIGKILL after 0ns, asked | HOOK 1 on-exit asked | REPORT
        emptied                  down        down | REPORT
    "#]],
    );
}

#[test]
fn a_wake_up_looks_at_the_deadlines() {
    check_with(
        "ready=delay:5s",
        "start; spawned; +1h resumed",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  starting    spawned | REPORT
        +3600s resumed           up          ready after 3600s | REPORT
    "#]],
    );
}

#[test]
fn nothing_is_forgotten_by_a_hook() {
    let mut stage = led("hook=pre-start", "start; hooked pre-start 0; spawned; +1s exit 1; emptied");
    let status = stage.service.status();
    assert_eq!((status.phase, status.standing, status.restarts), (Phase::Starting, Standing::Pending, 1));
    assert_eq!((status.pid, status.last_exit), (None, Some(Exit::Code(1))));
    assert!(stage.service.wanted() && stage.service.history(stage.now).last_run == status.run);
    stage.play("stop");
    assert_eq!((stage.service.wanted(), stage.service.deadline()), (false, None));
}

fn led(setup: &str, script: &str) -> Stage {
    let mut spec = spec();
    setup.split_whitespace().for_each(|change| adjust(&mut spec, change));
    let mut stage = Stage::new(spec, History::default());
    stage.play(script);
    stage
}
