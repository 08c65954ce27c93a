//! `tree`: what comes after what, how far each has come, and what the last start waited for.

mod times;
mod twig;

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use mainstay_agent::client;
use mainstay_agent::order::{self, Before};
use mainstay_agent::services::Services;
use mainstay_wire::layout::base_name;
use mainstay_wire::spec::{After, Awaited};
use mainstay_wire::status::{ServiceStatus, State};
use serde_json::{Value, json};

use super::Context;
use super::select::{self, Names};
use crate::failure::Failure;
use crate::{glimpse, term};
use times::Times;
use twig::{Style, Twig};

/// What comes after what.
#[derive(Debug, Args)]
pub(crate) struct Tree {
    #[command(flatten)]
    names: Names,
    /// Under each service those that come after it, instead of those that it comes after.
    #[arg(long)]
    reverse: bool,
    /// The chain of services that the last start took longest for.
    #[arg(long, conflicts_with = "reverse")]
    times: bool,
    /// Lines of plain characters.
    #[arg(long)]
    ascii: bool,
}

impl Tree {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let services = select::services(context)?;
        let named = self.names.specs_of(&services)?;
        let statuses = client::statuses(&context.layout, &services.names()).await;
        let forest = Forest::new(&services, statuses, self.reverse);
        if context.json {
            let times = if self.times { Times::read(context, &services) } else { Times::default() };
            let all: Vec<Value> = named.iter().map(|base| forest.json(base, &times, self.times)).collect();
            anstream::println!("{}", serde_json::to_string_pretty(&all).unwrap_or_default());
            return Ok(());
        }
        let style = if self.ascii || !term::knows_lines() { Style::Ascii } else { Style::Lines };
        if self.times {
            let times = Times::read(context, &services);
            anstream::println!("{}", times.text(&order::graph(&services), &named, style));
            return Ok(());
        }
        let all = self.names.is_all();
        let roots = if all { forest.roots() } else { named };
        anstream::println!("{}", twig::text(&forest.grow(&roots), style));
        for ring in order::rings(&services) {
            context.warn(&order::ring_text(&ring));
        }
        Ok(())
    }
}

/// All services and how they are, looked at in one direction.
struct Forest<'s> {
    services: &'s Services,
    /// Of each spec, by instance.
    statuses: BTreeMap<String, Vec<ServiceStatus>>,
    /// Which specs come directly after each.
    dependents: BTreeMap<String, Vec<String>>,
    reverse: bool,
}

impl<'s> Forest<'s> {
    fn new(services: &'s Services, all: Vec<ServiceStatus>, reverse: bool) -> Self {
        let mut statuses: BTreeMap<String, Vec<ServiceStatus>> = BTreeMap::new();
        for status in all {
            statuses.entry(base_name(&status.name).0.to_owned()).or_default().push(status);
        }
        let mut dependents: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for own in services.specs() {
            for before in order::after_names(services, own) {
                dependents.entry(before).or_default().push(own.to_owned());
            }
        }
        Self { services, statuses, dependents, reverse }
    }

    /// Services that no other one stands above, and one of each ring that nothing else leads to.
    fn roots(&self) -> Vec<String> {
        let is_top = |base: &&str| {
            if self.reverse {
                order::after_names(self.services, base).is_empty()
            } else {
                self.dependents_of(base).is_empty()
            }
        };
        let mut roots: Vec<String> = self.services.specs().filter(is_top).map(str::to_owned).collect();
        let mut reached: BTreeSet<String> = BTreeSet::new();
        roots.iter().for_each(|root| self.reach(root, &mut reached));
        for base in self.services.specs() {
            if !reached.contains(base) {
                roots.push(base.to_owned());
                self.reach(base, &mut reached);
            }
        }
        roots
    }

