//! One entry of the journal: NDJSON, one record a line, append-only.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use mainstay_core::event::{Order, Record as Decided, Verb};
use mainstay_core::exit::Exit;
use mainstay_core::signal;
use serde::{Deserialize, Serialize};

use crate::memory::Memory;
use crate::spec::ask_text;
use crate::units::duration_rough;

/// The longest journal line that is written or read.
pub const LINE_BYTES_MAX: usize = 256 << 10;

/// Something that happened to one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Grows by one; never starts again.
    pub seq: u64,
    /// For people: the calendar clock may jump.
    pub time: Timestamp,
    /// Nanoseconds since boot, suspend counted.
    pub mono: u64,
    /// The service.
    pub service: String,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// How a run ended, in JSON: `{"code":3}` or `{"signal":"SIGKILL"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExitText {
    /// An exit code.
    Code(u32),
    /// The signal that ended it.
    Signal(String),
}

/// What happened. Durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "snake_case")]
#[expect(missing_docs, reason = "the fields are those of the JSON, documented in docs/reference/records.md")]
pub enum What {
    /// A guard took the service over.
    GuardStarted { version: String, pid: u32, boot: String, containment: String, ended: usize },
    /// The guard ends.
    GuardEnded,
    /// The first record of a journal file: what the files before it said, in short.
    Carried { memory: Memory },
    /// An order was taken.
    Ordered { verb: String, by: String },
    /// An order was refused.
    OrderRefused { verb: String, by: String, why: String },
    /// A run is about to be started. Written before it is, so that its number is never used again and no restart goes uncounted.
    Starting { run: u64, restarts: u64, failures: u32 },
    /// Its process exists. `stamp` tells it from a later process with the same pid.
    Spawned { run: u64, pid: u32, stamp: u64, restarts: u64 },
    /// It could not be started.
    SpawnFailed { run: u64, why: String },
    /// It is up.
    Ready { run: u64, after: u64 },
    /// It was not up in time.
    ReadyTimedOut { run: u64, after: u64, last: Option<String> },
    /// It was asked to end.
    Asked { run: u64, ask: String },
    /// It could not be asked.
    AskFailed { run: u64, ask: String, why: String },
    /// The whole tree was ended without asking.
    Killed { run: u64 },
    /// The tree will not go away.
    Unkillable { run: u64, tries: u32 },
    /// The main process ended.
    Exited {
        run: u64,
        exit: ExitText,
        ran: u64,
        asked: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        last_lines: Vec<String>,
    },
    /// Nothing runs, as ordered.
    Down,
    /// The next start waits.
    Backoff { wait: u64, failures: u32 },
    /// Taken out.
    Quarantined { restarts: u32, within: u64, release_after: Option<u64> },
    /// Left quarantine by itself.
    Released,
    /// Ended by itself; no restart is wanted.
    Done { exit: Option<ExitText> },
    /// A new spec is in force.
    SpecChanged { restart: bool },
    /// A new spec was not taken; the old one stays in force.
    SpecRefused { problems: Vec<String> },
    /// Something of ours went wrong and is being retried or was worked around.
    Fault { what: String },
    /// A fault is over.
    Mended { what: String },
}

/// How much a record matters to people who watch the machine, not the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Journal only.
    Quiet,
    /// Also to the OS's log, as information.
    Note,
    /// Also to the OS's log, as a warning.
    Warning,
    /// Also to the OS's log, as an error.
    Error,
}

impl Record {
    /// The line for the journal, with its line feed.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads one line; `None` for what no guard wrote (a torn write, a foreign hand).
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line.trim_end()).ok()
    }
}

impl What {
    /// How much it matters.
    #[must_use]
    pub fn weight(&self) -> Weight {
        match self {
            Self::Exited { asked: false, .. } | Self::SpawnFailed { .. } | Self::ReadyTimedOut { .. } => {
                Weight::Warning
            }
            Self::Unkillable { .. } | Self::SpecRefused { .. } | Self::Fault { .. } => Weight::Warning,
            Self::Quarantined { .. } => Weight::Error,
            Self::Done { .. } | Self::Ready { .. } | Self::Down | Self::Released | Self::Mended { .. } => Weight::Note,
            Self::GuardStarted { .. }
            | Self::GuardEnded
            | Self::Carried { .. }
            | Self::Ordered { .. }
            | Self::OrderRefused { .. } => Weight::Quiet,
            Self::Starting { .. }
            | Self::Spawned { .. }
            | Self::Asked { .. }
            | Self::AskFailed { .. }
            | Self::Killed { .. } => Weight::Quiet,
            Self::Exited { asked: true, .. } | Self::Backoff { .. } | Self::SpecChanged { .. } => Weight::Quiet,
        }
    }

    /// Whether a restart count depends on it, so that it must be on the disk before the next one.
    #[must_use]
    pub fn must_sync(&self) -> bool {
        matches!(
            self,
            Self::Starting { .. }
                | Self::Quarantined { .. }
                | Self::Released
                | Self::Carried { .. }
                | Self::Ordered { .. }
        )
    }
}

