//! What comes before what among the services of a home, and what is wrong with that.
//!
//! Everything here speaks of specs: the instances of one are one service, since whoever comes after it comes after all of them.

use std::collections::{BTreeMap, BTreeSet};

pub use mainstay_core::graph::Graph;
use mainstay_core::spec::{After, Awaited, Until};
use mainstay_wire::layout::base_name;
use mainstay_wire::spec::nearest;

use crate::services::Services;

/// One entry of `after`, as far as other services of the home are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Services: the one named, or those of a group.
    Services(Vec<String>),
    /// It names a service that has no spec, or a group that nobody is in.
    Nobody,
    /// A service, group or target of the OS's service manager.
    System,
}

/// What an entry of `after` means. (One that means the service itself is refused when its spec is read.)
#[must_use]
pub fn before(services: &Services, after: &After) -> Before {
    let found: Vec<String> = match &after.what {
        // One instance of a service may be meant alone.
        Awaited::Service(name, _) => {
            let base = base_name(name).0;
            let is_there = services.text(base).is_some() && (base == name || services.of(base).contains(name));
            if is_there { vec![base.to_owned()] } else { Vec::new() }
        }
        Awaited::Group(group, _) => services.group(group).into_iter().map(str::to_owned).collect(),
        Awaited::Os(_) | Awaited::OsGroup(_) => return Before::System,
    };
    if found.is_empty() { Before::Nobody } else { Before::Services(found) }
}

/// An entry of `after` as it stands in a spec: `database`, `@cache:started`, `os:Tcpip`.
#[must_use]
pub fn entry_text(what: &Awaited) -> String {
    let until = |until: &Until| match until {
        Until::Started => ":started",
        Until::Ready => "",
        Until::Done => ":done",
    };
    match what {
        Awaited::Service(name, how) => format!("{name}{}", until(how)),
        Awaited::Group(name, how) => format!("@{name}{}", until(how)),
        Awaited::Os(name) => format!("os:{name}"),
        Awaited::OsGroup(name) => format!("os-group:{name}"),
    }
}

/// Which spec's services come after which. A spec that can't be read comes after nothing.
#[must_use]
pub fn graph(services: &Services) -> Graph {
    Graph::new(edges(services))
}

fn edges(services: &Services) -> BTreeMap<String, Vec<String>> {
    services.specs().map(|own| (own.to_owned(), after_names(services, own))).collect()
}

/// The specs whose services `own` comes directly after.
#[must_use]
pub fn after_names(services: &Services, own: &str) -> Vec<String> {
    // Only a text that speaks of it needs to be understood.
    if !services.text(own).is_some_and(|text| text.contains("after")) {
        return Vec::new();
    }
    let entries = services.spec(own).map_or(&[][..], |spec| &spec.after);
    let mut names: Vec<String> = Vec::new();
    for after in entries {
        match before(services, after) {
            Before::Services(found) => names.extend(found),
            Before::Nobody | Before::System => {}
        }
    }
    names.sort();
    names.dedup();
    names
}

/// The services of `names` in the order of their start, level by level; a stop takes them in reverse. Instances of one service are of
/// one level.
#[must_use]
pub fn levels(services: &Services, names: &[String]) -> Vec<Vec<String>> {
    if names.len() < 2 {
        return if names.is_empty() { Vec::new() } else { vec![names.to_vec()] };
    }
    let bases: BTreeSet<String> = names.iter().map(|name| base_name(name).0.to_owned()).collect();
    let levels = graph(services).levels(&bases);
    let of_level = |level: Vec<String>| {
        let in_level = |name: &&String| level.iter().any(|base| base == base_name(name).0);
        names.iter().filter(in_level).cloned().collect()
    };
    levels.into_iter().map(of_level).collect()
}

/// Services that wait for each other: each of these rings, its first name again as its last. None of them could ever start.
#[must_use]
pub fn rings(services: &Services) -> Vec<Vec<String>> {
    let mut edges = edges(services);
    let mut rings = Vec::new();
    while let Some(ring) = Graph::new(edges.clone()).cycle() {
        edges.retain(|name, _| !ring.contains(name));
        rings.push(ring);
    }
    rings
}

