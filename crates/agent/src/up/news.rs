//! Prints what the guards write to their journals.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mainstay_wire::layout::Layout;
use mainstay_wire::record::{Record, What};

use crate::follow::Follower;

/// The journals being followed.
pub(super) struct News {
    layout: Layout,
    print: fn(&str),
    journals: BTreeMap<String, Follower>,
    /// Older records are no news.
    began: Timestamp,
}

impl News {
    pub(super) fn new(layout: &Layout, print: fn(&str)) -> Self {
        Self { layout: layout.clone(), print, journals: BTreeMap::new(), began: Timestamp::now() }
    }

    /// Prints what is new in the journals of `names`.
    pub(super) fn print<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        for name in names {
            let path = self.layout.journal(name);
            let journal = self.journals.entry(name.to_owned()).or_insert_with(|| Follower::from_start(&path));
            // A journal that can't be read now is read at the next change.
            for line in journal.lines().unwrap_or_default() {
                let record = std::str::from_utf8(&line).ok().and_then(Record::parse);
                if let Some(record) = record.filter(|record| record.time >= self.began && is_news(&record.what)) {
                    (self.print)(&format!("{name}: {}", record.what));
                }
            }
        }
    }
}

fn is_news(what: &What) -> bool {
    !matches!(
        what,
        What::GuardStarted { .. }
            | What::GuardEnded
            | What::Starting { .. }
            | What::Carried { .. }
            | What::Asked { .. }
            | What::Ordered { .. }
    )
}