    fn reach(&self, from: &str, reached: &mut BTreeSet<String>) {
        let mut ahead = vec![from.to_owned()];
        while let Some(base) = ahead.pop() {
            if reached.insert(base.clone()) {
                let next = order::after_names(self.services, &base);
                ahead.extend(if self.reverse { self.dependents_of(&base).to_vec() } else { next });
            }
        }
    }

    fn dependents_of(&self, base: &str) -> &[String] {
        self.dependents.get(base).map_or(&[], Vec::as_slice)
    }

    fn grow(&self, roots: &[String]) -> Vec<Twig> {
        let mut shown = BTreeSet::new();
        roots.iter().map(|root| self.service(root, "", &mut Vec::new(), &mut shown)).collect()
    }

    /// A service and what is below it; a second time only its name, so that the tree stays as small as what it shows.
    fn service(&self, base: &str, how: &str, path: &mut Vec<String>, shown: &mut BTreeSet<String>) -> Twig {
        let name = format!("{base}{how}");
        if path.iter().any(|above| above == base) {
            return Twig::leaf(name, term::warned("waits for itself"));
        }
        let below =
            if self.reverse { !self.dependents_of(base).is_empty() } else { self.entries(base).next().is_some() };
        if !shown.insert(base.to_owned()) && below {
            return Twig::leaf(name, format!("{}  (as above)", self.summary(base)));
        }
        path.push(base.to_owned());
        let below = if self.reverse {
            self.dependents_of(base).iter().map(|one| self.service(one, "", path, shown)).collect()
        } else {
            self.entries(base).map(|after| self.entry(after, path, shown)).collect()
        };
        path.pop();
        Twig { name, details: self.details(base), below }
    }

    fn entries(&self, base: &str) -> impl Iterator<Item = &After> {
        self.services.spec(base).into_iter().flat_map(|spec| &spec.after)
    }

    fn entry(&self, after: &After, path: &mut Vec<String>, shown: &mut BTreeSet<String>) -> Twig {
        let text = order::entry_text(&after.what);
        match (order::before(self.services, after), &after.what) {
            (Before::System, _) => Twig::leaf(text, "of the system".to_owned()),
            (Before::Nobody, Awaited::Group(..)) => Twig::leaf(text, term::warned("nobody is in this group")),
            (Before::Nobody, _) => Twig::leaf(text, term::warned("there is no such service")),
            (Before::Services(members), Awaited::Group(..)) => {
                let below = members.iter().map(|member| self.service(member, "", path, shown)).collect();
                Twig { name: text, details: String::new(), below }
            }
            (Before::Services(found), _) => {
                let how = text.find(':').and_then(|colon| text.get(colon..)).unwrap_or_default();
                // One entry that is no group names one service.
                found
                    .first()
                    .map_or_else(|| Twig::leaf(text.clone(), String::new()), |one| self.service(one, how, path, shown))
            }
        }
    }

    fn details(&self, base: &str) -> String {
        let groups = self.services.groups_of(base).iter().map(|group| format!("@{group}"));
        let notes = self.statuses.get(base).into_iter().flatten().filter(|status| status.guard_pid.is_some());
        let note = notes.filter_map(|status| glimpse::reason(status).map(str::to_owned)).next();
        let bad = self.services.spec(base).is_none().then(|| term::warned("its spec is bad"));
        let parts = [self.summary(base)].into_iter().chain(groups).chain(note).chain(bad);
        parts.collect::<Vec<_>>().join("  ")
    }

