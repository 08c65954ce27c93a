//! A program that must see changed files: told to read them again, or replaced.

use crate::event::{Effect, Order, Record};
use crate::ladder::Ladder;
use crate::spec::Reload;
use crate::time::Mono;

use super::Service;
use super::orders::taken;
use super::state::{State, Stopping, Then};

/// A burst of changes of watched files.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// The file that changed last.
    path: String,
    /// Then the burst is over, if nothing else changes.
    pub(super) due: Mono,
}

impl Service {
    pub(super) fn order_reload(&self, order: Order, out: &mut Vec<Effect>) {
        if let (State::Starting { .. } | State::Up { .. }, Some(how)) = (&self.state, &self.spec.reload) {
            taken(order, out);
            self.reload(how.clone(), out);
        }
    }

    fn reload(&self, how: Reload, out: &mut Vec<Effect>) {
        out.push(Effect::Reload(self.last_run, how));
    }

    /// A watched file has changed: it is waited until no other does.
    pub(super) fn file_changed(&mut self, now: Mono, path: String) {
        let Some(watch) = &self.spec.watch else { return };
        if !matches!(self.state, State::Down | State::Retired) {
            self.change = Some(Change { path, due: now.after(watch.settle) });
        }
    }

    /// The burst of changes is over. It is a new chance, as a new spec is.
    pub(super) fn files_settled(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let Some(Change { path, due: _ }) = self.change.take() else { return };
        let changed = Effect::Record(Record::FileChanged(path));
        let reloads = self.spec.watch.as_ref().is_some_and(|watch| watch.reload);
        let how = self.spec.reload.clone().filter(|_| reloads);
        if let (State::Starting { .. } | State::Up { .. }, Some(how)) = (&self.state, how) {
            self.tally.forgive();
            out.push(changed);
            return self.reload(how, out);
        }
        if !self.may_start() {
            return; // What runs would not come back.
        }
        match &mut self.state {
            State::Preparing { .. } | State::Spawning { .. } | State::Forking(_) => self.replace(now, changed, out),
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => self.replace(now, changed, out),
            State::Backoff { .. } | State::Quarantined(_) | State::Done(_) => {
                out.push(changed);
                self.start(now, out);
            }
            State::Waiting(wait) if wait.skipped.is_some() => {
                out.push(changed);
                self.start(now, out);
            }
            State::Stopping(Stopping { stage: _, then: then @ Then::Judge(_) }) => {
                out.push(changed);
                *then = Then::Start;
            }
            // It starts anyway, or shall not.
            State::Waiting(_) | State::Stopping(_) | State::Down | State::Retired => {}
        }
    }

    fn replace(&mut self, now: Mono, changed: Effect, out: &mut Vec<Effect>) {
        out.push(changed);
        self.end_run(now, Ladder::new(&self.spec.stop), Then::Start, out);
    }
}
