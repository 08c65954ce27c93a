//! Log lines on their way to sinks: nothing is lost, whoever dies; and a bad receiver costs the program nothing.

use std::collections::BTreeSet;
use std::fs;

use mainstay_wire::status::State;
use serde_json::Value;

use crate::receiver::{Manner, Receiver};
use crate::world::{Background, World, quoted};

fn agent(world: &World, text: &str) {
    fs::write(world.layout.agent(), text).unwrap();
}

/// One sink, as `mainstay sinks` has it.
fn sink(world: &World, name: &str) -> Value {
    world.json(&["sinks", name])[0].clone()
}

fn numbers(lines: &[String]) -> Vec<u64> {
    lines.iter().filter_map(|line| line.strip_prefix("line ")?.split(' ').next()?.parse().ok()).collect()
}

const ONCE: &str = "[restart]\non = 'never'\n";

#[test]
fn lines_go_out_once_and_go_on_where_they_were() {
    let mut world = World::new();
    let out = world.path("shipped.log");
    agent(
        &world,
        &format!(
            "[sinks.copy]\ntype = 'file'\npath = {}\nformat = 'plain'\nbatch-age = '50ms'\n",
            quoted(&world.text_path("shipped.log"))
        ),
    );
    world.fixture("flood", &["flood", "3000", "exit", "0"], ONCE);
    world.up();
    let shipped = || -> Vec<u64> {
        let text = fs::read_to_string(&out).unwrap_or_default();
        numbers(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    world.wait("everything is shipped", || (shipped().len() >= 3000).then_some(()));
    assert_eq!(shipped(), (0..3000).collect::<Vec<u64>>());
    world.wait("it is told", || (sink(&world, "copy")["lines"] == 3000).then_some(()));
    let status = sink(&world, "copy");
    assert_eq!(
        (&status["state"], &status["why"], &status["refused"]),
        (&"shipping".into(), &Value::Null, &0.into()),
        "{status}"
    );
    world.interrupt();
    assert_eq!(world.up_ended(), 0);
    assert_eq!(sink(&world, "copy")["state"], "stopped");
    world.up();
    world.until("flood", "it runs again", |status| status.run == 2 && status.state == State::Done);
    world.wait("the second run is shipped", || (shipped().len() >= 6000).then_some(()));
    assert_eq!(shipped(), (0..3000).chain(0..3000).collect::<Vec<u64>>(), "nothing of the first twice");
    let table = world.run(&["sinks"]).fine();
    assert!(table.contains("copy") && table.contains("shipping") && table.contains("shipped.log"), "{table}");
}

#[test]
fn a_line_is_sent_with_what_is_known_of_it() {
    let mut world = World::new();
    let out = world.path("shipped.ndjson");
    let path = quoted(&world.text_path("shipped.ndjson"));
    agent(
        &world,
        &format!("[sinks.copy]\ntype = 'file'\npath = {path}\nbatch-age = '50ms'\nfields = {{ site = 'here' }}\n"),
    );
    world.fixture("talker", &["stderr", "ERROR no", "exit", "0"], ONCE);
    world.up();
    world.until_state("talker", State::Done);
    world.run(&["start", "talker"]).fine();
    let lines = || -> Vec<Value> {
        let text = fs::read_to_string(&out).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    world.wait("both runs are shipped", || (lines().len() == 2).then_some(()));
    for (run, line) in (1..).zip(lines()) {
        let told = ["service", "stream", "level", "site"].map(|key| line[key].as_str().unwrap_or_default().to_owned());
        assert_eq!(told, ["talker", "stderr", "error", "here"], "{line}");
        assert_eq!(line["run"], run, "{line}");
    }
}

#[test]
fn the_last_words_go_out_before_up_ends() {
    let mut world = World::new();
    let receiver = Receiver::begin(Manner::Takes);
    agent(&world, &receiver.sink("main", "batch-age = '1h'").replace("batch-age = '50ms'\n", ""));
    world.fixture("talker", &["print", "hello", "on-stop", "print bye ; exit 0", "forever"], "");
    world.up();
    world.until_printed("talker", "hello");
    world.interrupt();
    assert_eq!(world.up_ended(), 0);
    let lines = receiver.lines();
    assert!(lines.iter().any(|line| line == "hello") && lines.iter().any(|line| line == "bye"), "{lines:?}");
}

#[test]
fn a_receiver_in_trouble_costs_the_program_nothing_and_gets_everything_later() {
    for manner in [Manner::Overloaded, Manner::Hangs] {
        let mut world = World::new();
        let receiver = Receiver::begin(manner);
        agent(&world, &receiver.sink("main", "timeout = '300ms'\nretry-max = '1s'").replace("timeout = '5s'\n", ""));
        world.fixture(
            "flood",
            &["flood", "20000", "exit", "0"],
            &format!("{ONCE}[log.rotate]\nsize = '256KiB'\ncompress = 'zstd'"),
        );
        world.up();
        world.until_state("flood", State::Done);
        world.wait("the trouble is told", || (sink(&world, "main")["state"] == "retrying").then_some(()));
        let status = sink(&world, "main");
        assert!(status["why"].as_str().is_some_and(|why| !why.is_empty()) && status["lines"] == 0, "{status}");
        assert!(status["waiting_bytes"].as_u64() > Some(0), "{status}");
        let text = world.run(&["sinks"]).fine();
        assert!(text.contains("retrying") && text.contains("main: "), "{text}");
        receiver.set(Manner::Takes);
        world.wait("everything has come", || (receiver.count() >= 20_000).then_some(()));
        assert_eq!(numbers(&receiver.lines()), (0..20_000).collect::<Vec<u64>>());
        world.wait("all is well again", || (sink(&world, "main")["state"] == "shipping").then_some(()));
        let said = world.up_said();
        assert!(said.contains("main: shipping again"), "{said}");
    }
}

/// The agent is killed in the middle of its work again and again, while files are set aside and packed.
#[test]
fn an_agent_that_is_killed_loses_no_line() {
    const KILLS: usize = if cfg!(windows) { 12 } else { 100 };
    const BATCH: usize = 100;
    const LINES: u64 = KILLS as u64 * 3 * BATCH as u64;
    let mut world = World::new();
    let receiver = Receiver::begin(Manner::Takes);
    world.fixture(
        "flood",
        &["flood", &LINES.to_string(), "exit", "0"],
        &format!("{ONCE}[log.rotate]\nsize = '256KiB'\nkeep = 1000\ncompress = 'zstd'"),
    );
    world.up();
    world.until_state("flood", State::Done);
    world.kill_up();
    agent(&world, &receiver.sink("main", &format!("batch-lines = {BATCH}")));
    for kill in 0..KILLS {
        let seen = receiver.requests();
        let agent = Background::begin(&world, &["agent"]);
        world.wait(&format!("agent {kill} ships"), || (receiver.requests() > seen).then_some(()));
        drop(agent); // kill -9
    }
    let _agent = Background::begin(&world, &["agent"]);
    let all = || numbers(&receiver.lines()).into_iter().collect::<BTreeSet<u64>>().len() as u64;
    world.wait("every line has come", || (all() == LINES).then_some(()));
    // What was on its way at a kill is sent again as the same batch, and known to the receiver by its ids.
    assert_eq!(receiver.count() as u64, LINES);
    let said = world.run(&["agent"]).failed(1);
    assert!(said.contains("shipped already"), "{said}");
}

#[test]
fn what_a_receiver_refuses_is_kept_and_the_rest_goes_out() {
    let mut world = World::new();
    let receiver = Receiver::begin(Manner::Takes);
    agent(&world, &receiver.sink("main", ""));
    world.fixture("talker", &["print", "good", "print", "a poison line", "print", "better", "exit", "0"], ONCE);
    world.up();
    world.wait("the good ones are there", || (receiver.count() >= 2).then_some(()));
    assert_eq!(receiver.lines(), ["good", "better"]);
    world.wait("it is counted", || (sink(&world, "main")["refused"] == 1).then_some(()));
    let letters = fs::read_to_string(world.layout.dead_letters("main")).unwrap();
    let letter: Value = serde_json::from_str(&letters).unwrap();
    assert_eq!((&letter["line"], &letter["service"]), (&"a poison line".into(), &"talker".into()));
    assert!(letter["reason"].as_str().unwrap().contains("poison"), "{letter}");
}

#[test]
fn each_sink_gets_the_lines_that_its_route_wants() {
    let mut world = World::new();
    let (all, errors) = (Receiver::begin(Manner::Takes), Receiver::begin(Manner::Takes));
    let routed = errors.sink("errors", "services = ['talk*']\nmin-level = 'error'\nexcept = ['harmless']");
    agent(&world, &(all.sink("all", "") + &routed));
    let commands = ["print", "INFO one", "print", "ERROR two", "print", "ERROR harmless", "exit", "0"];
    world.fixture("talker", &commands, ONCE);
    world.fixture("other", &["print", "ERROR other", "exit", "0"], ONCE);
    world.up();
    world.wait("all have come", || (all.count() >= 4).then_some(()));
    world.wait("the grave ones have come", || (errors.count() >= 1).then_some(()));
    assert_eq!(errors.lines(), ["ERROR two"]);
    assert_eq!(all.count(), 4);
}

#[test]
fn more_than_may_wait_is_given_up_and_counted() {
    let mut world = World::new();
    let receiver = Receiver::begin(Manner::Overloaded);
    agent(&world, &receiver.sink("main", "spool = '1MiB'\nretry-max = '1s'"));
    world.fixture("flood", &["flood", "40000", "exit", "0"], ONCE);
    world.up();
    world.until_state("flood", State::Done);
    world.wait("some is given up", || (sink(&world, "main")["given_up_bytes"].as_u64() > Some(1 << 19)).then_some(()));
    receiver.set(Manner::Takes);
    world.wait("the newest have come", || {
        receiver.lines().iter().any(|line| line.starts_with("line 000039999 ")).then_some(())
    });
    let numbers = numbers(&receiver.lines());
    assert!(numbers.len() < 15_000 && numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
}

#[test]
fn a_bad_file_is_told_and_the_old_sinks_go_on() {
    let mut world = World::new();
    let receiver = Receiver::begin(Manner::Takes);
    agent(&world, &receiver.sink("main", ""));
    world.fixture("talker", &["print", "one", "stdin-lines"], "stdin = 'open'");
    world.up();
    world.wait("the first line", || (receiver.count() >= 1).then_some(()));
    agent(&world, "[sinks.main]\ntype = 'lokki'\nbatch-bites = 3\n");
    world.wait("it is told", || world.up_said().contains("the sinks stay as they were").then_some(()));
    world.run(&["send", "talker", "two"]).fine();
    world.wait("the second line", || (receiver.count() >= 2).then_some(()));
    for words in [&["sinks"][..], &["validate"]] {
        let said = world.run(words).failed(1);
        assert!(said.contains("lokki") && said.contains("batch-bites") && said.contains("cannot use"), "{said}");
    }
    // A secret that is not there: told, and shipped as soon as it comes.
    let key = world.path("key");
    let rest = format!("username = 'elastic'\npassword-file = {}", quoted(&world.text_path("key")));
    agent(&world, &receiver.sink("main", &rest));
    world.run(&["send", "talker", "three"]).fine();
    world.wait("it can't be used", || (sink(&world, "main")["state"] == "broken").then_some(()));
    fs::write(key, "hush-hush\n").unwrap();
    world.wait("the third line", || (receiver.count() >= 3).then_some(()));
    let text = sink(&world, "main").to_string() + &world.up_said();
    assert!(!text.contains("hush-hush"));
    // Without a file nothing is shipped.
    fs::remove_file(world.layout.agent()).unwrap();
    world.wait("the sink is gone", || (!world.layout.sink_status("main").exists()).then_some(()));
    assert!(world.run(&["sinks"]).fine().contains("no sinks"));
}
