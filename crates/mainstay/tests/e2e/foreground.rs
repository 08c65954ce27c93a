//! `mainstay up`: takes over, revives, refuses, stops.

use std::time::{Duration, Instant};

use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::world::{Process, World, face, try_wait};

#[test]
fn a_killed_up_stops_no_program_and_the_next_takes_the_guards_over() {
    let mut world = World::new();
    let server = world.server("web", &[], "");
    world.fixture("worker", &["forever"], "");
    world.up();
    let before = [world.until_up("web"), world.until_up("worker")];
    world.kill_up();

    let gone = try_wait(Duration::from_millis(500), || (world.face("worker") != Some(face(&before[1]))).then_some(()));
    assert_eq!(gone, None, "nothing changes without `up`");
    server.crash(3);
    let (_, run) = world.healthy_after(server, before[0].run);
    assert_eq!(run, 2, "the guard needs no `up` to restart its program");
    let web = world.until_up_after("web", 1);

    world.up();
    world.wait("`up` says whom it took over", || {
        let said = world.up_said();
        let taken = |status: &mainstay_wire::status::ServiceStatus| {
            said.contains(&format!("{}: guard taken over (pid {})", status.name, status.guard_pid.unwrap()))
        };
        before.iter().all(taken).then_some(())
    });
    let after = ["web", "worker"].map(|name| world.face(name).unwrap());
    assert_eq!(after, [face(&web), face(&before[1])], "the same pids, the same runs");

    // It watches over those it took over as over its own.
    Process::of(before[1].guard_pid.unwrap()).kill();
    let again = world.until_up_after("worker", before[1].run);
    assert_ne!(again.guard_pid, before[1].guard_pid);
}

#[test]
fn a_second_up_is_refused() {
    let mut world = World::new();
    world.fixture("worker", &["forever"], "");
    world.up();
    let before = world.until_up("worker");
    let home = world.home().to_str().unwrap().to_owned();
    let said = world.run(&["up", &home]).failed(1);
    let expected = format!("another `mainstay up` has this home (pid {})", world.up_process().pid);
    assert!(said.contains("cannot go up") && said.contains(&expected), "{said}");
    assert_eq!(world.face("worker"), Some(face(&before)));
}

#[test]
fn a_dead_guard_is_replaced_at_once() {
    let mut world = World::new();
    let server = world.server("web", &[], "");
    world.up();
    let before = world.until_up("web");
    let program = Process::of(before.pid.unwrap());
    world.guard("web").kill();
    let (pid, run) = world.healthy_after(server, before.run);
    assert_eq!(run, before.run + 1);
    assert!(!program.lives(), "the old run is gone before the new one begins");
    let after = world.until_up_after("web", before.run);
    assert_eq!(after.pid, Some(pid));
    assert_ne!(after.guard_pid, before.guard_pid);
    let records = world.records("web");
    let at = |wanted: &dyn Fn(&What) -> bool| records.iter().rev().find(|record| wanted(&record.what)).unwrap().mono;
    let started = at(&|what| matches!(what, What::GuardStarted { .. }));
    let spawned = at(&|what| matches!(what, What::Spawned { .. }));
    assert!(spawned - started < 2_000_000_000, "{} ns", spawned - started);
}

#[test]
fn a_stopped_service_stays_down_when_its_guard_dies() {
    let mut world = World::new();
    world.fixture("worker", &["forever"], "");
    world.up();
    world.until_up("worker");
    world.run(&["stop", "worker"]).fine();
    let guard = world.guard("worker");
    guard.kill();
    let status = world.until("worker", "has a new guard", |status| status.guard_pid != Some(guard.pid));
    assert_eq!((status.state, status.run), (State::Down, 1));
    let started = try_wait(Duration::from_millis(500), || world.look("worker").filter(|status| status.run > 1));
    assert_eq!(started, None);
}

/// Guards that have just been started do not listen yet.
#[test]
fn a_ctrl_c_right_after_the_start_reaches_everybody() {
    for _ in 0..5 {
        let mut world = World::new();
        let names = ["a", "b", "c", "d"];
        names.iter().for_each(|name| world.fixture(name, &["forever"], INTERRUPT));
        world.up();
        world.interrupt();
        assert_eq!(world.up_ended(), 0);
        names.iter().for_each(|name| assert!(world.holder(name).is_none()));
        world.assert_no_orphan();
    }
}

