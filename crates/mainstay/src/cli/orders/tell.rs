//! `pause`, `continue`, `reload`: told to the living program; the records say what came of it.

use std::time::Duration;

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_agent::follow::Follower;
use mainstay_os::clock;
use mainstay_wire::control::Ask;
use mainstay_wire::record::{Record, What};
use mainstay_wire::status::{ServiceStatus, State};
use mainstay_wire::units;

use super::{Outcome, Patience, report};
use crate::cli::Context;
use crate::cli::select::Names;
use crate::exit;
use crate::failure::Failure;

/// Between two looks for the record of what came of it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Something told to living programs.
#[derive(Debug, Args)]
pub(crate) struct Tell {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    patience: Patience,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Pause,
    Continue,
    Reload,
}

impl Told {
    fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Continue => "continue",
            Self::Reload => "reload",
        }
    }

    fn ask(self) -> Ask {
        match self {
            Self::Pause => Ask::Pause,
            Self::Continue => Ask::Continue,
            Self::Reload => Ask::Reload,
        }
    }

    /// Nothing more is to come: it is so already.
    fn is_done(self, status: &ServiceStatus) -> bool {
        match self {
            Self::Pause => status.state == State::Paused,
            Self::Continue => status.state != State::Paused,
            Self::Reload => false,
        }
    }

    /// What a record says of it: it was done, or why it could not be.
    fn outcome(self, what: &What) -> Option<Result<(), String>> {
        match (self, what) {
            (Self::Pause, What::Paused { .. }) | (Self::Reload, What::Reloaded { .. }) => Some(Ok(())),
            (Self::Pause, What::PauseFailed { why, .. }) | (Self::Reload, What::ReloadFailed { why, .. }) => {
                Some(Err(why.clone()))
            }
            // It ended meanwhile: nobody is left who could do it.
            (Self::Pause | Self::Reload, What::Exited { .. }) => Some(Err("it has ended".to_owned())),
            _ => None,
        }
    }
}

impl Tell {
    pub(crate) async fn run(self, context: &Context, told: Told) -> Result<(), Failure> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        for name in self.names.some(context)? {
            let outcome = self.one(context, told, &name).await;
            if let Ok(status) = &outcome
                && !context.json
            {
                let done = if told == Told::Reload { "reloaded, " } else { "" };
                anstream::println!("{name}: {done}{}", crate::term::state(status.state));
            }
            outcomes.push((name, outcome));
        }
        report(context, outcomes)
    }

    async fn one(&self, context: &Context, told: Told, name: &str) -> Result<ServiceStatus, Failure> {
        let mut journal = Follower::from_end(&context.layout.journal(name));
        let status = match client::ask(&context.layout, name, told.ask()).await {
            Ok(status) => status,
            Err(AskError::NotRunning(_)) => {
                let text = format!("cannot {} {name}: it is not running", told.word());
                return Err(Failure::new(exit::NOT_RUNNING, text));
            }
            Err(error) => return Err(error.into()),
        };
        if self.patience.no_wait || told.is_done(&status) {
            return Ok(status);
        }
        let limit = u64::try_from(self.patience.timeout.as_nanos()).unwrap_or(u64::MAX);
        let end = clock::now().0.saturating_add(limit);
        let mut look = tokio::time::interval(LOOK_AGAIN);
        while clock::now().0 < end {
            look.tick().await;
            let lines = journal.lines().map_err(Failure::io(format!("read the journal of {name}")))?;
            let records = lines.iter().filter_map(|line| Record::parse(std::str::from_utf8(line).ok()?));
            match records.filter_map(|record| told.outcome(&record.what)).next() {
                None => {}
                Some(Ok(())) => return Ok(client::status(&context.layout, name).await),
                Some(Err(why)) => return Err(Failure::failed(format!("cannot {} {name}: {why}", told.word()))),
            }
        }
        let limit = units::duration_text(self.patience.timeout);
        let text = format!("cannot {} {name} within {limit}: nothing came of it yet", told.word());
        Err(Failure::new(exit::TIMED_OUT, text))
    }
}
