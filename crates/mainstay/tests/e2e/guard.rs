//! A guard that is killed leaves nothing behind and nothing twice.

use mainstay_os::environment;
use mainstay_os::process::spawn_detached;
use mainstay_wire::control::Ask;
use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::restart::TIRELESS;
#[cfg(unix)]
use crate::world::{LIMIT, try_wait};
use crate::world::{Process, World, face, free_port, mainstay};

/// A guard that nobody restarts, as a service manager starts it.
pub(crate) fn begin(world: &World, name: &str) -> Process {
    let home = world.home().as_os_str().to_owned();
    let args = ["guard".into(), name.into(), "--owner".into(), "up".into(), "--home".into(), home];
    let mut env = environment::inherited();
    env.retain(|(name, _)| name != "MAINSTAY_HOME");
    let (pid, _) = spawn_detached(&mainstay(), &args, &env).unwrap();
    Process::of(pid)
}

#[test]
fn a_guard_killed_again_and_again_leaves_no_orphan_and_no_second_run() {
    const KILLS: u64 = if cfg!(windows) { 20 } else { 200 };
    let world = World::new();
    let port = free_port();
    // The port can be held by one run only: a second one at the same time would complain and end with 2.
    let [main, child] = ["main", "child"].map(|name| world.text_path(name));
    let forked = format!("pidfile '{child}'; ignore-stop; forever");
    let number = port.to_string();
    let commands = ["listen", &number, "fork-session", &forked, "pidfile", &main, "flood", "2000", "forever"];
    world.fixture("held", &commands, TIRELESS);
    // Load beside it: a program that prints all the time.
    world.fixture("noise", &["flood", "100000000"], "[log]\nrotate = { size = \"1MiB\", keep = 1 }\n");
    begin(&world, "noise");
    let mut last_run = 0;
    let mut old: Vec<Process> = Vec::new();
    for turn in 0..KILLS {
        let guard = begin(&world, "held");
        // Each guard is killed at another moment of its life.
        match turn % 4 {
            0 => {}
            1 => world.wait("the lock is taken", || world.holder("held").filter(|holder| *holder == guard).map(drop)),
            2 => drop(world.until("held", "has begun a run", |status| status.run > last_run)),
            _ => {
                let status = world.until_up_after("held", last_run);
                assert!(status.run > last_run, "runs are never numbered twice");
                last_run = status.run;
                let alive: Vec<Process> = old.iter().copied().filter(|process| process.lives()).collect();
                assert!(alive.is_empty(), "turn {turn}: {alive:?} of an earlier run live\n{}", world.story());
                // What an earlier child may have written late is no living process by now.
                old = world.wait("the new run's processes are there", || {
                    let living = |path: &str| {
                        let pid = std::fs::read_to_string(path).ok()?.parse::<u32>().ok()?;
                        Process::try_of(pid).filter(|process| process.lives())
                    };
                    let found = [living(&main)?, living(&child)?];
                    (Some(found[0].pid) == status.pid).then(|| found.to_vec())
                });
            }
        }
        guard.kill();
        guard.wait_until_gone("the killed guard");
    }
    begin(&world, "held");
    let last = world.until_up_after("held", last_run);
    assert!(old.iter().all(|process| !process.lives()));
    let numbers: Vec<u64> = world
        .events("held")
        .iter()
        .filter_map(|what| match what {
            What::Starting { run, .. } => Some(*run),
            _ => None,
        })
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let refused =
        world.events("held").into_iter().find(|what| matches!(what, What::Exited { .. } | What::SpawnFailed { .. }));
    assert_eq!(refused, None, "no run met another");
    let complaint = world.printed("held").into_iter().find(|line| line.contains("fixture-child:"));
    assert_eq!(complaint, None);

    let processes = [last.pid, last.guard_pid].map(|pid| Process::of(pid.unwrap()));
    world.ask("held", Ask::Retire { in_order: false }).unwrap().unwrap();
    processes.iter().for_each(|process| process.wait_until_gone("what was left"));
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok(), "the port is free");
    let noise = world.guard("noise");
    world.ask("noise", Ask::Kill).unwrap().unwrap();
    world.until_state("noise", State::Down);
    world.ask("noise", Ask::Retire { in_order: false });
    noise.wait_until_gone("the other guard");
    world.assert_no_orphan();
}

#[test]
fn a_second_guard_is_refused_and_the_first_goes_on() {
    let world = World::new();
    world.fixture("one", &["forever"], "");
    begin(&world, "one");
    let before = world.until_up("one");
    let words = ["guard", "one", "--owner", "up"].map(str::to_owned);
    let mut command = std::process::Command::new(mainstay());
    command.args(words).arg("--home").arg(world.home());
    let said = world.run_command(&mut command);
    assert_ne!(said.code, 0);
    assert!(said.stderr.contains(&format!("another guard has it (pid {})", before.guard_pid.unwrap())), "{said:?}");
    assert_eq!(world.face("one"), Some(face(&before)));
}

/// Open descriptors and threads of a process.
#[cfg(unix)]
fn resources(process: Process) -> (usize, String) {
    let pid = process.pid;
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    (open, status.lines().find(|line| line.starts_with("Threads:")).unwrap().to_owned())
}

#[cfg(unix)]
#[test]
fn a_guard_does_not_grow_with_its_restarts() {
    const RESTARTS: u64 = 200;
    let mut world = World::new();
    let server = world.server("web", &[], TIRELESS);
    world.up();
    let (_, mut run) = world.healthy(server);
    let guard = world.guard("web");
    let mut crash = |world: &World| {
        server.crash(3);
        (_, run) = world.healthy_after(server, run);
        world.until("web", "is up", |status| status.state == State::Up && status.run == run);
    };
    // The first ones may open what stays open.
    (0..5).for_each(|_| crash(&world));
    let before = world.wait("it has settled", || Some(resources(guard)));
    (0..RESTARTS).for_each(|_| crash(&world));
    world.run(&["restart", "web"]).fine();
    // A client or the last run's pipes may just be on their way out.
    let settled = try_wait(LIMIT, || (resources(guard) <= before).then_some(()));
    assert!(settled.is_some(), "{:?} has become {:?}", before, resources(guard));
    assert_eq!(world.guard("web"), guard);
}
