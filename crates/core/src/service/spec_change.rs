//! A new spec: taken in place where it can be, by a new run where the program itself is another.

use crate::event::{Effect, Record};
use crate::ladder::Ladder;
use crate::spec::Spec;
use crate::time::Mono;

use super::Service;
use super::state::{State, Stopping, Then};

impl Service {
    /// Puts a new spec in force. Every change is a new chance: failures and the quarantine window are forgiven.
    /// Another name is another service: such a spec is not ours and is ignored.
    pub(super) fn spec_changed(&mut self, now: Mono, spec: Spec, out: &mut Vec<Effect>) {
        if spec == self.spec || spec.name != self.spec.name {
            return;
        }
        let old = std::mem::replace(&mut self.spec, spec);
        self.tally.forgive();
        if self.spec.watch.is_none() {
            self.change = None;
        }
        let (replaced, may_start) = (old.needs_new_run(&self.spec), self.may_start());
        match &mut self.state {
            State::Down | State::Done(_) | State::Retired => changed(Replaces::Nothing, out),
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) if !may_start => {
                changed(Replaces::Nothing, out);
                self.down(out);
            }
            State::Quarantined(_) => {
                changed(Replaces::Run, out);
                self.start(now, out);
            }
            State::Backoff { .. } if replaced => {
                changed(Replaces::Run, out);
                self.start(now, out);
            }
            // The failures are forgiven, so the wait is no longer than that after a first one.
            State::Backoff { until } => {
                *until = (*until).min(now.after(self.spec.restart.delay));
                changed(Replaces::Nothing, out);
            }
            State::Waiting(_) => {
                changed(Replaces::Nothing, out);
                if (&old.after, old.after_timeout) != (&self.spec.after, self.spec.after_timeout) {
                    self.begin(now, out);
                }
            }
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) if replaced => {
                self.replaced(now, &old, out);
            }
            State::Starting { .. } | State::Up { .. } | State::Paused(_) if replaced => self.replaced(now, &old, out),
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => self.taken_over(now, &old, out),
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => self.taken_over(now, &old, out),
            State::Stopping(Stopping { stage: _, then: Then::Start | Then::StartNow }) => changed(Replaces::Run, out),
            State::Stopping(_) => changed(Replaces::Nothing, out),
        }
    }

    /// Another program: what runs is ended. It is asked in the way that was meant for it.
    fn replaced(&mut self, now: Mono, old: &Spec, out: &mut Vec<Effect>) {
        changed(Replaces::Run, out);
        self.end_run(now, Ladder::new(&old.stop), Then::Start, out);
    }

    /// The same program under other rules.
    fn taken_over(&mut self, now: Mono, old: &Spec, out: &mut Vec<Effect>) {
        changed(Replaces::Nothing, out);
        if old.ready != self.spec.ready {
            self.ready_changed(now, out);
        }
    }
}

/// What a changed spec does to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaces {
    Nothing,
    Run,
}

fn changed(replaces: Replaces, out: &mut Vec<Effect>) {
    out.push(Effect::Record(Record::SpecChanged { restart: replaces == Replaces::Run }));
}
