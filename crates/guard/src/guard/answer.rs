//! Answers what clients ask over the control channel.

use mainstay_core::event::{Event, Order, Verb};
use mainstay_core::spec::Spec;
use mainstay_wire::control::{Answer, Ask, Code, Place, Refusal};
use mainstay_wire::record::What;
use mainstay_wire::spec::Problems;
use mainstay_wire::status::{ServiceStatus, State};
use tokio::sync::oneshot;

use super::Guard;
use crate::control::Question;
use crate::specs::Reading;
use crate::status;

/// Clients that wait for a state.
const WAITERS_MAX: usize = 256;

/// A client that waits.
pub(super) struct Waiter {
    states: Vec<State>,
    run: u64,
    reply: oneshot::Sender<Answer>,
}

impl Guard {
    pub(super) fn answer(&mut self, question: Question) {
        let Question { ask, by, reply } = question;
        let result = match ask {
            Ask::Status => Ok(()),
            // A start is no reason to end a run that lives.
            Ask::Start => self.with_fresh_spec(self.running.is_some()).and_then(|()| self.order(Verb::Start, by)),
            Ask::Restart => self.restart(by),
            Ask::Stop => self.order(Verb::Stop, by),
            Ask::Kill => self.order(Verb::Kill, by),
            Ask::Retire => self.order(Verb::Retire, by),
            Ask::Reload { hold } => self.with_fresh_spec(hold),
            Ask::Wait { states, run, .. } => return self.wait(Waiter { states, run, reply }),
        };
        let answer = match result {
            Ok(()) => Answer::Ok(self.status()),
            Err(refusal) => Answer::Error(refusal),
        };
        // A client that is gone has its order carried out all the same.
        drop(reply.send(answer));
    }

    fn order(&mut self, verb: Verb, by: String) -> Result<(), Refusal> {
        self.handle_order(Order { verb, by });
        match self.refused.take() {
            None => Ok(()),
            Some(why) => Err(refusal(Code::Refused, why)),
        }
    }

    /// The run is ended first and what it held back taken then, so that there is one restart, and it has its order.
    fn restart(&mut self, by: String) -> Result<(), Refusal> {
        if self.running.is_some() {
            self.with_fresh_spec(true)?;
            self.order(Verb::Restart, by)?;
            return self.with_fresh_spec(false);
        }
        self.with_fresh_spec(false)?;
        // A changed spec may have started it already (it leaves quarantine): then one start is enough.
        if self.running.is_some() { Ok(()) } else { self.order(Verb::Restart, by) }
    }

    /// Takes the spec as the file has it now; `hold`: only what the running program needn't be replaced for.
    fn with_fresh_spec(&mut self, hold: bool) -> Result<(), Refusal> {
        match self.spec_file.read_again() {
            Reading::Same => Ok(()),
            Reading::New(spec) if hold => {
                let old = self.service.spec();
                if old.needs_new_run(&spec) {
                    // What is held back is read again at the next start.
                    self.spec_file.forget();
                }
                self.take_spec(old.held_against(*spec));
                Ok(())
            }
            Reading::New(spec) => {
                self.take_spec(*spec);
                Ok(())
            }
            Reading::Bad(problems) => Err(self.refuse_spec(&problems)),
        }
    }

    fn take_spec(&mut self, spec: Spec) {
        self.plane.rotation(spec.log.rotate);
        self.handle(Event::SpecChanged(Box::new(spec)));
    }

    fn refuse_spec(&mut self, problems: &Problems) -> Refusal {
        self.record(What::SpecRefused { problems: problems.0.iter().map(ToString::to_string).collect() });
        let message = format!("cannot use the spec of {}; the one in force stays: {problems}", self.name);
        Refusal { code: Code::Spec, message, problems: problems.0.iter().map(Place::from).collect() }
    }

    pub(super) fn status(&mut self) -> ServiceStatus {
        let status = self.service.status();
        status::of(&self.name, &status, self.owner_kind, &self.containment, &mut self.dates)
    }

    fn wait(&mut self, waiter: Waiter) {
        self.waiters.retain(|waiter| !waiter.reply.is_closed());
        if self.waiters.len() == WAITERS_MAX {
            let busy = refusal(Code::Busy, format!("cannot wait for {}: too many clients wait already", self.name));
            drop(waiter.reply.send(Answer::Error(busy)));
            return;
        }
        self.waiters.push(waiter);
        self.wake_waiters();
    }

    /// Answers everybody whose state has come.
    pub(super) fn wake_waiters(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let status = self.status();
        let (come, waiting): (Vec<Waiter>, Vec<Waiter>) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|waiter| status.run >= waiter.run && waiter.states.contains(&status.state));
        self.waiters = waiting;
        for waiter in come {
            drop(waiter.reply.send(Answer::Ok(status.clone())));
        }
    }
}

fn refusal(code: Code, message: String) -> Refusal {
    Refusal { code, message, problems: Vec::new() }
}
