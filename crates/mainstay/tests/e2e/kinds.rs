//! Programs that end when their work is done, and programs that leave their main process behind.

use std::fs;
use std::time::Duration;

use mainstay_wire::record::{ExitText, What};
use mainstay_wire::status::{Standing, State};

use crate::world::{Process, World, fixture, try_wait};

#[test]
fn a_program_that_runs_once_is_done_and_stays_so() {
    let mut world = World::new();
    world.fixture("task", &["print", "ran", "exit", "0"], "kind = 'once'\n[restart]\non = 'always'");
    world.up();
    let status = world.until_state("task", State::Done);
    assert_eq!((status.run, status.standing, status.last_exit), (1, Standing::Done, Some(ExitText::Code(0))));
    let again = try_wait(Duration::from_millis(500), || (world.look("task").unwrap().run > 1).then_some(()));
    assert_eq!(again, None, "whatever the policy says");
    world.run(&["start", "task"]).fine();
    assert_eq!(world.until_state("task", State::Done).run, 2);
    assert_eq!(world.printed("task"), ["ran", "ran"]);
}

#[test]
fn one_that_fails_is_tried_again_by_the_policy() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    let policy = "kind = 'once'\n[restart]\ndelay = '50ms'\nquarantine = 'never'";
    // Fails until the file is there.
    world.fixture("task", &["cat", &gate, "exit", "0"], policy);
    world.fixture("never", &["exit", "3"], "kind = 'once'\n[restart]\non = 'never'");
    world.up();
    world.until("task", "was tried again", |status| status.restarts >= 2);
    fs::write(&gate, "").unwrap();
    assert_eq!(world.until_state("task", State::Done).standing, Standing::Done);
    let failed = world.until_state("never", State::Done);
    assert_eq!((failed.run, failed.standing, failed.last_exit), (1, Standing::Failed, Some(ExitText::Code(3))));
}

#[test]
fn a_run_that_takes_too_long_is_ended_as_a_failure() {
    let mut world = World::new();
    let rest = "max-runtime = '300ms'\n[restart]\nquarantine = { restarts = 1, within = '1m' }";
    for (name, kind) in [("task", "once"), ("web", "simple")] {
        world.fixture(name, &["forever"], &format!("kind = '{kind}'\n{rest}"));
    }
    world.up();
    for name in ["task", "web"] {
        let status = world.until_state(name, State::Quarantined);
        assert_eq!((status.run, status.pid), (2, None));
        let overdue = world.events(name).into_iter().filter(|what| matches!(what, What::Overdue { after: 300.., .. }));
        assert_eq!(overdue.count(), 2, "{}", world.story());
    }
}

/// Starts a daemon that writes its pid to `pid`, and ends when that is there.
fn commands(pid: &str) -> [String; 6] {
    let daemon = format!("pidfile '{pid}'; forever");
    ["fork-session", &daemon, "wait-for", pid, "exit", "0"].map(str::to_owned)
}

/// The daemon is the main process: its death is seen, and a stop ends it.
fn assert_guarded(world: &mut World, pid_file: &str) {
    let path = world.text_path(pid_file);
    let status = world.until_up("daemon");
    let daemon = world.until_pidfile(pid_file);
    assert_eq!(status.pid, Some(daemon.pid), "{}", world.story());
    assert!(world.events("daemon").iter().any(|what| matches!(what, What::Adopted { run: 1, .. })));
    fs::remove_file(path).unwrap();
    daemon.kill();
    let status = world.until_up_after("daemon", 1);
    let next = world.until_pidfile(pid_file);
    assert_eq!((status.pid, status.restarts), (Some(next.pid), 1));
    assert!(next.lives() && next != daemon);
    world.run(&["stop", "daemon"]).fine();
    assert!(!next.lives());
    world.assert_no_orphan();
}

#[test]
fn a_daemon_is_found_by_its_pid_file() {
    let mut world = World::new();
    let pid = world.text_path("daemon.pid");
    let rest = format!(
        "directory = {}\nkind = 'forking'\npid-file = 'daemon.pid'",
        crate::world::quoted(&world.text_path(""))
    );
    world.fixture("daemon", &commands(&pid), &rest);
    world.up();
    assert_guarded(&mut world, "daemon.pid");
}

