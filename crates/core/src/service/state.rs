//! The states of a service, each with the data that exists only in it.

use std::time::Duration;

use crate::event::Pid;
use crate::ladder::{Kills, Ladder};
use crate::quarantine::Stay;
use crate::restart::End;
use crate::spec::{Ask, Probe, Ready};
use crate::status::Phase;
use crate::time::Mono;

/// What is the case. The current run's number is the service's `last_run`.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Nothing lives and nothing is wanted.
    Down,
    /// Nothing lives; the policy wanted no restart.
    Done,
    /// Nothing lives and nothing ever will under this guard.
    Retired,
    /// Nothing lives; restarts did not help.
    Quarantined(Stay),
    /// Nothing lives until the next start.
    Backoff { until: Mono },
    /// `Effect::Spawn` is not answered. `ready`: its log line came before the answer.
    Spawning { ready: bool },
    /// It lives and is not ready.
    Starting { live: Live, wait: ReadyWait },
    /// It lives and is ready.
    Up { live: Live },
    /// It is being ended, or what its main process left behind is.
    Stopping(Stopping),
}

/// A living main process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) pid: Pid,
    /// When the spawn was answered.
    pub(super) born: Mono,
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

/// A run on its way out.
#[derive(Debug, Clone)]
pub(super) struct Stopping {
    pub(super) stage: Stage,
    pub(super) then: Then,
}

/// How far the ending has come.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// `Effect::Spawn` is not answered; the ladder begins when it is.
    Unborn { ladder: Ladder },
    /// The main process was asked and has until then.
    Asking { live: Live, asked: Ask, until: Mono, ladder: Ladder },
    /// The main process ended on being asked; its descendants have until then.
    Lingering { until: Mono },
    /// The tree was killed. `live`: the main process has not ended yet.
    Killing { live: Option<Live>, kills: Kills },
}

/// What follows when nothing of the run lives any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing, as ordered.
    Down,
    /// A start as if ordered.
    Start,
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
            Self::Done => Phase::Done,
            Self::Quarantined(_) => Phase::Quarantined,
            Self::Backoff { .. } => Phase::Backoff,
            Self::Spawning { .. } | Self::Starting { .. } => Phase::Starting,
            Self::Up { .. } => Phase::Up,
            Self::Stopping(_) => Phase::Stopping,
        }
    }

    /// Something lives, or may come to life.
    pub(super) fn is_inhabited(&self) -> bool {
        match self {
            Self::Down | Self::Done | Self::Retired | Self::Quarantined(_) | Self::Backoff { .. } => false,
            Self::Spawning { .. } | Self::Starting { .. } | Self::Up { .. } | Self::Stopping(_) => true,
        }
    }

    /// When time alone changes something.
    pub(super) fn deadline(&self) -> Option<Mono> {
        match self {
            Self::Down | Self::Done | Self::Retired | Self::Spawning { .. } | Self::Up { .. } => None,
            Self::Quarantined(stay) => stay.until,
            Self::Backoff { until } => Some(*until),
            Self::Starting { live: _, wait } => wait.deadline(),
            Self::Stopping(stopping) => match &stopping.stage {
                Stage::Unborn { .. } => None,
                Stage::Asking { until, .. } | Stage::Lingering { until } => Some(*until),
                Stage::Killing { live: _, kills } => Some(kills.again),
            },
        }
    }

    /// The living main process.
    fn live(&self) -> Option<Live> {
        match self {
            Self::Down | Self::Done | Self::Retired | Self::Quarantined(_) | Self::Backoff { .. } => None,
            Self::Spawning { .. } => None,
            Self::Starting { live, wait: _ } | Self::Up { live } => Some(*live),
            Self::Stopping(stopping) => match &stopping.stage {
                Stage::Unborn { .. } | Stage::Lingering { .. } => None,
                Stage::Asking { live, .. } => Some(*live),
                Stage::Killing { live, kills: _ } => *live,
            },
        }
    }

    /// The pid of the living main process.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.live().map(|live| live.pid)
    }

    /// When the living main process was born.
    pub(super) fn born(&self) -> Option<Mono> {
        self.live().map(|live| live.born)
    }

    /// The stay in quarantine, if this is one.
    pub(super) fn stay(&self) -> Option<Stay> {
        match self {
            Self::Quarantined(stay) => Some(*stay),
            Self::Down | Self::Done | Self::Retired | Self::Backoff { .. } => None,
            Self::Spawning { .. } | Self::Starting { .. } | Self::Up { .. } | Self::Stopping(_) => None,
        }
    }
}

impl Stage {
    /// Nobody is asked any more: only force is left.
    pub(super) fn is_forced(&self) -> bool {
        match self {
            Self::Unborn { ladder } => *ladder == Ladder::kill_only(),
            Self::Asking { .. } | Self::Lingering { .. } => false,
            Self::Killing { .. } => true,
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
