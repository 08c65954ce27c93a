//! How a run comes up: prepared, spawned, ready.

use crate::event::{Effect, Pid, Record, RunId};
use crate::ladder::Ladder;
use crate::restart::End;
use crate::spec::{HookPoint, Kind, Probe};
use crate::time::Mono;

use super::Service;
use super::state::{Fork, Halt, Live, NextLook, ReadyWait, Stage, State, Stopping, Then};

impl Service {
    /// Begins a new run. Nothing of an older one may live.
    pub(super) fn spawn(&mut self, out: &mut Vec<Effect>) {
        self.last_run = RunId(self.last_run.0.saturating_add(1));
        match self.spec.hooks.at.get(&HookPoint::PreStart).cloned() {
            Some(hook) => {
                self.state = State::Preparing { hook };
                self.hook_beside(HookPoint::PreStart, None, out);
            }
            None => self.launch(out),
        }
    }

    /// Starts the program of the new run.
    pub(super) fn launch(&mut self, out: &mut Vec<Effect>) {
        self.change = None; // It begins with the files as they are now.
        self.state = State::Spawning { ready: false };
        out.push(Effect::Spawn(self.last_run, Box::new(self.spec.launch.clone())));
        self.watch_log(out);
    }

    /// A start that somebody wanted: what was before is forgiven.
    pub(super) fn start(&mut self, now: Mono, out: &mut Vec<Effect>) {
        self.forget();
        self.begin(now, out);
    }

    /// The same without waiting for other services.
    pub(super) fn start_now(&mut self, out: &mut Vec<Effect>) {
        self.forget();
        self.spawn(out);
    }

    fn forget(&mut self) {
        self.tally.restarts = 0;
        self.tally.forgive();
    }

    /// A start that nobody asked for. It waits for no other service: what was there once may come back any moment.
    pub(super) fn restart(&mut self, now: Mono, out: &mut Vec<Effect>) {
        self.tally.restarts = self.tally.restarts.saturating_add(1);
        if self.spec.restart.quarantine.is_some() {
            self.tally.window.push(now);
        }
        self.spawn(out);
    }

    /// The stay in quarantine is over: a start that nobody asked for, but a new chance, so it does not count against the next.
    pub(super) fn release(&mut self, now: Mono, out: &mut Vec<Effect>) {
        out.push(Effect::Record(Record::Released));
        self.tally.restarts = self.tally.restarts.saturating_add(1);
        self.tally.forgive();
        self.begin(now, out);
    }

    /// The watch for a log line begins with the spawn, so that no output is missed.
    pub(super) fn watch_log(&self, out: &mut Vec<Effect>) {
        match &self.spec.ready.probe {
            Some(probe @ Probe::Log(_)) => out.push(Effect::Probe(self.last_run, probe.clone())),
            Some(Probe::Delay(_) | Probe::Tcp(_) | Probe::Http(_)) | None => {}
        }
    }

    /// `Effect::Spawn` worked.
    pub(super) fn spawned(&mut self, now: Mono, pid: Pid, out: &mut Vec<Effect>) {
        let live = Live::new(pid, now);
        match &mut self.state {
            State::Spawning { ready } => {
                let line_came = *ready;
                out.push(Effect::Record(Record::Spawned(self.last_run, pid)));
                match &self.spec.kind {
                    Kind::Forking { .. } => {
                        let by = self.spec.ready.timeout.map(|limit| now.after(limit));
                        self.state = State::Forking(Fork { parent: Some(pid), born: now, by, ready: line_came });
                    }
                    Kind::Simple | Kind::Once if line_came => self.up(now, live, out),
                    Kind::Simple | Kind::Once => self.await_ready(now, live, out),
                }
            }
            State::Stopping(Stopping { stage: Stage::Unborn { ladder }, then }) => {
                let (ladder, then) = (ladder.clone(), *then);
                out.push(Effect::Record(Record::Spawned(self.last_run, pid)));
                self.climb(now, live, ladder, then, out);
            }
            // Answered already, or never asked for.
            State::Forking(_) | State::Starting { .. } | State::Up { .. } | State::Paused(_) | State::Stopping(_) => {}
            State::Down | State::Done(_) | State::Retired | State::Preparing { .. } => {}
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => {}
        }
    }

    /// `Effect::Spawn` did not work: nothing lives.
    pub(super) fn spawn_failed(&mut self, now: Mono, why: String, out: &mut Vec<Effect>) {
        let then = match &self.state {
            State::Spawning { .. } => Then::Judge(End::NotStarted),
            State::Stopping(Stopping { stage: Stage::Unborn { .. }, then }) => *then,
            // Answered already, or never asked for.
            State::Forking(_) | State::Starting { .. } | State::Up { .. } | State::Paused(_) => return,
            State::Stopping(_) | State::Preparing { .. } => return,
            State::Down | State::Done(_) | State::Retired => return,
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => return,
        };
        self.last_exit = None;
        out.push(Effect::Record(Record::SpawnFailed(self.last_run, why)));
        self.follow(now, then, out);
    }

    /// Waits for readiness with the spec in force; the run may be some time old if the spec changed meanwhile.
    pub(super) fn await_ready(&mut self, now: Mono, live: Live, out: &mut Vec<Effect>) {
        match self.ready_wait(live, out) {
            Some(wait) => self.state = State::Starting { live, wait },
            None => self.up(now, live, out),
        }
    }