/// What may be a mistake in `after` of the spec of `name`: services without a spec, groups that nobody is in. They may still come.
#[must_use]
pub fn warnings(services: &Services, name: &str) -> Vec<String> {
    let own = base_name(name).0;
    let entries = services.spec(own).map_or(&[][..], |spec| &spec.after);
    let nobody = entries.iter().filter(|after| before(services, after) == Before::Nobody);
    nobody.map(|after| nobody_text(services, own, &after.what)).collect()
}

/// `a → b → a`, in words that say what to do.
#[must_use]
pub fn ring_text(ring: &[String]) -> String {
    format!(
        "cannot start {}: each waits for the next ({}); take one of them out of `after`",
        if ring.len() > 2 { "these services" } else { "this service" },
        ring.join(" → ")
    )
}

fn nobody_text(services: &Services, own: &str, what: &Awaited) -> String {
    let (text, near) = match what {
        Awaited::Service(name, _) => {
            let near = nearest(name, services.specs()).map(str::to_owned);
            (format!("{own} comes after {name}, but there is no service {name}"), near)
        }
        Awaited::Group(group, _) => {
            let groups = services.specs().flat_map(|base| services.groups_of(base)).map(String::as_str);
            let near = nearest(group, groups).map(|near| format!("@{near}"));
            (format!("{own} comes after @{group}, but no service is in that group"), near)
        }
        Awaited::Os(name) | Awaited::OsGroup(name) => (format!("{own} comes after {name}"), None),
    };
    text + &near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(specs: &[(&str, &str)]) -> Services {
        specs.iter().fold(Services::default(), |all, (name, text)| all.with(name, &format!("program = 'x'\n{text}")))
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn levels_keep_instances_together() {
        let all = services(&[
            ("db", ""),
            ("api", "after = ['db']\ninstances = 2"),
            ("web", "after = ['api:started']"),
            ("alone", ""),
        ]);
        let levels = super::levels(&all, &all.names());
        assert_eq!(levels, [names(&["alone", "db"]), names(&["api@1", "api@2"]), names(&["web"])]);
        let some = super::levels(&all, &names(&["web", "db"]));
        assert_eq!(some, [names(&["db"]), names(&["web"])], "also by way of what is not meant");
    }

    #[test]
    fn every_ring_is_found_and_named() {
        let all = services(&[
            ("a", "after = ['b']"),
            ("b", "after = ['c:started']"),
            ("c", "after = ['a']"),
            ("d", "after = ['a']"),
            ("x", "after = ['@right']\ngroups = ['left']"),
            ("y", "after = ['@left']\ngroups = ['right']"),
        ]);
        let rings = rings(&all);
        assert_eq!(rings, [names(&["a", "b", "c", "a"]), names(&["x", "y", "x"])]);
        let text = ring_text(rings.first().unwrap());
        assert!(text.starts_with("cannot start") && text.contains("a → b → c → a"), "{text}");
    }

    #[test]
    fn one_instance_alone_may_be_meant() {
        let all = services(&[("db", "instances = 2"), ("api", "after = ['db@2']"), ("web", "after = ['db@3']")]);
        assert_eq!((after_names(&all, "api"), after_names(&all, "web")), (names(&["db"]), Vec::new()));
    }

    #[test]
    fn what_is_not_there_is_a_warning_with_the_nearest_name() {
        let all = services(&[("web", "after = ['databse', '@cach', 'os:Tcpip']"), ("database", "groups = ['cache']")]);
        assert_eq!(
            warnings(&all, "web"),
            [
                "web comes after databse, but there is no service databse; did you mean `database`?",
                "web comes after @cach, but no service is in that group; did you mean `@cache`?",
            ]
        );
        assert!(warnings(&all, "database").is_empty());
    }
}
