//! What is known of the services that this one comes after: whether all is there, and what their fate means to a run.

use std::time::Duration;

use crate::event::{RunId, Sight};
use crate::spec::{After, Awaited, Follow, Until};
use crate::status::Standing;

/// More names than these are told as a number.
const NAMES_TOLD: usize = 5;

/// The others as far as they are watched.
#[derive(Debug, Clone, Default)]
pub(super) struct Others {
    /// What is watched: the list of the last `Effect::Await`.
    watched: Vec<After>,
    /// The services it stands for; `None`: not told yet.
    named: Option<Vec<Other>>,
}

/// One service that an entry of the list stands for.
#[derive(Debug, Clone)]
struct Other {
    /// Of the entry.
    place: usize,
    name: String,
    look: Look,
    /// It was there, and has not failed since.
    was_met: bool,
    /// Its run when it was there the last time.
    met_run: Option<RunId>,
}

/// How a service was seen the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    NotYet,
    Unguarded,
    At(Standing),
}

/// Whether a service may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outlook {
    /// Not everything was seen yet.
    Unknown,
    /// Everything is there.
    Met,
    /// These are still to come.
    Unmet(Vec<String>),
    /// Something will not come, for this reason.
    Hopeless(String),
}

/// What another's fate means to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) follow: Follow,
    pub(super) of: Turn,
    /// In words.
    pub(super) reason: String,
}

/// What became of another service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Failed,
    CameAnew,
}

/// The list has something that can be waited for: load-order groups and targets are left to the service manager.
pub(super) fn is_awaited(after: &[After]) -> bool {
    after.iter().any(|after| until(after).is_some())
}

/// What an entry is called as long as nobody said what it stands for.
fn described(what: &Awaited) -> String {
    match what {
        Awaited::Service(name, _) | Awaited::Os(name) | Awaited::OsGroup(name) => name.clone(),
        Awaited::Group(name, _) => format!("@{name}"),
    }
}

/// How far it must have come; `None`: it is not waited for.
fn until(after: &After) -> Option<Until> {
    match &after.what {
        Awaited::Service(_, until) | Awaited::Group(_, until) => Some(*until),
        Awaited::Os(_) => Some(Until::Started),
        Awaited::OsGroup(_) => None,
    }
}

impl Until {
    fn is_met(self, standing: Standing) -> bool {
        match self {
            Self::Started => standing >= Standing::Started,
            Self::Ready => standing >= Standing::Ready,
            Self::Done => standing >= Standing::Done,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Done => "done",
        }
    }
}

impl Others {
    /// Exactly this is watched.
    pub(super) fn is_watching(&self, after: &[After]) -> bool {
        self.watched == after
    }

    /// Watches this from now on: nothing is known of it yet.
    pub(super) fn watch(&mut self, after: Vec<After>) {
        self.watched = after;
        self.named = None;
    }

    /// These are the services that the list stands for. What is known of them already stays.
    pub(super) fn named(&mut self, list: Vec<(usize, String)>) {
        let known = self.named.take().unwrap_or_default();
        let mut named: Vec<Other> = Vec::with_capacity(list.len());
        for (place, name) in list {
            if self.watched.get(place).and_then(until).is_none() {
                continue;
            }
            let old = known.iter().find(|other| other.place == place && other.name == name);
            // What was seen of a service for another entry is seen for this one too.
            let look = known.iter().find(|other| other.name == name).map_or(Look::NotYet, |other| other.look);
            let new = Other { place, name, look, was_met: false, met_run: None };
            named.push(old.cloned().unwrap_or(new));
        }
        self.named = Some(named);
    }

    /// One of them is so now. What that means to a run: the strongest, if anything.
    pub(super) fn saw(&mut self, name: &str, sight: Option<Sight>) -> Option<Fate> {
        let watched = &self.watched;
        let mut fates = Vec::new();
        for other in self.named.iter_mut().flatten().filter(|other| other.name == name) {
            let after = watched.get(other.place);
            let Some((after, until)) = after.and_then(|after| Some((after, until(after)?))) else { continue };
            if let Some(turn) = other.takes(until, sight) {
                let (follow, what) = match turn {
                    Turn::Failed => (after.fails, "failed or was stopped"),
                    Turn::CameAnew => (after.restarts, "was started anew"),
                };
                fates.push(Fate { follow, of: turn, reason: format!("{name} {what}") });
            }
        }
        let strongest = |follow| fates.iter().find(|fate: &&Fate| fate.follow == follow).cloned();
        strongest(Follow::Stop).or_else(|| strongest(Follow::Restart))
    }

