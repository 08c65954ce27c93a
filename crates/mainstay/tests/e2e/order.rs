//! What comes before what: starts, stops, and what follows from another's fate.

use std::fs;
use std::time::Duration;

use mainstay_wire::record::{Record, What};
use mainstay_wire::status::{Standing, State};

use crate::foreground::INTERRUPT;
use crate::world::{World, try_wait};

const READY: &str = "[ready]\nlog = 'ready'\n";

/// The moment of a record.
#[track_caller]
fn moment(world: &World, name: &str, wanted: impl Fn(&What) -> bool) -> u64 {
    let records = world.records(name);
    let found: Option<&Record> = records.iter().rev().find(|record| wanted(&record.what));
    found.unwrap_or_else(|| panic!("{name} has no such record\n{}", world.story())).mono
}

/// Three services, each after the next; their names sort the other way round.
fn chain(world: &World) -> [&'static str; 3] {
    let names = ["a-web", "m-api", "z-db"];
    let commands = ["on-stop", "sleep 100ms; print bye; exit 0", "sleep", "100ms", "print", "ready", "forever"];
    for (name, after) in names.iter().zip(["after = ['m-api']", "after = ['z-db']", ""]) {
        world.fixture(name, &commands, &format!("{after}\n{READY}{INTERRUPT}"));
    }
    names
}

#[test]
fn a_chain_starts_in_order_and_stops_in_reverse() {
    let mut world = World::new();
    let [web, api, db] = chain(&world);
    world.up();
    assert_eq!(world.until_up(web).standing, Standing::Ready);
    for (later, earlier) in [(web, api), (api, db)] {
        let ready = moment(&world, earlier, |what| matches!(what, What::Ready { .. }));
        let starting = moment(&world, later, |what| matches!(what, What::Starting { .. }));
        assert!(ready <= starting, "{earlier} is ready before {later} is started");
    }
    world.interrupt();
    assert_eq!(world.up_ended(), 0);
    for (earlier, later) in [(web, api), (api, db)] {
        let ended = moment(&world, earlier, |what| matches!(what, What::Exited { .. }));
        let asked = moment(&world, later, |what| matches!(what, What::Asked { .. }));
        assert!(ended <= asked, "{earlier} has ended before {later} is asked");
    }
    world.assert_no_orphan();
}

#[test]
fn orders_to_several_go_in_the_order_of_their_dependencies() {
    let mut world = World::new();
    let [web, api, db] = chain(&world);
    world.up();
    world.until_up(web);
    world.run(&["stop", "--all"]).fine();
    for (earlier, later) in [(web, api), (api, db)] {
        let down = moment(&world, earlier, |what| matches!(what, What::Down));
        let ordered = moment(&world, later, |what| matches!(what, What::Ordered { verb, .. } if verb == "stop"));
        assert!(down <= ordered, "{earlier} is down before {later} is told");
    }
    let said = world.run(&["start", web, api, db]).fine();
    assert!(said.contains("a-web: up") && said.contains("z-db: up"), "{said}");
    for (later, earlier) in [(web, api), (api, db)] {
        let ready = moment(&world, earlier, |what| matches!(what, What::Ready { .. }));
        assert!(ready <= moment(&world, later, |what| matches!(what, What::Starting { .. })));
    }
    world.run(&["restart", "--all"]).fine();
    let runs = [web, api, db].map(|name| world.look(name).unwrap().run);
    assert_eq!(runs, [3, 3, 3], "each was restarted once");
}

#[test]
fn a_start_says_what_it_waits_for() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    world.fixture("db", &["wait-for", &gate, "print", "ready", "forever"], READY);
    world.fixture("web", &["forever"], "after = ['db']");
    world.up();
    let waiting = world.until_state("web", State::Waiting);
    assert_eq!(
        (waiting.note.as_deref(), waiting.pid, waiting.standing),
        (Some("waits for db"), None, Standing::Pending)
    );
    let text = world.run(&["status"]).fine();
    assert!(text.lines().any(|line| line.starts_with("web") && line.contains("waits for db")), "{text}");
    let said = world.run(&["start", "web", "--timeout", "1s"]).failed(6);
    assert!(said.contains("cannot start web within 1s: it is waiting: waits for db"), "{said}");
    let now = world.run(&["start", "web", "--now"]).fine();
    assert!(now.contains("web: up"), "{now}");
    fs::write(&gate, "").unwrap();
    world.until_up("db");
    assert_eq!(world.look("web").unwrap().run, 1, "what runs already is left alone");
}

