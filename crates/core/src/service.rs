//! The service machine: everything that decides when a program is started, ended and started again.
//!
//! `handle` is the only way anything changes. Each kind of event has one function that answers it in every `State`;
//! what the functions share is in `run.rs` (how a run begins, lives and is judged) and `stop.rs` (how it is ended).
//!
//! **Invariants.** At most one run lives. A state that says nothing lives is entered only by `Emptied` or `SpawnFailed`, so nothing is ever
//! spawned beside an old tree. News of any run but the current one is dropped at the door. The wall clock decides nothing.

mod orders;
mod run;
mod spec_change;
mod state;
mod stop;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::event::{Effect, Event, Pid, RunId};
use crate::exit::Exit;
use crate::ladder;
use crate::quarantine::{Stay, Window};
use crate::restart::{Chance, Verdict, verdict};
use crate::spec::{Spec, StartMode};
use crate::status::{History, Phase, Status};
use crate::time::{Mono, Now};
use state::{State, Then};

/// One service under guard.
#[derive(Debug, Clone)]
pub struct Service {
    spec: Spec,
    state: State,
    /// When the phase, or the run in it, began.
    since: Mono,
    /// The newest run there ever was.
    last_run: RunId,
    /// How that run ended.
    last_exit: Option<Exit>,
    /// What counts against another restart.
    tally: Tally,
    chance: Chance,
}

/// What is remembered of earlier runs.
#[derive(Debug, Clone)]
struct Tally {
    /// Automatic restarts since the last start by order.
    restarts: u64,
    /// Ends in a row without a stable run between them.
    failures: u32,
    /// The latest automatic restarts.
    window: Window,
}

impl Tally {
    /// A new chance: the program may fail anew. `restarts` stays, it is only told.
    fn forgive(&mut self) {
        self.failures = 0;
        self.window.clear();
    }
}

impl Service {
    /// A service that does not run yet: `Down`, or `Quarantined` for what is left of it if `history` says so.
    /// Send `Event::Order` or `Event::Resume` to start it. Equal arguments and equal events give equal effects.
    #[must_use]
    pub fn new(spec: Spec, history: History, seed: u64, now: Now) -> Self {
        // A spec that no longer knows quarantine is a changed spec: that leaves it. A disabled one would never leave it by itself.
        let enabled = spec.start != StartMode::Disabled;
        let stay = history.quarantined.zip(spec.restart.quarantine).filter(|_| enabled);
        let resting = if history.done { State::Done } else { State::Down };
        let state = stay.map_or(resting, |(served, limit)| State::Quarantined(Stay::resume(limit, served, now.mono)));
        let window = Window::from_ages(&history.recent_restarts, now.mono);
        Self {
            spec,
            state,
            since: now.mono,
            last_run: history.last_run,
            last_exit: history.last_exit,
            tally: Tally { restarts: history.restarts, failures: history.failures, window },
            chance: Chance::new(seed),
        }
    }