    /// Whether everything is there.
    pub(super) fn outlook(&self) -> Outlook {
        let Some(named) = &self.named else { return Outlook::Unknown };
        for (place, after) in self.watched.iter().enumerate() {
            if until(after).is_some() && !named.iter().any(|other| other.place == place) {
                return Outlook::Hopeless(missing(&after.what));
            }
        }
        if let Some(other) = named.iter().find(|other| other.look == Look::At(Standing::Failed)) {
            return Outlook::Hopeless(format!("{} is not coming: it failed or was stopped", other.name));
        }
        if named.iter().any(|other| other.look == Look::NotYet) {
            return Outlook::Unknown;
        }
        match self.unmet() {
            unmet if unmet.is_empty() => Outlook::Met,
            unmet => Outlook::Unmet(unmet.into_iter().map(|(name, _)| name).collect()),
        }
    }

    /// Why the start is given up when the time for it is over.
    pub(super) fn timed_out(&self, after: Duration) -> String {
        let unmet: Vec<String> =
            self.unmet().into_iter().map(|(name, until)| format!("{name} was not {}", until.word())).collect();
        format!("{} within {}", list(&unmet), span(after))
    }

    /// What it waits for, in words.
    pub(super) fn waits_for(&self) -> String {
        let unmet: Vec<String> = self.unmet().into_iter().map(|(name, _)| name).collect();
        format!("waits for {}", list(&unmet))
    }

    /// What is not there, each once.
    fn unmet(&self) -> Vec<(String, Until)> {
        let mut unmet: Vec<(String, Until)> = Vec::new();
        for (place, after) in self.watched.iter().enumerate() {
            let Some(until) = until(after) else { continue };
            let of_it = self.named.iter().flatten().filter(|other| other.place == place);
            let missing: Vec<String> = match &self.named {
                None => vec![described(&after.what)],
                Some(_) => of_it.filter(|other| !other.is_met(until)).map(|other| other.name.clone()).collect(),
            };
            for name in missing {
                if !unmet.iter().any(|(known, _)| *known == name) {
                    unmet.push((name, until));
                }
            }
        }
        unmet
    }
}

impl Other {
    fn is_met(&self, until: Until) -> bool {
        match self.look {
            Look::NotYet | Look::Unguarded => false,
            Look::At(standing) => until.is_met(standing),
        }
    }

    /// Takes in how it is now. Only what was there can fail, and only what was there can come anew; between the two it may be on its
    /// way for long (its own restarts), which means nothing.
    fn takes(&mut self, until: Until, sight: Option<Sight>) -> Option<Turn> {
        self.look = sight.map_or(Look::Unguarded, |sight| Look::At(sight.standing));
        let Sight { standing, run } = sight?;
        if standing == Standing::Failed {
            return std::mem::take(&mut self.was_met).then_some(Turn::Failed);
        }
        if !until.is_met(standing) {
            return None;
        }
        self.was_met = true;
        let before = self.met_run.replace(run);
        before.is_some_and(|before| run > before).then_some(Turn::CameAnew)
    }
}

/// Why an entry that stands for nothing can't be waited for.
fn missing(what: &Awaited) -> String {
    match what {
        Awaited::Service(name, _) => format!("there is no service {name}"),
        Awaited::Group(name, _) => format!("no service is in group @{name}"),
        Awaited::Os(name) | Awaited::OsGroup(name) => format!("the system has no service {name}"),
    }
}

/// The first few, and how many more there are.
fn list(all: &[String]) -> String {
    let told: Vec<&str> = all.iter().take(NAMES_TOLD).map(String::as_str).collect();
    match all.len().saturating_sub(told.len()) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// `5m`, `90s`, `1500ms`: the largest unit that is whole.
fn span(span: Duration) -> String {
    let millis = span.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.iter().find(|(size, _)| millis >= *size && millis.is_multiple_of(*size));
    whole.map_or_else(|| format!("{millis}ms"), |(size, unit)| format!("{}{unit}", millis / size))
}
