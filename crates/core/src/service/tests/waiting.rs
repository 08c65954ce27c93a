//! Starts that wait for other services, and runs that follow their fate.

use expect_test::expect;

use super::script::{Stage, adjust, check_with, spec};
use crate::status::{History, Phase, Standing};

#[test]
fn a_start_waits_until_everything_is_there() {
    check_with(
        "after=db,@caches:started",
        "start; awaiting 0:db 1:redis 1:varnish; seen db pending:0; seen redis started:4; seen varnish none; seen db ready:3; seen varnish started:1; spawned",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 2 | REPORT
            awaiting 0:db 1:redis 1:varnish waiting     REPORT
            seen db pending:0        waiting
            seen redis started:4     waiting     REPORT
            seen varnish none        waiting     waiting for db varnish
            seen db ready:3          waiting     REPORT
            seen varnish started:1   starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
        "#]],
    );
}

#[test]
fn nothing_is_said_of_a_wait_that_is_over_at_once() {
    check_with(
        "after=db",
        "start; awaiting 0:db; seen db ready:3; spawned; stop; exit 0; emptied; tick",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        awaiting 0:db            waiting
        seen db ready:3          starting    SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
        exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
        emptied                  down        down | AWAIT 0 | REPORT
        tick                     down
    "#]],
    );
}

#[test]
fn how_far_another_must_have_come() {
    for (until, met) in [
        ("started", ["started:1", "ready:1", "done:1"].as_slice()),
        ("ready", ["ready:1", "done:1"].as_slice()),
        ("done", ["done:1"].as_slice()),
    ] {
        for seen in ["none", "failed:1", "pending:1", "started:1", "ready:1", "done:1"] {
            let mut stage = led(&format!("after=db:{until}"), "start; awaiting 0:db");
            stage.play(&format!("seen db {seen}"));
            let expected = match seen {
                "failed:1" => Phase::Skipped,
                seen if met.contains(&seen) => Phase::Starting,
                _ => Phase::Waiting,
            };
            assert_eq!(stage.service.status().phase, expected, "{until}: {seen}");
        }
    }
}

