//! Tables and properties of the order between services.

use proptest::prelude::*;

use super::*;

/// `web: db cache, db: disk`.
fn graph(text: &str) -> Graph {
    Graph::new(text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(|one| {
        let (name, after) = one.split_once(':').unwrap_or((one, ""));
        (name.to_owned(), after.split_whitespace().map(str::to_owned).collect())
    }))
}

fn names(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn rings_are_found_and_told_as_a_way_back_to_the_first() {
    for (text, ring) in [
        ("", None),
        ("web: db, db: disk", None),
        ("web: db cache, db: disk, cache: disk", None),
        ("web: web", Some("web web")),
        ("web: db, db: web", Some("db web db")),
        ("a: b, b: c, c: d, d: b", Some("b c d b")),
        ("a: x y, x: z, y: z, z: y", Some("z y z")),
        ("a: b, c: d, d: e, e: c", Some("c d e c")),
        ("web: missing", None),
    ] {
        let found = graph(text).cycle().map(|ring| ring.join(" "));
        assert_eq!(found.as_deref(), ring, "{text}");
    }
}

#[test]
fn levels_hold_what_can_start_together() {
    for (text, among, levels) in [
        ("web: db cache, db: disk, cache: disk, disk, other", "web db cache disk other", "disk other|cache db|web"),
        ("web: db, db: disk, disk", "web disk", "disk|web"),
        ("web: db", "web", "web"),
        ("web: db", "web db", "db|web"),
        ("a: b, b: a, c: a, d", "a b c d", "d|a b c"),
        ("web: web", "web", "web"),
        ("web: db", "", ""),
    ] {
        let found: Vec<String> = graph(text).levels(&names(among)).iter().map(|level| level.join(" ")).collect();
        assert_eq!(found.join("|"), levels, "{text} among {among}");
    }
}

#[test]
fn the_critical_chain_is_the_one_that_took_longest() {
    for (text, times, chain) in [
        ("web: db cache, db: disk, cache: disk, disk", "web 1 db 5 cache 2 disk 3", "disk 3, db 5, web 1"),
        ("web: db cache, db: disk, cache: disk, disk", "web 1 db 5 cache 50 disk 3", "disk 3, cache 50, web 1"),
        ("web: db cache, db, cache", "web 1 db 2 cache 2", "cache 2, web 1"),
        ("web: db, other", "web 1 db 2 other 9", "other 9"),
        ("web: db, db: disk, disk", "web 1 disk 9", "disk 9"),
        ("a: b, b: a, c", "a 5 b 5 c 1", "c 1"),
        ("a: a", "a 5", ""),
        ("a", "", ""),
    ] {
        let words: Vec<&str> = times.split_whitespace().collect();
        let times: BTreeMap<String, Duration> =
            words.chunks(2).map(|pair| (pair[0].to_owned(), Duration::from_secs(pair[1].parse().unwrap()))).collect();
        let found: Vec<String> = graph(text)
            .critical_chain(&times)
            .iter()
            .map(|(name, time)| format!("{name} {}", time.as_secs()))
            .collect();
        assert_eq!(found.join(", "), chain, "{text}");
    }
}

#[test]
fn dependents_are_those_directly_after() {
    let graph = graph("web: db, job: db, front: web, db");
    assert_eq!(graph.dependents_of("db"), ["job", "web"]);
    assert!(graph.dependents_of("front").is_empty() && graph.dependents_of("missing").is_empty());
}

fn any_graph() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    prop::collection::vec((0u8..12, prop::collection::vec(0u8..12, 0..4)), 0..12)
}

fn built(services: &[(u8, Vec<u8>)]) -> Graph {
    let name = |number: &u8| format!("s{number:02}");
    Graph::new(services.iter().map(|(number, after)| (name(number), after.iter().map(name).collect())))
}

proptest! {
    #[test]
    fn a_ring_is_one_and_without_one_levels_are_in_order(services in any_graph()) {
        let graph = built(&services);
        let all: BTreeSet<String> = graph.after.keys().cloned().collect();
        let levels = graph.levels(&all);
        let flat: Vec<&String> = levels.iter().flatten().collect();
        prop_assert_eq!(flat.iter().copied().collect::<BTreeSet<_>>(), all.iter().collect());
        prop_assert_eq!(flat.len(), all.len());
        match graph.cycle() {
            Some(ring) => {
                prop_assert!(ring.len() > 1 && ring.first() == ring.last());
                for pair in ring.windows(2) {
                    prop_assert!(graph.after[&pair[0]].contains(&pair[1]));
                }
            }
            None => {
                for (index, level) in levels.iter().enumerate() {
                    for name in level {
                        for other in graph.after[name].iter().filter(|other| all.contains(*other)) {
                            prop_assert!(levels[..index].iter().any(|level| level.contains(other)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_step_of_a_critical_chain_could_be_replaced_by_a_longer_one(services in any_graph(), times in prop::collection::vec(0u64..9, 12)) {
        let graph = built(&services);
        let durations: BTreeMap<String, Duration> =
            graph.after.keys().zip(&times).map(|(name, secs)| (name.clone(), Duration::from_secs(*secs))).collect();
        let chain = graph.critical_chain(&durations);
        for pair in chain.windows(2) {
            prop_assert!(graph.after[&pair[1].0].contains(&pair[0].0));
        }
        let total: Duration = chain.iter().map(|(_, time)| *time).sum();
        if graph.cycle().is_none() {
            // Every way of two or three steps is no longer.
            for (name, after) in &graph.after {
                for other in after.iter().filter(|other| durations.contains_key(*other)) {
                    prop_assert!(durations[name] + durations[other] <= total);
                }
            }
            prop_assert!(durations.values().all(|time| *time <= total));
        }
    }
}
