//! Commands of the service's own at certain moments. Three are waited for here: before a run, before its stop, after its end; for a fourth,
//! before a rotation, the shell waits.

use crate::event::{Effect, HookEnd, Record, RunId};
use crate::exit::Exit;
use crate::restart::End;
use crate::spec::{Hook, HookPoint};
use crate::time::Mono;

use super::Service;
use super::state::{Finish, Stage, State, Stopping};

impl Service {
    /// Runs the hook for this moment of the newest run. False: there is none.
    pub(super) fn hook(&self, point: HookPoint, about: Option<String>, out: &mut Vec<Effect>) -> bool {
        let known = self.spec.hooks.at.contains_key(&point);
        if known {
            out.push(Effect::Hook(self.last_run, point, about));
        }
        known
    }

    /// Runs a hook whose end changes nothing.
    pub(super) fn hook_beside(&self, point: HookPoint, about: Option<String>, out: &mut Vec<Effect>) {
        let _ = self.hook(point, about, out);
    }

    /// Ends a hook that is waited for: nobody wants to hear of it any more.
    pub(super) fn end_hook(&self, point: HookPoint, out: &mut Vec<Effect>) {
        out.push(Effect::EndHook(self.last_run, point));
    }

    /// A hook is over. One of an older run is only written down; so is one that nobody waits for.
    pub(super) fn hooked(&mut self, now: Mono, run: RunId, point: HookPoint, end: HookEnd, out: &mut Vec<Effect>) {
        if run > self.last_run {
            return; // There never was such a run.
        }
        out.push(Effect::Record(Record::Hooked { run, point, end: end.clone() }));
        if !self.is_current(run) {
            return;
        }
        match point {
            HookPoint::PreStart => self.prepared(now, end, out),
            HookPoint::PreStop => self.preceded(now, out),
            HookPoint::PostStop => self.cleaned(now, out),
            HookPoint::PostStart | HookPoint::OnExit | HookPoint::PreRotate | HookPoint::OnRotate => {}
            HookPoint::OnQuarantine | HookPoint::OnSuspend | HookPoint::OnResume => {}
        }
    }

    /// The hook before the run is over: the run follows, or not.
    fn prepared(&mut self, now: Mono, end: HookEnd, out: &mut Vec<Effect>) {
        match &self.state {
            State::Preparing { hook } => match judged(hook, &end) {
                Prepared::Yes if self.may_start() => self.launch(out),
                Prepared::Yes => self.down(out), // It was disabled meanwhile.
                Prepared::Failed(why) => {
                    self.last_exit = None;
                    out.push(Effect::Record(Record::SpawnFailed(self.last_run, why)));
                    self.judge(now, End::NotStarted, out);
                }
                Prepared::Forbidden(why) => {
                    self.last_exit = None;
                    out.push(Effect::Record(Record::Done(None)));
                    self.state = State::Done(Finish { fine: false, why: Some(why) });
                }
            },
            State::Stopping(Stopping { stage: Stage::Unprepared, then }) => {
                let then = *then;
                self.last_exit = None;
                self.follow(now, then, out);
            }
            State::Stopping(_) | State::Spawning { .. } | State::Forking(_) => {}
            State::Starting { .. } | State::Up { .. } | State::Paused(_) => {}
            State::Down | State::Done(_) | State::Retired => {}
            State::Quarantined(_) | State::Backoff { .. } | State::Waiting(_) => {}
        }
    }

    /// The hook before the stop is over, well or not: the ladder begins.
    fn preceded(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if let State::Stopping(Stopping { stage: Stage::Preceding { live, ladder }, then }) = &self.state {
            let (live, ladder, then) = (*live, ladder.clone(), *then);
            self.climb(now, live, ladder, then, out);
        }
    }

    /// The hook after the run is over, well or not.
    fn cleaned(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if let State::Stopping(Stopping { stage: Stage::Cleaning { .. }, then }) = &self.state {
            let then = *then;
            self.follow(now, then, out);
        }
    }
}

/// What the end of the hook before a run means.
enum Prepared {
    Yes,
    Failed(String),
    /// The run shall not be at all.
    Forbidden(String),
}

fn judged(hook: &Hook, end: &HookEnd) -> Prepared {
    let how = match end {
        HookEnd::Exited(Exit::Code(code)) if hook.abort_on.contains(code) => {
            return Prepared::Forbidden(format!("its pre-start hook forbids it: {}", Exit::Code(*code)));
        }
        HookEnd::Exited(exit) if exit.is_success() => return Prepared::Yes,
        HookEnd::Exited(exit) => exit.to_string(),
        HookEnd::TimedOut => "it took too long".to_owned(),
        HookEnd::Ended => "it was ended".to_owned(),
        HookEnd::NotStarted(why) => why.clone(),
    };
    if hook.ignore_failure { Prepared::Yes } else { Prepared::Failed(format!("its pre-start hook failed: {how}")) }
}
