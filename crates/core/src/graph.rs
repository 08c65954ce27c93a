//! Which service comes before which: cycles, levels for a stop in reverse order, and the chain that made a start long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Services and what each comes after. Names that are no key of their own (services that don't exist) are kept as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    after: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// From each service and the names of those that it comes after. A name that comes twice has both lists.
    #[must_use]
    pub fn new(services: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let mut after: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, names) in services {
            after.entry(name).or_default().extend(names);
        }
        Self { after }
    }

    /// Services that wait for each other in a ring, each after the next; the first is the last too. `None`: there is no such ring.
    /// Of several always the same.
    #[must_use]
    pub fn cycle(&self) -> Option<Vec<String>> {
        let mut free = BTreeSet::new();
        self.after.keys().find_map(|name| self.ring_from(name, &mut free))
    }

    /// Follows the first way from `name` that is not known to end (`free`), as deep as it goes, until it ends or bites itself.
    fn ring_from<'g>(&'g self, name: &'g str, free: &mut BTreeSet<&'g str>) -> Option<Vec<String>> {
        let mut path = vec![name];
        while let Some(last) = path.last().copied() {
            let next = self.before(last).find(|other| !free.contains(other));
            match next {
                Some(next) => {
                    if let Some(begin) = path.iter().position(|known| *known == next) {
                        let ring = path.iter().skip(begin).chain([&next]);
                        return Some(ring.map(|&name| name.to_owned()).collect());
                    }
                    path.push(next);
                }
                None => {
                    free.insert(last);
                    path.pop();
                }
            }
        }
        None
    }

    /// These services in the order of their start: each level needs only those before it, also by way of services that are not among
    /// these. A stop takes them in reverse. What waits in a ring comes last, all at once.
    #[must_use]
    pub fn levels(&self, names: &BTreeSet<String>) -> Vec<Vec<String>> {
        let mut levels = Vec::new();
        let mut left: BTreeMap<&str, BTreeSet<&str>> =
            names.iter().map(|name| (name.as_str(), self.needed_among(name, names))).collect();
        while !left.is_empty() {
            let waits = |needed: &BTreeSet<&str>| needed.iter().any(|name| left.contains_key(name));
            let mut level: BTreeSet<&str> =
                left.iter().filter(|(_, needed)| !waits(needed)).map(|(name, _)| *name).collect();
            if level.is_empty() {
                level = left.keys().copied().collect();
            }
            left.retain(|name, _| !level.contains(name));
            levels.push(level.into_iter().map(str::to_owned).collect());
        }
        levels
    }

    /// Those of `names` that come before `name`, directly or by way of others.
    fn needed_among<'g>(&'g self, name: &'g str, names: &'g BTreeSet<String>) -> BTreeSet<&'g str> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut ahead: Vec<&str> = self.before(name).collect();
        while let Some(other) = ahead.pop() {
            if seen.insert(other) {
                ahead.extend(self.before(other));
            }
        }
        seen.retain(|other| *other != name && names.contains(*other));
        seen
    }

    /// The chain of services, each after the one before it, whose times add up to the most; of equal ones always the same. Services
    /// without a time are not part of it, and are passed by no chain.
    #[must_use]
    pub fn critical_chain(&self, durations: &BTreeMap<String, Duration>) -> Vec<(String, Duration)> {
        let timed: BTreeSet<String> = durations.keys().cloned().collect();
        // The longest chain that ends with each, made level by level: what it needs is there already.
        let mut longest: BTreeMap<String, (Duration, Option<String>)> = BTreeMap::new();
        for name in self.direct_levels(&timed).into_iter().flatten() {
            let own = durations.get(&name).copied().unwrap_or_default();
            let before = self.before(&name).filter_map(|other| Some((longest.get(other)?.0, other)));
            // The first by name of equal ones.
            let before = before.fold(None, |best: Option<(Duration, &str)>, next| match best {
                Some(best) if best.0 >= next.0 => Some(best),
                Some(_) | None => Some(next),
            });
            let total = before.map_or(own, |(sum, _)| sum.saturating_add(own));
            longest.insert(name, (total, before.map(|(_, other)| other.to_owned())));
        }
        let mut last = longest.iter().fold(None, |best: Option<(&String, Duration)>, (name, (sum, _))| match best {
            Some(best) if best.1 >= *sum => Some(best),
            Some(_) | None => Some((name, *sum)),
        });
        let mut chain = Vec::new();
        while let Some((name, _)) = last {
            chain.push((name.clone(), durations.get(name).copied().unwrap_or_default()));
            let before = longest.get(name).and_then(|(_, before)| before.as_ref());
            last = before.map(|before| (before, Duration::ZERO));
        }
        chain.reverse();
        chain
    }

    /// As `levels`, but only by direct steps, and without what waits in a ring.
    fn direct_levels(&self, names: &BTreeSet<String>) -> Vec<Vec<String>> {
        let mut left: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let mut levels = Vec::new();
        loop {
            let level: BTreeSet<&str> =
                left.iter().copied().filter(|name| !self.before(name).any(|other| left.contains(other))).collect();
            if level.is_empty() {
                return levels;
            }
            left.retain(|name| !level.contains(name));
            levels.push(level.into_iter().map(str::to_owned).collect());
        }
    }

    /// The services that come directly after this one.
    #[must_use]
    pub fn dependents_of(&self, name: &str) -> Vec<String> {
        self.after.iter().filter(|(_, after)| after.contains(name)).map(|(name, _)| name.clone()).collect()
    }

    /// What a service comes directly after.
    fn before<'g>(&'g self, name: &str) -> impl Iterator<Item = &'g str> + use<'g> {
        self.after.get(name).into_iter().flatten().map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