#[test]
fn ctrl_c_stops_everything_in_reverse_order() {
    let mut world = World::new();
    let names = ["a-first", "b-second", "c-third"];
    for (name, after) in names.iter().zip(CHAIN) {
        let args = ["on-stop", "sleep 200ms; print bye; exit 0", "print", "ready", "forever"];
        world.fixture(name, &args, &format!("{after}\n{INTERRUPT}"));
    }
    world.up();
    names.iter().for_each(|name| world.until_printed(name, "ready"));
    let programs = names.map(|name| Process::of(world.until_up(name).pid.unwrap()));
    world.interrupt();
    assert_eq!(world.up_ended(), 0);
    assert!(programs.iter().all(|program| !program.lives()));
    let time = |name: &str, wanted: &dyn Fn(&What) -> bool| {
        let records = world.records(name);
        records.iter().find(|record| wanted(&record.what)).unwrap_or_else(|| panic!("{}", world.story())).mono
    };
    for [earlier, later] in [["c-third", "b-second"], ["b-second", "a-first"]] {
        let ended = time(earlier, &|what| matches!(what, What::Exited { .. }));
        let asked = time(later, &|what| matches!(what, What::Asked { .. }));
        assert!(ended <= asked, "{earlier} has ended before {later} is asked");
    }
    for name in names {
        assert_eq!(world.printed(name), ["ready", "bye"], "{name}");
        assert!(world.holder(name).is_none());
    }
    world.assert_no_orphan();
}

/// Each of three services comes after the one before.
const CHAIN: [&str; 3] = ["", "after = [\"a-first\"]", "after = [\"b-second\"]"];

/// Ctrl-C alone, with time.
pub(crate) const INTERRUPT: &str = "[stop]\nladder = [{ ask = \"ctrl-c\", wait = \"20s\" }]\n";

#[test]
fn a_second_ctrl_c_stops_all_at_once() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    let stop = format!("print stopping; wait-for '{gate}'; exit 0");
    let names = ["a-first", "b-second", "c-third"];
    for (name, after) in names.iter().zip(CHAIN) {
        world.fixture(name, &["on-stop", &stop, "print", "ready", "forever"], &format!("{after}\n{INTERRUPT}"));
    }
    world.up();
    names.iter().for_each(|name| world.until_printed(name, "ready"));
    world.interrupt();
    world.until_printed("c-third", "stopping");
    let asked = world.records("b-second").iter().any(|record| matches!(record.what, What::Asked { .. }));
    assert!(!asked, "one after the other");
    world.interrupt();
    names.iter().for_each(|name| world.until_printed(name, "stopping"));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(world.up_ended(), 0);
}

#[test]
fn a_third_ctrl_c_asks_no_more() {
    let mut world = World::new();
    let names = ["a-deaf", "b-deaf"];
    for (name, after) in names.iter().zip(["", "after = [\"a-deaf\"]"]) {
        world.fixture(name, &["ignore-stop", "print", "ready", "forever"], &format!("{after}\n{INTERRUPT}"));
    }
    world.up();
    names.iter().for_each(|name| world.until_printed(name, "ready"));
    let programs = names.map(|name| Process::of(world.until_up(name).pid.unwrap()));
    let begin = Instant::now();
    // Each is heard before the next comes, or two would be one.
    world.interrupt();
    world.until_record("b-deaf", "being asked", |what| matches!(what, What::Asked { .. }));
    world.interrupt();
    world.until_record("a-deaf", "being asked", |what| matches!(what, What::Asked { .. }));
    world.interrupt();
    assert_eq!(world.up_ended(), 0);
    assert!(begin.elapsed() < Duration::from_secs(15), "nobody waits for the ladder's 20 s: {:?}", begin.elapsed());
    for (name, program) in names.iter().zip(programs) {
        assert!(!program.lives());
        assert!(world.events(name).iter().any(|what| matches!(what, What::Killed { .. })), "{name}");
    }
}

#[test]
fn many_services_come_up_and_go_down_together() {
    const SERVICES: usize = if cfg!(windows) { 10 } else { 200 };
    let mut world = World::new();
    let names: Vec<String> = (0..SERVICES).map(|n| format!("service-{n:03}")).collect();
    for name in &names {
        world.fixture(name, &["forever"], "");
    }
    world.up();
    for name in &names {
        world.until_up(name);
    }
    let statuses = world.json(&["status"]);
    let statuses = statuses.as_array().unwrap();
    assert_eq!(statuses.len(), SERVICES);
    let mut processes = Vec::new();
    for (status, name) in statuses.iter().zip(&names) {
        assert_eq!((status["name"].as_str(), status["state"].as_str()), (Some(&name[..]), Some("up")), "{status}");
        let pids = [&status["pid"], &status["guard_pid"]].map(|pid| u32::try_from(pid.as_u64().unwrap()).unwrap());
        processes.extend(pids.map(Process::of));
    }
    assert_eq!(processes.len(), 2 * SERVICES);
    world.interrupt();
    assert_eq!(world.up_ended(), 0);
    let left: Vec<&Process> = processes.iter().filter(|process| process.lives()).collect();
    assert!(left.is_empty(), "{left:?}");
    world.assert_no_orphan();
}
