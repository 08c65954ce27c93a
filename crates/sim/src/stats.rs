//! What a simulated life was made of: proof that the world did visit the hard places.

use std::fmt;
use std::ops::AddAssign;

use mainstay_core::event::{Effect, Record};

/// Counts of what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each field counts what it is called")]
pub struct Stats {
    pub events: u64,
    pub guard_starts: u64,
    pub spawns: u64,
    pub spawn_failures: u64,
    pub ready: u64,
    pub ready_timeouts: u64,
    pub exits: u64,
    pub asks: u64,
    pub failed_asks: u64,
    pub kills: u64,
    pub unkillable: u64,
    pub backoffs: u64,
    pub quarantines: u64,
    pub releases: u64,
    pub done: u64,
    pub retired: u64,
    pub orders: u64,
    pub refused: u64,
    pub spec_changes: u64,
    pub replaced: u64,
    /// Simulated time.
    pub hours: u64,
}

impl Stats {
    /// Counts one effect.
    pub(crate) fn count(&mut self, effect: &Effect) {
        match effect {
            Effect::Spawn(..) => self.spawns += 1,
            Effect::Ask(..) => self.asks += 1,
            Effect::Kill(_) => self.kills += 1,
            Effect::Retire { .. } => self.retired += 1,
            Effect::Record(record) => self.count_record(record),
            Effect::Probe(..) | Effect::Report => {}
        }
    }

    fn count_record(&mut self, record: &Record) {
        match record {
            Record::Ordered(_) => self.orders += 1,
            Record::OrderRefused(..) => self.refused += 1,
            Record::SpawnFailed(..) => self.spawn_failures += 1,
            Record::Ready(..) => self.ready += 1,
            Record::ReadyTimedOut { .. } => self.ready_timeouts += 1,
            Record::AskFailed(..) => self.failed_asks += 1,
            Record::Unkillable(..) => self.unkillable += 1,
            Record::Exited { .. } => self.exits += 1,
            Record::Backoff { .. } => self.backoffs += 1,
            Record::Quarantined { .. } => self.quarantines += 1,
            Record::Released => self.releases += 1,
            Record::Done(_) => self.done += 1,
            Record::SpecChanged { restart } => {
                self.spec_changes += 1;
                self.replaced += u64::from(*restart);
            }
            Record::Spawned(..) | Record::Asked(..) | Record::Killed(_) | Record::Down => {}
        }
    }

    fn fields(&self) -> [(&'static str, u64); 21] {
        [
            ("events", self.events),
            ("guard starts", self.guard_starts),
            ("spawns", self.spawns),
            ("spawn failures", self.spawn_failures),
            ("ready", self.ready),
            ("ready time-outs", self.ready_timeouts),
            ("exits", self.exits),
            ("asks", self.asks),
            ("failed asks", self.failed_asks),
            ("kills", self.kills),
            ("unkillable", self.unkillable),
            ("back-offs", self.backoffs),
            ("quarantines", self.quarantines),
            ("releases", self.releases),
            ("done", self.done),
            ("retired", self.retired),
            ("orders", self.orders),
            ("refused orders", self.refused),
            ("spec changes", self.spec_changes),
            ("replaced runs", self.replaced),
            ("hours", self.hours),
        ]
    }

    /// What never happened: a world that doesn't visit a place proves nothing about it.
    #[must_use]
    pub fn never(&self) -> Vec<&'static str> {
        self.fields().into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.guard_starts += other.guard_starts;
        self.spawns += other.spawns;
        self.spawn_failures += other.spawn_failures;
        self.ready += other.ready;
        self.ready_timeouts += other.ready_timeouts;
        self.exits += other.exits;
        self.asks += other.asks;
        self.failed_asks += other.failed_asks;
        self.kills += other.kills;
        self.unkillable += other.unkillable;
        self.backoffs += other.backoffs;
        self.quarantines += other.quarantines;
        self.releases += other.releases;
        self.done += other.done;
        self.retired += other.retired;
        self.orders += other.orders;
        self.refused += other.refused;
        self.spec_changes += other.spec_changes;
        self.replaced += other.replaced;
        self.hours += other.hours;
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = self.fields().iter().map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(&told.join(", "))
    }
}
