//! The stop ladder: which step ends a run next, and how long it may take.

use std::collections::VecDeque;
use std::time::Duration;

use crate::spec::{Ask, HookPoint, Hooks, Step, Stop};
use crate::time::Mono;

/// When the main process has ended on being asked, its descendants get what is left of the step's wait, but no more than this.
/// Two seconds are enough for a child that ends with its parent; a daemon left behind on purpose never ends by itself.
pub const LINGER_MAX: Duration = Duration::from_secs(2);
/// A tree that was killed and still lives is killed again after this long, then after twice as long, and so on…
pub const REKILL_FIRST: Duration = Duration::from_secs(1);
/// …up to this. It never stops: a process stuck in the kernel may come back, and nothing may be spawned beside it.
pub const REKILL_MAX: Duration = Duration::from_secs(30);
/// When everything goes down, a run waits so long for those that come after it.
pub const SHUTDOWN_HOLD_MAX: Duration = Duration::from_secs(60);
/// What a stop may take beyond the waits of its ladder: the kill itself and the last words into the log.
pub const STOP_MARGIN: Duration = Duration::from_secs(5);

/// The steps that are still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ladder {
    steps: VecDeque<Step>,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rung {
    /// Ask so, and go on when this time has come.
    Ask(Ask, Mono),
    /// End the tree without asking.
    Kill,
}

impl Ladder {
    /// All steps of the spec.
    pub(crate) fn new(stop: &Stop) -> Self {
        Self { steps: stop.ladder.iter().cloned().collect() }
    }

    /// No step at all: the next thing is the kill.
    pub(crate) fn kill_only() -> Self {
        Self { steps: VecDeque::new() }
    }

    /// Takes the next step. After the last, and at `Terminate` wherever it stands, there is only the kill.
    pub(crate) fn next(&mut self, now: Mono) -> Rung {
        match self.steps.pop_front() {
            Some(Step { ask: Ask::Terminate, wait: _ }) | None => Rung::Kill,
            Some(Step { ask, wait }) => Rung::Ask(ask, now.after(wait)),
        }
    }
}

/// Until when descendants may outlive their main process in a step that lasts until `step_until`.
pub(crate) fn linger_until(now: Mono, step_until: Mono) -> Mono {
    step_until.min(now.after(LINGER_MAX)).max(now)
}

/// The longest a stop may take: the hooks around it, every wait before the kill, and a margin. When everything goes down,
/// `SHUTDOWN_HOLD_MAX` comes before it.
#[must_use]
pub fn longest(stop: &Stop, hooks: &Hooks) -> Duration {
    let waited_for = [HookPoint::PreStop, HookPoint::PostStop];
    let hooked = waited_for.iter().filter_map(|point| hooks.at.get(point)).map(|hook| hook.timeout);
    let asked = stop.ladder.iter().take_while(|step| step.ask != Ask::Terminate).map(|step| step.wait);
    hooked.chain(asked).fold(STOP_MARGIN, Duration::saturating_add)
}

/// How often a tree was killed and when it is killed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kills {
    tries: u32,
    pause: Duration,
    /// When the next kill is due.
    pub(crate) again: Mono,
}

impl Kills {
    /// The first kill was sent now.
    pub(crate) fn first(now: Mono) -> Self {
        Self { tries: 1, pause: REKILL_FIRST, again: now.after(REKILL_FIRST) }
    }

    /// Another kill is sent now.
    pub(crate) fn repeat(self, now: Mono) -> Self {
        let pause = self.pause.saturating_mul(2).min(REKILL_MAX);
        Self { tries: self.tries.saturating_add(1), pause, again: now.after(pause) }
    }

    /// The kills so far, when it is time to tell somebody: after the 2nd, 4th, 8th … of them failed.
    pub(crate) fn worth_telling(self) -> Option<u32> {
        (self.tries >= 2 && self.tries.is_power_of_two()).then_some(self.tries)
    }
}

#[cfg(test)]
mod tests;
