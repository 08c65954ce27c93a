//! `init`: five questions, a look at the program, a spec.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use crate::world::{Said, World, fixture, free_port, go_server, mainstay, text_of};

/// With these answers, a line each.
fn init(world: &World, words: &[&str], answers: &str) -> Said {
    let path = world.path("answers");
    fs::write(&path, answers).unwrap();
    let mut command = Command::new(mainstay());
    command.arg("--home").arg(world.home()).arg("init").args(words);
    world.run_command_with(&mut command, File::open(&path).unwrap().into())
}

#[test]
fn the_port_of_a_server_is_found_and_asked_for_its_health() {
    let mut world = World::new();
    let port = free_port();
    let (server, number) = (text_of(&go_server()), port.to_string());
    let said = world.run(&["init", "web", "--yes", "--", &server, "--port", &number]);
    assert!(said.stderr.contains(&format!("It listens on port {port}.")), "{said:?}");
    let said = said.fine();
    let health = format!("http://127.0.0.1:{port}/health");
    assert!(said.contains(&format!("install web --set ready.http={health} -- ")), "{said}");
    let text = fs::read_to_string(world.layout.spec("web")).unwrap();
    assert!(text.starts_with("#:schema ../spec.schema.json\n"), "{text}");
    let spec = world.json(&["show", "web"]);
    assert_eq!((&spec["args"], &spec["ready"]["http"]), (&json!(["--port", number]), &json!(health)));
    TcpListener::bind(("127.0.0.1", port)).expect("nothing of the trial lives on");
    world.up();
    world.until_up("web");
}

#[test]
fn answers_may_be_piped_and_their_end_means_the_defaults() {
    let world = World::new();
    let folder = text_of(world.home());
    let program = text_of(&fixture());
    let said = init(&world, &["web", "--no-trial"], &format!("{program}\nprint 'a b' forever\n{folder}\n8080\nno\n"));
    let said = said.fine();
    assert!(said.contains("--start manual") && said.contains("--set ready.tcp=127.0.0.1:8080"), "{said}");
    let spec = world.json(&["show", "web"]);
    assert_eq!(spec["args"], json!(["print", "a b", "forever"]));
    assert_eq!(
        (&spec["directory"], &spec["ready"]["tcp"], &spec["start"]),
        (&json!(folder), &json!("127.0.0.1:8080"), &json!("manual"))
    );
    // Only the program is said; the service is called like it.
    init(&world, &["--no-trial"], &format!("{program}\n")).fine();
    let spec = world.json(&["show", "fixture-child"]);
    assert_eq!((&spec["start"], &spec["ready"]["tcp"]), (&json!("auto"), &Value::Null));
}

#[test]
fn a_program_that_ends_at_once_is_told_with_its_last_words() {
    let world = World::new();
    let said = world.run(&["init", "web", "--yes", "--", &text_of(&fixture()), "stderr", "no config", "exit", "3"]);
    let told = "It ended by itself with exit code 3.\n   | no config";
    assert!(said.stderr.replace("\r\n", "\n").contains(told), "{said:?}");
    said.fine();
    assert_eq!(world.json(&["show", "web"])["ready"]["http"], Value::Null);
}

#[test]
fn a_spec_is_never_overwritten_and_a_wrong_answer_never_taken() {
    let world = World::new();
    world.fixture("web", &["forever"], "");
    let before = fs::read_to_string(world.layout.spec("web")).unwrap();
    let said = world.run(&["init", "web", "--yes", "--", &text_of(&fixture())]).failed(1);
    assert!(said.contains("there is one already") && said.contains("mainstay edit web"), "{said}");
    assert_eq!(fs::read_to_string(world.layout.spec("web")).unwrap(), before);
    let said = init(&world, &["api", "--no-trial"], "no-such-program-here\n").failed(2);
    assert!(said.contains("cannot use no-such-program-here"), "{said}");
    let said = world.run(&["init", "bad name", "--yes"]).failed(2);
    assert!(said.contains("cannot be a service's name"), "{said}");
    assert!(!world.layout.spec("api").exists());
}

#[test]
fn the_schema_lies_where_specs_look_for_it() {
    let world = World::new();
    world.run(&["install", "web", "--", &text_of(&fixture()), "forever"]).fine();
    let text = fs::read_to_string(world.layout.spec("web")).unwrap();
    let address = text.lines().next().and_then(|line| line.strip_prefix("#:schema ")).unwrap();
    let there = fs::read_to_string(world.layout.specs.join(address)).unwrap();
    assert_eq!(world.run(&["schema"]).fine(), there);
    let schema: Value = serde_json::from_str(&there).unwrap();
    assert!(schema["properties"]["program"].is_object(), "{schema}");
}
