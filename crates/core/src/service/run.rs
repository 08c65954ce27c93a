//! The life of a run: spawned, ready, ended by itself, and what follows.

use crate::event::{Effect, Pid, Record, RunId};
use crate::exit::Exit;
use crate::ladder::{Kills, Ladder, linger_until};
use crate::quarantine::Stay;
use crate::restart::{self, End, Verdict, verdict};
use crate::spec::Probe;
use crate::time::Mono;

use super::Service;
use super::state::{Live, NextLook, ReadyWait, Stage, State, Stopping, Then};

impl Service {
    /// Begins a new run. Nothing of an older one may live.
    pub(super) fn spawn(&mut self, out: &mut Vec<Effect>) {
        self.last_run = RunId(self.last_run.0.saturating_add(1));
        self.state = State::Spawning { ready: false };
        out.push(Effect::Spawn(self.last_run, self.spec.launch.clone()));
        self.watch_log(out);
    }

    /// A start that somebody wanted: what was before is forgiven.
    pub(super) fn start(&mut self, out: &mut Vec<Effect>) {
        self.tally.restarts = 0;
        self.tally.forgive();
        self.spawn(out);
    }

    /// A start that nobody asked for.
    pub(super) fn restart(&mut self, now: Mono, out: &mut Vec<Effect>) {
        self.tally.restarts = self.tally.restarts.saturating_add(1);
        if self.spec.restart.quarantine.is_some() {
            self.tally.window.push(now);
        }
        self.spawn(out);
    }

    /// The stay in quarantine is over: a start that nobody asked for, but a new chance, so it does not count against the next.
    pub(super) fn release(&mut self, out: &mut Vec<Effect>) {
        out.push(Effect::Record(Record::Released));
        self.tally.restarts = self.tally.restarts.saturating_add(1);
        self.tally.forgive();
        self.spawn(out);
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
        let live = Live { pid, born: now };
        match &mut self.state {
            State::Spawning { ready } => {
                let line_came = *ready;
                out.push(Effect::Record(Record::Spawned(self.last_run, pid)));
                if line_came { self.up(now, live, out) } else { self.await_ready(now, live, out) }
            }
            State::Stopping(Stopping { stage: Stage::Unborn { ladder }, then }) => {
                let (ladder, then) = (ladder.clone(), *then);
                out.push(Effect::Record(Record::Spawned(self.last_run, pid)));
                self.climb(now, live, ladder, then, out);
            }
            // Answered already.
            State::Starting { .. } | State::Up { .. } | State::Stopping(_) => {}
            State::Down | State::Done | State::Retired | State::Quarantined(_) | State::Backoff { .. } => {}
        }
    }

    /// `Effect::Spawn` did not work: nothing lives.
    pub(super) fn spawn_failed(&mut self, now: Mono, why: String, out: &mut Vec<Effect>) {
        let then = match &self.state {
            State::Spawning { .. } => Then::Judge(End::NotStarted),
            State::Stopping(Stopping { stage: Stage::Unborn { .. }, then }) => *then,
            // Answered already.
            State::Starting { .. } | State::Up { .. } | State::Stopping(_) => return,
            State::Down | State::Done | State::Retired | State::Quarantined(_) | State::Backoff { .. } => return,
        };
        self.last_exit = None;
        out.push(Effect::Record(Record::SpawnFailed(self.last_run, why)));
        self.follow(now, then, out);
    }

    /// Begins the wait for readiness with the spec in force; `born` may be some time ago if the spec changed meanwhile.
    pub(super) fn await_ready(&mut self, now: Mono, live: Live, out: &mut Vec<Effect>) {
        let Some(probe) = &self.spec.ready.probe else {
            return self.up(now, live, out);
        };
        let wait = ReadyWait::new(&self.spec.ready, probe, live.born);
        match probe {
            Probe::Tcp(_) | Probe::Http(_) => out.push(Effect::Probe(self.last_run, probe.clone())),
            Probe::Delay(_) | Probe::Log(_) => {}
        }
        self.state = State::Starting { live, wait };
    }

    fn up(&mut self, now: Mono, live: Live, out: &mut Vec<Effect>) {
        self.state = State::Up { live };
        out.push(Effect::Record(Record::Ready(self.last_run, now.since(live.born))));
    }

    /// A probe succeeded.
    pub(super) fn ready(&mut self, now: Mono, out: &mut Vec<Effect>) {
        match &mut self.state {
            // Only a line can come that early: the other probes begin when the spawn is answered.
            State::Spawning { ready } => *ready = matches!(self.spec.ready.probe, Some(Probe::Log(_))),
            State::Starting { live, wait: _ } => {
                let live = *live;
                self.up(now, live, out);
            }
            State::Up { .. } | State::Stopping(_) => {}
            State::Down | State::Done | State::Retired | State::Quarantined(_) | State::Backoff { .. } => {}
        }
    }

