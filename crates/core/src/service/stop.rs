//! How a run is ended: after those that come after it, up the ladder, step by step, and then by force until nothing of it lives.

use crate::event::{Effect, Record};
use crate::ladder::{Kills, Ladder, Rung, SHUTDOWN_HOLD_MAX};
use crate::spec::{Ask, HookPoint};
use crate::time::Mono;

use super::Service;
use super::state::{Live, Stage, State, Stopping, Then};

impl Service {
    /// Ends the living run, or the one that is being made, by this ladder. Does nothing if nothing lives or it is being ended already.
    pub(super) fn end_run(&mut self, now: Mono, ladder: Ladder, then: Then, out: &mut Vec<Effect>) {
        match &self.state {
            State::Preparing { .. } => {
                self.end_hook(HookPoint::PreStart, out);
                self.state = State::Stopping(Stopping { stage: Stage::Unprepared, then });
            }
            State::Spawning { .. } => {
                self.state = State::Stopping(Stopping { stage: Stage::Unborn { ladder }, then });
            }
            State::Forking(fork) => match fork.live() {
                Some(live) => self.precede(now, live, ladder, then, out),
                None => self.kill(now, None, then, out), // There is no main process to ask.
            },
            State::Starting { live, wait: _ } | State::Up { live } => {
                let live = *live;
                self.precede(now, live, ladder, then, out);
            }
            State::Paused(halt) => {
                let live = halt.live_at(now);
                if ladder != Ladder::kill_only() {
                    out.push(Effect::Continue(self.last_run)); // A halted program could not end.
                }
                self.precede(now, live, ladder, then, out);
            }
            State::Stopping(_) => {}
            State::Down | State::Done(_) | State::Retired => {}
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => {}
        }
    }

    /// Runs the hook before the stop, if anybody is going to be asked at all.
    fn precede(&mut self, now: Mono, live: Live, ladder: Ladder, then: Then, out: &mut Vec<Effect>) {
        if ladder != Ladder::kill_only() && self.hook(HookPoint::PreStop, None, out) {
            self.state = State::Stopping(Stopping { stage: Stage::Preceding { live, ladder }, then });
        } else {
            self.climb(now, live, ladder, then, out);
        }
    }

    /// Takes the next step with a living main process.
    pub(super) fn climb(&mut self, now: Mono, live: Live, mut ladder: Ladder, then: Then, out: &mut Vec<Effect>) {
        match ladder.next(now) {
            Rung::Ask(ask, until) => {
                out.push(Effect::Record(Record::Asked(self.last_run, ask.clone())));
                out.push(Effect::Ask(self.last_run, ask.clone()));
                let stage = Stage::Asking { live, asked: ask, until, ladder };
                self.state = State::Stopping(Stopping { stage, then });
            }
            Rung::Kill => self.kill(now, Some(live), then, out),
        }
    }

    /// Ends the tree without asking.
    pub(super) fn kill(&mut self, now: Mono, live: Option<Live>, then: Then, out: &mut Vec<Effect>) {
        out.push(Effect::Record(Record::Killed(self.last_run)));
        out.push(Effect::Kill(self.last_run));
        let stage = Stage::Killing { live, kills: Kills::first(now) };
        self.state = State::Stopping(Stopping { stage, then });
    }

    /// A step could not be carried out: the next comes at once. A late failure of an earlier step is only written down.
    pub(super) fn ask_failed(&mut self, now: Mono, ask: Ask, why: String, out: &mut Vec<Effect>) {
        let State::Stopping(stopping) = &self.state else {
            // No other state has asked for anything since its run began.
            return;
        };
        let (stage, then) = (stopping.stage.clone(), stopping.then);
        match stage {
            // Nobody was asked yet.
            Stage::Unprepared | Stage::Unborn { .. } | Stage::Holding { .. } | Stage::Preceding { .. } => {}
            Stage::Asking { live, asked, until: _, ladder } => {
                let current = asked == ask;
                out.push(Effect::Record(Record::AskFailed(self.last_run, ask, why)));
                if current {
                    self.climb(now, live, ladder, then, out);
                }
            }
            Stage::Lingering { .. } | Stage::Killing { .. } | Stage::Cleaning { .. } => {
                out.push(Effect::Record(Record::AskFailed(self.last_run, ask, why)));
            }
        }
    }

    /// A wait of `Stopping` is over: the next step, or the kill, or another kill.
    pub(super) fn stop_due(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let State::Stopping(Stopping { stage, then }) = &mut self.state else { return };
        let then = *then;
        match stage {
            Stage::Unprepared | Stage::Unborn { .. } | Stage::Preceding { .. } | Stage::Cleaning { .. } => {}
            Stage::Holding { .. } => self.held_long_enough(now, out),
            Stage::Asking { live, asked: _, until: _, ladder } => {
                let (live, ladder) = (*live, ladder.clone());
                self.climb(now, live, ladder, then, out);
            }
            Stage::Lingering { .. } => self.kill(now, None, then, out),
            Stage::Killing { live: _, kills } => {
                if let Some(tries) = kills.worth_telling() {
                    out.push(Effect::Record(Record::Unkillable(self.last_run, tries)));
                }
                *kills = kills.repeat(now);
                out.push(Effect::Kill(self.last_run));
            }
        }
    }

    /// Cuts an ending short: from asking to force. A tree that is being killed already is left to that.
    pub(super) fn hurry(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let State::Stopping(Stopping { stage, then }) = &mut self.state else { return };
        let then = *then;
        match stage {
            Stage::Unprepared | Stage::Killing { .. } => {}
            Stage::Unborn { ladder } => *ladder = Ladder::kill_only(),
            Stage::Preceding { live, ladder: _ } => {
                let live = Some(*live);
                self.end_hook(HookPoint::PreStop, out);
                self.kill(now, live, then, out);
            }
            Stage::Holding { live, .. } | Stage::Asking { live, .. } => {
                let live = Some(*live);
                self.kill(now, live, then, out);
            }
            Stage::Lingering { .. } => self.kill(now, None, then, out),
            Stage::Cleaning { ended } => {
                if !std::mem::replace(ended, true) {
                    self.end_hook(HookPoint::PostStop, out);
                }
            }
        }
    }

    /// The guard's end, but a living run goes on for those that still need it.
    pub(super) fn hold(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let (halted, live, standing) = (matches!(self.state, State::Paused(_)), self.state.live(), self.standing());
        match live {
            Some(live) if self.dependents > 0 => {
                out.push(Effect::Record(Record::Holding(self.dependents)));
                let live = if let State::Paused(halt) = &self.state { halt.live_at(now) } else { live };
                if halted {
                    out.push(Effect::Continue(self.last_run)); // Nobody is served by a halted program.
                }
                let stage = Stage::Holding { live, standing, until: now.after(SHUTDOWN_HOLD_MAX) };
                self.state = State::Stopping(Stopping { stage, then: Then::Retire });
            }
            Some(_) | None => self.end_run(now, Ladder::new(&self.spec.stop), Then::Retire, out),
        }
    }

    /// So many that come after this one are alive now.
    pub(super) fn dependents_changed(&mut self, now: Mono, dependents: u32, out: &mut Vec<Effect>) {
        self.dependents = dependents;
        if dependents == 0 {
            self.held_long_enough(now, out);
        }
    }

    /// Nobody needs the run any more, or it can't be waited for.
    pub(super) fn held_long_enough(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if let State::Stopping(Stopping { stage: Stage::Holding { live, .. }, then }) = &self.state {
            let (live, then) = (*live, *then);
            self.precede(now, live, Ladder::new(&self.spec.stop), then, out);
        }
    }
}
