//! Answers what clients ask over the control channel.

use std::time::Duration;

use mainstay_core::event::{Event, Order, Verb};
use mainstay_core::spec::{HookPoint, Spec};
use mainstay_wire::control::{Answer, Ask, Code, Place, Refusal};
use mainstay_wire::record::What;
use mainstay_wire::spec::Problems;
use mainstay_wire::status::{ServiceStatus, Standing, State};
use tokio::sync::{mpsc, oneshot};

use super::Guard;
use crate::control::Question;
use crate::launch;
use crate::specs::Reading;
use crate::status;

/// Clients that wait for a state.
const WAITERS_MAX: usize = 256;

/// A disk that takes longer has trouble of its own.
const ROTATE_LIMIT: Duration = Duration::from_secs(30);

/// A client that is told of every change.
pub(super) struct Follower {
    /// The service that comes after this one, if it is a guard that asks.
    dependent: Option<String>,
    news: mpsc::Sender<ServiceStatus>,
    /// What it was told last.
    told: Told,
}

/// The part of a status whose change is news.
type Told = (State, Standing, u64, Option<u32>);

fn told(status: &ServiceStatus) -> Told {
    (status.state, status.standing, status.run, status.pid)
}

/// A client that waits.
pub(super) struct Waiter {
    states: Vec<State>,
    run: u64,
    reply: oneshot::Sender<Answer>,
}

impl Guard {
    pub(super) fn answer(&mut self, question: Question) {
        let Question { ask, by, reply, news } = question;
        let result = match ask {
            Ask::Status => Ok(()),
            // A start is no reason to end a run that lives.
            Ask::Start { now } => {
                let verb = if now { Verb::StartNow } else { Verb::Start };
                self.with_fresh_spec(self.running.is_some()).and_then(|()| self.order(verb, by))
            }
            Ask::Restart => self.restart(by),
            Ask::Stop => self.order(Verb::Stop, by),
            Ask::Kill => self.order(Verb::Kill, by),
            Ask::Retire { in_order: false } => self.order(Verb::Retire, by),
            Ask::Retire { in_order: true } => self.order(Verb::Shutdown, by),
            Ask::Pause => self.order(Verb::Pause, by),
            Ask::Continue => self.order(Verb::Continue, by),
            Ask::Reload => self.order(Verb::Reload, by),
            Ask::Rotate => return self.rotate_when_allowed(reply),
            Ask::Apply { hold } => self.with_fresh_spec(hold),
            Ask::Send { text } => self.send(text),
            Ask::Follow { dependent } => {
                self.follow(dependent, news);
                Ok(())
            }
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

    fn send(&self, text: String) -> Result<(), Refusal> {
        let cannot = |why: &str| Err(refusal(Code::Refused, format!("cannot send to {}: {why}", self.name)));
        match self.running.as_ref().map(|running| &running.input) {
            None => cannot("it is not running"),
            Some(None) => cannot("its standard input is not kept open; set stdin = \"open\""),
            Some(Some(input)) => input.send(text).or_else(cannot),
        }
    }

    /// After its hook, if there is one.
    fn rotate_when_allowed(&mut self, reply: oneshot::Sender<Answer>) {
        let spec = self.service.spec();
        if !spec.hooks.at.contains_key(&HookPoint::PreRotate) {
            return self.rotate(reply);
        }
        let to = launch::destinations(&self.layout, &self.name, spec, &spec.launch);
        self.rotations.push(reply);
        self.rotation_due(&to.managed.or(to.stdout).or(to.stderr).unwrap_or_default());
    }

    /// Answers when the disk has done it; the loop goes on meanwhile.
    pub(super) fn rotate(&mut self, reply: oneshot::Sender<Answer>) {
        let (outcomes, status, name) = (self.plane.rotate(), self.status(), self.name.clone());
        self.errands.spawn(async move {
            let answer = match tokio::time::timeout(ROTATE_LIMIT, outcomes).await {
                Ok(Ok(outcomes)) => match outcomes.into_iter().find_map(Result::err) {
                    None => Answer::Ok(status),
                    Some(why) => Answer::Error(refusal(Code::Refused, why)),
                },
                Ok(Err(_)) | Err(_) => {
                    let why = format!("cannot rotate the logs of {name}: they are not written within {ROTATE_LIMIT:?}");
                    Answer::Error(refusal(Code::Refused, why))
                }
            };
            drop(reply.send(answer));
        });
    }

    fn follow(&mut self, dependent: Option<String>, news: Option<mpsc::Sender<ServiceStatus>>) {
        let told = told(&self.status());
        self.followers.extend(news.map(|news| Follower { dependent, news, told }));
        self.count_dependents();
    }

    /// Tells the machine how many services that come after this one live.
    pub(super) fn count_dependents(&mut self) {
        self.followers.retain(|follower| !follower.news.is_closed());
        let mut names: Vec<&str> = self.followers.iter().filter_map(|one| one.dependent.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        if std::mem::replace(&mut self.dependents, count) != count {
            self.handle(Event::Dependents(count));
        }
    }

    /// Tells followers what is new; one that does not take it in is dropped and may come again.
    fn tell_followers(&mut self) {
        if self.followers.is_empty() {
            return;
        }
        let status = self.status();
        let now = told(&status);
        self.followers.retain_mut(|follower| {
            std::mem::replace(&mut follower.told, now) == now || follower.news.try_send(status.clone()).is_ok()
        });
    }

    /// The owner wants the spec read again, and the program told if it can be.
    pub(super) fn owner_reload(&mut self) {
        // A bad spec leaves its own record; a program that can't be told takes over what it can all the same.
        drop(self.with_fresh_spec(true));
        if self.service.spec().reload.is_some() {
            self.handle_order(Order { verb: Verb::Reload, by: self.owner_kind.word().to_owned() });
        }
        self.report();
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
        self.handle(Event::SpecChanged(Box::new(spec)));
        // What runs keeps its files; how they are kept is taken over at once.
        let spec = self.service.spec();
        self.plane.direct(launch::destinations(&self.layout, &self.name, spec, &spec.launch));
        self.watch_files();
    }

    fn refuse_spec(&mut self, problems: &Problems) -> Refusal {
        self.record(What::SpecRefused { problems: problems.0.iter().map(ToString::to_string).collect() });
        let message = format!("cannot use the spec of {}; the one in force stays: {problems}", self.name);
        Refusal { code: Code::Spec, message, problems: problems.0.iter().map(Place::from).collect() }
    }

    pub(super) fn status(&mut self) -> ServiceStatus {
        let status = self.service.status();
        status::of(self.service.spec(), &status, self.owner_kind, &self.containment, &mut self.dates)
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
        self.tell_followers();
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