/// The JSON form of a decision of the core. A spawn needs the start stamp, a fact of the shell.
#[must_use]
pub fn decided(record: Decided, stamp: u64, restarts: u64) -> What {
    match record {
        Decided::Ordered(order) => {
            let Order { verb, by } = order;
            What::Ordered { verb: verb_text(verb).to_owned(), by }
        }
        Decided::OrderRefused(Order { verb, by }, why) => {
            What::OrderRefused { verb: verb_text(verb).to_owned(), by, why }
        }
        Decided::Spawned(run, pid) => What::Spawned { run: run.0, pid, stamp, restarts },
        Decided::SpawnFailed(run, why) => What::SpawnFailed { run: run.0, why },
        Decided::Ready(run, after) => What::Ready { run: run.0, after: millis(after) },
        Decided::ReadyTimedOut { run, after, last } => What::ReadyTimedOut { run: run.0, after: millis(after), last },
        Decided::Asked(run, ask) => What::Asked { run: run.0, ask: ask_text(&ask) },
        Decided::AskFailed(run, ask, why) => What::AskFailed { run: run.0, ask: ask_text(&ask), why },
        Decided::Killed(run) => What::Killed { run: run.0 },
        Decided::Unkillable(run, tries) => What::Unkillable { run: run.0, tries },
        Decided::Exited { run, exit, ran, asked } => {
            What::Exited { run: run.0, exit: exit.into(), ran: millis(ran), asked, last_lines: Vec::new() }
        }
        Decided::Down => What::Down,
        Decided::Backoff { wait, failures } => What::Backoff { wait: millis(wait), failures },
        Decided::Quarantined { restarts, within, release_after } => {
            What::Quarantined { restarts, within: millis(within), release_after: release_after.map(millis) }
        }
        Decided::Released => What::Released,
        Decided::Done(exit) => What::Done { exit: exit.map(ExitText::from) },
        Decided::SpecChanged { restart } => What::SpecChanged { restart },
    }
}

/// The word for an order.
#[must_use]
pub fn verb_text(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "start",
        Verb::Stop => "stop",
        Verb::Restart => "restart",
        Verb::Kill => "kill",
        Verb::Retire => "retire",
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl From<Exit> for ExitText {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self::Code(code),
            Exit::Signal(number) => {
                Self::Signal(signal::name(number).map_or_else(|| number.to_string(), str::to_owned))
            }
        }
    }
}

impl ExitText {
    /// What it stands for; `None` for a signal without a name here.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Code(code) => Some(Exit::Code(*code)),
            Self::Signal(name) => signal::number(name).or_else(|| name.parse().ok()).map(Exit::Signal),
        }
    }
}

impl fmt::Display for ExitText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => Exit::Code(*code).fmt(f),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |millis: &u64| duration_rough(Duration::from_millis(*millis));
        match self {
            Self::GuardStarted { version, pid, ended: 0, .. } => write!(f, "guard {version} started (pid {pid})"),
            Self::GuardStarted { version, pid, ended, .. } => {
                write!(f, "guard {version} started (pid {pid}) and ended {ended} processes of the one before")
            }
            Self::GuardEnded => f.write_str("guard ended"),
            Self::Carried { memory } => write!(f, "journal goes on after run {}", memory.last_run),
            Self::Ordered { verb, by } => write!(f, "{verb} ordered by {by}"),
            Self::OrderRefused { verb, by, why } => write!(f, "{verb} by {by} refused: {why}"),
            Self::Starting { run, .. } => write!(f, "run {run} is being started"),
            Self::Spawned { run, pid, restarts: 0, .. } => write!(f, "run {run} started (pid {pid})"),
            Self::Spawned { run, pid, restarts, .. } => write!(f, "run {run} started (pid {pid}), restart {restarts}"),
            Self::SpawnFailed { run, why, .. } => write!(f, "run {run} could not be started: {why}"),
            Self::Ready { run, after } => write!(f, "run {run} ready after {}", span(after)),
            Self::ReadyTimedOut { run, after, last: None } => write!(f, "run {run} not ready within {}", span(after)),
            Self::ReadyTimedOut { run, after, last: Some(last) } => {
                write!(f, "run {run} not ready within {}: {last}", span(after))
            }
            Self::Asked { run, ask } => write!(f, "run {run} asked to end: {ask}"),
            Self::AskFailed { run, ask, why } => write!(f, "run {run} could not be asked by {ask}: {why}"),
            Self::Killed { run } => write!(f, "run {run} ended without asking"),
            Self::Unkillable { run, tries } => write!(f, "run {run} still there after {tries} attempts to end it"),
            Self::Exited { run, exit, ran, asked, .. } => {
                let how = if *asked { "ended" } else { "ended by itself" };
                write!(f, "run {run} {how} after {}: {exit}", span(ran))
            }
            Self::Down => f.write_str("down"),
            Self::Backoff { wait, failures } => {
                write!(f, "next start in {} ({failures} failures in a row)", span(wait))
            }
            Self::Quarantined { restarts, within, release_after } => {
                write!(f, "quarantined: more than {restarts} restarts within {}", span(within))?;
                match release_after {
                    Some(after) => write!(f, "; released in {}", span(after)),
                    None => f.write_str("; left by `mainstay start` or a changed spec"),
                }
            }
            Self::Released => f.write_str("released from quarantine"),
            Self::Done { exit: Some(exit) } => write!(f, "done: {exit}"),
            Self::Done { exit: None } => f.write_str("done: it could not be started"),
            Self::SpecChanged { restart: true } => f.write_str("spec changed; the program is replaced"),
            Self::SpecChanged { restart: false } => f.write_str("spec changed; the program goes on"),
            Self::SpecRefused { problems } => {
                write!(f, "spec refused, the old one stays in force: {}", problems.join("; "))
            }
            Self::Fault { what } => f.write_str(what),
            Self::Mended { what } => f.write_str(what),
        }
    }
}
