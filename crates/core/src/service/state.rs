//! The states of a service, each with the data that exists only in it.

use std::time::Duration;

use crate::event::Pid;
use crate::ladder::{Kills, Ladder};
use crate::quarantine::Stay;
use crate::restart::End;
use crate::spec::{Ask, Hook, Probe, Ready};
use crate::status::{Phase, Standing};
use crate::time::Mono;

/// What is the case. The current run's number is the service's `last_run`.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Nothing lives and nothing is wanted.
    Down,
    /// Nothing lives; the policy wanted no restart.
    Done(Finish),
    /// Nothing lives and nothing ever will under this guard.
    Retired,
    /// Nothing lives; restarts did not help.
    Quarantined(Stay),
    /// Nothing lives until the next start.
    Backoff { until: Mono },
    /// Nothing lives; the start waits for other services.
    Waiting(Wait),
    /// Nothing lives; the hook before the run is not answered.
    Preparing { hook: Hook },
    /// `Effect::Spawn` is not answered. `ready`: its log line came before the answer.
    Spawning { ready: bool },
    /// What was started is to leave the main process behind.
    Forking(Fork),
    /// It lives and is not ready.
    Starting { live: Live, wait: ReadyWait },
    /// It lives and is ready.
    Up { live: Live },
    /// It lives and is halted.
    Paused(Halt),
    /// It is being ended, or what its main process left behind is.
    Stopping(Stopping),
}

/// How a service that is done has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finish {
    /// Its work is done, and well.
    pub(super) fine: bool,
    /// In words, where the records of its run don't say it.
    pub(super) why: Option<String>,
}

/// A start that waits for other services.
#[derive(Debug, Clone)]
pub(super) struct Wait {
    /// Then it is skipped.
    pub(super) by: Option<Mono>,
    /// It was written down what it waits for.
    pub(super) told: bool,
    /// It is skipped, for this reason: it still starts when everything is there.
    pub(super) skipped: Option<String>,
}

/// A living main process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) pid: Pid,
    /// When the spawn was answered; later by as long as it was halted.
    pub(super) born: Mono,
    /// `Effect::Pause` is not answered.
    pub(super) pausing: bool,
}

/// A run whose main process is still to be found.
#[derive(Debug, Clone)]
pub(super) struct Fork {
    /// The process that was started; `None`: it has ended, and what it left is looked for.
    pub(super) parent: Option<Pid>,
    /// When the spawn was answered.
    pub(super) born: Mono,
    /// Then it has failed to start.
    pub(super) by: Option<Mono>,
    /// Its log line came already.
    pub(super) ready: bool,
}

/// The wait for a run to be ready.
#[derive(Debug, Clone)]
pub(super) struct ReadyWait {
    /// Then it has failed to start.
    pub(super) by: Option<Mono>,
    pub(super) next: NextLook,
    /// What the last attempt said.
    pub(super) last: Option<String>,
    /// Attempts that failed.
    pub(super) tries: u32,
}

/// When the readiness is looked at next.
#[derive(Debug, Clone)]
pub(super) enum NextLook {
    /// It is ready when this has come.
    ReadyAt(Mono),
    /// A new attempt is made when this has come.
    AttemptAt(Mono, Probe),
    /// An attempt runs, or a log line is awaited: an event will tell.
    Event,
}

/// A halted run.
#[derive(Debug, Clone)]
pub(super) struct Halt {
    /// As it was when it was halted.
    pub(super) live: Live,
    /// `None`: it is ready.
    pub(super) wait: Option<ReadyWait>,
    /// Since when.
    pub(super) at: Mono,
}

/// A run on its way out.
#[derive(Debug, Clone)]
pub(super) struct Stopping {
    pub(super) stage: Stage,
    pub(super) then: Then,
}

/// How far the ending has come.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// The hook before the run is being ended; nothing lives.
    Unprepared,
    /// `Effect::Spawn` is not answered; the ladder begins when it is.
    Unborn { ladder: Ladder },
    /// Services that come after this one still live: it goes on until they don't, or until then.
    Holding { live: Live, standing: Standing, until: Mono },
    /// The hook before the stop is not answered; the ladder begins when it is.
    Preceding { live: Live, ladder: Ladder },
    /// The main process was asked and has until then.
    Asking { live: Live, asked: Ask, until: Mono, ladder: Ladder },
    /// The main process ended on being asked; its descendants have until then.
    Lingering { until: Mono },
    /// The tree was killed. `live`: the main process has not ended yet.
    Killing { live: Option<Live>, kills: Kills },
    /// Nothing lives; the hook after the run is not answered. `ended`: it was told to end.
    Cleaning { ended: bool },
}

