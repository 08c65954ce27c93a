//! One order to one service, and the wait for what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_agent::client::{self, AskError};
use mainstay_os::clock;
use mainstay_wire::control::{Ask, Code};
use mainstay_wire::layout::Layout;
use mainstay_wire::status::{ServiceStatus, State};
use mainstay_wire::units;
use tokio::sync::Semaphore;

use super::{Kind, Outcome, Patience};
use crate::cli::Context;
use crate::failure::Failure;
use crate::{exit, systems};

/// A wait shorter than this is not told, and a skip that is taken back sooner (what it waits for was ordered together with it) is none.
const FIRST_LOOK: Duration = Duration::from_millis(400);
/// Then the wait is asked for in pieces: in between what it waits for is looked at.
const NEXT_LOOK: Duration = Duration::from_secs(2);
/// Guards asked at the same time: each question is a descriptor, and there may be more services than those.
const AT_ONCE_MAX: usize = 256;
/// More names than these are told as a number.
const NAMES_TOLD: usize = 5;

/// What is to be done to services, one by one.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    layout: Layout,
    json: bool,
    kind: Kind,
    no_wait: bool,
    timeout: Duration,
    /// A restart: the run that each was in before the whole began.
    pub(super) before: BTreeMap<String, u64>,
    at_once: Arc<Semaphore>,
}

impl Errand {
    pub(crate) fn new(context: &Context, kind: Kind, patience: &Patience) -> Self {
        let Patience { no_wait, timeout, .. } = *patience;
        let (layout, before, at_once) =
            (context.layout.clone(), BTreeMap::new(), Arc::new(Semaphore::new(AT_ONCE_MAX)));
        Self { layout, json: context.json, kind, no_wait, timeout, before, at_once }
    }

    async fn ask(&self, name: &str, ask: Ask) -> Result<ServiceStatus, AskError> {
        // Nobody closes it.
        let _permit = self.at_once.acquire().await;
        client::ask(&self.layout, name, ask).await
    }

    /// One after the other, each when the one before has come about; the first that fails ends it.
    pub(super) async fn row(&self, names: Vec<String>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut left = names.into_iter();
        while let Some(name) = left.next() {
            let mut outcome = self.one(&name).await;
            let failed = outcome.is_err();
            if let Err(failure) = &mut outcome {
                failure.text.push_str(&left_alone(&left.by_ref().collect::<Vec<_>>()));
            }
            outcomes.push(self.told(name, outcome));
            if failed {
                break;
            }
        }
        outcomes
    }

    /// People are told as soon as it has come about; programs get all at the end.
    pub(super) fn told(&self, name: String, outcome: Result<ServiceStatus, Failure>) -> Outcome {
        if let Ok(status) = outcome.as_ref()
            && !self.json
        {
            anstream::println!("{}", super::line(status));
        }
        (name, outcome)
    }

    async fn one(&self, name: &str) -> Result<ServiceStatus, Failure> {
        if let Some(status) = self.restarted_already(name).await {
            return self.come_about(Ordered { run: status.run, status, by_manager: false }).await;
        }
        let ordered = self.order(name).await?;
        self.come_about(ordered).await
    }

    /// A service that follows another one's restart was restarted by that.
    async fn restarted_already(&self, name: &str) -> Option<ServiceStatus> {
        let before = self.before.get(name)?;
        let now = self.ask(name, Ask::Status).await.ok()?;
        (now.run > *before && now.state != State::Stopping).then_some(now)
    }

    /// Orders it, and does not wait for what comes of it.
    pub(crate) async fn order(&self, name: &str) -> Result<Ordered, Failure> {
        match self.ask(name, self.kind.ask()).await {
            Ok(status) => {
                // A restart is over when a later run has settled.
                let later = matches!(self.kind, Kind::Restart { .. }) && status.state == State::Stopping;
                Ok(Ordered { run: if later { status.run + 1 } else { 0 }, status, by_manager: false })
            }
            Err(AskError::NotRunning(_)) => self.order_manager(name).await,
            Err(error) => Err(error.into()),
        }
    }

    /// No guard runs: the service manager starts one, if it knows the service.
    async fn order_manager(&self, name: &str) -> Result<Ordered, Failure> {
        let manager = systems::manager(&self.layout);
        let registered = match &manager {
            Some(manager) => systems::is_registered(manager, name)?,
            None => false,
        };
        match manager {
            _ if self.kind.is_end() => {}
            Some(manager) if registered => manager.start(name, self.timeout)?,
            Some(_) | None => {
                let how = self.layout.home.as_ref().map(|home| format!(" {}", home.display())).unwrap_or_default();
                let kind = self.kind.word();
                let text = format!("cannot {kind} {name}: no guard runs for it; `mainstay up{how}` starts one");
                return Err(Failure::new(exit::NOT_RUNNING, text));
            }
        }
        let status = client::status(&self.layout, name).await;
        Ok(Ordered { run: 0, status, by_manager: true })
    }