#[test]
fn a_daemon_is_found_by_what_the_program_left() {
    let mut world = World::new();
    let pid = world.text_path("noted");
    world.fixture("daemon", &commands(&pid), "kind = 'forking'");
    world.up();
    assert_guarded(&mut world, "noted");
}

#[test]
fn a_program_that_leaves_nothing_has_failed_to_start() {
    let mut world = World::new();
    let quarantine = "[restart]\nquarantine = { restarts = 1, within = '1m' }";
    world.fixture("found", &["exit", "0"], &format!("kind = 'forking'\n{quarantine}"));
    world.fixture("named", &["exit", "0"], &format!("kind = 'forking'\npid-file = 'nowhere.pid'\n{quarantine}"));
    world.fixture("failed", &["exit", "4"], &format!("kind = 'forking'\n{quarantine}"));
    world.up();
    for name in ["found", "named"] {
        world.until_state(name, State::Quarantined);
        let told = world.events(name).into_iter().filter(|what| matches!(what, What::AdoptFailed { .. }));
        assert_eq!(told.count(), 2, "{}", world.story());
    }
    world.until_state("failed", State::Quarantined);
    assert!(world.events("failed").iter().any(|what| matches!(what, What::Exited { exit: ExitText::Code(4), .. })));
}

#[test]
fn a_program_that_never_leaves_its_daemon_alone_has_failed_to_start() {
    let mut world = World::new();
    let rest = "kind = 'forking'\n[ready]\ntimeout = '300ms'\n[restart]\non = 'never'";
    world.fixture("stays", &["forever"], rest);
    world.up();
    world.until_state("stays", State::Done);
    let told = world.until_record("stays", "the timeout", |what| matches!(what, What::ReadyTimedOut { .. }));
    let What::ReadyTimedOut { last, .. } = told.what else { unreachable!() };
    assert_eq!(last.as_deref(), Some("the program has not left its main process alone"));
}

#[test]
fn a_stranger_that_an_old_pid_file_names_is_not_taken() {
    let mut world = World::new();
    let stranger = std::process::id();
    let pid = world.text_path("daemon.pid");
    fs::write(&pid, stranger.to_string()).unwrap();
    let gate = world.text_path("gate");
    let daemon = format!("wait-for '{gate}'; pidfile '{pid}'; forever");
    let rest = format!("kind = 'forking'\npid-file = {}", crate::world::quoted(&pid));
    world.fixture("daemon", &["fork-session", &daemon, "exit", "0"], &rest);
    // The same where nothing is left to wait for.
    let rest = format!("{rest}\n[restart]\non = 'never'");
    world.fixture("gone", &["exit", "0"], &rest);
    world.up();
    world.until("daemon", "has left its daemon", |status| status.state == State::Starting && status.pid.is_none());
    fs::write(&gate, "").unwrap();
    let status = world.until_up("daemon");
    assert_ne!(status.pid, Some(stranger));
    assert_eq!(status.pid.unwrap().to_string(), fs::read_to_string(&pid).unwrap().trim());
    world.until_state("gone", State::Done);
    assert!(Process::of(stranger).lives());
    let told = world.until_record("gone", "nothing found", |what| matches!(what, What::AdoptFailed { .. }));
    let What::AdoptFailed { why, .. } = told.what else { unreachable!() };
    assert!(
        why.contains("no process") || why.contains("not part of this run") || why.contains("left no main process"),
        "{why}"
    );
}

#[test]
fn a_pid_file_is_refused_where_nothing_is_left_behind() {
    let world = World::new();
    world.program("bad", &fixture(), &["forever"], "pid-file = 'x.pid'");
    let said = world.run(&["validate", "bad"]).failed(1);
    assert!(said.contains("bad.toml:3:12") && said.contains("`pid-file`") && said.contains("forking"), "{said}");
}
