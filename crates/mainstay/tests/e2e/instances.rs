//! Several of one service, and what is told to living programs: pause, continue, lines for standard input.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::world::{World, fixture, go_server, list, quoted, text_of, try_wait};

/// So many ports in a row that nobody listens on.
fn free_ports(count: u16) -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..200)
        .map(|_| crate::world::free_port())
        .find(|first| (*first..first + count).all(is_free))
        .expect("free ports in a row")
}

/// Go servers, each on its own port.
fn servers(world: &World, count: u16, instances: u16) -> u16 {
    let first = free_ports(count);
    let text = format!(
        "program = {}\nargs = {}\ninstances = {instances}\nports = '{first}-{}'\n[ready]\nhttp = 'http://127.0.0.1:${{MAINSTAY_PORT}}/health'\nevery = '20ms'\n",
        quoted(&text_of(&go_server())),
        list(&["--port", "${MAINSTAY_PORT}"]),
        first + count - 1,
    );
    world.spec("web", &text);
    first
}

#[test]
fn each_instance_has_a_number_a_port_a_guard_and_a_log_of_its_own() {
    let mut world = World::new();
    let commands = ["env", "MAINSTAY_INSTANCE", "env", "MAINSTAY_PORT", "print", "arg ${MAINSTAY_INSTANCE}", "forever"];
    world.fixture("web", &commands, "instances = 3\nports = '9001-9003'");
    world.up();
    for number in 1..=3 {
        let name = format!("web@{number}");
        let status = world.until_up(&name);
        assert_eq!((status.name.as_str(), status.instance), (name.as_str(), Some(number)));
        world.until_printed(&name, &format!("arg {number}"));
        let expected = [format!("MAINSTAY_INSTANCE={number}"), format!("MAINSTAY_PORT=900{number}")];
        assert_eq!(world.printed(&name)[..2], expected);
    }
    assert!(world.holder("web").is_none(), "there is no service under the plain name");
    let names: Vec<String> = world
        .json(&["status", "web"])
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["web@1", "web@2", "web@3"]);
    assert_eq!(world.json(&["list"])[0]["instances"], 3);
    world.run(&["stop", "web@2"]).fine();
    assert_eq!([1, 2, 3].map(|n| world.look(&format!("web@{n}")).unwrap().state), [State::Up, State::Down, State::Up]);
    let said = world.run(&["stop", "web@4"]).failed(4);
    assert!(said.contains("there is no service `web@4`; did you mean `web@"), "{said}");
}

#[test]
fn a_service_may_come_after_all_instances_or_after_one() {
    let mut world = World::new();
    let gate = world.text_path("gate-${MAINSTAY_INSTANCE}");
    world.fixture("db", &["wait-for", &gate, "print", "ready", "forever"], "instances = 2\n[ready]\nlog = 'ready'");
    world.fixture("all", &["forever"], "after = ['db']");
    world.fixture("one", &["forever"], "after = ['db@2']");
    world.up();
    assert_eq!(world.until_state("all", State::Waiting).note.as_deref(), Some("waits for db@1, db@2"));
    fs::write(world.path("gate-2"), "").unwrap();
    world.until_up("one");
    assert_eq!(world.until_state("all", State::Waiting).run, 0);
    fs::write(world.path("gate-1"), "").unwrap();
    world.until_up("all");
}

#[test]
fn a_service_is_scaled_up_and_down_while_the_others_go_on() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "instances = 2\nports = '9001-9004'");
    world.up();
    let before = ["web@1", "web@2"].map(|name| world.until_up(name).pid);
    let said = world.run(&["scale", "web", "4"]).fine();
    assert!(said.contains("web@3: up") && said.contains("web: has 4 instances now"), "{said}");
    assert_eq!(world.look("web@4").unwrap().state, State::Up);
    let too_many = world.run(&["scale", "web", "5"]).failed(1);
    assert!(too_many.contains("too few for 5 instances"), "{too_many}");
    let third = world.guard("web@3");
    let said = world.run(&["scale", "web", "2"]).fine();
    assert!(said.contains("web@4: gone") && said.contains("web@3: gone"), "{said}");
    assert!(!third.lives());
    assert_eq!(["web@1", "web@2"].map(|name| world.look(name).unwrap().pid), before, "the others went on");
    assert_eq!(world.run(&["get", "web", "instances"]).fine().trim(), "2");
    let same = world.run(&["scale", "web", "2"]).fine();
    assert!(same.contains("has 2 instances already"), "{same}");
    let said = world.run(&["scale", "web@1", "3"]).failed(2);
    assert!(said.contains("cannot scale web@1: it is one of several"), "{said}");
}

#[test]
fn a_plain_service_becomes_instances_in_order() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    world.up();
    let plain = world.until_up("web");
    let done = world.run(&["scale", "web", "2"]);
    assert!(done.stderr.contains("web ends; web@1 to web@2 takes its place"), "{done:?}");
    let said = done.fine();
    assert!(said.contains("web: gone") && said.contains("web@1: up") && said.contains("web@2: up"), "{said}");
    let gone = world.records("web").last().unwrap().mono;
    let begun = world.records("web@1").iter().find(|r| matches!(r.what, What::Starting { .. })).unwrap().mono;
    assert!(gone <= begun, "the plain one has gone before its instances begin");
    assert!(world.holder("web").is_none() && plain.run == 1);
}

