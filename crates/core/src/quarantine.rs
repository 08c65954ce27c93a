//! Quarantine: how many automatic restarts there were lately, and when a quarantined service leaves by itself.

use std::collections::VecDeque;
use std::time::Duration;

use crate::spec::Quarantine;
use crate::time::Mono;

/// The most restarts a window remembers; a spec that allows more is held to this.
pub const RESTARTS_MAX: u32 = 10_000;

/// A time that may lie before the boot, as the one of a guard's predecessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    seen: Mono,
    /// So old it was already when it was seen.
    older: Duration,
}

impl Moment {
    fn age(self, now: Mono) -> Duration {
        now.since(self.seen).saturating_add(self.older)
    }
}

/// The latest automatic restarts, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Window {
    restarts: VecDeque<Moment>,
}

impl Window {
    /// The restarts that a predecessor saw so long ago, oldest first; only the newest `RESTARTS_MAX` count.
    pub(crate) fn from_ages(ages: &[Duration], now: Mono) -> Self {
        let skip = ages.len().saturating_sub(RESTARTS_MAX as usize);
        Self { restarts: ages.iter().skip(skip).map(|&older| Moment { seen: now, older }).collect() }
    }

    /// Another restart would be one too many. Forgets what is older than the window.
    pub(crate) fn is_full(&mut self, limit: Quarantine, now: Mono) -> bool {
        while self.restarts.front().is_some_and(|restart| restart.age(now) >= limit.within) {
            self.restarts.pop_front();
        }
        self.restarts.len() >= limit.restarts.min(RESTARTS_MAX) as usize
    }

    /// How many restarts the window holds.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.restarts.len()).unwrap_or(RESTARTS_MAX)
    }

    /// An automatic restart happens now.
    pub(crate) fn push(&mut self, now: Mono) {
        if self.restarts.len() >= RESTARTS_MAX as usize {
            self.restarts.pop_front();
        }
        self.restarts.push_back(Moment { seen: now, older: Duration::ZERO });
    }

    /// A new chance: nothing counts any more.
    pub(crate) fn clear(&mut self) {
        self.restarts.clear();
    }

    /// How long ago each restart was, oldest first.
    pub(crate) fn ages(&self, now: Mono) -> Vec<Duration> {
        self.restarts.iter().map(|restart| restart.age(now)).collect()
    }
}

/// A stay in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stay {
    since: Moment,
    /// When it ends by itself.
    pub(crate) until: Option<Mono>,
}

impl Stay {
    /// Begins now.
    pub(crate) fn begin(limit: Quarantine, now: Mono) -> Self {
        Self::resume(limit, Duration::ZERO, now)
    }

    /// Goes on now after so long under a guard that died.
    pub(crate) fn resume(limit: Quarantine, served: Duration, now: Mono) -> Self {
        let until = limit.release_after.map(|total| now.after(total.saturating_sub(served)));
        Self { since: Moment { seen: now, older: served }, until }
    }

    /// How long it has lasted.
    pub(crate) fn served(self, now: Mono) -> Duration {
        self.since.age(now)
    }
}

#[cfg(test)]
mod tests;
