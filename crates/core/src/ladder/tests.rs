//! Tables of the stop ladder.

use super::*;
use crate::spec::Hook;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stop(steps: &[(Ask, u64)]) -> Stop {
    Stop { ladder: steps.iter().map(|(ask, wait)| Step { ask: ask.clone(), wait: s(*wait) }).collect() }
}

#[test]
fn steps_come_in_order_each_with_its_own_wait() {
    let mut ladder = Ladder::new(&stop(&[(Ask::CtrlC, 10), (Ask::Signal(15), 0), (Ask::Terminate, 0)]));
    let now = Mono(1_000);
    assert_eq!(ladder.next(now), Rung::Ask(Ask::CtrlC, now.after(s(10))));
    assert_eq!(ladder.next(now), Rung::Ask(Ask::Signal(15), now));
    assert_eq!(ladder.next(now), Rung::Kill);
    assert_eq!(ladder.next(now), Rung::Kill, "also after the end");
}

#[test]
fn a_ladder_without_terminate_ends_in_the_kill_all_the_same() {
    let mut ladder = Ladder::new(&stop(&[(Ask::CtrlC, 1)]));
    ladder.next(Mono(0));
    assert_eq!(ladder.next(Mono(0)), Rung::Kill);
    assert_eq!(Ladder::new(&stop(&[])).next(Mono(0)), Rung::Kill);
    assert_eq!(Ladder::kill_only().next(Mono(0)), Rung::Kill);
}

#[test]
fn the_longest_stop_is_the_sum_of_the_waits_before_the_kill_and_of_the_hooks_around_it() {
    let waits = stop(&[(Ask::CtrlC, 10), (Ask::CloseWindows, 2), (Ask::Terminate, 99)]);
    let mut hooks = Hooks::default();
    assert_eq!(longest(&waits, &hooks), s(12) + STOP_MARGIN);
    for (point, seconds) in [(HookPoint::PreStart, 1_000), (HookPoint::PreStop, 100), (HookPoint::PostStop, 200)] {
        let hook = Hook { command: Vec::new(), timeout: s(seconds), abort_on: Vec::new(), ignore_failure: false };
        hooks.at.insert(point, hook);
    }
    assert_eq!(longest(&waits, &hooks), s(312) + STOP_MARGIN);
    let endless = Stop { ladder: vec![Step { ask: Ask::CtrlC, wait: Duration::MAX }] };
    assert_eq!(longest(&endless, &hooks), Duration::MAX);
}

#[test]
fn descendants_get_what_is_left_but_no_more_than_two_seconds() {
    let now = Mono::default().after(s(100));
    assert_eq!(linger_until(now, now.after(s(1))), now.after(s(1)));
    assert_eq!(linger_until(now, now.after(s(60))), now.after(LINGER_MAX));
    assert_eq!(linger_until(now, Mono(0)), now, "never in the past");
}

#[test]
fn kills_are_repeated_with_doubling_pauses_and_told_ever_more_rarely() {
    let mut kills = Kills::first(Mono(0));
    let (mut pauses, mut told) = (Vec::new(), Vec::new());
    let mut now = Mono(0);
    for _ in 0..40 {
        pauses.push(kills.again.since(now).as_secs());
        now = kills.again;
        told.extend(kills.worth_telling());
        kills = kills.repeat(now);
    }
    assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 30, 30, 30]);
    assert_eq!(told, [2, 4, 8, 16, 32]);
}