#[test]
fn a_restart_of_instances_takes_one_after_the_other() {
    let mut world = World::new();
    servers(&world, 4, 4);
    world.up();
    let names: Vec<String> = (1..=4).map(|n| format!("web@{n}")).collect();
    names.iter().for_each(|name| drop(world.until_up(name)));
    let said = world.run(&["restart", "web"]).fine();
    assert_eq!(said.lines().count(), 4, "{said}");
    let span = |name: &String| {
        let records = world.records(name);
        let at = |wanted: &dyn Fn(&What) -> bool| records.iter().rev().find(|r| wanted(&r.what)).unwrap().mono;
        let ordered = at(&|what| matches!(what, What::Ordered { verb, .. } if verb == "restart"));
        (ordered, at(&|what| matches!(what, What::Ready { run: 2, .. })))
    };
    let spans: Vec<(u64, u64)> = names.iter().map(span).collect();
    assert!(spans.windows(2).all(|two| two[0].1 <= two[1].0), "never two at a time: {spans:?}");

    let said = world.run(&["restart", "--no-wait", "web"]).failed(2);
    assert!(said.contains("one after the other without waiting"), "{said}");
    world.run(&["restart", "--all-at-once", "web"]).fine();
    assert!(names.iter().all(|name| world.look(name).unwrap().run == 3));
}

#[test]
fn a_restart_that_fails_leaves_the_other_instances_alone() {
    let mut world = World::new();
    let gate = world.path("gate");
    fs::write(&gate, "").unwrap();
    let rest = "instances = 3\n[restart]\non = 'never'\n[ready]\nlog = 'ready'\n";
    world.fixture("web", &["cat", &text_of(&gate), "print", "ready", "forever"], rest);
    world.up();
    let before: Vec<_> = (1..=3).map(|n| world.until_up(&format!("web@{n}")).pid).collect();
    fs::remove_file(&gate).unwrap();
    let said = world.run(&["restart", "web"]).failed(1);
    assert!(said.contains("cannot restart web@1: it is done after exit code 2"), "{said}");
    assert!(said.contains("web@2, web@3 left as before"), "{said}");
    let after = [2, 3].map(|n| world.look(&format!("web@{n}")).unwrap().pid);
    assert_eq!(after[..], before[1..]);
}

#[test]
fn a_paused_program_stands_still_until_it_goes_on() {
    let mut world = World::new();
    let file = world.path("ticks");
    world.fixture("clock", &["fork", &format!("tick '{}'", text_of(&file)), "forever"], "");
    world.up();
    world.until_up("clock");
    let size = || fs::metadata(&file).map_or(0, |metadata| metadata.len());
    world.wait("it ticks", || (size() > 3).then_some(()));
    let said = world.run(&["pause", "clock"]).fine();
    assert!(said.contains("clock: paused"), "{said}");
    let halted = size();
    assert_eq!(try_wait(Duration::from_millis(300), || (size() > halted + 1).then_some(())), None, "its children too");
    assert_eq!(world.look("clock").unwrap().state, State::Paused);
    world.run(&["continue", "clock"]).fine();
    world.wait("it ticks again", || (size() > halted + 3).then_some(()));
    assert_eq!(world.look("clock").unwrap().run, 1);

    world.run(&["pause", "clock"]).fine();
    world.run(&["stop", "clock"]).fine();
    assert_eq!(world.look("clock").unwrap().state, State::Down);
    let said = world.run(&["pause", "clock"]).failed(1);
    assert!(said.contains("cannot pause clock: it is not running"), "{said}");
}

#[test]
fn lines_reach_a_program_whose_standard_input_is_open() {
    let mut world = World::new();
    world.fixture("console", &["stdin-lines"], "stdin = 'open'\ninstances = 2");
    world.fixture("deaf", &["forever"], "");
    world.up();
    world.until_up("console@1");
    world.until_up("console@2");
    world.until_up("deaf");
    world.run(&["send", "console", "say", "hello", "--loud"]).fine();
    world.run(&["send", "console@2", "alone"]).fine();
    world.until_printed("console@1", "say hello --loud");
    world.until_printed("console@2", "alone");
    assert_eq!(world.printed("console@1"), ["say hello --loud"]);
    let lines = world.path("lines.txt");
    let many: Vec<String> = (0..300).map(|n| format!("line {n}")).collect();
    fs::write(&lines, many.join("\n")).unwrap();
    let said = world.run_with_input(&lines, &["send", "console@1", "-"]).fine();
    assert!(said.contains("console@1: sent 300 lines"), "{said}");
    world.until_printed("console@1", "line 299");
    assert_eq!(world.printed("console@1")[1..], many);
    let said = world.run(&["send", "deaf", "x"]).failed(1);
    assert!(said.contains("cannot send to deaf: its standard input is not kept open; set stdin = \"open\""), "{said}");
}

#[test]
fn a_bad_spec_takes_no_instance_away() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "instances = 2");
    world.up();
    let before = ["web@1", "web@2"].map(|name| world.until_up(name).pid);
    world.spec(
        "web",
        &format!("program = {}\nargs = ['forever']\ninstances = 2\ntypo = 1\n", quoted(&text_of(&fixture()))),
    );
    world.wait("`up` says what is wrong", || world.up_said().contains("typo").then_some(()));
    world.until_record("web@1", "a refused spec", |what| matches!(what, What::SpecRefused { .. }));
    assert_eq!(["web@1", "web@2"].map(|name| world.look(name).unwrap().pid), before);
    world.run(&["stop", "web"]).fine();
    assert_eq!(world.look("web@2").unwrap().state, State::Down);
}
