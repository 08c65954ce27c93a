//! `sinks`: where log lines go, and how that is going.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use mainstay_agent::ship::{self, Trouble};
use mainstay_wire::sinks::Sink;
use mainstay_wire::sinks::status::{State, Status};
use mainstay_wire::units::{duration_rough, size_rough};

use super::Context;
use crate::failure::Failure;
use crate::{exit, term};

/// Where log lines are sent, and how that is going.
#[derive(Debug, Args)]
pub(crate) struct Sinks {
    /// Only these; none: all.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Sinks {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let sinks = read(context)?;
        if let Some(unknown) = self.names.iter().find(|name| !sinks.iter().any(|sink| sink.name == **name)) {
            let text = format!("cannot find sink {unknown} in {}", context.layout.agent().display());
            return Err(Failure::new(exit::NO_SUCH_SERVICE, text));
        }
        let is_on = ship::is_on(&context.layout);
        let wanted = sinks.iter().filter(|sink| self.names.is_empty() || self.names.contains(&sink.name));
        let statuses: Vec<Status> = wanted.map(|sink| status(context, sink, is_on)).collect();
        if context.json {
            anstream::println!("{}", serde_json::to_string_pretty(&statuses).unwrap_or_default());
            return Ok(());
        }
        if sinks.is_empty() {
            anstream::println!("no sinks: {} names none", context.layout.agent().display());
            return Ok(());
        }
        anstream::println!("{}", table(&statuses));
        for status in &statuses {
            notes(status).iter().for_each(|note| anstream::println!("{}: {note}", status.name));
        }
        if !is_on {
            context.warn("nobody ships: run `mainstay agent`, or `mainstay up`");
        }
        Ok(())
    }
}

/// The sinks of the home; what is wrong with them is shown where it stands.
fn read(context: &Context) -> Result<Vec<Sink>, Failure> {
    let path = context.layout.agent();
    ship::read(&context.layout).map_err(|trouble| match trouble {
        Trouble::Unread(error) => unread(&path)(error),
        Trouble::Wrong { problems, text } => {
            if context.json {
                anstream::println!("{}", serde_json::to_string_pretty(&problems.0).unwrap_or_default());
            } else {
                anstream::eprintln!("{}", term::problems(&path, &text, &problems));
            }
            Failure::failed(format!("cannot use {}", path.display()))
        }
    })
}

pub(crate) fn unread(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    Failure::io(format!("read {}", path.display()))
}

/// As its agent wrote it down; without an agent, as it was last.
fn status(context: &Context, sink: &Sink, is_on: bool) -> Status {
    let written = std::fs::read(context.layout.sink_status(&sink.name)).ok();
    let known = written.and_then(|bytes| serde_json::from_slice::<Status>(&bytes).ok());
    let now = Timestamp::now();
    let mut status = known.unwrap_or_else(|| Status::new(&sink.name, sink.kind.word(), now));
    if !is_on {
        status.state = State::Stopped;
        status.next_try = None;
    }
    status
}

/// Colours come last: a table counts characters.
fn table(statuses: &[Status]) -> String {
    let head = ["SINK", "STATE", "LINES", "WAITING", "LAST", "WHERE"];
    let table = term::table(&head, statuses.iter().map(row));
    let mut lines = table.lines();
    let mut shown = vec![lines.next().unwrap_or_default().to_owned()];
    for (line, status) in lines.zip(statuses) {
        let (name, rest) = line.split_at_checked(status.name.len()).unwrap_or((line, ""));
        shown.push(format!("{name}{}", rest.replacen(status.state.word(), &painted(status.state), 1)));
    }
    shown.join("\n")
}

fn painted(state: State) -> String {
    match state {
        State::Shipping => term::paint(anstyle::AnsiColor::Green.on_default(), state.word()),
        State::Retrying => term::paint(anstyle::AnsiColor::Yellow.on_default(), state.word()),
        State::Broken => term::warned(state.word()),
        State::Stopped => term::dim(state.word()),
    }
}

fn row(status: &Status) -> Vec<String> {
    let ago = |time: Timestamp| Timestamp::now().duration_since(time).unsigned_abs();
    let last = status.delivered_at.map_or("-".to_owned(), |at| format!("{} ago", duration_rough(ago(at))));
    let (lines, waiting) = (status.lines.to_string(), size_rough(status.waiting_bytes));
    vec![status.name.clone(), status.state.word().to_owned(), lines, waiting, last, status.place.clone()]
}

/// What a table has no room for.
fn notes(status: &Status) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = status.why.as_ref().filter(|_| status.state == State::Stopped) {
        notes.push(format!("at the last attempt: {why}"));
    } else if let Some(why) = &status.why {
        let since = Timestamp::now().duration_since(status.since).unsigned_abs();
        notes.push(format!("{why} ({} attempts in {})", status.failures, duration_rough(since)));
    }
    if status.refused > 0 {
        notes.push(format!("{} lines were refused by the receiver", status.refused));
    }
    if status.given_up_bytes > 0 {
        notes.push(format!("{} were given up: more than `spool` waited", size_rough(status.given_up_bytes)));
    }
    if status.gaps > 0 {
        notes.push(format!("{} times lines were lost: their files were removed before they were read", status.gaps));
    }
    notes
}
