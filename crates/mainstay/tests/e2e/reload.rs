//! How a program is told to read its configuration again, while it goes on.

use std::fs;

use mainstay_wire::record::What;

use crate::world::{Process, World, fixture, list, quoted, text_of};

fn reload_words(words: &[&str]) -> String {
    let program = text_of(&fixture());
    list(&[&[program.as_str()], words].concat())
}

#[test]
fn a_signal_tells_the_program() {
    let mut world = World::new();
    world.fixture("web", &["report-stops", "print", "up", "forever"], "[reload]\nsignal = 'SIGHUP'");
    if cfg!(windows) {
        let said = world.run(&["validate", "web"]).failed(1);
        assert!(said.contains("web.toml:4:10") && said.contains("use event or command"), "{said}");
        return;
    }
    world.up();
    world.until_printed("web", "up");
    let before = world.until_up("web");
    world.run(&["reload", "web"]).fine();
    world.until_printed("web", "stop SIGHUP");
    let now = world.look("web").unwrap();
    assert_eq!((now.pid, now.run, now.state), (before.pid, before.run, before.state));
    assert!(world.events("web").iter().any(|what| matches!(what, What::Reloaded { run: 1 })));
}

#[test]
fn a_command_tells_the_program() {
    let mut world = World::new();
    let (told, order) = (world.text_path("told"), world.text_path("order"));
    let words = [
        "append-env",
        &told,
        "MAINSTAY_PID",
        "append-env",
        &told,
        "MAINSTAY_SERVICE",
        "append",
        &order,
        "reloaded",
        "print",
        "from the command",
    ];
    world.fixture("web", &["forever"], &format!("[reload]\ncommand = {}", reload_words(&words)));
    world.up();
    let before = world.until_up("web");
    world.run(&["reload", "web"]).fine();
    world.until_record("web", "the reload", |what| matches!(what, What::Reloaded { run: 1 }));
    let wanted = format!("MAINSTAY_PID={}\nMAINSTAY_SERVICE=web\n", before.pid.unwrap());
    assert_eq!(world.until_file("told"), wanted);
    world.until_printed("web", "from the command");
    let now = world.look("web").unwrap();
    assert_eq!((now.pid, now.run), (before.pid, before.run));
}

#[test]
fn a_named_event_tells_the_program() {
    let mut world = World::new();
    let event = format!("mainstay-e2e-reload-{}", std::process::id());
    world.fixture("web", &["event", &event, "forever"], &format!("[reload]\nevent = '{event}'"));
    world.fixture("without", &["forever"], &format!("[reload]\nevent = '{event}-nobody'"));
    if cfg!(unix) {
        let said = world.run(&["validate", "web"]).failed(1);
        assert!(said.contains("web.toml:4:9") && said.contains("use signal or command"), "{said}");
        return;
    }
    world.up();
    world.until_printed("web", "event made");
    let before = world.until_up("web");
    world.run(&["reload", "web"]).fine();
    world.until_printed("web", "event set");
    assert_eq!(world.look("web").unwrap().pid, before.pid);

    world.until_up("without");
    world.run(&["reload", "without"]);
    let failed = world.until_record("without", "why not", |what| matches!(what, What::ReloadFailed { .. }));
    let What::ReloadFailed { why, .. } = failed.what else { unreachable!() };
    assert!(why.contains("there is no event named"), "{why}");
}

#[test]
fn without_a_way_a_reload_is_refused() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    world.fixture(
        "down",
        &["forever"],
        &format!("start = 'manual'\n[reload]\ncommand = {}", reload_words(&["print", "x"])),
    );
    world.up();
    world.until_up("web");
    let said = world.run(&["reload", "web"]).failed(1);
    assert!(said.contains("cannot reload web: its spec has no [reload]"), "{said}");
    let said = world.run_when_guarded("down", &["reload", "down"]).failed(1);
    assert!(said.contains("cannot reload down: it is not running"), "{said}");
}

#[test]
fn a_command_that_fails_or_hangs_is_told_and_the_program_goes_on() {
    let mut world = World::new();
    let gate = world.text_path("at");
    world.fixture("fails", &["forever"], &format!("[reload]\ncommand = {}", reload_words(&["exit", "6"])));
    let hangs = reload_words(&["ignore-stop", "pidfile", &gate, "forever"]);
    world.fixture("hangs", &["forever"], &format!("[reload]\ncommand = {hangs}\ntimeout = '300ms'"));
    world.up();
    for (name, wanted) in [("fails", "the command ended with exit code 6"), ("hangs", "the command took longer than")] {
        let before = world.until_up(name);
        world.run(&["reload", name]);
        let failed = world.until_record(name, "why not", |what| matches!(what, What::ReloadFailed { .. }));
        let What::ReloadFailed { why, .. } = failed.what else { unreachable!() };
        assert!(why.contains(wanted), "{why}");
        assert_eq!(world.look(name).unwrap().pid, before.pid);
    }
    let pid = fs::read_to_string(&gate).unwrap().trim().parse().unwrap();
    assert!(Process::try_of(pid).is_none_or(|command| !command.lives()));
}

#[test]
fn several_ways_at_once_are_refused_where_they_are() {
    let world = World::new();
    let text = format!("program = {}\n[reload]\ntimeout = '1s'\n", quoted(&text_of(&fixture())));
    world.spec("none", &text);
    let said = world.run(&["validate", "none"]).failed(1);
    assert!(
        said.contains("`reload` says nothing") && said.contains("`reload.timeout` is only for `command`"),
        "{said}"
    );
    fs::remove_file(world.layout.spec("none")).unwrap();
}