    /// A probe's attempt failed: the next comes soon at first, then after `every`.
    pub(super) fn not_ready(&mut self, now: Mono, why: String) {
        match &mut self.state {
            State::Starting { live: _, wait } => {
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
            State::Spawning { .. } | State::Up { .. } | State::Stopping(_) => {}
            State::Down | State::Done | State::Retired | State::Quarantined(_) | State::Backoff { .. } => {}
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

    fn ready_timed_out(&mut self, now: Mono, live: Live, last: Option<String>, out: &mut Vec<Effect>) {
        let after = now.since(live.born);
        out.push(Effect::Record(Record::ReadyTimedOut { run: self.last_run, after, last }));
        let ladder = Ladder::new(&self.spec.stop);
        self.climb(now, live, ladder, Then::Judge(End::NotReady), out);
    }

    /// The main process ended: by itself, or as it was asked.
    pub(super) fn exited(&mut self, now: Mono, exit: Exit, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Starting { live, wait: _ } | State::Up { live } => {
                let live = *live;
                self.record_exit(now, live, exit, Cause::Itself, out);
                self.sweep(now, End::Exited(exit, now.since(live.born)), out);
            }
            State::Stopping(stopping) => {
                let live = match &mut stopping.stage {
                    Stage::Unborn { .. } | Stage::Lingering { .. } => return,
                    Stage::Asking { live, asked: _, until, ladder: _ } => {
                        let (live, until) = (*live, linger_until(now, *until));
                        stopping.stage = Stage::Lingering { until };
                        live
                    }
                    Stage::Killing { live, kills: _ } => match live.take() {
                        Some(live) => live,
                        None => return,
                    },
                };
                self.record_exit(now, live, exit, Cause::Asked, out);
            }
            // Comes only after `Spawned`.
            State::Spawning { .. } => {}
            State::Down | State::Done | State::Retired | State::Quarantined(_) | State::Backoff { .. } => {}
        }
    }

    /// Ends what the main process may have left behind; the next run waits until it is gone.
    fn sweep(&mut self, now: Mono, end: End, out: &mut Vec<Effect>) {
        out.push(Effect::Kill(self.last_run));
        let stage = Stage::Killing { live: None, kills: Kills::first(now) };
        self.state = State::Stopping(Stopping { stage, then: Then::Judge(end) });
    }

    fn record_exit(&mut self, now: Mono, live: Live, exit: Exit, cause: Cause, out: &mut Vec<Effect>) {
        self.last_exit = Some(exit);
        let (run, ran, asked) = (self.last_run, now.since(live.born), cause == Cause::Asked);
        out.push(Effect::Record(Record::Exited { run, exit, ran, asked }));
    }

    /// Nothing of the run lives any more.
    pub(super) fn emptied(&mut self, now: Mono, out: &mut Vec<Effect>) {
        match &self.state {
            State::Stopping(Stopping { stage: Stage::Unborn { .. }, then: _ }) => {}
            State::Stopping(Stopping { stage: _, then }) => {
                let then = *then;
                self.follow(now, then, out);
            }
            // Comes only after `Exited`; if it was early, the answer to the `Kill` that follows says it again.
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } => {}
            State::Down | State::Done | State::Retired | State::Quarantined(_) | State::Backoff { .. } => {}
        }
    }

    /// Goes on after a run of which nothing lives.
    fn follow(&mut self, now: Mono, then: Then, out: &mut Vec<Effect>) {
        match then {
            Then::Start if self.may_start() => self.start(out),
            Then::Down | Then::Start => self.down(out),
            Then::Retire => {
                self.down(out);
                self.state = State::Retired;
                out.push(Effect::Retire { exit: None });
            }
            Then::Judge(end) => self.judge(now, end, out),
        }
    }

    /// Nothing lives and nothing is wanted.
    pub(super) fn down(&mut self, out: &mut Vec<Effect>) {
        self.state = State::Down;
        out.push(Effect::Record(Record::Down));
    }

    /// Asks the restart policy what follows an end that nobody asked for.
    fn judge(&mut self, now: Mono, end: End, out: &mut Vec<Effect>) {
        let policy = &self.spec.restart;
        if end.is_stable(policy) {
            self.tally.failures = 0;
        }
        if !self.may_start() || verdict(policy, end) == Verdict::Done {
            self.state = State::Done;
            out.push(Effect::Record(Record::Done(end.exit())));
            return;
        }
        self.tally.failures = self.tally.failures.saturating_add(1);
        if let Some(limit) = policy.quarantine
            && self.tally.window.is_full(limit, now)
        {
            self.state = State::Quarantined(Stay::begin(limit, now));
            let (restarts, within, release_after) = (self.tally.window.len(), limit.within, limit.release_after);
            out.push(Effect::Record(Record::Quarantined { restarts, within, release_after }));
            return;
        }
        let (failures, wait) = (self.tally.failures, restart::wait(policy, self.tally.failures, &mut self.chance));
        if wait.is_zero() {
            return self.restart(now, out);
        }
        self.state = State::Backoff { until: now.after(wait) };
        out.push(Effect::Record(Record::Backoff { wait, failures }));
    }
}

/// Why a main process ended, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Nobody had asked it to.
    Itself,
    /// We had.
    Asked,
}
