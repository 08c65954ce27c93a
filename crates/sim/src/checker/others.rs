//! What the machine was told of other services, kept apart from what it makes of it.

use std::collections::BTreeMap;

use mainstay_core::event::Event;
use mainstay_core::spec::{After, Awaited, Until};
use mainstay_core::status::Standing;

/// The list that is watched and what was told of it.
#[derive(Debug, Default)]
pub(super) struct Others {
    watched: Vec<After>,
    named: Vec<(usize, String)>,
    seen: BTreeMap<String, Option<Standing>>,
}

impl Others {
    pub(super) fn watch(&mut self, list: &[After]) {
        *self = Self { watched: list.to_vec(), ..Self::default() };
    }

    pub(super) fn is_watching(&self) -> bool {
        !self.watched.is_empty()
    }

    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Awaiting(list) => {
                self.named.clone_from(list);
                self.seen.retain(|name, _| list.iter().any(|(_, known)| known == name));
            }
            Event::Seen(name, sight) if self.named.iter().any(|(_, known)| known == name) => {
                self.seen.insert(name.clone(), sight.map(|sight| sight.standing));
            }
            _ => {}
        }
    }

    /// Something of this list that is not there.
    pub(super) fn unmet(&self, after: &[After]) -> Option<String> {
        let awaited = awaited(after);
        if !awaited.is_empty() && self.watched != after {
            return Some("what nobody has looked at".into());
        }
        for (place, until) in awaited {
            let mut names = self.named.iter().filter(|(of, _)| *of == place).map(|(_, name)| name).peekable();
            if names.peek().is_none() {
                return Some(format!("anything for entry {place}"));
            }
            let met =
                |name: &String| self.seen.get(name).copied().flatten().is_some_and(|standing| is_met(until, standing));
            if let Some(name) = names.find(|name| !met(name)) {
                return Some(name.clone());
            }
        }
        None
    }
}

/// The entries that are waited for.
pub(super) fn awaited(after: &[After]) -> Vec<(usize, Until)> {
    let until = |after: &After| match &after.what {
        Awaited::Service(_, until) | Awaited::Group(_, until) => Some(*until),
        Awaited::Os(_) => Some(Until::Started),
        Awaited::OsGroup(_) => None,
    };
    after.iter().enumerate().filter_map(|(place, after)| Some((place, until(after)?))).collect()
}

fn is_met(until: Until, standing: Standing) -> bool {
    match (until, standing) {
        (_, Standing::Failed | Standing::Pending) => false,
        (_, Standing::Done) | (Until::Started | Until::Ready, Standing::Ready) => true,
        (Until::Started, Standing::Started) => true,
        (Until::Ready | Until::Done, Standing::Started) | (Until::Done, Standing::Ready) => false,
    }
}
