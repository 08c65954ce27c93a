//! `edit`: what changed and what follows is shown; nothing bad is saved and nothing that was written is lost.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::world::{Said, World, fixture, text_of};

/// `mainstay edit web`; the test program is the editor and carries these commands out, the draft being its last word.
fn edit(world: &World, commands: &str, options: &[&str]) -> Said {
    let editor = format!("{} {commands}", text_of(&fixture()));
    let mut command = Command::new(crate::world::mainstay());
    command.arg("--home").arg(world.home()).args(["edit", "web"]).args(options);
    world.run_command(in_folder(world, &mut command).env("EDITOR", editor).env_remove("VISUAL"))
}

/// What is kept of a text goes with the test.
pub(crate) fn in_folder<'c>(world: &World, command: &'c mut Command) -> &'c mut Command {
    command.envs(["TMPDIR", "TMP", "TEMP"].map(|name| (name, world.path(""))))
}

fn spec_of(world: &World) -> String {
    fs::read_to_string(world.layout.spec("web")).unwrap()
}

/// Where the failure says that the text is.
fn kept(said: &str) -> PathBuf {
    let line = said.lines().find_map(|line| line.strip_prefix("your text is kept in "));
    PathBuf::from(line.unwrap_or_else(|| panic!("{said}")))
}

#[track_caller]
fn assert_kept(said: &str, end: &str) {
    assert!(fs::read_to_string(kept(said)).unwrap().trim_end().ends_with(end), "{said}");
}

#[test]
fn an_edit_shows_what_changed_and_what_follows() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    let said = edit(&world, "append-to restart.delay='1s'", &[]);
    assert!(said.stderr.contains("+ restart.delay='1s'") && said.stderr.contains("No guard runs"), "{said:?}");
    said.fine();
    world.up();
    let before = world.until_up("web");
    let said = edit(&world, "append-to description='new'", &["--yes"]);
    assert!(said.stderr.contains("+ description='new'"), "{said:?}");
    assert!(said.stderr.contains("taken over in place, nothing restarts"), "{said:?}");
    assert_eq!(world.look("web").unwrap().pid, before.pid);
    let said = edit(&world, "append-to env={COLOUR='green'}", &["--apply"]);
    let restarts = format!("This restarts run {} of web (pid {}).", before.run, before.pid.unwrap());
    assert!(said.stderr.contains(&restarts), "{restarts} is not in {said:?}");
    world.until_up_after("web", before.run);
}

#[test]
fn an_editor_that_changes_nothing_changes_nothing() {
    let world = World::new();
    world.fixture("web", &["forever"], "");
    let before = spec_of(&world);
    assert_eq!(edit(&world, "exit 0", &[]).fine(), "web: nothing changed\n");
    let said = edit(&world, "exit 3", &[]).failed(1);
    assert!(said.contains("the editor") && said.contains("nothing is saved"), "{said}");
    assert_eq!(spec_of(&world), before);
}

#[test]
fn a_bad_text_is_not_saved_but_kept() {
    let world = World::new();
    world.fixture("web", &["forever"], "");
    let before = spec_of(&world);
    let said = edit(&world, "append-to speed=7", &[]).failed(1);
    assert!(said.contains("there is no key `speed`") && said.contains("not saved; the old spec stays"), "{said}");
    assert_kept(&said, "speed=7");
    let said = edit(&world, "append-to account.user='no-such-user-here'", &[]).failed(1);
    assert!(said.contains("cannot run as no-such-user-here"), "{said}");
    assert_kept(&said, "'no-such-user-here'");
    assert_eq!(spec_of(&world), before);
}

#[test]
fn a_spec_that_was_changed_meanwhile_is_not_overwritten() {
    let world = World::new();
    world.fixture("web", &["forever"], "");
    let theirs =
        format!("append {} description='theirs' append-to description='mine'", text_of(&world.layout.spec("web")));
    let said = edit(&world, &theirs, &[]).failed(1);
    assert!(said.contains("cannot save web") && said.contains("changed by somebody else"), "{said}");
    assert_kept(&said, "description='mine'");
    assert!(spec_of(&world).trim_end().ends_with("description='theirs'"), "{}", spec_of(&world));
}

#[test]
fn what_this_machine_cannot_do_is_refused_wherever_it_is_said() {
    let world = World::new();
    world.fixture("web", &["forever"], "");
    world.fixture("db", &["forever"], "after = ['web']");
    let before = spec_of(&world);
    let program = text_of(&fixture());
    let (user, ring) = ("account.user=no-such-user-here", "after=[\"db\"]");
    for words in [
        &["set", "web", user][..],
        &["set", "web", ring],
        &["install", "api", "--account", "no-such-user-here", "--", &program],
        &["install", "api", "--set", "after=[\"api2\"]", "--set", user, "--", &program],
    ] {
        let said = world.run(words).failed(1);
        assert!(said.contains("nothing is changed"), "{words:?}: {said}");
        assert!(
            said.contains("cannot run as no-such-user-here") || said.contains("each waits for the next"),
            "{words:?}: {said}"
        );
    }
    assert!(spec_of(&world) == before && !world.layout.spec("api").exists());
    fs::write(world.layout.spec("web"), format!("{before}after = ['db']\n")).unwrap();
    let verdict = world.run(&["--json", "validate", "web"]);
    assert_eq!(verdict.code, 1, "{verdict:?}");
    let verdict: Value = serde_json::from_str(&verdict.stdout).unwrap();
    let problem = &verdict[0]["problems"][0];
    assert!(problem["message"].as_str().unwrap().contains("→"), "{verdict:#}");
    assert_eq!(problem["line"].as_u64().unwrap() as usize, spec_of(&world).lines().count(), "{verdict:#}");
}
