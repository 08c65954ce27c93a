//! What a service tells about itself, and what it must remember over the death of its guard.

use std::time::Duration;

use crate::event::{Pid, RunId};
use crate::exit::Exit;
use crate::time::Mono;

/// The state's name as people and programs see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing runs and nothing is wanted.
    Down,
    /// It shall start, and waits for other services.
    Waiting,
    /// It shall run, but another service failed or did not come; it starts when that comes good.
    Skipped,
    /// A run exists, or is being made, and is not ready yet.
    Starting,
    /// It runs and is ready.
    Up,
    /// A living run is halted as a whole.
    Paused,
    /// It is being ended, or what its main process left behind is.
    Stopping,
    /// It ended by itself; the next start waits.
    Backoff,
    /// Taken out after too many restarts.
    Quarantined,
    /// It ended by itself and the policy wants no restart.
    Done,
}

/// How far a service has come, for those that come after it: each includes the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It will not come without a person: stopped by order, skipped, quarantined, or over as a failure.
    Failed,
    /// It is on its way: waiting, in back-off, being started or replaced.
    Pending,
    /// Its process exists.
    Started,
    /// It is up; one of kind `once`: never this, but `Done`.
    Ready,
    /// It is over, and well.
    Done,
}

/// One look at a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its state.
    pub phase: Phase,
    /// When that state began.
    pub since: Mono,
    /// The living run, or the last one; `RunId(0)` before the first.
    pub run: RunId,
    /// The living main process.
    pub pid: Option<Pid>,
    /// Automatic restarts since a person last started it.
    pub restarts: u64,
    /// In `Backoff` the time of the next start, in `Quarantined` that of the release.
    pub next: Option<Mono>,
    /// How the last run ended.
    pub last_exit: Option<Exit>,
    /// How far it has come.
    pub standing: Standing,
    /// Why the phase is what it is, where that is not plain: what it waits for, why it was skipped.
    pub note: Option<String>,
}

/// What the next guard must know of the one before; read from the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The newest run there ever was: the next one gets a larger number.
    pub last_run: RunId,
    /// For `Status::restarts`.
    pub restarts: u64,
    /// How long ago each automatic restart was, oldest first: the quarantine window.
    pub recent_restarts: Vec<Duration>,
    /// Failures in a row without a stable run: where the back-off goes on.
    pub failures: u32,
    /// It had ended by itself and no restart was wanted.
    pub done: bool,
    /// How the last run ended.
    pub last_exit: Option<Exit>,
    /// It was in quarantine, for so long already.
    pub quarantined: Option<Duration>,
}

impl History {
    /// The same so much later: a guard reads it with the age it has on disk.
    #[must_use]
    pub fn aged(mut self, by: Duration) -> Self {
        self.recent_restarts.iter_mut().for_each(|age| *age = age.saturating_add(by));
        self.quarantined = self.quarantined.map(|served| served.saturating_add(by));
        self
    }
}