/// What follows when nothing of the run lives any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing, as ordered.
    Down,
    /// A start as if ordered.
    Start,
    /// The same without waiting for other services.
    StartNow,
    /// The guard's end.
    Retire,
    /// Whatever the restart policy says to this end.
    Judge(End),
}

impl State {
    /// The name others know the state by.
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Down | Self::Retired => Phase::Down,
            Self::Done(_) => Phase::Done,
            Self::Quarantined(_) => Phase::Quarantined,
            Self::Backoff { .. } => Phase::Backoff,
            Self::Waiting(wait) if wait.skipped.is_some() => Phase::Skipped,
            Self::Waiting(_) => Phase::Waiting,
            Self::Preparing { .. } | Self::Spawning { .. } | Self::Forking(_) | Self::Starting { .. } => {
                Phase::Starting
            }
            Self::Up { .. } => Phase::Up,
            Self::Paused(_) => Phase::Paused,
            Self::Stopping(_) => Phase::Stopping,
        }
    }

    /// There is a run that lives, comes to life or is not followed by anything yet.
    pub(super) fn is_inhabited(&self) -> bool {
        match self {
            Self::Down | Self::Done(_) | Self::Retired => false,
            Self::Quarantined(_) | Self::Backoff { .. } | Self::Waiting(_) => false,
            Self::Preparing { .. } | Self::Spawning { .. } | Self::Forking(_) | Self::Starting { .. } => true,
            Self::Up { .. } | Self::Paused(_) | Self::Stopping(_) => true,
        }
    }

    /// A run is there, or being made, and nobody wants it to end.
    pub(super) fn is_running(&self) -> bool {
        self.is_inhabited() && !matches!(self, Self::Stopping(_))
    }

    /// Nothing is there, and nothing is to come without a person or a time that may be long.
    pub(super) fn is_at_rest(&self) -> bool {
        matches!(self, Self::Down | Self::Done(_) | Self::Retired | Self::Quarantined(_))
    }

    /// When time alone changes something.
    pub(super) fn deadline(&self) -> Option<Mono> {
        match self {
            Self::Down | Self::Done(_) | Self::Retired => None,
            Self::Preparing { .. } | Self::Spawning { .. } | Self::Up { .. } | Self::Paused(_) => None,
            Self::Quarantined(stay) => stay.until,
            Self::Backoff { until } => Some(*until),
            Self::Waiting(wait) => wait.by.filter(|_| wait.skipped.is_none()),
            Self::Forking(fork) => fork.by,
            Self::Starting { live: _, wait } => wait.deadline(),
            Self::Stopping(stopping) => match &stopping.stage {
                Stage::Unprepared | Stage::Unborn { .. } | Stage::Preceding { .. } | Stage::Cleaning { .. } => None,
                Stage::Holding { until, .. } => Some(*until),
                Stage::Asking { until, .. } | Stage::Lingering { until } => Some(*until),
                Stage::Killing { live: _, kills } => Some(kills.again),
            },
        }
    }

    /// The living main process.
    pub(super) fn live(&self) -> Option<Live> {
        match self {
            Self::Down | Self::Done(_) | Self::Retired => None,
            Self::Quarantined(_) | Self::Backoff { .. } | Self::Waiting(_) => None,
            Self::Preparing { .. } | Self::Spawning { .. } => None,
            Self::Forking(fork) => fork.live(),
            Self::Starting { live, wait: _ } | Self::Up { live } => Some(*live),
            Self::Paused(halt) => Some(halt.live),
            Self::Stopping(stopping) => match &stopping.stage {
                Stage::Unprepared | Stage::Unborn { .. } | Stage::Lingering { .. } | Stage::Cleaning { .. } => None,
                Stage::Holding { live, .. } | Stage::Preceding { live, .. } | Stage::Asking { live, .. } => Some(*live),
                Stage::Killing { live, kills: _ } => *live,
            },
        }
    }

    /// The pid of the living main process.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.live().map(|live| live.pid)
    }

    /// When the living main process was born, as if it had never been halted.
    pub(super) fn born(&self, now: Mono) -> Option<Mono> {
        if let Self::Paused(halt) = self { Some(halt.live_at(now).born) } else { self.live().map(|live| live.born) }
    }

    /// Since when the run counts for the longest time that it may live; `None`: it does not.
    pub(super) fn counted_from(&self) -> Option<Mono> {
        match self {
            Self::Forking(fork) => Some(fork.born),
            Self::Starting { live, wait: _ } | Self::Up { live } => Some(live.born),
            Self::Down | Self::Done(_) | Self::Retired => None,
            Self::Quarantined(_) | Self::Backoff { .. } | Self::Waiting(_) => None,
            Self::Preparing { .. } | Self::Spawning { .. } | Self::Paused(_) | Self::Stopping(_) => None,
        }
    }

    /// The stay in quarantine, if this is one.
    pub(super) fn stay(&self) -> Option<Stay> {
        if let Self::Quarantined(stay) = self { Some(*stay) } else { None }
    }
}

