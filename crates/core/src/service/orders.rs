//! What people and the system order, answered in every state. The last order wins; one that changes nothing leaves no record.

use crate::event::{Effect, Order, Record, Verb};
use crate::ladder::Ladder;
use crate::time::Mono;

use super::Service;
use super::state::{State, Stopping, Then};

impl Service {
    pub(super) fn order(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        if let Some(why) = self.refusal(order.verb) {
            out.push(Effect::Record(Record::OrderRefused(order, why)));
            return;
        }
        match order.verb {
            Verb::Start => self.order_start(order, out),
            Verb::Stop => self.order_stop(now, order, out),
            Verb::Restart => self.order_restart(now, order, out),
            Verb::Kill => self.order_kill(now, order, out),
            Verb::Retire => self.order_retire(now, order, out),
        }
    }

    /// Why an order can't be taken.
    fn refusal(&self, verb: Verb) -> Option<String> {
        let name = &self.spec.name;
        match verb {
            Verb::Start | Verb::Restart if self.is_retiring() => {
                Some(format!("cannot start {name}: its guard is on its way out"))
            }
            Verb::Start | Verb::Restart if !self.may_start() => {
                Some(format!("cannot start {name}: its spec says that it is disabled"))
            }
            Verb::Start | Verb::Restart | Verb::Stop | Verb::Kill | Verb::Retire => None,
        }
    }

    fn is_retiring(&self) -> bool {
        match &self.state {
            State::Retired => true,
            State::Stopping(stopping) => stopping.then == Then::Retire,
            State::Down | State::Done | State::Quarantined(_) | State::Backoff { .. } => false,
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } => false,
        }
    }

    fn order_start(&mut self, order: Order, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Down | State::Done | State::Quarantined(_) | State::Backoff { .. } => {
                taken(order, out);
                self.start(out);
            }
            State::Stopping(stopping) => redirect(stopping, Then::Start, order, out),
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } => {}
            State::Retired => {}
        }
    }

    fn order_stop(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Done | State::Quarantined(_) | State::Backoff { .. } => {
                taken(order, out);
                self.down(out);
            }
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } => {
                taken(order, out);
                self.end_run(now, Ladder::new(&self.spec.stop), Then::Down, out);
            }
            State::Stopping(stopping) => redirect(stopping, Then::Down, order, out),
            State::Down | State::Retired => {}
        }
    }

    fn order_restart(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        match &self.state {
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } => {
                taken(order, out);
                self.end_run(now, Ladder::new(&self.spec.stop), Then::Start, out);
            }
            State::Down | State::Done | State::Quarantined(_) | State::Backoff { .. } => self.order_start(order, out),
            State::Stopping(_) | State::Retired => self.order_start(order, out),
        }
    }

    fn order_kill(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } => {
                taken(order, out);
                self.end_run(now, Ladder::kill_only(), Then::Down, out);
            }
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
            State::Down | State::Done | State::Retired => self.order_stop(now, order, out),
            State::Quarantined(_) | State::Backoff { .. } => self.order_stop(now, order, out),
        }
    }

    fn order_retire(&mut self, now: Mono, order: Order, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Down | State::Done | State::Quarantined(_) | State::Backoff { .. } => {
                let exit = if matches!(self.state, State::Done) { self.last_exit } else { None };
                taken(order, out);
                self.state = State::Retired;
                out.push(Effect::Retire { exit });
            }
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } => {
                taken(order, out);
                self.end_run(now, Ladder::new(&self.spec.stop), Then::Retire, out);
            }
            State::Stopping(stopping) => redirect(stopping, Then::Retire, order, out),
            State::Retired => {}
        }
    }
}

/// Writes down that an order changes something.
fn taken(order: Order, out: &mut Vec<Effect>) {
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
