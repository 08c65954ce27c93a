//! What a program reads from its standard input. (`stdin = "open"`, which `mainstay send` speaks to: `instances.rs`.)

use std::fs;

use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::world::{World, quoted};

#[test]
fn standard_input_is_at_its_end_unless_the_spec_says_otherwise() {
    let mut world = World::new();
    world.fixture("silent", &["stdin", "exit", "0"], "");
    world.fixture("closed", &["stdin", "exit", "0"], "stdin = 'closed'");
    world.up();
    for name in ["silent", "closed"] {
        world.until_state(name, State::Done);
        assert_eq!(world.printed(name), ["stdin closed after 0 bytes"]);
    }
}

#[test]
fn a_file_is_read_from_its_beginning_in_each_run() {
    let mut world = World::new();
    fs::write(world.path("input.txt"), "one\ntwo\n").unwrap();
    let rest = format!(
        "directory = {}\nstdin = {{ file = 'input.txt' }}\n[restart]\nquarantine = {{ restarts = 1, within = '1m' }}",
        quoted(&world.text_path(""))
    );
    world.fixture("reader", &["stdin-lines", "exit", "1"], &rest);
    world.up();
    world.until_state("reader", State::Quarantined);
    assert_eq!(world.printed("reader"), ["one", "two", "one", "two"]);
}

#[test]
fn a_missing_file_for_standard_input_is_told_and_read_when_it_is_there() {
    let mut world = World::new();
    let rest = format!("stdin = {{ file = {} }}\n[restart]\non = 'never'", quoted(&world.text_path("later.txt")));
    world.fixture("reader", &["stdin", "exit", "0"], &rest);
    world.up();
    world.until_state("reader", State::Done);
    let failed = world.until_record("reader", "a failed start", |what| matches!(what, What::SpawnFailed { .. }));
    let What::SpawnFailed { why, .. } = failed.what else { unreachable!() };
    assert!(why.starts_with("cannot use ") && why.contains("later.txt as standard input: "), "{why}");
    fs::write(world.path("later.txt"), "12345").unwrap();
    world.run(&["start", "--no-wait", "reader"]).fine();
    world.until_printed("reader", "stdin closed after 5 bytes");
}

#[test]
fn an_unknown_standard_input_is_refused_where_it_is() {
    let world = World::new();
    world.spec("bad", "program = 'x'\nstdin = 'opened'\n");
    let said = world.run(&["validate", "bad"]).failed(1);
    assert!(said.contains("bad.toml:2:9") && said.contains("did you mean"), "{said}");
    world.spec("empty", "program = 'x'\nstdin = { fil = 'x' }\n");
    let said = world.run(&["validate", "empty"]).failed(1);
    assert!(said.contains("`stdin.file` is missing"), "{said}");
}