    /// Begins a wait for readiness; `None`: there is nothing to wait for.
    pub(super) fn ready_wait(&self, live: Live, out: &mut Vec<Effect>) -> Option<ReadyWait> {
        let probe = self.spec.ready.probe.as_ref()?;
        match probe {
            Probe::Tcp(_) | Probe::Http(_) => out.push(Effect::Probe(self.last_run, probe.clone())),
            Probe::Delay(_) | Probe::Log(_) => {}
        }
        Some(ReadyWait::new(&self.spec.ready, probe, live.born))
    }

    pub(super) fn up(&mut self, now: Mono, live: Live, out: &mut Vec<Effect>) {
        self.state = State::Up { live };
        self.came_up(now, live, out);
    }

    /// What is done when a run is ready.
    fn came_up(&self, now: Mono, live: Live, out: &mut Vec<Effect>) {
        out.push(Effect::Record(Record::Ready(self.last_run, now.since(live.born))));
        self.hook_beside(HookPoint::PostStart, None, out);
    }

    /// A probe succeeded.
    pub(super) fn ready(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let by_line = matches!(self.spec.ready.probe, Some(Probe::Log(_)));
        match &mut self.state {
            // Only a line can come that early: the other probes begin when there is a main process.
            State::Spawning { ready } => *ready = by_line,
            State::Forking(fork) => fork.ready = by_line,
            State::Starting { live, wait: _ } => {
                let live = *live;
                self.up(now, live, out);
            }
            // Its last words before it was halted.
            State::Paused(halt) => {
                let live = halt.live_at(now);
                if halt.wait.take().is_some() {
                    self.came_up(now, live, out);
                }
            }
            State::Up { .. } | State::Stopping(_) | State::Preparing { .. } => {}
            State::Down | State::Done(_) | State::Retired => {}
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => {}
        }
    }

    /// A new rule for readiness: a run that waits for it waits by that. A mended probe must not need a restart.
    pub(super) fn ready_changed(&mut self, now: Mono, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Spawning { ready } => {
                *ready = false; // That line was awaited by the old rule.
                self.watch_log(out);
            }
            State::Forking(fork) => {
                fork.ready = false;
                fork.by = self.spec.ready.timeout.map(|limit| fork.born.after(limit));
                self.watch_log(out);
            }
            State::Starting { live, wait: _ } => {
                let live = *live;
                self.watch_log(out);
                self.await_ready(now, live, out);
            }
            State::Paused(Halt { live: _, wait: None, at: _ }) => {}
            State::Paused(halt) => {
                // Its times are those of the run as it was when it was halted: they are put off as one when it goes on.
                let live = halt.live;
                let now_live = halt.live_at(now);
                self.watch_log(out);
                let wait = self.ready_wait(live, out);
                if wait.is_none() {
                    self.came_up(now, now_live, out);
                }
                if let State::Paused(halt) = &mut self.state {
                    halt.wait = wait;
                }
            }
            State::Up { .. } | State::Stopping(_) | State::Preparing { .. } => {}
            State::Down | State::Done(_) | State::Retired => {}
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => {}
        }
    }

    /// A probe's attempt failed: the next comes soon at first, then after `every`.
    pub(super) fn not_ready(&mut self, now: Mono, why: String) {
        let wait = match &mut self.state {
            State::Starting { live: _, wait } => wait,
            State::Paused(Halt { live: _, wait: Some(wait), at: _ }) => wait,
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => return,
            State::Up { .. } | State::Paused(_) | State::Stopping(_) => return,
            State::Down | State::Done(_) | State::Retired => return,
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => return,
        };
        wait.last = Some(why);
        match (&wait.next, &self.spec.ready.probe) {
            (NextLook::Event, Some(probe @ (Probe::Tcp(_) | Probe::Http(_)))) => {
                let (pause, probe) = (wait.pause(self.spec.ready.every), probe.clone());
                wait.next = NextLook::AttemptAt(now.after(pause), probe);
            }
            // A watch for a line goes on; an attempt that is due already is not put off by a doubled answer.
            (NextLook::Event | NextLook::ReadyAt(_) | NextLook::AttemptAt(..), _) => {}
        }
    }

    /// A wait of `Starting` is over: it is up, or too late, or looked at again.
    pub(super) fn readiness_due(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let State::Starting { live, wait } = &mut self.state else { return };
        let live = *live;
        match &wait.next {
            NextLook::ReadyAt(at) if *at <= now && wait.by.is_none_or(|by| *at <= by) => self.up(now, live, out),
            NextLook::ReadyAt(_) | NextLook::AttemptAt(..) | NextLook::Event if wait.by.is_some_and(|by| by <= now) => {
                let last = wait.last.take();
                self.ready_timed_out(now, live, last, out);
            }
            NextLook::AttemptAt(at, probe) if *at <= now => {
                out.push(Effect::Probe(self.last_run, probe.clone()));
                wait.next = NextLook::Event;
            }
            NextLook::ReadyAt(_) | NextLook::AttemptAt(..) | NextLook::Event => {}
        }
    }

    pub(super) fn ready_timed_out(&mut self, now: Mono, live: Live, last: Option<String>, out: &mut Vec<Effect>) {
        let after = now.since(live.born);
        out.push(Effect::Record(Record::ReadyTimedOut { run: self.last_run, after, last }));
        let ladder = Ladder::new(&self.spec.stop);
        self.climb(now, live, ladder, Then::Judge(End::NotReady), out);
    }
}
