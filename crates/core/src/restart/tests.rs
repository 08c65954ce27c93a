//! Tables and properties of the restart policy.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn policy(on: RestartOn) -> Restart {
    Restart {
        on,
        exits: BTreeMap::new(),
        delay: Duration::ZERO,
        delay_max: Duration::from_secs(60),
        stable_after: Duration::from_secs(10),
        quarantine: None,
    }
}

/// Hard case 15: every strange exit under every policy. 259 is `STILL_ACTIVE` on Windows and a code like any other; negative codes arrive as
/// their 32 bits.
#[test]
fn every_exit_under_every_policy() {
    let exits = [
        Exit::Code(0),
        Exit::Code(1),
        Exit::Code(42),
        Exit::Code(255),
        Exit::Code(259),
        Exit::Code(u32::MAX),
        Exit::Code(0xC000_0005),
        Exit::Code(0xC000_013A),
        Exit::Signal(9),
        Exit::Signal(15),
    ];
    for exit in exits {
        let end = End::Exited(exit, Duration::ZERO);
        let failed = exit != Exit::Code(0);
        assert_eq!(verdict(&policy(RestartOn::Always), end), Verdict::Restart, "{exit} always");
        assert_eq!(verdict(&policy(RestartOn::Never), end), Verdict::Done, "{exit} never");
        let expected = if failed { Verdict::Restart } else { Verdict::Done };
        assert_eq!(verdict(&policy(RestartOn::Failure), end), expected, "{exit} failure");
        for on in [RestartOn::Always, RestartOn::Failure, RestartOn::Never] {
            for (says, expected) in
                [(OnExit::Restart, Verdict::Restart), (OnExit::Done, Verdict::Done), (OnExit::Fail, Verdict::Done)]
            {
                let mut named = policy(on);
                named.exits.insert(ExitKey::from(exit), says);
                assert_eq!(verdict(&named, end), expected, "{exit} {on:?} named {says:?}");
            }
        }
    }
}

#[test]
fn a_code_and_a_signal_of_the_same_number_are_two_things() {
    let mut named = policy(RestartOn::Always);
    named.exits.insert(ExitKey::Code(9), OnExit::Done);
    assert_eq!(verdict(&named, End::Exited(Exit::Code(9), Duration::ZERO)), Verdict::Done);
    assert_eq!(verdict(&named, End::Exited(Exit::Signal(9), Duration::ZERO)), Verdict::Restart);
}

#[test]
fn a_run_that_never_came_up_is_a_failure() {
    for end in [End::NotStarted, End::NotReady, End::TooLong(Duration::ZERO)] {
        assert_eq!(verdict(&policy(RestartOn::Always), end), Verdict::Restart);
        assert_eq!(verdict(&policy(RestartOn::Failure), end), Verdict::Restart);
        assert_eq!(verdict(&policy(RestartOn::Never), end), Verdict::Done);
        assert!(!end.is_stable(&policy(RestartOn::Always)));
    }
}

#[test]
fn one_that_lived_too_long_may_have_been_stable() {
    let policy = policy(RestartOn::Always);
    assert!(End::TooLong(policy.stable_after).is_stable(&policy));
    assert_eq!(End::TooLong(policy.stable_after).exit(), None);
}

#[test]
fn waits_of_the_default_policy() {
    let default = policy(RestartOn::Failure);
    let waits: Vec<u128> = (1..=12).map(|failures| nominal_wait(&default, failures).as_millis()).collect();
    assert_eq!(waits, [0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
}

#[test]
fn a_delay_is_the_floor_and_may_be_above_the_cap() {
    let mut slow = policy(RestartOn::Failure);
    slow.delay = Duration::from_secs(1);
    let waits: Vec<u128> = (1..=6).map(|failures| nominal_wait(&slow, failures).as_millis()).collect();
    assert_eq!(waits, [1000, 1000, 1000, 1000, 2000, 4000]);
    slow.delay = Duration::from_secs(300);
    assert_eq!(nominal_wait(&slow, 30), Duration::from_secs(300));
}

#[test]
fn without_a_cap_there_is_no_back_off() {
    let mut plain = policy(RestartOn::Failure);
    (plain.delay, plain.delay_max) = (Duration::from_millis(7), Duration::ZERO);
    for failures in 0..100 {
        assert_eq!(wait(&plain, failures, &mut Chance::new(1)), Duration::from_millis(7));
    }
}

proptest! {
    #[test]
    fn back_off_is_bounded_and_monotone(
        delay_ms in 0u64..10_000_000, max_ms in 0u64..10_000_000, failures in 0u32..u32::MAX, seed: u64,
    ) {
        let mut restart = policy(RestartOn::Failure);
        (restart.delay, restart.delay_max) = (Duration::from_millis(delay_ms), Duration::from_millis(max_ms));
        let nominal = nominal_wait(&restart, failures);
        prop_assert!(nominal <= nominal_wait(&restart, failures.saturating_add(1)));
        let real = wait(&restart, failures, &mut Chance::new(seed));
        let cap = restart.delay_max.max(restart.delay);
        prop_assert!(restart.delay <= real && real <= cap);
        prop_assert!(real >= nominal * 79 / 100 && real <= nominal * 121 / 100);
    }

    #[test]
    fn jitter_is_repeatable_and_uses_its_range(seed: u64) {
        let draw = || {
            let mut chance = Chance::new(seed);
            (0..200).map(|_| chance.below(41)).collect::<Vec<_>>()
        };
        prop_assert_eq!(draw(), draw());
        prop_assert!(draw().iter().any(|n| *n < 10) && draw().iter().any(|n| *n > 30));
        prop_assert!(draw().iter().all(|n| *n < 41));
    }
}
