//! `start`, `stop`, `restart`, `kill`: ordered in the order of dependencies, then by default waited for.

mod errand;
mod tell;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use mainstay_agent::client;
use mainstay_agent::order;
use mainstay_wire::control::Ask;
use mainstay_wire::layout::base_name;
use mainstay_wire::status::{ServiceStatus, Standing, State};
use mainstay_wire::units;
use tokio::task::JoinSet;

use super::Context;
use super::select::{self, Names};
use crate::failure::Failure;
use crate::{exit, glimpse};

pub(crate) use errand::Errand;
pub(crate) use tell::{Tell, Told};

/// An order to services.
#[derive(Debug, Args)]
pub(crate) struct Order {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// How long a verb waits for what it ordered.
#[derive(Debug, Clone, Args)]
pub(crate) struct Patience {
    /// Come back when it is ordered, not when it has come about.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Come back when it has come about (the default).
    #[arg(long, conflicts_with = "no_wait")]
    wait: bool,
    /// The longest wait.
    #[arg(long, default_value = "2m", value_parser = units::duration)]
    pub(crate) timeout: Duration,
}

/// Be up.
#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    order: Order,
    /// Don't wait for the services that must be there before.
    #[arg(long)]
    now: bool,
}

impl Start {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        self.order.run(context, Kind::Start { now: self.now }).await
    }
}

/// Stop, then start.
#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    order: Order,
    /// All instances of a service together, not one after the other.
    #[arg(long)]
    all_at_once: bool,
}

impl Restart {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        self.order.run(context, Kind::Restart { rolling: !self.all_at_once }).await
    }
}

/// Which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Start {
        now: bool,
    },
    Stop,
    Restart {
        /// The instances of a service one after the other.
        rolling: bool,
    },
    Kill,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop => "stop",
            Self::Restart { .. } => "restart",
            Self::Kill => "kill",
        }
    }

    fn ask(self) -> Ask {
        match self {
            Self::Start { now } => Ask::Start { now },
            Self::Stop => Ask::Stop,
            Self::Restart { .. } => Ask::Restart,
            Self::Kill => Ask::Kill,
        }
    }

    fn is_end(self) -> bool {
        match self {
            Self::Stop | Self::Kill => true,
            Self::Start { .. } | Self::Restart { .. } => false,
        }
    }

    /// The states that end the wait. A back-off does not: the next run may be the one that stays up.
    fn settled(self) -> Vec<State> {
        if self.is_end() {
            return vec![State::Down];
        }
        vec![State::Up, State::Done, State::Quarantined, State::Down, State::Skipped]
    }

    /// Whether what came about is what was ordered.
    fn is_fine(self, status: &ServiceStatus) -> bool {
        match status.state {
            State::Down => self.is_end(),
            State::Up => !self.is_end(),
            // Over, but not well, is no start.
            State::Done => !self.is_end() && status.standing != Standing::Failed,
            State::Waiting | State::Skipped | State::Starting | State::Paused => false,
            State::Stopping | State::Backoff | State::Quarantined => false,
        }
    }
}

/// What came of an order to one service.
type Outcome = (String, Result<ServiceStatus, Failure>);

impl Order {
    pub(crate) async fn run(self, context: &Context, kind: Kind) -> Result<(), Failure> {
        self.names.must_name()?;
        let services = select::services(context)?;
        let names = self.names.of(&services)?;
        if kind == (Kind::Restart { rolling: true }) && self.patience.no_wait {
            must_not_roll(&names)?;
        }
        let mut levels = order::levels(&services, &names);
        if kind.is_end() {
            levels.reverse();
        }
        let errand = Errand::new(context, kind, &self.patience);
        let mut outcomes = match kind {
            Kind::Start { .. } => start(&errand, levels).await,
            Kind::Stop | Kind::Kill => {
                let mut outcomes = Vec::new();
                for level in levels {
                    outcomes.extend(together(&errand, level.into_iter().map(|name| vec![name])).await);
                }
                outcomes
            }
            Kind::Restart { rolling } => restart(context, errand, levels, rolling).await,
        };
        // Each was told as it came; programs get them in the order of their names.
        outcomes.sort_by(|(a, _), (b, _)| base_name(a).cmp(&base_name(b)));
        report(context, outcomes)
    }
}