    /// Takes in what happened at `now` and appends what must be done, in this order. Never fails: an event that makes no sense in the
    /// present state (late, doubled, of another run, an early deadline) changes nothing. Ask [`Self::deadline`] anew after each call.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        let (phase, run, pid) = self.face();
        let out = effects;
        let now = now.mono;
        match event {
            Event::Order(order) => self.order(now, order, out),
            Event::Resume => self.resume(out),
            Event::SpecChanged(spec) => self.spec_changed(now, *spec, out),
            Event::Deadline => self.deadline_came(now, out),
            Event::Spawned(run, pid) if self.is_current(run) => self.spawned(now, pid, out),
            Event::SpawnFailed(run, why) if self.is_current(run) => self.spawn_failed(now, why, out),
            Event::Exited(run, exit) if self.is_current(run) => self.exited(now, exit, out),
            Event::Emptied(run) if self.is_current(run) => self.emptied(now, out),
            Event::Asked(run, ask, Err(why)) if self.is_current(run) => self.ask_failed(now, ask, why, out),
            Event::Ready(run) if self.is_current(run) => self.ready(now, out),
            Event::NotReady(run, why) if self.is_current(run) => self.not_ready(now, why),
            Event::Asked(_, _, Ok(())) => {} // Only the end of the run counts, and the step's wait.
            Event::Spawned(..)
            | Event::SpawnFailed(..)
            | Event::Exited(..)
            | Event::Emptied(..)
            | Event::Asked(_, _, Err(_))
            | Event::Ready(..)
            | Event::NotReady(..) => {} // News of a run that is over.
        }
        let face = self.face();
        if (face.0, face.1) != (phase, run) {
            self.since = now;
        }
        if face != (phase, run, pid) {
            out.push(Effect::Report);
        }
    }

    /// When to send `Event::Deadline`; `None`: not before some other event came. May lie in the past if that event came late:
    /// then send it at once.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.state.deadline()
    }

    /// One look at the service.
    #[must_use]
    pub fn status(&self) -> Status {
        let (phase, run, pid) = self.face();
        let next = match phase {
            Phase::Backoff | Phase::Quarantined => self.deadline(),
            Phase::Down | Phase::Starting | Phase::Up | Phase::Stopping | Phase::Done => None,
        };
        let restarts = self.tally.restarts;
        Status { phase, since: self.since, run, pid, restarts, next, last_exit: self.last_exit }
    }

    /// The spec in force. A run that is being ended for a new spec was still made by the old one.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What a next guard must know. Keep it, and [`Self::wanted`], on disk before any effect is carried out whenever there were effects:
    /// only then, and by ageing ([`History::aged`]), does it change.
    #[must_use]
    pub fn history(&self, now: Now) -> History {
        let now = now.mono;
        let stable = self.state.born().is_some_and(|born| now.since(born) >= self.spec.restart.stable_after);
        History {
            last_run: self.last_run,
            restarts: self.tally.restarts,
            recent_restarts: self.tally.window.ages(now),
            failures: if stable { 0 } else { self.tally.failures },
            done: matches!(self.state, State::Done),
            last_exit: self.last_exit,
            quarantined: self.state.stay().map(|stay| stay.served(now)),
        }
    }

    /// The service is meant to run, now or later, without another order: a next guard sends `Event::Resume` then.
    #[must_use]
    pub fn wanted(&self) -> bool {
        match &self.state {
            State::Down | State::Done | State::Retired => false,
            State::Quarantined(_) | State::Backoff { .. } => true,
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } => true,
            State::Stopping(stopping) => match stopping.then {
                Then::Down | Then::Retire => false,
                Then::Start => self.may_start(),
                Then::Judge(end) => self.may_start() && verdict(&self.spec.restart, end) == Verdict::Restart,
            },
        }
    }

    /// The longest a stop may take with the spec in force: the waits of the ladder and a margin. For whoever waits for it.
    #[must_use]
    pub fn stop_limit(&self) -> Duration {
        ladder::longest(&self.spec.stop)
    }

    /// What others see of the state; a change of it is reported.
    fn face(&self) -> (Phase, RunId, Option<Pid>) {
        (self.state.phase(), self.last_run, self.state.pid())
    }

    /// The run is the one that lives or is being made.
    fn is_current(&self, run: RunId) -> bool {
        self.state.is_inhabited() && self.last_run == run
    }

    /// `disabled` means that nothing starts it: no order, no policy, no new spec. What runs already is left alone.
    fn may_start(&self) -> bool {
        self.spec.start != StartMode::Disabled
    }

    /// A new guard goes on where its predecessor died. It left nothing alive: it, or the OS, ended what it found.
    fn resume(&mut self, out: &mut Vec<Effect>) {
        match &self.state {
            State::Down if self.may_start() => self.spawn(out),
            State::Down | State::Done | State::Retired | State::Quarantined(_) | State::Backoff { .. } => {}
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } | State::Stopping(_) => {}
        }
    }

    /// The earliest of the waits may be over; before that it is none and nothing happens.
    fn deadline_came(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if self.deadline().is_none_or(|due| now < due) {
            return;
        }
        match &self.state {
            State::Backoff { .. } => self.restart(now, out),
            State::Quarantined(_) => self.release(out),
            State::Starting { .. } => self.readiness_due(now, out),
            State::Stopping(_) => self.stop_due(now, out),
            // These wait for no time.
            State::Down | State::Done | State::Retired | State::Spawning { .. } | State::Up { .. } => {}
        }
    }
}
