//! The table of keys and the reader say the same.

use std::path::Path;

use mainstay_core::spec::Spec;

use crate::spec::keys::{self, Default, Key};
use crate::spec::schema::tests::assert_fits;
use crate::spec::{Platform, Problems, read};

/// A text without the key and one with it, both with everything the key needs beside it.
fn around(key: &Key, value: &str) -> (String, String) {
    let name = key.name();
    let (beside, line) = match key.path {
        "program" => return ("program = 'other'".to_owned(), format!("program = {value}")),
        "pid-file" => ("kind = 'forking'".to_owned(), format!("pid-file = {value}")),
        "after.service" => (String::new(), format!("after = [{{ service = {value} }}]")),
        "after.until" | "after.fails" | "after.restarts" => {
            return one_line("after = [{ service = 'database'", "}]", &format!(", {name} = {value}"));
        }
        "hooks.*.command" => (String::new(), format!("hooks.post-start.command = {value}")),
        "hooks.*.timeout" => {
            ("hooks.post-start.command = ['x']".to_owned(), format!("hooks.post-start.timeout = {value}"))
        }
        "hooks.pre-start.abort-on" | "hooks.pre-start.ignore-failure" => {
            ("hooks.pre-start.command = ['x']".to_owned(), format!("{} = {value}", key.path))
        }
        "stop.ladder.ask" | "stop.ladder.command" => (String::new(), format!("stop.ladder = [{{ {name} = {value} }}]")),
        "stop.ladder.wait" => return one_line("stop.ladder = [{ ask = 'ctrl-c'", "}]", &format!(", wait = {value}")),
        "reload.timeout" => ("reload.command = ['x']".to_owned(), format!("reload.timeout = {value}")),
        "watch.only" | "watch.ignore" | "watch.settle" => {
            ("watch.paths = ['.']".to_owned(), format!("{} = {value}", key.path))
        }
        "watch.then" => ("watch.paths = ['.']\nreload.command = ['x']".to_owned(), format!("watch.then = {value}")),
        "log.rate-limit.per" => ("log.rate-limit.lines = 10".to_owned(), format!("log.rate-limit.per = {value}")),
        "log.rotate.on" => ("log.rotate.every = 'week'".to_owned(), format!("log.rotate.on = {value}")),
        "log.rotate.at" | "log.rotate.utc" => {
            ("log.rotate.every = 'day'".to_owned(), format!("{} = {value}", key.path))
        }
        path => (String::new(), format!("{path} = {value}")),
    };
    let base = format!("program = 'other'\n{beside}\n");
    let full = format!("{base}{line}\n");
    (base, full)
}

fn one_line(begin: &str, end: &str, key: &str) -> (String, String) {
    (format!("program = 'other'\n{begin} {end}"), format!("program = 'other'\n{begin}{key} {end}"))
}

fn platforms(key: &Key) -> Vec<Platform> {
    key.only.map_or_else(|| vec![Platform::Windows, Platform::Linux], |only| vec![only])
}

fn taken(text: &str, platform: Platform) -> Spec {
    let spec = read("shop", text, platform).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_fits(text);
    spec
}

/// With this the reader takes every key of the table; that it takes no other is asserted in `Section::take`.
#[test]
fn every_example_is_taken_and_makes_a_difference() {
    for key in keys::all() {
        for platform in platforms(key) {
            let (without, with) = around(key, key.example);
            assert_ne!(taken(&without, platform), taken(&with, platform), "{}", key.path);
        }
    }
}

#[test]
fn every_default_is_what_is_in_force_without_the_key() {
    for key in keys::all() {
        for platform in platforms(key) {
            let default = match (key.default, platform) {
                (Default::Is(value), _)
                | (Default::Differs { windows: value, .. }, Platform::Windows)
                | (Default::Differs { linux: value, .. }, Platform::Linux) => value,
                (Default::Nothing | Default::Required | Default::Told(..), _) => continue,
            };
            let (without, with) = around(key, default);
            assert_eq!(taken(&without, platform), taken(&with, platform), "{}", key.path);
        }
    }
}

#[test]
fn what_one_system_alone_has_is_refused_on_the_other() {
    for key in keys::all() {
        let (platform, name) = match key.only {
            None => continue,
            Some(Platform::Windows) => (Platform::Linux, "Linux"),
            Some(Platform::Linux) => (Platform::Windows, "Windows"),
        };
        let Problems(problems) = read("shop", &around(key, key.example).1, platform).expect_err(key.path);
        let wanted = format!("cannot be used on {name}");
        assert!(problems.iter().any(|problem| problem.message.contains(&wanted)), "{}: {problems:?}", key.path);
    }
}

/// The specs and the parts of specs that people read first.
#[test]
fn every_example_of_the_documents_is_taken() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut seen = 0;
    for page in ["reference/spec.md", "reference/zh-CN/spec.md", "guide/coming-from-nssm.md"] {
        let text = std::fs::read_to_string(docs.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        for block in text.replace("\r\n", "\n").split("\n```toml\n").skip(1) {
            let block = block.split("\n```").next().unwrap_or_default();
            let text = if block.contains("program ") { block.to_owned() } else { format!("program = 'x'\n{block}") };
            taken(&text, Platform::Windows);
            seen += 1;
        }
    }
    assert!(seen >= 3, "only {seen} examples");
    for name in ["web", "ticker"] {
        let path = docs.join(format!("../examples/quickstart/services/{name}.toml"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        taken(&text, Platform::Linux);
        taken(&text, Platform::Windows);
    }
}

#[test]
fn every_key_stands_in_a_table_that_there_is() {
    for key in keys::all() {
        if let Some((parent, _)) = key.path.rsplit_once('.') {
            assert!(parent == "hooks.*" || keys::all().any(|other| other.path == parent), "{}", key.path);
        }
    }
}