/// Everything is ordered before anything is waited for, what comes first first: a guard waits by itself for those before it.
async fn start(errand: &Errand, levels: Vec<Vec<String>>) -> Vec<Outcome> {
    let mut waiting = JoinSet::new();
    let mut outcomes = Vec::new();
    for level in levels {
        let mut ordering = JoinSet::new();
        for name in level {
            let errand = errand.clone();
            ordering.spawn(async move {
                let ordered = errand.order(&name).await;
                (name, ordered)
            });
        }
        while let Some(ordered) = ordering.join_next().await {
            match ordered {
                Ok((name, Ok(ordered))) => {
                    let errand = errand.clone();
                    waiting.spawn(async move { vec![errand.told(name, errand.come_about(ordered).await)] });
                }
                Ok((name, Err(failure))) => outcomes.push((name, Err(failure))),
                Err(error) => outcomes.push((String::new(), Err(Failure::failed(format!("cannot go on: {error}"))))),
            }
        }
    }
    collect(waiting, &mut outcomes).await;
    outcomes
}

/// Level by level. A service that followed the restart of another one by itself has had its own.
async fn restart(context: &Context, mut errand: Errand, levels: Vec<Vec<String>>, rolling: bool) -> Vec<Outcome> {
    if levels.len() > 1 {
        let names: Vec<String> = levels.iter().flatten().cloned().collect();
        let before = client::statuses(&context.layout, &names).await;
        errand.before = before.into_iter().map(|status| (status.name, status.run)).collect();
    }
    let mut outcomes = Vec::new();
    for level in levels {
        let rolls: Vec<Vec<String>> =
            if rolling { by_base(level) } else { level.into_iter().map(|n| vec![n]).collect() };
        outcomes.extend(together(&errand, rolls.into_iter()).await);
    }
    outcomes
}

/// Nobody would be there to see when the next one's turn is.
fn must_not_roll(names: &[String]) -> Result<(), Failure> {
    let several = by_base(names.to_vec()).into_iter().find(|row| row.len() > 1);
    match several.and_then(|row| row.into_iter().next()) {
        None => Ok(()),
        Some(first) => {
            let base = base_name(&first).0;
            let text = format!(
                "cannot restart the instances of {base} one after the other without waiting; leave --no-wait out, or add --all-at-once"
            );
            Err(Failure::new(exit::USAGE, text))
        }
    }
}

/// The instances of each service.
fn by_base(names: Vec<String>) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names {
        groups.entry(base_name(&name).0.to_owned()).or_default().push(name);
    }
    groups.into_values().collect()
}

/// Several rows of services side by side, in each row one after the other until one fails.
async fn together(errand: &Errand, rows: impl Iterator<Item = Vec<String>>) -> Vec<Outcome> {
    let mut under_way = JoinSet::new();
    for row in rows {
        let errand = errand.clone();
        under_way.spawn(async move { errand.row(row).await });
    }
    let mut outcomes = Vec::new();
    collect(under_way, &mut outcomes).await;
    outcomes
}

async fn collect(mut under_way: JoinSet<Vec<Outcome>>, outcomes: &mut Vec<Outcome>) {
    while let Some(ended) = under_way.join_next().await {
        match ended {
            Ok(ended) => outcomes.extend(ended),
            Err(error) => outcomes.push((String::new(), Err(Failure::failed(format!("cannot go on: {error}"))))),
        }
    }
}

fn report(context: &Context, outcomes: Vec<Outcome>) -> Result<(), Failure> {
    let (mut statuses, mut failures) = (Vec::new(), Vec::new());
    for (_, outcome) in outcomes {
        match outcome {
            Ok(status) => statuses.push(status),
            Err(failure) => failures.push(failure),
        }
    }
    if context.json {
        anstream::println!("{}", serde_json::to_string_pretty(&statuses).unwrap_or_default());
    }
    one_of(failures)
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

pub(crate) fn line(status: &ServiceStatus) -> String {
    let pid = status.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    format!("{}: {}{pid} (for {})", status.name, crate::term::state(status.state), glimpse::ago(status.since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_instances_of_one_service_go_one_after_the_other() {
        let names = ["api", "web@1", "web@2", "web.v2"].map(str::to_owned).to_vec();
        let rows = by_base(names);
        assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);
    }

    #[test]
    fn a_skip_ends_the_wait_of_a_start_but_waiting_and_a_back_off_do_not() {
        let start = Kind::Start { now: false };
        assert!(start.settled().contains(&State::Skipped));
        assert!(!start.settled().contains(&State::Waiting) && !start.settled().contains(&State::Backoff));
        assert_eq!(Kind::Kill.settled(), [State::Down]);
    }
}
