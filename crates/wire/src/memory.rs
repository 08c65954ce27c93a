//! What the next guard must know, folded from the journal: so the journal is the only state there is.

use std::time::Duration;

use jiff::Timestamp;
use mainstay_core::event::RunId;
use mainstay_core::status::History;
use mainstay_core::time::Now;
use serde::{Deserialize, Serialize};

use crate::record::{ExitText, Record, What};

/// So many restarts are remembered for the quarantine window; a spec can't ask for more.
const RECENT_MAX: usize = 10_001;

/// The sum of all records so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The newest record.
    pub seq: u64,
    /// The boot that the monotonic times belong to.
    pub boot: String,
    /// The newest run there ever was.
    pub last_run: u64,
    /// Automatic restarts since an order last started it.
    pub restarts: u64,
    /// Failures in a row.
    pub failures: u32,
    /// When each automatic restart was, oldest first.
    pub recent: Vec<Moment>,
    /// Since when it is in quarantine.
    pub quarantined: Option<Moment>,
    /// What a person last ordered: to be up, or not to be.
    pub wanted: Option<bool>,
    /// When the newest run was begun.
    pub begun: Option<Moment>,
    /// It ended by itself and no restart was wanted.
    pub done: bool,
    /// How the last run ended.
    pub last_exit: Option<ExitText>,
    /// The main process that was last started and not seen to end.
    pub program: Option<Program>,
}

/// One instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Valid within its boot.
    pub mono: u64,
    /// Valid over boots, as far as the calendar clock is.
    pub time: Timestamp,
}

/// A process that can be told from a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its pid.
    pub pid: u32,
    /// When it was started, in the OS's own measure.
    pub stamp: u64,
}

impl Memory {
    /// Adds one record.
    pub fn take(&mut self, record: &Record) {
        let moment = Moment { mono: record.mono, time: record.time };
        self.seq = self.seq.max(record.seq);
        match &record.what {
            What::Carried { memory } => *self = memory.clone(),
            What::GuardStarted { boot, .. } if *boot != self.boot => {
                // Instants of another boot mean nothing in this one, and a machine that was started anew forgives.
                self.boot.clone_from(boot);
                self.forgive();
            }
            What::GuardStarted { .. } => {}
            What::Ordered { verb, .. } => match verb.as_str() {
                "start" | "start-now" | "restart" => {
                    self.wanted = Some(true);
                    self.forgive();
                }
                "stop" | "kill" => self.wanted = Some(false),
                _ => {}
            },
            What::Starting { run, restarts, failures } => self.begun(*run, *restarts, *failures, moment),
            What::Spawned { pid, stamp, .. } => self.program = Some(Program { pid: *pid, stamp: *stamp }),
            What::Adopted { pid, stamp, .. } => self.program = Some(Program { pid: *pid, stamp: *stamp }),
            What::Exited { exit, .. } => {
                self.program = None;
                self.last_exit = Some(exit.clone());
            }
            What::Quarantined { .. } => self.quarantined = Some(moment),
            What::Released => {
                // The start that follows is counted, but against nothing.
                self.restarts += 1;
                self.forgive();
            }
            What::SpecChanged { .. } => self.forgive(),
            What::GuardEnded
            | What::OrderRefused { .. }
            | What::Ready { .. }
            | What::ReadyTimedOut { .. }
            | What::Asked { .. } => {}
            What::AskFailed { .. }
            | What::Killed { .. }
            | What::Unkillable { .. }
            | What::Down
            | What::Backoff { .. } => {}
            // Nobody wants it up until somebody orders it.
            What::Followed { restart: false, .. } => self.wanted = Some(false),
            What::Followed { restart: true, .. } => self.forgive(),
            What::AdoptFailed { .. }
            | What::Waiting { .. }
            | What::Skipped { .. }
            | What::Hooked { .. }
            | What::Paused { .. } => {}
            What::PauseFailed { .. }
            | What::Continued { .. }
            | What::Reloaded { .. }
            | What::ReloadFailed { .. }
            | What::LimitHit { .. } => {}
            // It may start what was done.
            What::FileChanged { .. } => {
                self.wanted = Some(true);
                self.forgive();
            }
            What::Overdue { .. } | What::Holding { .. } => {}
            // It is over: a new guard does not begin it anew.
            What::Done { .. } => {
                self.wanted = Some(false);
                self.done = true;
            }
            What::SpawnFailed { .. } | What::SpecRefused { .. } => {}
            What::Fault { .. } | What::Mended { .. } | What::LeftOut { .. } => {}
        }
    }

    /// Forgets what counts against another restart, as the core does.
    fn forgive(&mut self) {
        self.quarantined = None;
        self.failures = 0;
        self.recent.clear();
    }

    fn begun(&mut self, run: u64, restarts: u64, failures: u32, moment: Moment) {
        self.done = false;
        self.begun = Some(moment);
        self.last_run = self.last_run.max(run);
        self.failures = failures;
        if restarts > self.restarts {
            self.recent.push(moment);
            let surplus = self.recent.len().saturating_sub(RECENT_MAX);
            self.recent.drain(..surplus);
        }
        self.restarts = restarts;
    }

