//! How a run ends, and what follows when nothing of it lives any more.

use crate::event::{Effect, Record};
use crate::exit::Exit;
use crate::ladder::{Kills, LINGER_MAX, linger_until};
use crate::quarantine::Stay;
use crate::restart::{self, End, Verdict};
use crate::spec::{HookPoint, Kind};
use crate::time::Mono;

use super::Service;
use super::state::{Finish, Live, Stage, State, Stopping, Then};

impl Service {
    /// The main process ended: by itself, or as it was asked.
    pub(super) fn exited(&mut self, now: Mono, exit: Exit, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Forking(fork) => {
                let Some(live) = fork.live() else { return };
                if exit.is_success() {
                    return self.forked(out);
                }
                self.ended_by_itself(now, live, exit, out);
            }
            State::Starting { live, wait: _ } | State::Up { live } => {
                let live = *live;
                self.ended_by_itself(now, live, exit, out);
            }
            State::Paused(halt) => {
                let live = halt.live_at(now);
                self.ended_by_itself(now, live, exit, out);
            }
            State::Stopping(stopping) => {
                let stage = stopping.stage.clone();
                self.ended_while_stopping(now, stage, exit, out);
            }
            // Comes only after `Spawned`.
            State::Preparing { .. } | State::Spawning { .. } => {}
            State::Down | State::Done(_) | State::Retired => {}
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => {}
        }
    }

    fn ended_by_itself(&mut self, now: Mono, live: Live, exit: Exit, out: &mut Vec<Effect>) {
        self.record_exit(now, live, exit, Cause::Itself, out);
        self.sweep(now, Then::Judge(End::Exited(exit, now.since(live.born))), out);
    }

    fn ended_while_stopping(&mut self, now: Mono, stage: Stage, exit: Exit, out: &mut Vec<Effect>) {
        match stage {
            // Not started yet, or told already.
            Stage::Unprepared | Stage::Unborn { .. } | Stage::Lingering { .. } | Stage::Cleaning { .. } => {}
            Stage::Killing { live: None, kills: _ } => {}
            Stage::Holding { live, .. } => {
                self.record_exit(now, live, exit, Cause::Itself, out);
                self.sweep(now, Then::Retire, out);
            }
            Stage::Preceding { live, ladder: _ } => {
                self.record_exit(now, live, exit, Cause::Asked, out);
                self.end_hook(HookPoint::PreStop, out);
                self.goes_on_to(Stage::Lingering { until: now.after(LINGER_MAX) });
            }
            Stage::Asking { live, asked: _, until, ladder: _ } => {
                self.record_exit(now, live, exit, Cause::Asked, out);
                self.goes_on_to(Stage::Lingering { until: linger_until(now, until) });
            }
            Stage::Killing { live: Some(live), kills } => {
                self.record_exit(now, live, exit, Cause::Asked, out);
                self.goes_on_to(Stage::Killing { live: None, kills });
            }
        }
    }

    /// The next stage of the same ending.
    fn goes_on_to(&mut self, next: Stage) {
        if let State::Stopping(Stopping { stage, then: _ }) = &mut self.state {
            *stage = next;
        }
    }

    /// Ends what the main process may have left behind; what follows waits until it is gone.
    pub(super) fn sweep(&mut self, now: Mono, then: Then, out: &mut Vec<Effect>) {
        out.push(Effect::Kill(self.last_run));
        let stage = Stage::Killing { live: None, kills: Kills::first(now) };
        self.state = State::Stopping(Stopping { stage, then });
    }

    fn record_exit(&mut self, now: Mono, live: Live, exit: Exit, cause: Cause, out: &mut Vec<Effect>) {
        self.last_exit = Some(exit);
        let (run, ran, asked) = (self.last_run, now.since(live.born), cause == Cause::Asked);
        out.push(Effect::Record(Record::Exited { run, exit, ran, asked }));
        self.hook_beside(HookPoint::OnExit, Some(cause.word().to_owned()), out);
    }

    /// Nothing of the run lives any more.
    pub(super) fn emptied(&mut self, now: Mono, out: &mut Vec<Effect>) {
        match &self.state {
            State::Stopping(Stopping { stage, then }) => {
                let (stage, then) = (stage.clone(), *then);
                match stage {
                    // Nothing has lived, or it was told already.
                    Stage::Unprepared | Stage::Unborn { .. } | Stage::Cleaning { .. } => {}
                    Stage::Preceding { .. } => {
                        self.end_hook(HookPoint::PreStop, out);
                        self.gone(now, then, out);
                    }
                    Stage::Holding { .. } | Stage::Asking { .. } | Stage::Lingering { .. } | Stage::Killing { .. } => {
                        self.gone(now, then, out);
                    }
                }
            }
            State::Forking(fork) if fork.parent.is_none() => self.left_nothing(now, out),
            // Comes only after `Exited`; if it was early, the answer to the `Kill` that follows says it again.
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => {}
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => {}
            State::Down | State::Done(_) | State::Retired => {}
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => {}
        }
    }

    /// A run that had lived is gone: the hook after it comes before anything else.
    pub(super) fn gone(&mut self, now: Mono, then: Then, out: &mut Vec<Effect>) {
        if self.hook(HookPoint::PostStop, None, out) {
            self.state = State::Stopping(Stopping { stage: Stage::Cleaning { ended: false }, then });
        } else {
            self.follow(now, then, out);
        }
    }

    /// Goes on after a run of which nothing lives.
    pub(super) fn follow(&mut self, now: Mono, then: Then, out: &mut Vec<Effect>) {
        match then {
            Then::Start if self.may_start() => self.start(now, out),
            Then::StartNow if self.may_start() => self.start_now(out),
            Then::Down | Then::Start | Then::StartNow => self.down(out),
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

    /// What the restart policy says to an end. One whose work is to end is done when it ended well, whatever the policy.
    pub(super) fn verdict(&self, end: End) -> Verdict {
        match self.spec.kind {
            Kind::Once if self.is_fine(end) => Verdict::Done,
            Kind::Once | Kind::Simple | Kind::Forking { .. } => restart::verdict(&self.spec.restart, end),
        }
    }

    /// Asks the restart policy what follows an end that nobody asked for.
    pub(super) fn judge(&mut self, now: Mono, end: End, out: &mut Vec<Effect>) {
        let policy = &self.spec.restart;
        if end.is_stable(policy) {
            self.tally.failures = 0;
        }
        if !self.may_start() || self.verdict(end) == Verdict::Done {
            let fine = self.is_fine(end);
            self.state = State::Done(Finish { fine, why: None });
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
            self.hook_beside(HookPoint::OnQuarantine, None, out);
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

impl Cause {
    /// What the hook is told.
    fn word(self) -> &'static str {
        match self {
            Self::Itself => "itself",
            Self::Asked => "asked",
        }
    }
}
