//! The restart policy: does another run follow, and how long does it wait?

use std::time::Duration;

use crate::exit::Exit;
use crate::spec::{ExitKey, OnExit, Restart, RestartOn};

/// The second restart in a row waits this long, each further one twice as long.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// Jitter moves a back-off by at most this share either way, so that services that fell together don't rise together.
pub const JITTER_PERCENT: u32 = 20;
/// Doubling stops here at the latest: 250 ms · 2^40 is 8,700 years.
const DOUBLINGS_MAX: u32 = 40;

/// How a run ended that nobody had asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The main process ended after it had lived so long.
    Exited(Exit, Duration),
    /// It could not be started.
    NotStarted,
    /// It was not ready in time, or its main process could not be found.
    NotReady,
    /// It lived longer than it may: so long.
    TooLong(Duration),
}

impl End {
    /// A stable run forgives the failures before it. One that never got ready was never stable, however long it lived.
    pub(crate) fn is_stable(self, restart: &Restart) -> bool {
        match self {
            Self::Exited(_, lived) | Self::TooLong(lived) => lived >= restart.stable_after,
            Self::NotStarted | Self::NotReady => false,
        }
    }

    /// The exit that made the end, if it was one.
    pub(crate) fn exit(self) -> Option<Exit> {
        match self {
            Self::Exited(exit, _) => Some(exit),
            Self::NotStarted | Self::NotReady | Self::TooLong(_) => None,
        }
    }
}

/// What the policy says to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another run follows.
    Restart,
    /// No other run follows.
    Done,
}

/// What follows this end: a named exit goes before the general rule; a run that never came up is a failure like any other.
pub(crate) fn verdict(restart: &Restart, end: End) -> Verdict {
    let general = |success: bool| match restart.on {
        RestartOn::Always => Verdict::Restart,
        RestartOn::Failure if success => Verdict::Done,
        RestartOn::Failure => Verdict::Restart,
        RestartOn::Never => Verdict::Done,
    };
    match end {
        End::Exited(exit, _) => match restart.exits.get(&ExitKey::from(exit)) {
            Some(OnExit::Restart) => Verdict::Restart,
            Some(OnExit::Done | OnExit::Fail) => Verdict::Done,
            None => general(exit.is_success()),
        },
        End::NotStarted | End::NotReady | End::TooLong(_) => general(false),
    }
}

/// The wait before the restart after the `failures`-th end in a row, before jitter: `delay` after the first, then
/// 250 ms, 500 ms, 1 s …, never less than `delay`, never more than the cap.
pub(crate) fn nominal_wait(restart: &Restart, failures: u32) -> Duration {
    if failures <= 1 || restart.delay_max.is_zero() {
        return restart.delay;
    }
    let doublings = failures.saturating_sub(2).min(DOUBLINGS_MAX);
    let backoff = BACKOFF_FIRST.saturating_mul(2u32.saturating_pow(doublings.min(31)));
    backoff.clamp(restart.delay, cap(restart))
}

/// The longest wait there may be: a `delay` above `delay_max` is meant, not a mistake to correct downwards.
fn cap(restart: &Restart) -> Duration {
    restart.delay_max.max(restart.delay)
}

/// The wait with jitter: never below `delay`, never above the cap; the plain `delay` has none.
pub(crate) fn wait(restart: &Restart, failures: u32, chance: &mut Chance) -> Duration {
    let nominal = nominal_wait(restart, failures);
    if failures <= 1 || restart.delay_max.is_zero() {
        return nominal;
    }
    let percent = 100 - JITTER_PERCENT + chance.below(2 * JITTER_PERCENT + 1);
    // Divided first: a long wait must not overflow, and 100 ns more or less are nothing.
    (nominal / 100).saturating_mul(percent).clamp(restart.delay, cap(restart))
}

/// A seeded source of chance (SplitMix64, Steele et al. 2014, "Fast splittable pseudorandom number generators").
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The same seed gives the same numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit` (0 for 0): the high half of a product, so nothing is divided.
    fn below(&mut self, limit: u32) -> u32 {
        let high = self.next() >> 32;
        u32::try_from((high * u64::from(limit)) >> 32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