#[test]
fn what_comes_after_the_end_of_a_task_waits_for_it() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    world.fixture("migrate", &["wait-for", &gate, "exit", "0"], "kind = 'once'");
    world.fixture("web", &["forever"], "after = ['migrate:done']");
    world.fixture("early", &["forever"], "after = ['migrate:started']");
    world.up();
    world.until_up("early");
    world.until_state("web", State::Waiting);
    fs::write(&gate, "").unwrap();
    world.until_up("web");
    assert_eq!(world.look("migrate").unwrap().state, State::Done);
}

#[test]
fn a_dependency_that_fails_skips_what_comes_after_it_until_it_comes_good() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    let ready = format!("{READY}[restart]\non = 'never'\n");
    world.fixture("db", &["cat", &gate, "print", "ready", "forever"], &ready);
    world.fixture("web", &["forever"], "after = ['db']");
    world.up();
    let skipped = world.until_state("web", State::Skipped);
    assert_eq!((skipped.standing, skipped.run), (Standing::Failed, 0));
    let said = world.run(&["start", "web"]).failed(1);
    assert!(said.contains("cannot start web: skipped: db is not coming: it failed or was stopped"), "{said}");
    assert!(said.contains("starts by itself when that comes good"), "{said}");
    fs::write(&gate, "").unwrap();
    world.run(&["start", "db"]).fine();
    world.until_up("web");
}

#[test]
fn a_dependency_that_never_comes_is_not_waited_for_for_ever() {
    let mut world = World::new();
    world.fixture("db", &["forever"], READY);
    world.fixture("web", &["forever"], "after = ['db']\nafter-timeout = '300ms'");
    world.fixture("orphan", &["forever"], "after = ['nowhere']");
    world.up();
    let skipped = world.until_state("web", State::Skipped);
    assert_eq!(skipped.note.as_deref(), Some("skipped: db was not ready within 300ms"));
    let skipped = world.until_state("orphan", State::Skipped);
    assert_eq!(skipped.note.as_deref(), Some("skipped: there is no service nowhere"));
}

#[test]
fn what_follows_when_a_dependency_stops_or_restarts_is_as_the_spec_says() {
    let mut world = World::new();
    world.fixture("db", &["print", "ready", "forever"], READY);
    let after = |what: &str| format!("after = [{{ service = 'db', {what} }}]");
    world.fixture("keeper", &["forever"], &after("fails = 'keep'"));
    world.fixture("stopper", &["forever"], &after("fails = 'stop'"));
    world.fixture("follower", &["forever"], &after("fails = 'restart'"));
    world.fixture("fresh", &["forever"], &after("restarts = 'restart'"));
    world.up();
    let all = ["keeper", "stopper", "follower", "fresh"];
    all.iter().for_each(|name| drop(world.until_up(name)));

    world.run(&["restart", "db"]).fine();
    world.until_up_after("fresh", 1);
    let others = ["keeper", "stopper", "follower"].map(|name| world.look(name).unwrap().run);
    assert_eq!(others, [1, 1, 1], "a restart is no failure");

    world.run(&["stop", "db"]).fine();
    world.until_state("stopper", State::Down);
    world.until("follower", "waits for it", |status| matches!(status.state, State::Waiting | State::Skipped));
    assert_eq!(world.look("keeper").unwrap().state, State::Up);
    world.run(&["start", "db"]).fine();
    world.until_up_after("follower", 1);
    world.until_up_after("fresh", 2);
    assert_eq!((world.look("keeper").unwrap().run, world.look("stopper").unwrap().state), (1, State::Down));
}

#[test]
fn services_that_wait_for_each_other_are_refused_with_the_path() {
    let mut world = World::new();
    world.fixture("a", &["forever"], "after = ['b']");
    world.fixture("b", &["forever"], "after = ['c:started']");
    world.fixture("c", &["forever"], "after = ['a']");
    world.fixture("free", &["forever"], "");
    world.up();
    world.until_up("free");
    world.wait("`up` names the ring", || world.up_said().contains("(a → b → c → a)").then_some(()));
    assert!(["a", "b", "c"].iter().all(|name| world.holder(name).is_none()), "none of them is guarded");
    let shown = world.run(&["tree", "a", "--ascii"]);
    assert!(shown.stdout.contains("waits for itself") && shown.stderr.contains("(a → b → c → a)"), "{shown:?}");
    let said = world.run(&["validate", "a"]).failed(1);
    assert!(said.contains("(a → b → c → a)"), "{said}");
    let said = world.run(&["set", "free", "after=[\"free2\", \"a\"]"]);
    assert_eq!(said.code, 0, "who comes after a ring is not part of it: {said:?}");
    assert!(world.run(&["validate", "free"]).stderr.contains("there is no service free2"));
    // Mended, they start.
    world.fixture("c", &["forever"], "");
    world.until_up("a");
}