    /// Waits until it has come about, or can't any more.
    pub(crate) async fn come_about(&self, ordered: Ordered) -> Result<ServiceStatus, Failure> {
        let unguarded = ordered.by_manager && self.kind.is_end();
        if unguarded {
            return Ok(ordered.status);
        }
        let name = ordered.status.name.clone();
        let status = if self.no_wait { ordered.status } else { self.settled(&name, ordered.run).await? };
        // A service that is down needs no guard under a manager that shows states: it shall show this one.
        if self.kind.is_end()
            && let Some(manager) = systems::manager(&self.layout)
            && systems::is_registered(&manager, &name)?
        {
            manager.stop(&name, self.timeout)?;
            return Ok(client::status(&self.layout, &name).await);
        }
        if self.no_wait || self.kind.is_fine(&status) { Ok(status) } else { Err(self.not_so(&status)) }
    }

    /// The service as soon as it is in a state that ends the wait, in run `run` or a later one.
    async fn settled(&self, name: &str, run: u64) -> Result<ServiceStatus, Failure> {
        let end = clock::now().0.saturating_add(u64::try_from(self.timeout.as_nanos()).unwrap_or(u64::MAX));
        let mut states = self.kind.settled();
        states.retain(|state| *state != State::Skipped);
        let (mut piece, mut told) = (FIRST_LOOK, None);
        loop {
            let left = Duration::from_nanos(end.saturating_sub(clock::now().0));
            let limit = u64::try_from(left.min(piece).as_millis()).unwrap_or(u64::MAX);
            match self.ask(name, Ask::Wait { states: states.clone(), run, limit }).await {
                Ok(status) => return Ok(status),
                Err(AskError::Refused(refusal)) if refusal.code == Code::TimedOut => {}
                Err(AskError::NotRunning(_)) => return Ok(client::status(&self.layout, name).await),
                Err(error) => return Err(error.into()),
            }
            let now = client::status(&self.layout, name).await;
            // What is at rest starts no later run, whatever was ordered.
            if is_at_rest(now.state) && self.kind.settled().contains(&now.state) {
                return Ok(now);
            }
            if left <= piece {
                return Err(self.too_late(&now));
            }
            self.tell_wait(&now, &mut told);
            states = self.kind.settled();
            piece = NEXT_LOOK;
        }
    }

    /// Says once what a start waits for.
    fn tell_wait(&self, now: &ServiceStatus, told: &mut Option<String>) {
        let Some(note) = now.note.clone().filter(|_| matches!(now.state, State::Waiting | State::Stopping)) else {
            return;
        };
        if !self.json && told.as_ref() != Some(&note) {
            anstream::println!("{}: {note}", now.name);
            *told = Some(note);
        }
    }

    fn too_late(&self, now: &ServiceStatus) -> Failure {
        let (kind, name, state) = (self.kind.word(), &now.name, now.state.word());
        let note = now.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        let text = format!("cannot {kind} {name} within {}: it is {state}{note}", units::duration_text(self.timeout));
        Failure::new(exit::TIMED_OUT, text)
    }

    fn not_so(&self, status: &ServiceStatus) -> Failure {
        let (kind, name) = (self.kind.word(), &status.name);
        if let (State::Skipped, Some(note)) = (status.state, &status.note) {
            let text = format!(
                "cannot {kind} {name}: {note}; it starts by itself when that comes good, `mainstay start --now {name}` does not wait for it"
            );
            return Failure::failed(text);
        }
        let last = status.last_exit.as_ref().map(|exit| format!(" after {exit}")).unwrap_or_default();
        let state = status.state.word();
        let note = status.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        Failure::failed(format!(
            "cannot {kind} {name}: it is {state}{last}{note}; `mainstay records {name}` and `mainstay logs {name}` tell why"
        ))
    }
}

/// An order that was taken.
#[derive(Debug)]
pub(crate) struct Ordered {
    status: ServiceStatus,
    /// Only runs from this one on are what was ordered.
    run: u64,
    /// No guard was there.
    by_manager: bool,
}

fn is_at_rest(state: State) -> bool {
    match state {
        State::Down | State::Skipped | State::Quarantined | State::Done => true,
        State::Waiting | State::Starting | State::Up | State::Paused | State::Stopping | State::Backoff => false,
    }
}

/// Who was not touched because of a failure before.
fn left_alone(names: &[String]) -> String {
    let told: Vec<&str> = names.iter().take(NAMES_TOLD).map(String::as_str).collect();
    match names.len().saturating_sub(told.len()) {
        0 if told.is_empty() => String::new(),
        0 => format!("; {} left as before", told.join(", ")),
        more => format!("; {} and {more} more left as before", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roll_that_ends_says_whom_it_left_alone() {
        let names = |count: u32| (1..=count).map(|n| format!("web@{n}")).collect::<Vec<_>>();
        assert_eq!(left_alone(&names(0)), "");
        assert_eq!(left_alone(&names(2)), "; web@1, web@2 left as before");
        assert_eq!(left_alone(&names(7)), "; web@1, web@2, web@3, web@4, web@5 and 2 more left as before");
    }
}
