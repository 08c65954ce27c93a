//! How a run is ended: up the ladder, step by step, and then by force until nothing of it lives.

use crate::event::{Effect, Record};
use crate::ladder::{Kills, Ladder, Rung};
use crate::spec::Ask;
use crate::time::Mono;

use super::Service;
use super::state::{Live, Stage, State, Stopping, Then};

impl Service {
    /// Ends the living run, or the one that is being made, by this ladder. Does nothing if nothing lives or it is being ended already.
    pub(super) fn end_run(&mut self, now: Mono, ladder: Ladder, then: Then, out: &mut Vec<Effect>) {
        match &self.state {
            State::Spawning { .. } => {
                self.state = State::Stopping(Stopping { stage: Stage::Unborn { ladder }, then });
            }
            State::Starting { live, wait: _ } | State::Up { live } => {
                let live = *live;
                self.climb(now, live, ladder, then, out);
            }
            State::Stopping(_) => {}
            State::Down | State::Done | State::Retired | State::Quarantined(_) | State::Backoff { .. } => {}
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
    fn kill(&mut self, now: Mono, live: Option<Live>, then: Then, out: &mut Vec<Effect>) {
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
            Stage::Unborn { .. } => {}
            Stage::Asking { live, asked, until: _, ladder } => {
                let current = asked == ask;
                out.push(Effect::Record(Record::AskFailed(self.last_run, ask, why)));
                if current {
                    self.climb(now, live, ladder, then, out);
                }
            }
            Stage::Lingering { .. } | Stage::Killing { .. } => {
                out.push(Effect::Record(Record::AskFailed(self.last_run, ask, why)));
            }
        }
    }

    /// A wait of `Stopping` is over: the next step, or the kill, or another kill.
    pub(super) fn stop_due(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let State::Stopping(Stopping { stage, then }) = &mut self.state else { return };
        let then = *then;
        match stage {
            Stage::Unborn { .. } => {}
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
            Stage::Unborn { ladder } => *ladder = Ladder::kill_only(),
            Stage::Asking { live, .. } => {
                let live = Some(*live);
                self.kill(now, live, then, out);
            }
            Stage::Lingering { .. } => self.kill(now, None, then, out),
            Stage::Killing { .. } => {}
        }
    }
}