#[test]
fn what_the_system_starts_is_there_when_it_runs_and_its_own_order_is_left_to_it() {
    check_with(
        "after=os:postgres,target:network",
        "start; awaiting 0:postgres; seen postgres pending:0; seen postgres ready:0",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 2 | REPORT
            awaiting 0:postgres      waiting
            seen postgres pending:0  waiting     waiting for postgres
            seen postgres ready:0    starting    SPAWN 1 payment | REPORT
        "#]],
    );
    check_with(
        "after=target:network",
        "start; spawned",
        expect![[r#"
        start                    starting    ordered start | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
    "#]],
    );
}

#[test]
fn a_start_is_skipped_when_another_fails_and_happens_when_that_comes_good() {
    check_with(
        "after=db,cache",
        "start; awaiting 0:db 1:cache; seen db failed:3; seen cache ready:1; start; seen db pending:4; tick; seen db ready:4; spawned",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 2 | REPORT
            awaiting 0:db 1:cache    waiting
            seen db failed:3         skipped     skipped: db is not coming: it failed or was stopped | REPORT
            seen cache ready:1       skipped
            start                    skipped     ordered start | skipped: db is not coming: it failed or was stopped
            seen db pending:4        skipped
            tick                     skipped
            seen db ready:4          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
        "#]],
    );
}

#[test]
fn a_start_is_skipped_when_there_is_no_such_service_until_there_is() {
    check_with(
        "after=db",
        "start; awaiting; awaiting 0:db; seen db ready:1",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        awaiting                 skipped     skipped: there is no service db | REPORT
        awaiting 0:db            skipped
        seen db ready:1          starting    SPAWN 1 payment | REPORT
    "#]],
    );
    check_with(
        "after=@caches",
        "start; awaiting",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        awaiting                 skipped     skipped: no service is in group @caches | REPORT
    "#]],
    );
    check_with(
        "after=os:postgres",
        "start; awaiting",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        awaiting                 skipped     skipped: the system has no service postgres | REPORT
    "#]],
    );
}

#[test]
fn a_start_is_skipped_when_it_has_waited_too_long_and_still_happens_later() {
    check_with(
        "after=db,migrate:done,cache:started after-timeout=90s",
        "start; awaiting 0:db 1:migrate 2:cache; seen db pending:3; seen migrate started:1; seen cache ready:1; +89s tick; due; +1h tick; seen migrate done:1; seen db ready:3",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 3 | REPORT
            awaiting 0:db 1:migrate 2:cache waiting
            seen db pending:3        waiting
            seen migrate started:1   waiting
            seen cache ready:1       waiting     waiting for db migrate | REPORT
            +89s tick                waiting
            +1s due                  skipped     skipped: db was not ready, migrate was not done within 90s | REPORT
            +3600s tick              skipped
            seen migrate done:1      skipped
            seen db ready:3          starting    SPAWN 1 payment | REPORT
        "#]],
    );
    check_with(
        "after=db after-timeout=never",
        "start; awaiting 0:db; seen db none; +24h tick",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        awaiting 0:db            waiting
        seen db none             waiting     waiting for db
        +86400s tick             waiting
    "#]],
    );
    check_with(
        "after=db after-timeout=5m",
        "start; due; awaiting 0:db; seen db ready:1",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        +300s due                skipped     skipped: db was not ready within 5m | REPORT
        awaiting 0:db            skipped
        seen db ready:1          starting    SPAWN 1 payment | REPORT
    "#]],
    );
}

#[test]
fn a_start_without_waiting_waits_for_nothing() {
    check_with(
        "after=db",
        "start-now; spawned; start-now",
        expect![[r#"
        start-now                starting    ordered startnow | SPAWN 1 payment | AWAIT 1 | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
        start-now                up
    "#]],
    );
    check_with(
        "after=db",
        "start; start-now; spawned",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        start-now                starting    ordered startnow | SPAWN 1 payment | REPORT
        spawned                  up          spawned | ready after 0ns | REPORT
    "#]],
    );
    check_with(
        "after=db",
        "start; awaiting 0:db; seen db failed:1; start-now",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        awaiting 0:db            waiting
        seen db failed:1         skipped     skipped: db is not coming: it failed or was stopped | REPORT
        start-now                starting    ordered startnow | SPAWN 1 payment | REPORT
    "#]],
    );
    check_with(
        "",
        "start; spawned; stop; start-now; start; exit 0; emptied; spawned; stop; start; start-now; exit 0; emptied",
        expect![[r#"
            start                    starting    ordered start | SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
            start-now                stopping    ordered startnow | REPORT
            start                    stopping
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            stop                     stopping    ordered stop | asked | ASK 2 CtrlC | REPORT
            start                    stopping    ordered start | REPORT
            start-now                stopping    ordered startnow
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  starting    SPAWN 3 payment | REPORT
        "#]],
    );
    check_with(
        "after=db disabled=yes",
        "start-now",
        expect![[r#"
        start-now                down        refused: cannot start payment: its spec says that it is disabled
    "#]],
    );
}

#[test]
fn a_stop_ends_a_wait() {
    check_with(
        "after=db",
        "start; stop; seen db ready:1; start; kill; start; retire",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        stop                     down        ordered stop | down | AWAIT 0 | REPORT
        seen db ready:1          down
        start                    waiting     ordered start | AWAIT 1 | REPORT
        kill                     down        ordered kill | down | AWAIT 0 | REPORT
        start                    waiting     ordered start | AWAIT 1 | REPORT
        retire                   down        ordered retire | RETIRE - | AWAIT 0 | REPORT
    "#]],
    );
    check_with(
        "after=db",
        "start; awaiting 0:db; seen db failed:1; stop; seen db ready:1",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        awaiting 0:db            waiting
        seen db failed:1         skipped     skipped: db is not coming: it failed or was stopped | REPORT
        stop                     down        ordered stop | down | AWAIT 0 | REPORT
        seen db ready:1          down
    "#]],
    );
}

#[test]
fn a_crash_does_not_wait() {
    check_with(
        "after=db delay=1s",
        "start; awaiting 0:db; seen db ready:1; spawned; seen db pending:1; exit 1; emptied; due; spawned; seen db ready:2",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            seen db pending:1        up
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            emptied                  backoff     backoff 1s, 1 failures | REPORT
            +1s due                  starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            seen db ready:2          up
        "#]],
    );
}

#[test]
fn these_starts_wait_like_an_order() {
    // After a restart, what is known already is enough.
    check_with(
        "after=db",
        "start; awaiting 0:db; seen db ready:1; spawned; seen db pending:1; restart; exit 0; emptied; seen db ready:2",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            seen db pending:1        up
            restart                  stopping    ordered restart | asked | ASK 1 CtrlC | REPORT
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  waiting     waiting for db | REPORT
            seen db ready:2          starting    SPAWN 2 payment | REPORT
        "#]],
    );
    check_with(
        "after=db",
        "resume; awaiting 0:db; seen db ready:1",
        expect![[r#"
        resume                   waiting     AWAIT 1 | REPORT
        awaiting 0:db            waiting
        seen db ready:1          starting    SPAWN 1 payment | REPORT
    "#]],
    );
    check_with(
        "after=db quarantine=0 release=1m",
        "start-now; nospawn; due; awaiting 0:db; seen db ready:1",
        expect![[r#"
            start-now                starting    ordered startnow | SPAWN 1 payment | AWAIT 1 | REPORT
            nospawn                  quarantined spawn failed: no such file | quarantined: 0 in 300s, release Some(60s) | AWAIT 0 | REPORT
            +60s due                 waiting     released | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 2 payment | REPORT
        "#]],
    );
}

#[test]
fn a_new_list_is_waited_for_anew() {
    check_with(
        "after=db",
        "start; awaiting 0:db; seen db failed:1; spec description=x; spec after=cache; awaiting 0:cache; seen db ready:1; seen cache ready:1",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db failed:1         skipped     skipped: db is not coming: it failed or was stopped | REPORT
            spec description=x       skipped     spec changed
            spec after=cache         waiting     spec changed | AWAIT 1 | REPORT
            awaiting 0:cache         waiting
            seen db ready:1          waiting
            seen cache ready:1       starting    SPAWN 1 payment | REPORT
        "#]],
    );
    check_with(
        "after=db",
        "start; spec after=",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        spec after=              starting    spec changed | SPAWN 1 payment | AWAIT 0 | REPORT
    "#]],
    );
    check_with(
        "after=db",
        "start; spec disabled=yes",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        spec disabled=yes        down        spec changed | down | AWAIT 0 | REPORT
    "#]],
    );
    check_with(
        "after=db",
        "start-now; spawned; spec after=cache:ready:stop; awaiting 0:cache; seen cache failed:1; seen cache ready:2; seen cache failed:2",
        expect![[r#"
            start-now                starting    ordered startnow | SPAWN 1 payment | AWAIT 1 | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            spec after=cache:ready:stop up          spec changed | AWAIT 1
            awaiting 0:cache         up
            seen cache failed:1      up
            seen cache ready:2       up
            seen cache failed:2      stopping    followed: cache failed or was stopped | asked | ASK 1 CtrlC | REPORT
        "#]],
    );
}

#[test]
fn a_run_follows_what_fails() {
    check_with(
        "after=db:ready:stop",
        "start; awaiting 0:db; seen db ready:1; spawned; seen db none; seen db pending:2; seen db failed:2; exit 0; emptied; seen db ready:3",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            seen db none             up
            seen db pending:2        up
            seen db failed:2         stopping    followed: db failed or was stopped | asked | ASK 1 CtrlC | REPORT
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  down        down | AWAIT 0 | REPORT
            seen db ready:3          down
        "#]],
    );
    check_with(
        "after=db:ready:restart",
        "start; awaiting 0:db; seen db ready:1; spawned; seen db failed:1; exit 0; emptied; seen db pending:2; seen db ready:2; spawned",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            seen db failed:1         stopping    followed: db failed or was stopped, restart | asked | ASK 1 CtrlC | REPORT
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  skipped     skipped: db is not coming: it failed or was stopped | REPORT
            seen db pending:2        skipped
            seen db ready:2          starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
        "#]],
    );
    check_with(
        "after=db",
        "start; awaiting 0:db; seen db ready:1; spawned; seen db failed:1; seen db ready:2",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            seen db failed:1         up
            seen db ready:2          up
        "#]],
    );
}

#[test]
fn a_run_follows_what_comes_anew() {
    check_with(
        "after=db:ready:keep:restart",
        "start; awaiting 0:db; seen db ready:1; spawned; seen db ready:1; seen db pending:1; seen db ready:2; exit 0; emptied; spawned",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            seen db ready:1          up
            seen db pending:1        up
            seen db ready:2          stopping    followed: db was started anew, restart | asked | ASK 1 CtrlC | REPORT
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
        "#]],
    );
    check_with(
        "after=db:ready:keep:stop",
        "start; awaiting 0:db; seen db ready:1; spawned; seen db ready:2; exit 0; emptied",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            seen db ready:2          stopping    followed: db was started anew | asked | ASK 1 CtrlC | REPORT
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  down        down | AWAIT 0 | REPORT
        "#]],
    );
    // One that was never there before only comes.
    check_with(
        "after=db:ready:stop:stop",
        "start-now; spawned; awaiting 0:db; seen db failed:1; seen db ready:2",
        expect![[r#"
            start-now                starting    ordered startnow | SPAWN 1 payment | AWAIT 1 | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            awaiting 0:db            up
            seen db failed:1         up
            seen db ready:2          up
        "#]],
    );
}

#[test]
fn what_is_about_to_run_again_follows_too() {
    check_with(
        "after=db:ready:stop delay=1m",
        "start; awaiting 0:db; seen db ready:1; spawned; exit 1; emptied; seen db failed:1; start; awaiting 0:db; seen db ready:2; spawned; exit 1; seen db failed:2; emptied",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            emptied                  backoff     backoff 60s, 1 failures | REPORT
            seen db failed:1         down        followed: db failed or was stopped | down | AWAIT 0 | REPORT
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:2          starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 2 | REPORT
            seen db failed:2         stopping    followed: db failed or was stopped | REPORT
            emptied                  down        down | AWAIT 0 | REPORT
        "#]],
    );
    check_with(
        "after=db:ready:restart:restart delay=1m",
        "start; awaiting 0:db; seen db ready:1; spawned; exit 1; seen db failed:1; emptied; seen db ready:2; spawned; exit 1; emptied; seen db ready:3; spawned; exit 1; seen db ready:4; emptied",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 1 | REPORT
            seen db failed:1         stopping    followed: db failed or was stopped, restart
            emptied                  skipped     skipped: db is not coming: it failed or was stopped | REPORT
            seen db ready:2          starting    SPAWN 2 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 2 | REPORT
            emptied                  backoff     backoff 60s, 1 failures | REPORT
            seen db ready:3          starting    followed: db was started anew, restart | SPAWN 3 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 1                   stopping    exit code 1 after 0ns | KILL 3 | REPORT
            seen db ready:4          stopping
            emptied                  backoff     backoff 60s, 1 failures | REPORT
        "#]],
    );
    // What is over, or is to be, stays so.
    check_with(
        "after=db:ready:restart:restart",
        "start; awaiting 0:db; seen db ready:1; spawned; exit 0; seen db failed:1; emptied; seen db ready:2",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            exit 0                   stopping    exit code 0 after 0ns | KILL 1 | REPORT
            seen db failed:1         stopping
            emptied                  done        done exit code 0 | AWAIT 0 | REPORT
            seen db ready:2          done
        "#]],
    );
    check_with(
        "after=db:ready:restart:restart",
        "start; awaiting 0:db; seen db ready:1; spawned; stop; seen db failed:1; exit 0; emptied",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            stop                     stopping    ordered stop | asked | ASK 1 CtrlC | REPORT
            seen db failed:1         stopping
            exit 0                   stopping    exit code 0 after 0ns, asked | REPORT
            emptied                  down        down | AWAIT 0 | REPORT
        "#]],
    );
    // A run that is only being made, too.
    check_with(
        "after=db:ready:stop hook=pre-start",
        "start; awaiting 0:db; seen db ready:1; seen db failed:1; hooked pre-start ended",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    HOOK 1 pre-start | REPORT
            seen db failed:1         stopping    followed: db failed or was stopped | END HOOK 1 pre-start | REPORT
            hooked pre-start ended   down        pre-start hook Ended | down | AWAIT 0 | REPORT
        "#]],
    );
    check_with(
        "after=db:ready:restart",
        "start; awaiting 0:db; seen db ready:1; spawned; spec disabled=yes; seen db failed:1",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 1 | REPORT
            awaiting 0:db            waiting
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            spec disabled=yes        up          spec changed
            seen db failed:1         up
        "#]],
    );
}

#[test]
fn one_service_for_several_entries_means_the_strongest() {
    check_with(
        "after=db:started:keep,@data:ready:stop,db:ready:restart",
        "start; awaiting 0:db 1:db 2:db 7:x; seen db started:1; seen db ready:1; spawned; seen db failed:1",
        expect![[r#"
            start                    waiting     ordered start | AWAIT 3 | REPORT
            awaiting 0:db 1:db 2:db 7:x waiting     REPORT
            seen db started:1        waiting     waiting for db
            seen db ready:1          starting    SPAWN 1 payment | REPORT
            spawned                  up          spawned | ready after 0ns | REPORT
            seen db failed:1         stopping    followed: db failed or was stopped | asked | ASK 1 CtrlC | REPORT
        "#]],
    );
}

#[test]
fn one_of_its_own_group_does_not_wait_for_itself() {
    check_with(
        "after=@all",
        "start; awaiting 0:db 0:payment; seen payment failed:0; seen db ready:1",
        expect![[r#"
        start                    waiting     ordered start | AWAIT 1 | REPORT
        awaiting 0:db 0:payment  waiting     REPORT
        seen payment failed:0    waiting
        seen db ready:1          starting    SPAWN 1 payment | REPORT
    "#]],
    );
}

#[test]
fn what_others_see_of_a_wait() {
    let seen = |setup: &str, script: &str| {
        let status = led(setup, script).service.status();
        (status.standing, status.note.unwrap_or_default())
    };
    let many = "start; awaiting 0:a 0:b 0:c 0:d 0:e 0:f 0:g";
    assert_eq!(seen("after=db,@web", "start"), (Standing::Pending, "waits for db, @web".into()));
    assert_eq!(seen("after=@web", many), (Standing::Pending, "waits for a, b, c, d, e and 2 more".into()));
    assert_eq!(seen("after=db", "start; due"), (Standing::Failed, "skipped: db was not ready within 5m".into()));
    let failed = seen("after=db", "start; awaiting 0:db; seen db failed:1");
    assert_eq!(failed, (Standing::Failed, "skipped: db is not coming: it failed or was stopped".into()));
    let part = seen("after=db,cache", "start; awaiting 0:db 1:cache; seen db ready:1; seen cache pending:1");
    assert_eq!(part, (Standing::Pending, "waits for cache".into()));
}

#[test]
fn a_wait_is_wanted_over_the_death_of_its_guard() {
    for script in ["start", "start; awaiting 0:db; seen db failed:1"] {
        let stage = led("after=db", script);
        assert!(stage.service.wanted(), "{script}");
    }
    let followed = led("after=db:ready:stop", "start; awaiting 0:db; seen db ready:1; spawned; seen db failed:1");
    assert!(!followed.service.wanted());
}

fn led(setup: &str, script: &str) -> Stage {
    let mut spec = spec();
    setup.split_whitespace().for_each(|change| adjust(&mut spec, change));
    let mut stage = Stage::new(spec, History::default());
    stage.play(script);
    stage
}