#[test]
fn a_group_is_ordered_as_one() {
    let mut world = World::new();
    world.fixture("api", &["forever"], "groups = ['shop']\nafter = ['@data']");
    world.fixture("web", &["forever"], "groups = ['shop', 'front']\nafter = ['api']");
    world.fixture("db", &["print", "ready", "forever"], &format!("groups = ['data']\n{READY}"));
    world.up();
    world.until_up("web");
    assert_eq!(world.json(&["status", "@shop"]).as_array().unwrap().len(), 2);
    world.run(&["stop", "@shop"]).fine();
    assert_eq!(["api", "web", "db"].map(|name| world.look(name).unwrap().state), [State::Down, State::Down, State::Up]);
    world.run(&["start", "@shop"]).fine();
    assert_eq!(world.look("web").unwrap().state, State::Up);
    let said = world.run(&["stop", "@shp"]).failed(4);
    assert!(said.contains("no service is in group `@shp`; did you mean `@shop`?"), "{said}");
}

#[test]
fn a_tree_shows_what_comes_after_what() {
    let mut world = World::new();
    world.fixture("db", &["sleep", "200ms", "print", "ready", "forever"], &format!("groups = ['data']\n{READY}"));
    world.fixture("api", &["print", "ready", "forever"], &format!("after = ['@data']\n{READY}"));
    world.fixture("web", &["forever"], "after = ['api:started', 'nowhere:started']\nafter-timeout = '1s'");
    world.fixture("alone", &["forever"], "");
    world.up();
    world.until_up("api");
    world.until_up("alone");
    let text = world.run(&["tree", "--ascii"]).fine();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let starts = ["alone ", "web ", "|- api:started ", "|  `- @data", "|     `- db ", "`- nowhere:started "];
    assert_eq!(lines.len(), starts.len(), "{text}");
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{text}");
    assert!(text.contains("up (ready)  @data") && text.contains("there is no such service"), "{text}");
    let reverse = world.run(&["tree", "--ascii", "--reverse", "db"]).fine();
    let starts = ["db ", "`- api ", "   `- web "];
    assert!(
        reverse.lines().count() == 3 && reverse.lines().zip(starts).all(|(line, start)| line.starts_with(start)),
        "{reverse}"
    );

    let times = world.run(&["tree", "--ascii", "--times", "api"]).fine();
    let lines: Vec<&str> = times.lines().collect();
    assert!(
        lines[0].starts_with("api was ready ") && lines[1].starts_with("api ") && lines[2].starts_with("`- db "),
        "{times}"
    );
    let json = world.json(&["tree", "--times", "api"]);
    assert_eq!(json[0]["times"]["chain"], serde_json::json!(["db", "api"]), "{json}");
    assert!(json[0]["times"]["waited_ms"].as_u64().unwrap() >= 150, "{json}");
    assert_eq!(json[0]["after"], serde_json::json!([{ "entry": "@data", "services": ["db"] }]));
    assert_eq!(json[0]["before"], serde_json::json!(["web"]));
}

#[test]
fn a_stop_in_order_is_hurried_by_a_second_signal() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    let stop = format!("print stopping; wait-for '{gate}'; exit 0");
    let commands = ["on-stop", &stop, "print", "ready", "forever"];
    world.fixture("db", &commands, INTERRUPT);
    world.fixture("web", &commands, &format!("after = ['db']\n{INTERRUPT}"));
    world.up();
    world.until_printed("web", "ready");
    world.until_printed("db", "ready");
    world.interrupt();
    world.until_printed("web", "stopping");
    world.until("db", "waits for web", |status| {
        status.note.as_deref() == Some("waits for 1 service that comes after it")
    });
    let early =
        try_wait(Duration::from_millis(300), || world.printed("db").iter().any(|l| l == "stopping").then_some(()));
    assert_eq!(early, None);
    world.interrupt();
    world.until_printed("db", "stopping");
    fs::write(&gate, "").unwrap();
    assert_eq!(world.up_ended(), 0);
}