impl Stage {
    /// Nobody is asked any more: only force is left.
    pub(super) fn is_forced(&self) -> bool {
        match self {
            Self::Unprepared | Self::Killing { .. } => true,
            Self::Unborn { ladder } => *ladder == Ladder::kill_only(),
            Self::Holding { .. } | Self::Preceding { .. } | Self::Asking { .. } | Self::Lingering { .. } => false,
            Self::Cleaning { ended } => *ended,
        }
    }
}

impl Live {
    /// One that was born just now.
    pub(super) fn new(pid: Pid, born: Mono) -> Self {
        Self { pid, born, pausing: false }
    }
}

impl Fork {
    /// The process that was started, while it lives.
    pub(super) fn live(&self) -> Option<Live> {
        self.parent.map(|pid| Live::new(pid, self.born))
    }
}

impl Halt {
    /// The same as if it had lived only before it was halted.
    pub(super) fn live_at(&self, now: Mono) -> Live {
        Live { born: self.live.born.after(now.since(self.at)), ..self.live }
    }

    /// What the state was before, with all times moved by as long as it was halted.
    pub(super) fn ended(self, now: Mono) -> State {
        let (live, halted) = (self.live_at(now), now.since(self.at));
        match self.wait {
            Some(wait) => State::Starting { live, wait: wait.put_off(halted) },
            None => State::Up { live },
        }
    }
}

/// The pause after the first failed attempt; each further one is twice as long, up to the spec's `every`. Most programs are ready
/// within milliseconds and should not look slower than they are.
const LOOK_AGAIN_FIRST: Duration = Duration::from_millis(10);
/// More doublings change nothing: 10 ms · 2^20 is three hours.
const LOOK_DOUBLINGS_MAX: u32 = 20;

impl ReadyWait {
    /// An attempt failed: how long until the next.
    pub(super) fn pause(&mut self, every: Duration) -> Duration {
        let pause = LOOK_AGAIN_FIRST * 2_u32.pow(self.tries.min(LOOK_DOUBLINGS_MAX));
        self.tries = self.tries.saturating_add(1);
        pause.min(every)
    }

    /// The wait of a run born then whose readiness is told by `probe`; an attempt or a watch is already under way.
    pub(super) fn new(ready: &Ready, probe: &Probe, born: Mono) -> Self {
        let next = match probe {
            Probe::Delay(delay) => NextLook::ReadyAt(born.after(*delay)),
            Probe::Tcp(_) | Probe::Http(_) | Probe::Log(_) => NextLook::Event,
        };
        Self { by: ready.timeout.map(|limit| born.after(limit)), next, last: None, tries: 0 }
    }

    /// The same so much later.
    fn put_off(self, by: Duration) -> Self {
        let next = match self.next {
            NextLook::ReadyAt(at) => NextLook::ReadyAt(at.after(by)),
            NextLook::AttemptAt(at, probe) => NextLook::AttemptAt(at.after(by), probe),
            NextLook::Event => NextLook::Event,
        };
        Self { by: self.by.map(|at| at.after(by)), next, ..self }
    }

    fn deadline(&self) -> Option<Mono> {
        let next = match self.next {
            NextLook::ReadyAt(at) | NextLook::AttemptAt(at, _) => Some(at),
            NextLook::Event => None,
        };
        match (self.by, next) {
            (Some(by), Some(next)) => Some(by.min(next)),
            (by, next) => by.or(next),
        }
    }
}
