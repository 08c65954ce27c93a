//! What people and the system order, answered in every state. The last order wins; one that changes nothing leaves no record.

use crate::event::{Effect, Order, Record, Verb};
use crate::ladder::Ladder;
use crate::time::Mono;

use super::Service;
use super::state::{Stage, State, Stopping, Then};

impl Service {
    pub(super) fn order(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        if let Some(why) = self.refusal(order.verb) {
            out.push(Effect::Record(Record::OrderRefused(order, why)));
            return;
        }
        match order.verb {
            Verb::Start => self.order_start(now, order, Then::Start, out),
            Verb::StartNow => self.order_start(now, order, Then::StartNow, out),
            Verb::Stop => self.order_stop(now, order, out),
            Verb::Restart => self.order_restart(now, order, out),
            Verb::Kill => self.order_kill(now, order, out),
            Verb::Retire | Verb::Shutdown => self.order_retire(now, order, out),
            Verb::Pause => self.order_pause(order, out),
            Verb::Continue => self.order_continue(now, order, out),
            Verb::Reload => self.order_reload(order, out),
        }
    }

    /// Why an order can't be taken.
    fn refusal(&self, verb: Verb) -> Option<String> {
        let name = &self.spec.name;
        match verb {
            Verb::Start | Verb::StartNow | Verb::Restart if self.is_retiring() => {
                Some(format!("cannot start {name}: its guard is on its way out"))
            }
            Verb::Start | Verb::StartNow | Verb::Restart if !self.may_start() => {
                Some(format!("cannot start {name}: its spec says that it is disabled"))
            }
            Verb::Start | Verb::StartNow | Verb::Restart | Verb::Stop | Verb::Kill | Verb::Retire | Verb::Shutdown => {
                None
            }
            Verb::Pause => self.deafness().map(|why| format!("cannot pause {name}: {why}")),
            Verb::Continue => self.deafness().map(|why| format!("cannot continue {name}: {why}")),
            Verb::Reload if self.spec.reload.is_none() => {
                Some(format!("cannot reload {name}: its spec has no [reload]"))
            }
            Verb::Reload if matches!(self.state, State::Paused(_)) => {
                Some(format!("cannot reload {name}: it is paused"))
            }
            Verb::Reload => self.deafness().map(|why| format!("cannot reload {name}: {why}")),
        }
    }

    /// Why there is no program that could be told anything.
    fn deafness(&self) -> Option<&'static str> {
        match &self.state {
            State::Down | State::Done(_) | State::Retired => Some("it is not running"),
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => Some("it is not running"),
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => Some("it is still being started"),
            State::Stopping(_) => Some("it is being stopped"),
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => None,
        }
    }

    fn is_retiring(&self) -> bool {
        match &self.state {
            State::Retired => true,
            State::Stopping(stopping) => stopping.then == Then::Retire,
            State::Down | State::Done(_) | State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => false,
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => false,
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => false,
        }
    }

    /// `how`: `Start` or `StartNow`.
    fn order_start(&mut self, now: Mono, order: Order, how: Then, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Down | State::Done(_) | State::Quarantined(_) | State::Backoff { .. } => {
                taken(order, out);
                self.follow(now, how, out);
            }
            // Whoever asks again after it was skipped wants it to be tried again.
            State::Waiting(wait) if wait.skipped.is_some() || how == Then::StartNow => {
                taken(order, out);
                self.follow(now, how, out);
            }
            State::Waiting(_) => {}
            // A start without waiting is a start.
            State::Stopping(stopping) if stopping.then == Then::StartNow => {}
            State::Stopping(stopping) => redirect(stopping, how, order, out),
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => {}
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => self.order_continue(now, order, out),
            State::Retired => {}
        }
    }

    fn order_stop(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Done(_) | State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => {
                taken(order, out);
                self.down(out);
            }
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => {
                self.order_end(now, order, Then::Down, out)
            }
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => self.order_end(now, order, Then::Down, out),
            State::Stopping(Stopping { stage: Stage::Holding { .. }, then: _ }) => {
                self.order_no_holding(now, order, out)
            }
            State::Stopping(stopping) => redirect(stopping, Then::Down, order, out),
            State::Down | State::Retired => {}
        }
    }

    fn order_restart(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        if self.state.is_running() {
            self.order_end(now, order, Then::Start, out);
        } else {
            self.order_start(now, order, Then::Start, out);
        }
    }

    /// Ends the run that is there by the ladder.
    fn order_end(&mut self, now: Mono, order: Order, then: Then, out: &mut Vec<Effect>) {
        taken(order, out);
        self.end_run(now, Ladder::new(&self.spec.stop), then, out);
    }

    fn order_kill(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => self.order_force(now, order, out),
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => self.order_force(now, order, out),
            State::Stopping(stopping) => {
                let retiring = stopping.then == Then::Retire;
                let then = if retiring { Then::Retire } else { Then::Down };
                if then == stopping.then && stopping.stage.is_forced() {
                    return; // It is being killed already, and for nothing else.
                }
                stopping.then = then;
                taken(order, out);
                self.hurry(now, out);
            }
            State::Down | State::Done(_) | State::Retired => self.order_stop(now, order, out),
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => self.order_stop(now, order, out),
        }
    }

    fn order_force(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        taken(order, out);
        self.end_run(now, Ladder::kill_only(), Then::Down, out);
    }

    /// `Retire`, or `Shutdown`, which lets a living run go on for those that still need it.
    fn order_retire(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        let in_order = order.verb == Verb::Shutdown;
        match &mut self.state {
            State::Down | State::Done(_) | State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => {
                let exit = if matches!(self.state, State::Done(_)) { self.last_exit } else { None };
                taken(order, out);
                self.state = State::Retired;
                out.push(Effect::Retire { exit });
            }
            State::Forking(_) | State::Starting { .. } | State::Up { .. } | State::Paused(_) if in_order => {
                taken(order, out);
                self.hold(now, out);
            }
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => {
                self.order_end(now, order, Then::Retire, out)
            }
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => {
                self.order_end(now, order, Then::Retire, out)
            }
            State::Stopping(Stopping { stage: Stage::Holding { .. }, then: _ }) if in_order => {}
            State::Stopping(Stopping { stage: Stage::Holding { .. }, then: _ }) => {
                self.order_no_holding(now, order, out)
            }
            State::Stopping(stopping) => redirect(stopping, Then::Retire, order, out),
            State::Retired => {}
        }
    }

    /// Somebody does not want to wait for the others.
    fn order_no_holding(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        taken(order, out);
        self.held_long_enough(now, out);
    }
}

/// Writes down that an order changes something.
pub(super) fn taken(order: Order, out: &mut Vec<Effect>) {
    out.push(Effect::Record(Record::Ordered(order)));
}

/// Changes what follows when the run is gone. Nothing takes back the guard's own end.
fn redirect(stopping: &mut Stopping, then: Then, order: Order, out: &mut Vec<Effect>) {
    if stopping.then == then || stopping.then == Then::Retire {
        return;
    }
    stopping.then = then;
    taken(order, out);
}