    /// `up (ready)`, or of instances `3 instances: 2 up (ready), 1 backoff`.
    fn summary(&self, base: &str) -> String {
        let Some(statuses) = self.statuses.get(base) else { return String::new() };
        if let ([one], None) = (statuses.as_slice(), self.services.count(base)) {
            return stand(one);
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for status in statuses {
            *counts.entry(stand(status)).or_default() += 1;
        }
        let counts: Vec<String> = match counts.len() {
            1 => counts.into_keys().collect(),
            _ => counts.into_iter().map(|(stand, count)| format!("{count} {stand}")).collect(),
        };
        let count = statuses.len();
        format!("{count} instance{}: {}", if count == 1 { "" } else { "s" }, counts.join(", "))
    }

    fn json(&self, base: &str, times: &Times, timed: bool) -> Value {
        let empty = Vec::new();
        let instances: Vec<Value> = self
            .statuses
            .get(base)
            .unwrap_or(&empty)
            .iter()
            .map(|status| json!({ "name": status.name, "state": status.state, "standing": status.standing, "note": status.note }))
            .collect();
        let after: Vec<Value> = self.entries(base).map(|after| self.json_entry(after)).collect();
        let mut all = json!({
            "name": base,
            "groups": self.services.groups_of(base),
            "instances": instances,
            "after": after,
            "before": self.dependents_of(base),
        });
        if let Some(object) = all.as_object_mut().filter(|_| timed) {
            object.insert("times".to_owned(), times.json(&order::graph(self.services), base));
        }
        all
    }

    fn json_entry(&self, after: &After) -> Value {
        let services = match order::before(self.services, after) {
            Before::Services(found) => Some(found),
            Before::Nobody => Some(Vec::new()),
            Before::System => None,
        };
        json!({ "entry": order::entry_text(&after.what), "services": services })
    }
}

/// The state, and how far it has come where the state does not say it.
fn stand(status: &ServiceStatus) -> String {
    let state = term::state(status.state);
    match status.state {
        State::Up | State::Starting | State::Paused => format!("{state} ({})", status.standing.word()),
        State::Down | State::Waiting | State::Skipped | State::Stopping => state,
        State::Backoff | State::Quarantined | State::Done => state,
    }
}

#[cfg(test)]
mod tests {
    use mainstay_wire::layout::Layout;

    use super::*;

    fn shown(specs: &[(&str, &str)], named: &[&str], reverse: bool) -> String {
        let services = specs
            .iter()
            .fold(Services::default(), |all, (name, text)| all.with(name, &format!("program = 'x'\n{text}")));
        let layout = Layout::home(std::path::Path::new("/nowhere/at/all"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let statuses = runtime.block_on(client::statuses(&layout, &services.names()));
        let forest = Forest::new(&services, statuses, reverse);
        let roots = if named.is_empty() { forest.roots() } else { named.iter().map(|n| (*n).to_owned()).collect() };
        anstream::adapter::strip_str(&twig::text(&forest.grow(&roots), Style::Ascii)).to_string()
    }

    const SHOP: &[(&str, &str)] = &[
        ("db", "groups = ['data']"),
        ("cache", "groups = ['data']\ninstances = 2"),
        ("api", "after = ['@data', 'os:Tcpip', 'nowhere']"),
        ("web", "after = ['api:started', 'db']"),
    ];

    #[test]
    fn under_each_stands_what_it_comes_after() {
        let expected = "\
web                     down
|- api:started          down
|  |- @data
|  |  |- cache          2 instances: down  @data
|  |  `- db             down  @data
|  |- os:Tcpip          of the system
|  `- nowhere           there is no such service
`- db                   down  @data";
        let shown = shown(SHOP, &[], false);
        let squeezed = |text: &str| {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(squeezed(&shown), squeezed(expected), "{shown}");
    }

    #[test]
    fn the_other_way_round_stands_who_needs_it() {
        let text = shown(SHOP, &["db"], true);
        let names: Vec<&str> = text.lines().map(|line| line.split(" down").next().unwrap().trim_end()).collect();
        assert_eq!(names, ["db", "|- api", "|  `- web", "`- web"], "{text}");
    }

    #[test]
    fn a_ring_ends_where_it_bites_itself() {
        let text = shown(&[("a", "after = ['b']"), ("b", "after = ['a']")], &[], false);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().last().unwrap().contains("waits for itself"), "{text}");
    }
}
