//! One entry of the journal: NDJSON, one record a line, append-only.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use mainstay_core::event::{HookEnd, Limit, Order, Record as Decided, Verb};
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
    /// Another process is the run's main process now.
    Adopted { run: u64, pid: u32, stamp: u64 },
    /// None could be found.
    AdoptFailed { run: u64, why: String },
    /// The start waits for these.
    Waiting { services: Vec<String> },
    /// It is not started because of another service.
    Skipped { why: String },
    /// It is ended, or its next start given up, because of another service. `restart`: it starts again when that is back.
    Followed { why: String, restart: bool },
    /// A hook was run. `result`: `ok`, `failed`, `timed-out`, `ended` (by us) or `not-started`.
    Hooked {
        run: u64,
        point: String,
        result: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit: Option<ExitText>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took: Option<u64>,
    },
    /// The run is halted.
    Paused { run: u64 },
    /// It could not be.
    PauseFailed { run: u64, why: String },
    /// It goes on.
    Continued { run: u64 },
    /// The program was told to read its configuration again.
    Reloaded { run: u64 },
    /// It could not be told.
    ReloadFailed { run: u64, why: String },
    /// The run has run into a limit: `memory` or `processes`.
    LimitHit { run: u64, limit: String },
    /// A watched file has changed.
    FileChanged { path: String },
    /// The run lived longer than it may.
    Overdue { run: u64, after: u64 },
    /// The end waits for so many services that come after this one.
    Holding { dependents: u32 },
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
    /// Output is missing from a log file: it could not be written in time, or was more than the rate limit.
    LeftOut { file: String, lines: u64, bytes: u64, why: Missing },
}

/// Why output was left out of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// `log.on-full`: it could not be written in time.
    Full,
    /// `log.rate-limit`.
    RateLimit,
}

/// The result of a hook that ended well.
const HOOK_OK: &str = "ok";
/// The result of a hook that was ended because the run was.
const HOOK_ENDED: &str = "ended";

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
            Self::Unkillable { .. } | Self::SpecRefused { .. } | Self::Fault { .. } | Self::LeftOut { .. } => {
                Weight::Warning
            }
            Self::AdoptFailed { .. }
            | Self::Skipped { .. }
            | Self::Followed { .. }
            | Self::LimitHit { .. }
            | Self::Overdue { .. } => Weight::Warning,
            Self::PauseFailed { .. } | Self::ReloadFailed { .. } => Weight::Warning,
            Self::Hooked { result, .. } if matches!(result.as_str(), HOOK_OK | HOOK_ENDED) => Weight::Quiet,
            Self::Hooked { .. } => Weight::Warning,
            Self::Paused { .. } | Self::Continued { .. } | Self::Reloaded { .. } => Weight::Note,
            Self::Adopted { .. } | Self::Waiting { .. } | Self::FileChanged { .. } | Self::Holding { .. } => {
                Weight::Quiet
            }
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

    /// Whether a restart count depends on it, so that it must be on the disk before the next one. An order need not: what a power cut takes
    /// away is decided anew by the boot.
    #[must_use]
    pub fn must_sync(&self) -> bool {
        matches!(self, Self::Starting { .. } | Self::Quarantined { .. } | Self::Released | Self::Carried { .. })
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
        Decided::Adopted(run, pid) => What::Adopted { run: run.0, pid, stamp },
        Decided::AdoptFailed(run, why) => What::AdoptFailed { run: run.0, why },
        Decided::Waiting(services) => What::Waiting { services },
        Decided::Skipped(why) => What::Skipped { why },
        Decided::Followed { reason, restart } => What::Followed { why: reason, restart },
        Decided::Hooked { run, point, end } => hooked(run.0, point.word(), end),
        Decided::Paused(run) => What::Paused { run: run.0 },
        Decided::PauseFailed(run, why) => What::PauseFailed { run: run.0, why },
        Decided::Continued(run) => What::Continued { run: run.0 },
        Decided::Reloaded(run) => What::Reloaded { run: run.0 },
        Decided::ReloadFailed(run, why) => What::ReloadFailed { run: run.0, why },
        Decided::LimitHit(run, limit) => What::LimitHit { run: run.0, limit: limit_text(limit).to_owned() },
        Decided::FileChanged(path) => What::FileChanged { path },
        Decided::Overdue { run, after } => What::Overdue { run: run.0, after: millis(after) },
        Decided::Holding(dependents) => What::Holding { dependents },
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

/// `took` is a fact of the shell, which adds it.
fn hooked(run: u64, point: &str, end: HookEnd) -> What {
    let (result, exit, why) = match end {
        HookEnd::Exited(exit) if exit.is_success() => (HOOK_OK, Some(exit), None),
        HookEnd::Exited(exit) => ("failed", Some(exit), None),
        HookEnd::TimedOut => ("timed-out", None, None),
        HookEnd::Ended => (HOOK_ENDED, None, None),
        HookEnd::NotStarted(why) => ("not-started", None, Some(why)),
    };
    let (point, result, exit) = (point.to_owned(), result.to_owned(), exit.map(ExitText::from));
    What::Hooked { run, point, result, exit, why, took: None }
}

fn limit_text(limit: Limit) -> &'static str {
    match limit {
        Limit::Memory => "memory",
        Limit::Processes => "processes",
    }
}

