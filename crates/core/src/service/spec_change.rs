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
        let (replaced, may_start) = (old.needs_new_run(&self.spec), self.may_start());
        match &mut self.state {
            State::Down | State::Done | State::Retired => changed(Replaces::Nothing, out),
            State::Quarantined(_) | State::Backoff { .. } if !may_start => {
                changed(Replaces::Nothing, out);
                self.down(out);
            }
            State::Quarantined(_) => {
                changed(Replaces::Run, out);
                self.start(out);
            }
            State::Backoff { .. } if replaced => {
                changed(Replaces::Run, out);
                self.start(out);
            }
            // The failures are forgiven, so the wait is no longer than that after a first one.
            State::Backoff { until } => {
                *until = (*until).min(now.after(self.spec.restart.delay));
                changed(Replaces::Nothing, out);
            }
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } if replaced => {
                changed(Replaces::Run, out);
                // The old program is asked in the way that was meant for it.
                self.end_run(now, Ladder::new(&old.stop), Then::Start, out);
            }
            State::Spawning { .. } | State::Starting { .. } | State::Up { .. } => {
                changed(Replaces::Nothing, out);
                if old.ready != self.spec.ready {
                    self.ready_changed(now, out);
                }
            }
            State::Stopping(Stopping { stage: _, then }) => {
                let replaces = if *then == Then::Start { Replaces::Run } else { Replaces::Nothing };
                changed(replaces, out);
            }
        }
    }

    /// A run that waits to be ready waits by the new rule: a mended probe must not need a restart.
    fn ready_changed(&mut self, now: Mono, out: &mut Vec<Effect>) {
        match &mut self.state {
            State::Spawning { ready } => {
                *ready = false; // That line was awaited by the old rule.
                self.watch_log(out);
            }
            State::Starting { live, wait: _ } => {
                let live = *live;
                self.watch_log(out);
                self.await_ready(now, live, out);
            }
            State::Up { .. } | State::Stopping(_) => {}
            State::Down | State::Done | State::Retired | State::Quarantined(_) | State::Backoff { .. } => {}
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
