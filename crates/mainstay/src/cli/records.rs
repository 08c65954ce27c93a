//! `records`: what happened to services.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use mainstay_agent::follow::Follower;
use mainstay_wire::record::{Record, What};

use super::Context;
use super::logs::{FOLLOW_EVERY, moment};
use super::select::Names;
use crate::failure::Failure;
use crate::{glimpse, term};

/// What happened to services.
#[derive(Debug, Args)]
pub(crate) struct Records {
    #[command(flatten)]
    names: Names,
    /// Go on with what happens from now on.
    #[arg(short, long)]
    follow: bool,
    /// Only the last N.
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Only later ones: 10m (ago), or a time such as 2026-11-23T05:00:00Z or "2026-11-23 05:00".
    #[arg(long, value_parser = moment)]
    since: Option<Timestamp>,
}

impl Records {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let names = self.names.some(context)?;
        let mut followers: Vec<Follower> =
            names.iter().map(|name| Follower::from_end(&context.layout.journal(name))).collect();
        let mut records: Vec<Record> = names.iter().flat_map(|name| all(context, name)).collect();
        records.retain(|record| {
            self.since.is_none_or(|since| record.time >= since) && (context.json || for_people(record))
        });
        records.sort_by_key(|record| record.time);
        let skip = self.lines.map_or(0, |lines| records.len().saturating_sub(lines));
        let width = names.iter().map(String::len).max().filter(|_| names.len() > 1);
        records.iter().skip(skip).for_each(|record| print(context, record, width));
        if !self.follow {
            return Ok(());
        }
        let mut turn = tokio::time::interval(FOLLOW_EVERY);
        loop {
            turn.tick().await;
            for follower in &mut followers {
                let lines = follower.lines().map_err(Failure::io("read the journal"))?;
                let new = lines.iter().filter_map(|line| Record::parse(std::str::from_utf8(line).ok()?));
                new.filter(|record| context.json || for_people(record))
                    .for_each(|record| print(context, &record, width));
            }
        }
    }
}

/// Every record of a service that is still kept, oldest first.
pub(crate) fn all(context: &Context, name: &str) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for segment in mainstay_guard::segments(&context.layout, name) {
        let bytes = std::fs::read(segment).unwrap_or_default();
        records.extend(String::from_utf8_lossy(&bytes).lines().filter_map(Record::parse));
    }
    records.retain(|record| !matches!(record.what, What::Carried { .. }));
    records
}

/// Its outcome follows each attempt to start; only programs care about the attempt.
fn for_people(record: &Record) -> bool {
    !matches!(record.what, What::Starting { .. })
}

/// The newest ones.
pub(crate) fn last(context: &Context, name: &str, count: usize) -> Vec<Record> {
    let mut records = all(context, name);
    records.retain(for_people);
    records.split_off(records.len().saturating_sub(count))
}

fn print(context: &Context, record: &Record, width: Option<usize>) {
    if context.json {
        anstream::print!("{}", record.line());
        return;
    }
    let name = width.map(|width| format!("{:<width$}  ", record.service)).unwrap_or_default();
    anstream::println!("{}  {name}{}", term::dim(glimpse::local(record.time)), record.what);
    if let What::Exited { last_lines, asked: false, .. } = &record.what {
        last_lines.iter().for_each(|line| anstream::println!("    {}", term::dim(line)));
    }
}

/// The age that a person means by "ago".
pub(crate) fn ago(age: Duration) -> Option<Timestamp> {
    Timestamp::now().checked_sub(age).ok()
}
