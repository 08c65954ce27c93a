//! What other services mean to this one: its start waits for them, and a run may follow their fate.

use crate::event::{Effect, Record, Sight};
use crate::ladder::Ladder;
use crate::restart::Verdict;
use crate::spec::Follow;
use crate::time::Mono;

use super::Service;
use super::others::{self, Fate, Outlook, Turn};
use super::state::{State, Stopping, Then, Wait};

impl Service {
    /// Begins a run as soon as everything is there that must be.
    pub(super) fn begin(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if !others::is_awaited(&self.spec.after) {
            return self.spawn(out);
        }
        let by = self.spec.after_timeout.map(|limit| now.after(limit));
        self.state = State::Waiting(Wait { by, told: false, skipped: None });
        self.look_at_others(out);
    }

    /// Starts what waits if everything is there, or gives it up for now.
    fn look_at_others(&mut self, out: &mut Vec<Effect>) {
        let State::Waiting(wait) = &mut self.state else { return };
        if !self.others.is_watching(&self.spec.after) {
            return; // `watch_others` comes at the end of this event.
        }
        match self.others.outlook() {
            Outlook::Unknown => {}
            Outlook::Met => self.spawn(out),
            Outlook::Unmet(_) if wait.told || wait.skipped.is_some() => {}
            Outlook::Unmet(names) => {
                wait.told = true;
                out.push(Effect::Record(Record::Waiting(names)));
            }
            Outlook::Hopeless(_) if wait.skipped.is_some() => {}
            Outlook::Hopeless(reason) => skip(wait, reason, out),
        }
    }

    /// It has waited long enough.
    pub(super) fn waited_long(&mut self, out: &mut Vec<Effect>) {
        let limit = self.spec.after_timeout.unwrap_or_default();
        let reason = self.others.timed_out(limit);
        let State::Waiting(wait) = &mut self.state else { return };
        skip(wait, reason, out);
    }

    /// Watches others from the moment that a start is wanted until nothing is any more.
    pub(super) fn watch_others(&mut self, out: &mut Vec<Effect>) {
        let wanted = if self.state.is_at_rest() || !others::is_awaited(&self.spec.after) {
            Vec::new()
        } else {
            self.spec.after.clone()
        };
        if !self.others.is_watching(&wanted) {
            self.others.watch(wanted.clone());
            out.push(Effect::Await(wanted));
        }
    }

    /// These are the others. One that comes after itself (as a member of a group) waits for the rest.
    pub(super) fn awaiting(&mut self, mut list: Vec<(usize, String)>, out: &mut Vec<Effect>) {
        list.retain(|(_, name)| *name != self.spec.name);
        self.others.named(list);
        self.look_at_others(out);
    }

    /// One of them is so now.
    pub(super) fn seen(&mut self, now: Mono, name: &str, sight: Option<Sight>, out: &mut Vec<Effect>) {
        let fate = self.others.saw(name, sight);
        if matches!(self.state, State::Waiting(_)) {
            return self.look_at_others(out);
        }
        match fate {
            Some(Fate { follow: Follow::Stop, of: _, reason }) => self.follow_down(now, reason, out),
            Some(Fate { follow: Follow::Restart, of, reason }) => self.follow_anew(now, of, reason, out),
            Some(Fate { follow: Follow::Keep, .. }) | None => {}
        }
    }

    /// Another's fate ends what runs, or is about to run again.
    fn follow_down(&mut self, now: Mono, reason: String, out: &mut Vec<Effect>) {
        let followed = Effect::Record(Record::Followed { reason, restart: false });
        if self.state.is_running() {
            out.push(followed);
            self.end_run(now, Ladder::new(&self.spec.stop), Then::Down, out);
        } else if matches!(self.state, State::Backoff { .. }) {
            out.push(followed);
            self.down(out);
        } else if self.is_ending_to_restart()
            && let State::Stopping(Stopping { stage: _, then }) = &mut self.state
        {
            out.push(followed);
            *then = Then::Down;
        }
    }

    /// Another's fate replaces what runs. What is about to run again does so when everything is there.
    fn follow_anew(&mut self, now: Mono, of: Turn, reason: String, out: &mut Vec<Effect>) {
        if !self.may_start() {
            return; // It would not come back.
        }
        let followed = Effect::Record(Record::Followed { reason, restart: true });
        if self.state.is_running() {
            out.push(followed);
            self.end_run(now, Ladder::new(&self.spec.stop), Then::Start, out);
        } else if matches!(self.state, State::Backoff { .. }) {
            out.push(followed);
            self.start(now, out);
        } else if of == Turn::Failed
            && self.is_ending_to_restart()
            && let State::Stopping(Stopping { stage: _, then }) = &mut self.state
        {
            out.push(followed);
            *then = Then::Start;
        }
    }

    /// A run ended by itself, and the policy wants another.
    pub(super) fn is_ending_to_restart(&self) -> bool {
        let State::Stopping(stopping) = &self.state else { return false };
        match stopping.then {
            Then::Judge(end) => self.may_start() && self.verdict(end) == Verdict::Restart,
            Then::Down | Then::Start | Then::StartNow | Then::Retire => false,
        }
    }
}

/// Gives a start up until everything is there.
fn skip(wait: &mut Wait, reason: String, out: &mut Vec<Effect>) {
    wait.skipped = Some(reason.clone());
    out.push(Effect::Record(Record::Skipped(reason)));
}
