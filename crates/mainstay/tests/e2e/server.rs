//! A Go server under `up`: crashes, graceful stops, last words.

use mainstay_wire::control::Ask;
use mainstay_wire::record::{ExitText, What};
use mainstay_wire::status::State;

use crate::world::World;

fn count(lines: &[String], line: &str) -> usize {
    lines.iter().filter(|l| *l == line).count()
}

#[test]
fn a_crashed_program_is_back_at_once() {
    let mut world = World::new();
    let server = world.server("web", &[], "");
    world.up();
    let before = world.until_up("web");
    assert_eq!((world.healthy(server), before.restarts), ((before.pid.unwrap(), before.run), 0));

    server.crash(3);
    let (pid, run) = world.healthy_after(server, before.run);
    assert_eq!(run, before.run + 1);
    assert_ne!(Some(pid), before.pid);
    let after = world.until_up_after("web", before.run);
    assert_eq!((after.pid, after.run, after.restarts), (Some(pid), run, 1));
    assert_eq!((after.guard_pid, after.last_exit), (before.guard_pid, Some(ExitText::Code(3))));

    let records = world.records("web");
    let place = |wanted: &dyn Fn(&What) -> bool| records.iter().position(|record| wanted(&record.what)).unwrap();
    let exited = place(&|what| matches!(what, What::Exited { run: 1, exit: ExitText::Code(3), asked: false, .. }));
    let spawned = place(&|what| matches!(what, What::Spawned { run: 2, .. }));
    assert!(exited < spawned);
    let gap = records[spawned].mono - records[exited].mono;
    assert!(gap < 1_000_000_000, "the first restart is at once, not after {gap} ns");
    assert!(records.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq), "{records:?}");
}

#[test]
fn a_graceful_stop_asks_once_and_keeps_the_last_words() {
    let mut world = World::new();
    let server = world.server("web", &["--shutdown-delay", "1s"], "");
    world.up();
    world.healthy(server);
    world.until_up("web");
    world.ask("web", Ask::Stop).unwrap().unwrap();
    // The moment its exit is in the journal, its last words are in the file: read in this order.
    world.until_record("web", "its exit", |what| matches!(what, What::Exited { .. }));
    let printed = world.printed("web");
    assert_eq!(count(&printed, "interrupt received 1"), 1, "{printed:?}");
    assert_eq!(count(&printed, "interrupt received 2"), 0, "{printed:?}");
    assert_eq!(printed.last().unwrap(), "bye");
    let countdown = printed.iter().filter(|line| line.starts_with("shutting down, ")).count();
    assert!(countdown >= 9, "one line every 100 ms for a second: {printed:?}");

    let status = world.until_state("web", State::Down);
    assert_eq!((status.pid, status.last_exit), (None, Some(ExitText::Code(0))));
    let events = world.events("web");
    let killed = events.iter().any(|what| matches!(what, What::Killed { .. } | What::AskFailed { .. }));
    assert!(!killed, "{events:?}");
    let exited = events.iter().find_map(|what| match what {
        What::Exited { exit, asked, ran, last_lines, .. } => Some((exit.clone(), *asked, *ran, last_lines.clone())),
        _ => None,
    });
    let (exit, asked, ran, last_lines) = exited.unwrap();
    assert_eq!((exit, asked), (ExitText::Code(0), true));
    assert!(ran >= 1000, "it ran through its shutdown: {ran} ms");
    assert_eq!(last_lines.last().unwrap(), "bye");
}

#[test]
fn start_stop_and_restart_are_waited_for() {
    let mut world = World::new();
    let server = world.server("web", &[], "");
    world.up();
    let first = world.until_up("web");
    world.run(&["stop", "web"]).fine();
    assert_eq!(world.look("web").unwrap().state, State::Down);
    assert!(server.health().is_none());
    world.run(&["start", "web"]).fine();
    let (pid, run) = server.health().expect("it is up when `start` comes back");
    assert_eq!(run, first.run + 1);
    world.run(&["restart", "web"]).fine();
    let (again, later) = server.health().expect("it is up when `restart` comes back");
    assert_eq!(later, run + 1);
    assert_ne!(again, pid);
    let status = world.look("web").unwrap();
    assert_eq!((status.restarts, status.guard_pid), (0, first.guard_pid), "orders are no automatic restarts");
    world.run(&["kill", "web"]).fine();
    assert_eq!(world.look("web").unwrap().state, State::Down);
    assert!(world.events("web").iter().any(|what| matches!(what, What::Killed { .. })));
}