    /// As the core wants it: ages instead of instants. A run that lived for `stable_after` forgave the failures before it.
    #[must_use]
    pub fn history(&self, now: Now, stable_after: Duration) -> History {
        let age = |moment: &Moment| Duration::from_nanos(now.mono.0.saturating_sub(moment.mono));
        let stable = self.program.is_some() && self.begun.as_ref().is_some_and(|begun| age(begun) >= stable_after);
        History {
            last_run: RunId(self.last_run),
            restarts: self.restarts,
            recent_restarts: self.recent.iter().map(age).collect(),
            failures: if stable { 0 } else { self.failures },
            done: self.done,
            last_exit: self.last_exit.as_ref().and_then(ExitText::exit),
            quarantined: self.quarantined.as_ref().map(age),
        }
    }
}

#[cfg(test)]
mod tests {
    use mainstay_core::time::{Mono, Wall};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64, what: What) -> Record {
        let time = Timestamp::from_second(i64::try_from(seconds).unwrap() + 1_000_000).unwrap();
        Record { seq: seconds, time, mono: seconds * SECOND, service: "payment".to_owned(), what }
    }

    fn starting(run: u64, restarts: u64) -> What {
        What::Starting { run, restarts, failures: 1 }
    }

    fn fold(records: &[Record]) -> Memory {
        let mut memory = Memory::default();
        records.iter().for_each(|record| memory.take(record));
        memory
    }

    fn started(boot: &str) -> What {
        let (version, containment) = ("0.1.0".to_owned(), "cgroup".to_owned());
        What::GuardStarted { version, pid: 1, boot: boot.to_owned(), containment, ended: 0 }
    }

    fn order(verb: &str) -> What {
        What::Ordered { verb: verb.to_owned(), by: "root".to_owned() }
    }

    #[test]
    fn restarts_runs_and_the_living_program_are_remembered() {
        let memory = fold(&[
            at(1, started("a")),
            at(2, order("start")),
            at(3, starting(1, 0)),
            at(5, starting(2, 1)),
            at(8, starting(3, 2)),
            at(8, What::Spawned { run: 3, pid: 7, stamp: 9, restarts: 2 }),
        ]);
        let now = Now { mono: Mono(10 * SECOND), wall: Wall(0) };
        let history = memory.history(now, Duration::from_secs(60));
        assert_eq!((history.last_run, history.restarts, history.failures), (RunId(3), 2, 1));
        assert_eq!(history.recent_restarts, [Duration::from_secs(5), Duration::from_secs(2)]);
        assert_eq!((memory.wanted, memory.program), (Some(true), Some(Program { pid: 7, stamp: 9 })));
    }

    #[test]
    fn the_process_that_was_left_behind_is_the_living_program() {
        let exited = What::Exited { run: 1, exit: ExitText::Code(0), ran: 5, asked: false, last_lines: Vec::new() };
        let mut records = vec![
            at(1, order("start-now")),
            at(2, starting(1, 0)),
            at(2, What::Spawned { run: 1, pid: 7, stamp: 9, restarts: 0 }),
            at(3, exited),
            at(3, What::Adopted { run: 1, pid: 8, stamp: 10 }),
        ];
        let memory = fold(&records);
        assert_eq!((memory.wanted, memory.program), (Some(true), Some(Program { pid: 8, stamp: 10 })));
        records.push(at(4, What::Followed { why: "db failed".to_owned(), restart: true }));
        assert_eq!(fold(&records).wanted, Some(true));
        records.push(at(4, What::Followed { why: "db was stopped".to_owned(), restart: false }));
        assert_eq!(fold(&records).wanted, Some(false));
    }

    #[test]
    fn a_reboot_forgives_but_no_run_number_comes_again() {
        let memory = fold(&[at(1, started("a")), at(3, starting(4, 1)), at(4, started("b"))]);
        let now = Now { mono: Mono(5 * SECOND), wall: Wall(0) };
        let history = memory.history(now, Duration::from_secs(60));
        assert_eq!((history.last_run, history.failures, history.recent_restarts.len()), (RunId(4), 0, 0));
    }

    #[test]
    fn a_stable_run_forgave_the_failures_before_it() {
        let memory = fold(&[
            at(1, started("a")),
            at(3, starting(1, 1)),
            at(3, What::Spawned { run: 1, pid: 7, stamp: 9, restarts: 1 }),
        ]);
        let failures = |seconds| {
            let now = Now { mono: Mono(seconds * SECOND), wall: Wall(0) };
            memory.history(now, Duration::from_secs(10)).failures
        };
        assert_eq!((failures(12), failures(13)), (1, 0));
    }

    #[test]
    fn a_release_counts_as_a_restart_but_against_nothing() {
        let memory = fold(&[at(1, started("a")), at(3, starting(1, 3)), at(5, What::Released), at(5, starting(2, 4))]);
        assert_eq!((memory.restarts, memory.recent.len()), (4, 0));
    }

    #[test]
    fn a_start_by_order_forgets_restarts_and_quarantine() {
        let quarantined = What::Quarantined { restarts: 3, within: 300_000, release_after: None };
        let mut records = vec![at(1, started("a")), at(2, starting(1, 1)), at(3, quarantined)];
        assert!(fold(&records).quarantined.is_some());
        records.push(at(4, order("start")));
        let memory = fold(&records);
        assert_eq!((memory.quarantined, memory.recent.len()), (None, 0));
        records.push(at(5, order("stop")));
        assert_eq!(fold(&records).wanted, Some(false));
    }

    #[test]
    fn a_carried_memory_is_the_same_as_the_records_before_it() {
        let records = [at(1, started("a")), at(2, order("start")), at(3, starting(4, 1))];
        let memory = fold(&records);
        let line = at(4, What::Carried { memory: memory.clone() }).line();
        let mut again = Memory::default();
        again.take(&Record::parse(&line).expect("our own line"));
        assert_eq!(again, memory);
    }
}
