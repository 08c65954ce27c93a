//! What a simulated life was made of: proof that the world did visit the hard places.

use std::fmt;
use std::ops::AddAssign;

use mainstay_core::event::{Effect, HookEnd, Record};
use mainstay_core::exit::Exit;

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
    pub waits: u64,
    pub skips: u64,
    pub follows: u64,
    pub hooks: u64,
    pub failed_hooks: u64,
    pub ended_hooks: u64,
    pub adoptions: u64,
    pub failed_adoptions: u64,
    pub pauses: u64,
    pub failed_pauses: u64,
    pub continues: u64,
    pub reloads: u64,
    pub overdue: u64,
    pub holdings: u64,
    pub changed_files: u64,
    pub limits: u64,
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
            Effect::Hook(..) => self.hooks += 1,
            Effect::EndHook(..) => self.ended_hooks += 1,
            Effect::Probe(..) | Effect::Adopt(..) | Effect::Pause(_) | Effect::Continue(_) => {}
            Effect::Reload(..) | Effect::Await(_) | Effect::Report => {}
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
            Record::Waiting(_) => self.waits += 1,
            Record::Skipped(_) => self.skips += 1,
            Record::Followed { .. } => self.follows += 1,
            Record::Hooked { end, .. } => {
                self.failed_hooks += u64::from(!matches!(end, HookEnd::Exited(Exit::Code(0))))
            }
            Record::Adopted(..) => self.adoptions += 1,
            Record::AdoptFailed(..) => self.failed_adoptions += 1,
            Record::Paused(_) => self.pauses += 1,
            Record::PauseFailed(..) => self.failed_pauses += 1,
            Record::Continued(_) => self.continues += 1,
            Record::Reloaded(_) | Record::ReloadFailed(..) => self.reloads += 1,
            Record::Overdue { .. } => self.overdue += 1,
            Record::Holding(_) => self.holdings += 1,
            Record::FileChanged(_) => self.changed_files += 1,
            Record::LimitHit(..) => self.limits += 1,
            Record::Spawned(..) | Record::Asked(..) | Record::Killed(_) | Record::Down => {}
        }
    }

    fn fields(&self) -> [(&'static str, u64); 37] {
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
            ("waits", self.waits),
            ("skipped starts", self.skips),
            ("followed others", self.follows),
            ("hooks", self.hooks),
            ("failed hooks", self.failed_hooks),
            ("ended hooks", self.ended_hooks),
            ("adoptions", self.adoptions),
            ("failed adoptions", self.failed_adoptions),
            ("pauses", self.pauses),
            ("failed pauses", self.failed_pauses),
            ("continued runs", self.continues),
            ("reloads", self.reloads),
            ("overdue runs", self.overdue),
            ("held shutdowns", self.holdings),
            ("changed files", self.changed_files),
            ("limits hit", self.limits),
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
        self.waits += other.waits;
        self.skips += other.skips;
        self.follows += other.follows;
        self.hooks += other.hooks;
        self.failed_hooks += other.failed_hooks;
        self.ended_hooks += other.ended_hooks;
        self.adoptions += other.adoptions;
        self.failed_adoptions += other.failed_adoptions;
        self.pauses += other.pauses;
        self.failed_pauses += other.failed_pauses;
        self.continues += other.continues;
        self.reloads += other.reloads;
        self.overdue += other.overdue;
        self.holdings += other.holdings;
        self.changed_files += other.changed_files;
        self.limits += other.limits;
        self.hours += other.hours;
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = self.fields().iter().map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(&told.join(", "))
    }
}
