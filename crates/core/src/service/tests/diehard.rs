//! Hard cases 16, 17 and 21 (case 15 is a table beside the policy), and long lives.

use std::time::Duration;

use super::script::{Stage, adjust, spec};
use crate::event::{Effect, Event, Record};
use crate::status::{History, Phase};
use crate::time::Mono;

fn stage(changes: &str) -> Stage {
    let mut spec = spec();
    changes.split_whitespace().for_each(|change| adjust(&mut spec, change));
    Stage::new(spec, History::default())
}

fn backoffs(effects: &[Effect]) -> Vec<Duration> {
    let mut waits = Vec::new();
    for effect in effects {
        if let Effect::Record(Record::Backoff { wait, failures: _ }) = effect {
            waits.push(*wait);
        }
    }
    waits
}

/// One run that lives so long, crashes, and is followed by the next.
fn crash(stage: &mut Stage, lives: &str) -> Vec<Effect> {
    let mut effects = stage.step("spawned");
    effects.extend(stage.step(&format!("+{lives} exit 1")));
    effects.extend(stage.step("emptied"));
    if stage.service.status().phase == Phase::Backoff {
        effects.extend(stage.step("due"));
    }
    effects
}

/// Case 16: it exits after 1 ms for 24 h. The back-off reaches its cap, the records stay few, and a start mends it at once.
#[test]
fn a_day_of_exits_after_a_millisecond() {
    let mut stage = stage("quarantine=never");
    stage.step("start");
    let begin = stage.now.mono;
    let (mut longest, mut restarts, mut records) = (Duration::ZERO, 0u64, 0u64);
    while stage.now.mono.since(begin) < Duration::from_secs(86_400) {
        let effects = crash(&mut stage, "1ms");
        longest = longest.max(backoffs(&effects).into_iter().max().unwrap_or_default());
        restarts += 1;
        records += effects.iter().filter(|effect| matches!(effect, Effect::Record(_))).count() as u64;
    }
    assert_eq!(stage.service.status().restarts, restarts);
    assert_eq!(longest, Duration::from_secs(60), "the cap is reached and never passed");
    // 60 s with 20 % jitter cut off at the cap is 57 s on average: about 1,516 restarts a day.
    assert!((1_400..1_700).contains(&restarts), "{restarts} restarts");
    assert!(records < 5 * restarts, "{records} records for {restarts} restarts");
    stage.play("spawned; exit 1; emptied");
    assert_eq!(stage.service.status().phase, Phase::Backoff);
    let effects = stage.step("start");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Spawn(..))), "start cuts it short");
}

/// Case 16 without back-off: the wish is followed, and nothing grows.
#[test]
fn a_hundred_thousand_restarts_without_back_off_leave_nothing_behind() {
    let mut stage = stage("quarantine=never delay-max=0s");
    stage.step("start");
    for _ in 0..100_000 {
        assert!(backoffs(&crash(&mut stage, "1ms")).is_empty());
    }
    assert_eq!(stage.service.status().restarts, 100_000);
    assert!(stage.service.history(stage.now).recent_restarts.is_empty());
}

/// Case 17: it runs an hour and dies, monthly. Each restart is a first one.
#[test]
fn each_crash_after_a_stable_run_is_a_first_one() {
    let mut stage = stage("delay=150ms");
    stage.step("start");
    for _ in 0..100 {
        let effects = crash(&mut stage, "1h");
        assert_eq!(backoffs(&effects), [Duration::from_millis(150)]);
        assert_eq!(stage.service.history(stage.now).recent_restarts.len(), 1, "older ones are forgotten");
    }
}

/// Case 21: the calendar jumps while it is up, backs off, stops and probes. Every effect and every deadline is the same.
#[test]
fn a_jump_of_the_calendar_changes_nothing() {
    let script = "start; spawned; notready; due; ready; +1s exit 1; emptied; nospawn; due; spawned; stop; due; due; due; emptied";
    let play = |jump_ns: i64| {
        let mut stage = stage("ready=tcp:80 timeout=60s");
        let mut seen = Vec::new();
        for (index, step) in script.split("; ").enumerate() {
            stage.now.wall.0 += if index % 2 == 0 { jump_ns } else { -jump_ns / 3 };
            seen.push((stage.step(step), stage.service.deadline(), stage.service.status()));
        }
        seen
    };
    let calm = play(0);
    assert_eq!(calm, play(-3_600_000_000_000), "an hour back");
    assert_eq!(calm, play(86_400_000_000_000), "a day ahead");
}

#[test]
fn the_end_of_time_is_no_panic() {
    let mut stage = stage("ladder=5000000h,kill delay=5000000h");
    stage.now.mono = Mono(u64::MAX - 5);
    stage.play("start; spawned; exit 1; emptied; tick; start; spawned; stop; tick; tick; kill; tick; tick; emptied");
    assert_eq!(stage.service.status().phase, Phase::Down);
    stage.send(Event::Deadline);
}
