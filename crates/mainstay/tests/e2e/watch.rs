//! Files whose change restarts or reloads a service, for development.

use std::fs;
use std::time::Duration;

use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::world::{World, fixture, list, quoted, text_of, try_wait};

/// A folder with a file, and a service that watches it.
fn watched(world: &World, rest: &str, more: &str) -> std::path::PathBuf {
    let folder = world.path("work");
    fs::create_dir_all(folder.join("vendor")).unwrap();
    fs::write(folder.join("main.go"), "1").unwrap();
    let watch = format!("[watch]\npaths = ['.']\nsettle = '200ms'\n{rest}");
    world.fixture(
        "web",
        &["print", "up", "forever"],
        &format!("directory = {}\n{watch}\n{more}", quoted(&text_of(&folder))),
    );
    folder
}

fn changes(world: &World) -> Vec<String> {
    let path = |what| if let What::FileChanged { path } = what { Some(path) } else { None };
    world.events("web").into_iter().filter_map(path).collect()
}

/// Nothing happens to it for a while.
fn assert_left_alone(world: &World, run: u64) {
    let changed = try_wait(Duration::from_millis(700), || (world.look("web")?.run > run).then_some(()));
    assert_eq!(changed, None, "{}", world.story());
}

#[test]
fn a_burst_of_changes_restarts_once() {
    let mut world = World::new();
    let folder = watched(&world, "", "");
    world.up();
    let before = world.until_up("web");
    for n in 0..20 {
        fs::write(folder.join("main.go"), n.to_string()).unwrap();
        fs::write(folder.join(format!("{n}.go")), "new").unwrap();
    }
    let after = world.until_up_after("web", before.run);
    assert_eq!((after.run, after.restarts), (2, 0), "a restart that was wanted is no failure");
    assert_left_alone(&world, 2);
    assert_eq!(changes(&world).len(), 1, "{}", world.story());
}

#[test]
fn only_files_that_count_are_looked_at() {
    let mut world = World::new();
    let folder = watched(&world, "only = ['*.go']\nignore = ['vendor', '*_test.go']", "");
    world.up();
    let before = world.until_up("web");
    for file in ["notes.txt", "vendor/lib.go", "main_test.go"] {
        fs::write(folder.join(file), "x").unwrap();
    }
    assert_left_alone(&world, before.run);
    fs::write(folder.join("main.go"), "2").unwrap();
    world.until_up_after("web", before.run);
    let changes = changes(&world);
    assert!(changes.len() == 1 && changes[0].ends_with("main.go"), "{changes:?}");
}

#[test]
fn a_change_can_reload_instead() {
    let mut world = World::new();
    let told = world.text_path("told");
    let words = [text_of(&fixture()), "append".to_owned(), told, "reloaded".to_owned()];
    let folder = watched(&world, "then = 'reload'", &format!("[reload]\ncommand = {}", list(&words)));
    world.up();
    let before = world.until_up("web");
    fs::write(folder.join("main.go"), "2").unwrap();
    assert_eq!(world.until_file("told"), "reloaded\n");
    world.until_record("web", "the reload", |what| matches!(what, What::Reloaded { .. }));
    let now = world.look("web").unwrap();
    assert_eq!((now.pid, now.run), (before.pid, before.run));
}

#[test]
fn a_single_file_may_be_replaced() {
    let mut world = World::new();
    let folder = world.path("work");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("app.toml"), "1").unwrap();
    let rest = format!("directory = {}\n[watch]\npaths = ['app.toml']\nsettle = '200ms'", quoted(&text_of(&folder)));
    world.fixture("web", &["forever"], &rest);
    world.up();
    let before = world.until_up("web");
    fs::write(folder.join("other.toml"), "1").unwrap();
    assert_left_alone(&world, before.run);
    // As editors save.
    fs::write(folder.join("app.toml.new"), "2").unwrap();
    fs::rename(folder.join("app.toml.new"), folder.join("app.toml")).unwrap();
    world.until_up_after("web", before.run);
}

#[test]
fn a_saved_file_is_a_new_chance_for_one_in_quarantine() {
    let mut world = World::new();
    let folder = world.path("work");
    fs::create_dir(&folder).unwrap();
    let gate = world.text_path("work/gate");
    let rest = format!(
        "directory = {}\n[watch]\npaths = ['.']\nsettle = '200ms'\n[restart]\nquarantine = {{ restarts = 1, within = '1m' }}",
        quoted(&text_of(&folder))
    );
    world.fixture("web", &["cat", &gate, "forever"], &rest);
    world.up();
    let status = world.until_state("web", State::Quarantined);
    fs::write(&gate, "mended").unwrap();
    let mended = world.until_up_after("web", status.run);
    assert_eq!(mended.restarts, 0);
}

#[test]
fn a_saved_file_cuts_a_long_wait_short() {
    let mut world = World::new();
    let folder = world.path("work");
    fs::create_dir(&folder).unwrap();
    let gate = world.text_path("work/gate");
    let rest = format!(
        "directory = {}\n[watch]\npaths = ['.']\nsettle = '200ms'\n[restart]\ndelay = '1h'",
        quoted(&text_of(&folder))
    );
    world.fixture("web", &["cat", &gate, "forever"], &rest);
    world.up();
    let status = world.until_state("web", State::Backoff);
    fs::write(&gate, "mended").unwrap();
    world.until_up_after("web", status.run);
}

#[test]
fn a_reload_that_the_spec_does_not_know_is_refused() {
    let world = World::new();
    watched(&world, "then = 'reload'", "");
    let said = world.run(&["validate", "web"]).failed(1);
    assert!(said.contains("`watch.then`: this service cannot be reloaded"), "{said}");
}
