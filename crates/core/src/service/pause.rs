//! Halting a run as a whole and letting it go on. Times of a run don't count while it is halted.

use crate::event::{Effect, Order, Record};
use crate::time::Mono;

use super::Service;
use super::orders::taken;
use super::state::{Halt, Live, Stage, State};

impl Service {
    pub(super) fn order_pause(&mut self, order: Order, out: &mut Vec<Effect>) {
        let run = self.last_run;
        if let Some(live) = self.told_live()
            && !live.pausing
        {
            live.pausing = true;
            taken(order, out);
            out.push(Effect::Pause(run));
        }
    }

    /// Ends a pause, or takes one back that is under way. Nothing to do if it is not halted.
    pub(super) fn order_continue(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        if let State::Paused(halt) = &self.state {
            let before = halt.clone().ended(now);
            taken(order, out);
            out.push(Effect::Record(Record::Continued(self.last_run)));
            out.push(Effect::Continue(self.last_run));
            self.state = before;
        } else if let Some(live) = self.told_live()
            && live.pausing
        {
            live.pausing = false; // `paused` lets it go on.
            taken(order, out);
        }
    }

    /// A living run that may be halted or told something.
    fn told_live(&mut self) -> Option<&mut Live> {
        if let State::Starting { live, wait: _ } | State::Up { live } = &mut self.state { Some(live) } else { None }
    }

    /// Every process of the run is halted. If nobody wants that any more, they go on: a halted program could not end either.
    pub(super) fn paused(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let (live, wait) = match &self.state {
            State::Starting { live, wait } => (*live, Some(wait.clone())),
            State::Up { live } => (*live, None),
            State::Paused(_) => return, // Told already.
            State::Stopping(stopping) => {
                match stopping.stage {
                    Stage::Holding { .. }
                    | Stage::Preceding { .. }
                    | Stage::Asking { .. }
                    | Stage::Lingering { .. } => {
                        out.push(Effect::Continue(self.last_run));
                    }
                    Stage::Unprepared | Stage::Unborn { .. } | Stage::Killing { .. } | Stage::Cleaning { .. } => {}
                }
                return;
            }
            // None of these has been halted.
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => return,
            State::Down | State::Done(_) | State::Retired => return,
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => return,
        };
        if !live.pausing {
            out.push(Effect::Continue(self.last_run));
            return;
        }
        out.push(Effect::Record(Record::Paused(self.last_run)));
        self.state = State::Paused(Halt { live: Live { pausing: false, ..live }, wait, at: now });
    }

    /// It goes on as if nobody had wanted it halted.
    pub(super) fn pause_failed(&mut self, why: String, out: &mut Vec<Effect>) {
        let run = self.last_run;
        if let Some(live) = self.told_live()
            && live.pausing
        {
            live.pausing = false;
            out.push(Effect::Record(Record::PauseFailed(run, why)));
        }
    }
}
