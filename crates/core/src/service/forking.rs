//! Programs that leave their main process behind: the one that was started ends, and another is taken for the run.

use crate::event::{Effect, Pid, Record};
use crate::restart::End;
use crate::spec::Kind;
use crate::time::Mono;

use super::Service;
use super::state::{Fork, Live, State, Then};

/// Why a run without a main process was not ready.
const NONE_LEFT: &str = "the program has left no main process";
/// Why a run whose first process still lives was not ready.
const NOT_LEFT: &str = "the program has not left its main process alone";

impl Service {
    /// The process that was started has ended well: the main process is looked for in what it left.
    pub(super) fn forked(&mut self, out: &mut Vec<Effect>) {
        let State::Forking(fork) = &mut self.state else { return };
        fork.parent = None;
        let file = match &self.spec.kind {
            Kind::Forking { pid_file } => pid_file.clone(),
            Kind::Simple | Kind::Once => None, // The kind is changed by a new run only.
        };
        out.push(Effect::Adopt(self.last_run, file));
    }

    /// This is the main process from now on.
    pub(super) fn adopted(&mut self, now: Mono, pid: Pid, out: &mut Vec<Effect>) {
        let State::Forking(Fork { parent: None, born, by: _, ready }) = &self.state else { return };
        let (live, ready) = (Live::new(pid, *born), *ready);
        out.push(Effect::Record(Record::Adopted(self.last_run, pid)));
        if ready { self.up(now, live, out) } else { self.await_ready(now, live, out) }
    }

    /// What was left behind can't be told: it is ended, as a run that failed to come up.
    pub(super) fn adopt_failed(&mut self, now: Mono, why: String, out: &mut Vec<Effect>) {
        let State::Forking(Fork { parent: None, .. }) = &self.state else { return };
        out.push(Effect::Record(Record::AdoptFailed(self.last_run, why)));
        self.sweep(now, Then::Judge(End::NotReady), out);
    }

    /// Nothing was left behind.
    pub(super) fn left_nothing(&mut self, now: Mono, out: &mut Vec<Effect>) {
        out.push(Effect::Record(Record::AdoptFailed(self.last_run, NONE_LEFT.to_owned())));
        self.gone(now, Then::Judge(End::NotReady), out);
    }

    /// The time to be ready is over, and there is no main process yet.
    pub(super) fn fork_timed_out(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let State::Forking(fork) = &self.state else { return };
        let (live, born) = (fork.live(), fork.born);
        match live {
            Some(live) => self.ready_timed_out(now, live, Some(NOT_LEFT.to_owned()), out),
            None => {
                let (run, last) = (self.last_run, Some(NONE_LEFT.to_owned()));
                out.push(Effect::Record(Record::ReadyTimedOut { run, after: now.since(born), last }));
                self.kill(now, None, Then::Judge(End::NotReady), out);
            }
        }
    }
}
