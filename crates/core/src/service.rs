//! The service machine: everything that decides when a program is started, ended and started again.
//!
//! `handle` is the only way anything changes. Each kind of event has one function that answers it in every `State`;
//! what the functions share is in `run.rs` (how a run comes up), `judge.rs` (its end, and what follows), `stop.rs` (how it is ended) and
//! in a file for each of the rest: `waiting.rs` (other services), `hooks.rs`, `forking.rs`, `pause.rs`, `watch.rs` (changed files).
//!
//! **Invariants.** At most one run lives. A state that says nothing lives is entered only by `Emptied`, `SpawnFailed`, or the end of the
//! hook before or after the run, so nothing is ever spawned beside an old tree. News of any run but the current one is dropped at the
//! door (the end of a hook is still written down). The wall clock decides nothing.

mod forking;
mod hooks;
mod judge;
mod orders;
mod others;
mod pause;
mod run;
mod spec_change;
mod state;
mod stop;
#[cfg(test)]
mod tests;
mod waiting;
mod watch;

use std::time::Duration;

use crate::event::{Effect, Event, Pid, Record, RunId};
use crate::exit::Exit;
use crate::ladder::{self, Ladder};
use crate::quarantine::{Stay, Window};
use crate::restart::{Chance, End, Verdict};
use crate::spec::{HookPoint, Kind, Spec, StartMode};
use crate::status::{History, Phase, Standing, Status};
use crate::time::{Mono, Now};
use others::Others;
use state::{Finish, Stage, State, Stopping, Then};
use watch::Change;

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
    /// The services that this one comes after.
    others: Others,
    /// So many services that come after this one are alive.
    dependents: u32,
    /// Watched files have changed.
    change: Option<Change>,
    chance: Chance,
}

