//! `start`, `stop`, `restart`, `kill`: ordered, then by default waited for.

use std::time::Duration;

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_wire::control::Ask;
use mainstay_wire::status::{ServiceStatus, State};
use mainstay_wire::units;

use super::Context;
use super::select::Names;
use crate::failure::Failure;
use crate::{exit, glimpse, systems};

/// An order to services.
#[derive(Debug, Args)]
pub(crate) struct Order {
    #[command(flatten)]
    names: Names,
    /// Come back when it is ordered, not when it has come about.
    #[arg(long)]
    no_wait: bool,
    /// Come back when it has come about (the default).
    #[arg(long, conflicts_with = "no_wait")]
    wait: bool,
    /// The longest wait.
    #[arg(long, default_value = "2m", value_parser = units::duration)]
    timeout: Duration,
}

/// Which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Start,
    Stop,
    Restart,
    Kill,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Kill => "kill",
        }
    }

    fn ask(self) -> Ask {
        match self {
            Self::Start => Ask::Start,
            Self::Stop => Ask::Stop,
            Self::Restart => Ask::Restart,
            Self::Kill => Ask::Kill,
        }
    }

    /// The states that end the wait. A back-off does not: the next run may be the one that stays up.
    fn settled(self) -> Vec<State> {
        match self {
            Self::Start | Self::Restart => {
                vec![State::Up, State::Done, State::Quarantined, State::Down]
            }
            Self::Stop | Self::Kill => vec![State::Down],
        }
    }
}

impl Order {
    pub(crate) async fn run(self, context: &Context, kind: Kind) -> Result<(), Failure> {
        let mut names = self.names.some(context)?;
        if matches!(kind, Kind::Stop | Kind::Kill) {
            names.reverse();
        }
        let mut failures = Vec::new();
        let mut statuses = Vec::new();
        for name in names {
            match self.order(context, kind, &name).await {
                Ok(status) => {
                    if !context.json {
                        anstream::println!("{}", line(&status));
                    }
                    statuses.push(status);
                }
                Err(failure) => failures.push(failure),
            }
        }
        if context.json {
            anstream::println!("{}", serde_json::to_string_pretty(&statuses).unwrap_or_default());
        }
        one_of(failures)
    }

    async fn order(&self, context: &Context, kind: Kind, name: &str) -> Result<ServiceStatus, Failure> {
        let ordered = match client::ask(&context.layout, name, kind.ask()).await {
            Ok(status) => status,
            Err(AskError::NotRunning(_)) => return self.order_os(context, kind, name).await,
            Err(error) => return Err(error.into()),
        };
        let status = if self.no_wait { ordered } else { self.wait(context, kind, name, &ordered).await? };
        // A service that is down needs no guard under a manager that shows states: it shall show this one.
        if matches!(kind, Kind::Stop | Kind::Kill)
            && let Some(manager) = systems::manager(&context.layout)
            && systems::is_registered(&manager, name)?
        {
            manager.stop(name, self.timeout)?;
            return Ok(client::status(&context.layout, name).await);
        }
        judged(kind, status, self.no_wait)
    }

    /// No guard runs: the service manager starts one, if it knows the service.
    async fn order_os(&self, context: &Context, kind: Kind, name: &str) -> Result<ServiceStatus, Failure> {
        let manager = systems::manager(&context.layout);
        let registered = match &manager {
            Some(manager) => systems::is_registered(manager, name)?,
            None => false,
        };
        match (kind, manager) {
            (Kind::Stop | Kind::Kill, _) => Ok(client::status(&context.layout, name).await),
            (Kind::Start | Kind::Restart, Some(manager)) if registered => {
                manager.start(name, self.timeout)?;
                let now = client::status(&context.layout, name).await;
                if self.no_wait {
                    return Ok(now);
                }
                let status = self.wait(context, kind, name, &now).await?;
                judged(kind, status, false)
            }
            (Kind::Start | Kind::Restart, _) => {
                let how = context.layout.home.as_ref().map(|home| format!(" {}", home.display())).unwrap_or_default();
                let text =
                    format!("cannot {} {name}: no guard runs for it; `mainstay up{how}` starts one", kind.word());
                Err(Failure::new(exit::NOT_RUNNING, text))
            }
        }
    }

    async fn wait(
        &self,
        context: &Context,
        kind: Kind,
        name: &str,
        from: &ServiceStatus,
    ) -> Result<ServiceStatus, Failure> {
        let limit = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        // A restart is over when a later run has settled.
        let run = if kind == Kind::Restart && from.state == State::Stopping { from.run + 1 } else { 0 };
        match client::ask(&context.layout, name, Ask::Wait { states: kind.settled(), run, limit }).await {
            Ok(status) => Ok(status),
            Err(AskError::NotRunning(_)) => Ok(client::status(&context.layout, name).await),
            Err(error) => {
                let failure = Failure::from(error);
                let text =
                    format!("cannot {} {name} within {}: {failure}", kind.word(), units::duration_text(self.timeout));
                Err(Failure::new(failure.code, text))
            }
        }
    }
}

/// Whether what came about is what was ordered.
fn judged(kind: Kind, status: ServiceStatus, ordered_only: bool) -> Result<ServiceStatus, Failure> {
    let fine = match kind {
        Kind::Start | Kind::Restart => matches!(status.state, State::Up | State::Done),
        Kind::Stop | Kind::Kill => status.state == State::Down,
    };
    if fine || ordered_only {
        return Ok(status);
    }
    let last = status.last_exit.as_ref().map(|exit| format!(" after {exit}")).unwrap_or_default();
    let name = &status.name;
    Err(Failure::failed(format!(
        "cannot {} {name}: it is {}{last}; `mainstay records {name}` and `mainstay logs {name}` tell why",
        kind.word(),
        status.state.word()
    )))
}

/// All failures of several services; the exit code is the first one's.
pub(crate) fn one_of(failures: Vec<Failure>) -> Result<(), Failure> {
    let code = match failures.first() {
        None => return Ok(()),
        Some(first) => first.code,
    };
    let texts: Vec<String> = failures.into_iter().map(|failure| failure.text).collect();
    Err(Failure::new(code, texts.join("\nmainstay: ")))
}

fn line(status: &ServiceStatus) -> String {
    let pid = status.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    format!("{}: {}{pid} (for {})", status.name, crate::term::state(status.state), glimpse::ago(status.since))
}