/// The word for an order.
#[must_use]
pub fn verb_text(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "start",
        Verb::StartNow => "start-now",
        Verb::Stop => "stop",
        Verb::Restart => "restart",
        Verb::Kill => "kill",
        Verb::Retire => "retire",
        Verb::Shutdown => "shutdown",
        Verb::Pause => "pause",
        Verb::Continue => "continue",
        Verb::Reload => "reload",
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
            Self::Adopted { run, pid, .. } => write!(f, "run {run} goes on as the process it left (pid {pid})"),
            Self::AdoptFailed { run, why } => write!(f, "run {run} left no process to go on with: {why}"),
            Self::Waiting { services } => write!(f, "waits for {}", services.join(", ")),
            Self::Skipped { why } => write!(f, "skipped: {why}"),
            Self::Followed { why, restart: true } => write!(f, "ended, to start again later: {why}"),
            Self::Followed { why, restart: false } => write!(f, "ended: {why}"),
            Self::Hooked { run, point, result, exit, why, took } => {
                write!(f, "{point} hook of run {run}: {}", result.replace('-', " "))?;
                if let Some(detail) =
                    exit.as_ref().filter(|_| result != HOOK_OK).map(ToString::to_string).or(why.clone())
                {
                    write!(f, ": {detail}")?;
                }
                took.as_ref().map_or(Ok(()), |took| write!(f, " ({})", span(took)))
            }
            Self::Paused { run } => write!(f, "run {run} paused"),
            Self::PauseFailed { run, why } => write!(f, "run {run} could not be paused: {why}"),
            Self::Continued { run } => write!(f, "run {run} goes on"),
            Self::Reloaded { run } => write!(f, "run {run} told to read its configuration again"),
            Self::ReloadFailed { run, why } => {
                write!(f, "run {run} could not be told to read its configuration again: {why}")
            }
            Self::LimitHit { run, limit } => write!(f, "run {run} has run into its limit of {limit}"),
            Self::FileChanged { path } => write!(f, "{path} has changed"),
            Self::Overdue { run, after } => write!(f, "run {run} lived longer than {}", span(after)),
            Self::Holding { dependents: 1 } => f.write_str("its end waits for 1 service that comes after it"),
            Self::Holding { dependents } => write!(f, "its end waits for {dependents} services that come after it"),
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
            Self::LeftOut { file, lines, bytes, why } => {
                let why = match why {
                    Missing::Full => "could not be written in time (log.on-full)",
                    Missing::RateLimit => "were more than log.rate-limit",
                };
                write!(f, "{lines} lines, {bytes} bytes are missing from {file}: they {why}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use mainstay_core::event::RunId;
    use mainstay_core::spec::HookPoint;

    use super::*;

    fn hook(end: HookEnd) -> Decided {
        Decided::Hooked { run: RunId(3), point: HookPoint::PreStart, end }
    }

    /// What the journal says of each, in both forms, and how much it matters.
    #[test]
    fn decisions_become_records() {
        let why = || "no way".to_owned();
        let order = |verb| Decided::Ordered(Order { verb, by: "root".to_owned() });
        let decisions = [
            order(Verb::StartNow),
            order(Verb::Shutdown),
            order(Verb::Pause),
            order(Verb::Continue),
            order(Verb::Reload),
            Decided::Adopted(RunId(3), 7),
            Decided::AdoptFailed(RunId(3), why()),
            Decided::Waiting(vec!["db".to_owned(), "@cache".to_owned()]),
            Decided::Skipped("db failed".to_owned()),
            Decided::Followed { reason: "db failed".to_owned(), restart: true },
            Decided::Followed { reason: "db was stopped".to_owned(), restart: false },
            hook(HookEnd::Exited(Exit::Code(0))),
            hook(HookEnd::Exited(Exit::Code(2))),
            hook(HookEnd::TimedOut),
            hook(HookEnd::Ended),
            hook(HookEnd::NotStarted(why())),
            Decided::Paused(RunId(3)),
            Decided::PauseFailed(RunId(3), why()),
            Decided::Continued(RunId(3)),
            Decided::Reloaded(RunId(3)),
            Decided::ReloadFailed(RunId(3), why()),
            Decided::LimitHit(RunId(3), Limit::Memory),
            Decided::FileChanged("main.go".to_owned()),
            Decided::Overdue { run: RunId(3), after: Duration::from_secs(60) },
            Decided::Holding(1),
        ];
        let mut lines = String::new();
        for decision in decisions {
            let what = decided(decision, 9, 0);
            let json = serde_json::to_string(&what).expect("it is JSON");
            assert_eq!(serde_json::from_str::<What>(&json).expect("our own line"), what);
            lines.push_str(&format!("{:?}: {what}\n    {json}\n", what.weight()));
        }
        expect![[r#"
            Quiet: start-now ordered by root
                {"kind":"ordered","verb":"start-now","by":"root"}
            Quiet: shutdown ordered by root
                {"kind":"ordered","verb":"shutdown","by":"root"}
            Quiet: pause ordered by root
                {"kind":"ordered","verb":"pause","by":"root"}
            Quiet: continue ordered by root
                {"kind":"ordered","verb":"continue","by":"root"}
            Quiet: reload ordered by root
                {"kind":"ordered","verb":"reload","by":"root"}
            Quiet: run 3 goes on as the process it left (pid 7)
                {"kind":"adopted","run":3,"pid":7,"stamp":9}
            Warning: run 3 left no process to go on with: no way
                {"kind":"adopt-failed","run":3,"why":"no way"}
            Quiet: waits for db, @cache
                {"kind":"waiting","services":["db","@cache"]}
            Warning: skipped: db failed
                {"kind":"skipped","why":"db failed"}
            Warning: ended, to start again later: db failed
                {"kind":"followed","why":"db failed","restart":true}
            Warning: ended: db was stopped
                {"kind":"followed","why":"db was stopped","restart":false}
            Quiet: pre-start hook of run 3: ok
                {"kind":"hooked","run":3,"point":"pre-start","result":"ok","exit":{"code":0}}
            Warning: pre-start hook of run 3: failed: exit code 2
                {"kind":"hooked","run":3,"point":"pre-start","result":"failed","exit":{"code":2}}
            Warning: pre-start hook of run 3: timed out
                {"kind":"hooked","run":3,"point":"pre-start","result":"timed-out"}
            Quiet: pre-start hook of run 3: ended
                {"kind":"hooked","run":3,"point":"pre-start","result":"ended"}
            Warning: pre-start hook of run 3: not started: no way
                {"kind":"hooked","run":3,"point":"pre-start","result":"not-started","why":"no way"}
            Note: run 3 paused
                {"kind":"paused","run":3}
            Warning: run 3 could not be paused: no way
                {"kind":"pause-failed","run":3,"why":"no way"}
            Note: run 3 goes on
                {"kind":"continued","run":3}
            Note: run 3 told to read its configuration again
                {"kind":"reloaded","run":3}
            Warning: run 3 could not be told to read its configuration again: no way
                {"kind":"reload-failed","run":3,"why":"no way"}
            Warning: run 3 has run into its limit of memory
                {"kind":"limit-hit","run":3,"limit":"memory"}
            Quiet: main.go has changed
                {"kind":"file-changed","path":"main.go"}
            Warning: run 3 lived longer than 1m
                {"kind":"overdue","run":3,"after":60000}
            Quiet: its end waits for 1 service that comes after it
                {"kind":"holding","dependents":1}
        "#]]
        .assert_eq(&lines);
    }

    #[test]
    fn a_hook_says_how_long_it_took() {
        let What::Hooked { run, point, result, exit, why, .. } = decided(hook(HookEnd::Exited(Exit::Code(2))), 0, 0)
        else {
            panic!("a hook's record")
        };
        let what = What::Hooked { run, point, result, exit, why, took: Some(1500) };
        assert_eq!(what.to_string(), "pre-start hook of run 3: failed: exit code 2 (1s)");
    }
}