/// What others see of a service; a change of it is reported.
#[derive(Debug, PartialEq, Eq)]
struct Face {
    phase: Phase,
    run: RunId,
    pid: Option<Pid>,
    standing: Standing,
    note: Option<String>,
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
        let fine = history.last_exit.is_some_and(|exit| spec.restart.is_fine(exit));
        let resting = if history.done { State::Done(Finish { fine, why: None }) } else { State::Down };
        let state = stay.map_or(resting, |(served, limit)| State::Quarantined(Stay::resume(limit, served, now.mono)));
        let window = Window::from_ages(&history.recent_restarts, now.mono);
        Self {
            spec,
            state,
            since: now.mono,
            last_run: history.last_run,
            last_exit: history.last_exit,
            tally: Tally { restarts: history.restarts, failures: history.failures, window },
            others: Others::default(),
            dependents: 0,
            change: None,
            chance: Chance::new(seed),
        }
    }

    /// Takes in what happened at `now` and appends what must be done, in this order. Never fails: an event that makes no sense in the
    /// present state (late, doubled, of another run, an early deadline) changes nothing. Ask [`Self::deadline`] anew after each call.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        let before = self.face();
        let out = effects;
        self.take(now.mono, event, out);
        self.watch_others(out);
        let face = self.face();
        if (face.phase, face.run) != (before.phase, before.run) {
            self.since = now.mono;
        }
        if face != before {
            out.push(Effect::Report);
        }
    }

    fn take(&mut self, now: Mono, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Order(order) => self.order(now, order, out),
            Event::Resume => self.resume(now, out),
            Event::SpecChanged(spec) => self.spec_changed(now, *spec, out),
            Event::Deadline => self.deadline_came(now, out),
            Event::Awaiting(list) => self.awaiting(list, out),
            Event::Seen(name, sight) => self.seen(now, &name, sight, out),
            Event::Dependents(count) => self.dependents_changed(now, count, out),
            Event::FileChanged(path) => self.file_changed(now, path),
            Event::Rotating(path) => self.hook_beside(HookPoint::PreRotate, Some(path), out),
            Event::Rotated(path) => self.hook_beside(HookPoint::OnRotate, Some(path), out),
            Event::Suspending => self.hook_of_living(HookPoint::OnSuspend, out),
            Event::Resumed => {
                self.hook_of_living(HookPoint::OnResume, out);
                self.deadline_came(now, out);
            }
            Event::Hooked(run, point, end) => self.hooked(now, run, point, end, out),
            Event::Spawned(run, pid) if self.is_current(run) => self.spawned(now, pid, out),
            Event::SpawnFailed(run, why) if self.is_current(run) => self.spawn_failed(now, why, out),
            Event::Exited(run, exit) if self.is_current(run) => self.exited(now, exit, out),
            Event::Emptied(run) if self.is_current(run) => self.emptied(now, out),
            Event::Asked(run, ask, Err(why)) if self.is_current(run) => self.ask_failed(now, ask, why, out),
            Event::Ready(run) if self.is_current(run) => self.ready(now, out),
            Event::NotReady(run, why) if self.is_current(run) => self.not_ready(now, why),
            Event::Adopted(run, pid) if self.is_current(run) => self.adopted(now, pid, out),
            Event::AdoptFailed(run, why) if self.is_current(run) => self.adopt_failed(now, why, out),
            Event::Paused(run, Ok(())) if self.is_current(run) => self.paused(now, out),
            Event::Paused(run, Err(why)) if self.is_current(run) => self.pause_failed(why, out),
            Event::Reloaded(run, Ok(())) if self.is_current(run) => out.push(Effect::Record(Record::Reloaded(run))),
            Event::Reloaded(run, Err(why)) if self.is_current(run) => {
                out.push(Effect::Record(Record::ReloadFailed(run, why)));
            }
            // It may come after the end that it brought.
            Event::LimitHit(run, limit) if run == self.last_run => {
                out.push(Effect::Record(Record::LimitHit(run, limit)));
            }
            Event::Asked(_, _, Ok(())) => {} // Only the end of the run counts, and the step's wait.
            // News of a run that is over.
            Event::Spawned(..) | Event::SpawnFailed(..) | Event::Exited(..) | Event::Emptied(..) => {}
            Event::Asked(_, _, Err(_)) | Event::Ready(..) | Event::NotReady(..) => {}
            Event::Adopted(..) | Event::AdoptFailed(..) | Event::Paused(..) => {}
            Event::Reloaded(..) | Event::LimitHit(..) => {}
        }
    }

    /// When to send `Event::Deadline`; `None`: not before some other event came. May lie in the past if that event came late:
    /// then send it at once.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let change = self.change.as_ref().map(|change| change.due);
        [self.state.deadline(), self.overdue_at(), change].into_iter().flatten().min()
    }

    /// One look at the service.
    #[must_use]
    pub fn status(&self) -> Status {
        let Face { phase, run, pid, standing, note } = self.face();
        let next = match phase {
            Phase::Backoff | Phase::Quarantined => self.state.deadline(),
            Phase::Down | Phase::Done | Phase::Waiting | Phase::Skipped => None,
            Phase::Starting | Phase::Up | Phase::Paused | Phase::Stopping => None,
        };
        let (since, restarts, last_exit) = (self.since, self.tally.restarts, self.last_exit);
        Status { phase, since, run, pid, restarts, next, last_exit, standing, note }
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
        let stable = self.state.born(now).is_some_and(|born| now.since(born) >= self.spec.restart.stable_after);
        History {
            last_run: self.last_run,
            restarts: self.tally.restarts,
            recent_restarts: self.tally.window.ages(now),
            failures: if stable { 0 } else { self.tally.failures },
            done: matches!(self.state, State::Done(_)),
            last_exit: self.last_exit,
            quarantined: self.state.stay().map(|stay| stay.served(now)),
        }
    }

    /// The service is meant to run, now or later, without another order: a next guard sends `Event::Resume` then.
    #[must_use]
    pub fn wanted(&self) -> bool {
        match &self.state {
            State::Down | State::Done(_) | State::Retired => false,
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => true,
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => true,
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => true,
            State::Stopping(stopping) => match stopping.then {
                Then::Down | Then::Retire => false,
                Then::Start | Then::StartNow => self.may_start(),
                Then::Judge(end) => self.may_start() && self.verdict(end) == Verdict::Restart,
            },
        }
    }

    /// The longest a stop may take with the spec in force: see [`ladder::longest`]. For whoever waits for it.
    #[must_use]
    pub fn stop_limit(&self) -> Duration {
        ladder::longest(&self.spec.stop, &self.spec.hooks)
    }

    fn face(&self) -> Face {
        let (phase, run, pid) = (self.state.phase(), self.last_run, self.state.pid());
        Face { phase, run, pid, standing: self.standing(), note: self.note() }
    }

    /// How far it has come, for those that come after it.
    fn standing(&self) -> Standing {
        match &self.state {
            State::Down | State::Retired | State::Quarantined(_) => Standing::Failed,
            State::Done(finish) => failed_unless(finish.fine, Standing::Done),
            State::Waiting(wait) => failed_unless(wait.skipped.is_none(), Standing::Pending),
            State::Backoff { .. } | State::Preparing { .. } | State::Spawning { .. } => Standing::Pending,
            State::Forking(_) => Standing::Pending, // Its main process can't be told yet.
            State::Starting { .. } => Standing::Started,
            State::Up { .. } => self.standing_when_ready(),
            State::Paused(halt) if halt.wait.is_some() => Standing::Started,
            State::Paused(_) => self.standing_when_ready(),
            State::Stopping(Stopping { stage: Stage::Holding { standing, .. }, then: _ }) => *standing,
            State::Stopping(stopping) => match stopping.then {
                Then::Down | Then::Retire => Standing::Failed,
                Then::Start | Then::StartNow => failed_unless(self.may_start(), Standing::Pending),
                Then::Judge(end) => failed_unless(self.wanted() || self.is_fine(end), Standing::Pending),
            },
        }
    }

    /// Nobody waits for the readiness of what is to end.
    fn standing_when_ready(&self) -> Standing {
        match self.spec.kind {
            Kind::Once => Standing::Started,
            Kind::Simple | Kind::Forking { .. } => Standing::Ready,
        }
    }

    /// Why the phase is what it is, where that is not plain.
    fn note(&self) -> Option<String> {
        match &self.state {
            State::Waiting(wait) => Some(match &wait.skipped {
                Some(reason) => format!("skipped: {reason}"),
                None => self.others.waits_for(),
            }),
            State::Done(finish) => finish.why.clone(),
            State::Stopping(Stopping { stage: Stage::Holding { .. }, then: _ }) => Some(match self.dependents {
                1 => "waits for 1 service that comes after it".to_owned(),
                count => format!("waits for {count} services that come after it"),
            }),
            State::Stopping(_) | State::Down | State::Retired | State::Quarantined(_) | State::Backoff { .. } => None,
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => None,
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => None,
        }
    }

    /// The work of a run that ended so is done, and well.
    fn is_fine(&self, end: End) -> bool {
        end.exit().is_some_and(|exit| self.spec.restart.is_fine(exit))
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
    fn resume(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if matches!(self.state, State::Down) && self.may_start() {
            self.begin(now, out);
        }
    }

    /// A hook that is about a living program.
    fn hook_of_living(&self, point: HookPoint, out: &mut Vec<Effect>) {
        if self.state.pid().is_some() {
            self.hook_beside(point, None, out);
        }
    }

    /// When the run has lived as long as it may.
    fn overdue_at(&self) -> Option<Mono> {
        Some(self.state.counted_from()?.after(self.spec.max_runtime?))
    }

    /// Each wait that may be over; before its time nothing happens.
    fn deadline_came(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if self.change.as_ref().is_some_and(|change| change.due <= now) {
            self.files_settled(now, out);
        }
        if self.overdue_at().is_some_and(|due| due <= now) {
            self.overdue(now, out);
        }
        if self.state.deadline().is_some_and(|due| due <= now) {
            self.state_due(now, out);
        }
    }

    fn state_due(&mut self, now: Mono, out: &mut Vec<Effect>) {
        match &self.state {
            State::Backoff { .. } => self.restart(now, out),
            State::Quarantined(_) => self.release(now, out),
            State::Waiting(_) => self.waited_long(out),
            State::Forking(_) => self.fork_timed_out(now, out),
            State::Starting { .. } => self.readiness_due(now, out),
            State::Stopping(_) => self.stop_due(now, out),
            // These wait for no time.
            State::Down | State::Done(_) | State::Retired => {}
            State::Preparing { .. } | State::Spawning { .. } | State::Up { .. } | State::Paused(_) => {}
        }
    }

    /// The run has lived as long as it may: it is ended, and that is a failure.
    fn overdue(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let (Some(born), Some(after)) = (self.state.counted_from(), self.spec.max_runtime) else { return };
        out.push(Effect::Record(Record::Overdue { run: self.last_run, after }));
        self.end_run(now, Ladder::new(&self.spec.stop), Then::Judge(End::TooLong(now.since(born))), out);
    }
}

/// This, or failed.
fn failed_unless(holds: bool, standing: Standing) -> Standing {
    if holds { standing } else { Standing::Failed }
}
