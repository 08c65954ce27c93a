//! The other services of the machine: they come, go and come again, and nobody here has a say in it.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_core::event::{RunId, Sight};
use mainstay_core::spec::{After, Awaited};
use mainstay_core::status::Standing;

use crate::chance::Chance;

/// All services there ever are, but ours.
const NAMES: [&str; 5] = ["db", "cache", "job1", "job2", "postgres"];

/// The others as they really are.
#[derive(Debug)]
pub(crate) struct Others {
    sights: BTreeMap<&'static str, Option<Sight>>,
    /// These are not there at all.
    missing: BTreeSet<&'static str>,
    /// What our guard watches.
    watched: Vec<After>,
    /// Answers to an earlier list are not told any more.
    pub(crate) list: u64,
}

impl Others {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let mut others = Self { sights: BTreeMap::new(), missing: BTreeSet::new(), watched: Vec::new(), list: 0 };
        for name in NAMES {
            others.sights.insert(name, None);
            others.change_one(name, chance);
        }
        others
    }

    /// Another list is watched from now on.
    pub(crate) fn watch(&mut self, list: Vec<After>) {
        self.watched = list;
        self.list += 1;
    }

    /// What the list stands for.
    pub(crate) fn named(&self) -> Vec<(usize, String)> {
        let mut named = Vec::new();
        for (place, after) in self.watched.iter().enumerate() {
            let names: &[&str] = match &after.what {
                Awaited::Service(name, _) | Awaited::Os(name) => {
                    NAMES.iter().find(|known| *known == name).map_or(&[], std::slice::from_ref)
                }
                Awaited::Group(..) => &["job1", "job2"],
                Awaited::OsGroup(_) => &[],
            };
            let there = names.iter().filter(|name| !self.missing.contains(*name));
            named.extend(there.map(|name| (place, (*name).to_owned())));
        }
        named
    }

    /// How one of them is.
    pub(crate) fn sight(&self, name: &str) -> Option<Sight> {
        self.sights.get(name).copied().flatten()
    }

    /// Something becomes of one of them, more often of one that is watched: its name.
    pub(crate) fn change(&mut self, chance: &mut Chance) -> &'static str {
        let named = self.named();
        let watched: Vec<&'static str> =
            NAMES.into_iter().filter(|name| named.iter().any(|(_, known)| known == name)).collect();
        let name = match watched.first() {
            Some(first) if chance.percent(70) => chance.pick(*first, &watched),
            Some(_) | None => chance.pick("db", &NAMES),
        };
        self.change_one(name, chance);
        name
    }

    fn change_one(&mut self, name: &'static str, chance: &mut Chance) {
        let run = self.sight(name).map_or(0, |sight| sight.run.0) + chance.below(2);
        let standings =
            [Standing::Ready, Standing::Ready, Standing::Done, Standing::Started, Standing::Pending, Standing::Failed];
        let standing = chance.pick(Standing::Ready, &standings);
        let sight = (!chance.percent(10)).then_some(Sight { standing, run: RunId(run) });
        self.sights.insert(name, sight);
    }

    /// A service is made, or taken away.
    pub(crate) fn come_or_go(&mut self, chance: &mut Chance) {
        let name = chance.pick("db", &NAMES);
        if !self.missing.remove(name) && chance.percent(30) {
            self.missing.insert(name);
        }
    }
}
