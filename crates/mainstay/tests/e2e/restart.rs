//! When a program is started again, when not, and how soon.

use std::time::Duration;

use mainstay_wire::control::Ask;
use mainstay_wire::record::{ExitText, What};
use mainstay_wire::status::State;

use crate::world::{World, try_wait};

/// Starts at once whatever happened before, as often as it takes.
pub(crate) const TIRELESS: &str = "[restart]\ndelay-max = \"0s\"\nquarantine = \"never\"\n";

fn starts(world: &World, name: &str) -> usize {
    world.events(name).iter().filter(|what| matches!(what, What::Starting { .. })).count()
}

#[test]
fn a_crash_loop_backs_off_visibly_and_ends_in_quarantine() {
    let mut world = World::new();
    world.fixture("loop", &["print", "hello", "exit", "3"], "");
    world.up();
    let waiting = world.until_state("loop", State::Backoff);
    assert!(waiting.next.is_some_and(|next| next >= waiting.since), "{waiting:?}");
    assert_eq!((waiting.pid, waiting.last_exit), (None, Some(ExitText::Code(3))));

    let taken_out = world.until_state("loop", State::Quarantined);
    assert_eq!((taken_out.run, taken_out.restarts, taken_out.pid), (4, 3, None));
    let events = world.events("loop");
    let waits: Vec<u64> = events
        .iter()
        .filter_map(|what| match what {
            What::Backoff { wait, .. } => Some(*wait),
            _ => None,
        })
        .collect();
    let [second, third] = waits[..] else { panic!("the first restart is at once, two wait: {waits:?}") };
    assert!((200..=300).contains(&second) && (400..=600).contains(&third), "{waits:?}");
    assert_eq!(events.iter().filter(|what| matches!(what, What::Exited { .. })).count(), 4);
    assert!(events.iter().any(|what| matches!(what, What::Quarantined { restarts: 3, .. })), "{events:?}");
}

#[test]
fn an_order_to_start_leaves_quarantine() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    world.fixture(
        "loop",
        &["wait-for", &gate, "exit", "3"],
        "[restart]\nquarantine = { restarts = 0, within = \"5m\" }",
    );
    world.up();
    world.until_up("loop");
    std::fs::write(&gate, "").unwrap();
    let taken_out = world.until_state("loop", State::Quarantined);
    assert_eq!((taken_out.run, taken_out.restarts), (1, 0), "no restart is allowed at all");
    std::fs::remove_file(&gate).unwrap();
    let said = world.run(&["start", "loop"]).fine();
    assert!(said.starts_with("loop: up"), "{said}");
    let status = world.look("loop").unwrap();
    assert_eq!((status.state, status.run), (State::Up, 2));
}

#[test]
fn a_changed_spec_leaves_quarantine() {
    let mut world = World::new();
    let never = "[restart]\nquarantine = { restarts = 0, within = \"5m\" }";
    world.fixture("loop", &["exit", "3"], never);
    world.up();
    world.until_state("loop", State::Quarantined);
    world.fixture("loop", &["forever"], never);
    assert_eq!(world.until_up("loop").run, 2);
}

#[test]
fn quarantine_ends_by_itself_after_the_set_time() {
    let mut world = World::new();
    let rest = "[restart]\nquarantine = { restarts = 0, within = \"5m\", release-after = \"500ms\" }";
    world.fixture("loop", &["exit", "3"], rest);
    world.up();
    let first = world.until_state("loop", State::Quarantined);
    assert!(first.next.is_some(), "{first:?}");
    world.until_record("loop", "its release", |what| matches!(what, What::Released));
    world.until("loop", "runs again", |status| status.run > 1);
}

#[test]
fn an_order_to_start_cuts_a_long_back_off_short() {
    let mut world = World::new();
    world.fixture("loop", &["exit", "3"], "[restart]\ndelay = \"1h\"\ndelay-max = \"1h\"");
    world.up();
    assert_eq!(world.until_state("loop", State::Backoff).run, 1);
    world.ask("loop", Ask::Start { now: false }).unwrap().unwrap();
    let again = world.until("loop", "waits again", |status| status.state == State::Backoff && status.run == 2);
    assert_eq!(again.restarts, 0, "an order is no automatic restart");
}

#[test]
fn a_stop_during_back_off_wins() {
    let mut world = World::new();
    world.fixture("loop", &["exit", "3"], "[restart]\ndelay = \"700ms\"");
    world.up();
    world.until_state("loop", State::Backoff);
    let stopped = world.ask("loop", Ask::Stop).unwrap().unwrap();
    assert_eq!(stopped.state, State::Down);
    let came_back =
        try_wait(Duration::from_millis(1500), || world.look("loop").filter(|status| status.run != stopped.run));
    assert_eq!(came_back, None);
}

#[test]
fn a_stable_run_resets_the_back_off() {
    let mut world = World::new();
    let rest = "[restart]\nstable-after = \"300ms\"\nquarantine = \"never\"";
    world.fixture("loop", &["sleep", "400ms", "exit", "3"], rest);
    world.up();
    world.until("loop", "has run five times", |status| status.run >= 5);
    let waited = world.events("loop").iter().any(|what| matches!(what, What::Backoff { .. }));
    assert!(!waited, "each restart is the first: {}", world.story());
}

/// What the program does, how it is seen, and whether the policies start it again: `on = failure`, and the map below.
struct End {
    commands: [&'static str; 2],
    seen: ExitText,
    after_failure: bool,
    by_map: bool,
}

fn ends() -> Vec<End> {
    let code = |text: &'static str, code: i64, by_map: bool| {
        // Linux keeps 8 bits of what a program ends with.
        let kept = if cfg!(windows) { code & 0xFFFF_FFFF } else { code & 0xFF };
        let seen = u32::try_from(kept).unwrap();
        End { commands: ["exit", text], seen: ExitText::Code(seen), after_failure: seen != 0, by_map }
    };
    let mut ends = vec![
        code("0", 0, true),
        code("1", 1, true),
        code("42", 42, false),
        code("255", 255, cfg!(windows)),
        code("-1", -1, false),
    ];
    #[cfg(windows)]
    ends.extend([
        code("259", 259, false),
        code("3221225477", 0xC000_0005, false),
        code("3221225786", 0xC000_013A, true),
    ]);
    #[cfg(unix)]
    ends.extend([("SIGKILL", false), ("SIGSEGV", true)].map(|(signal, by_map)| End {
        commands: ["signal-self", signal],
        seen: ExitText::Signal(signal.to_owned()),
        after_failure: true,
        by_map,
    }));
    ends
}

#[cfg(windows)]
const MAP: &str =
    "exit-codes = { 0 = \"restart\", 42 = \"done\", -1 = \"fail\", 259 = \"done\", 0xC0000005 = \"done\" }";
#[cfg(unix)]
const MAP: &str = "exit-codes = { 0 = \"restart\", 42 = \"done\", -1 = \"fail\", SIGKILL = \"done\" }";

#[test]
fn every_exit_has_the_consequence_that_the_spec_names() {
    let mut world = World::new();
    let policies = ["on = \"always\"", "on = \"failure\"", "on = \"never\"", MAP];
    for (number, end) in ends().iter().enumerate() {
        for (policy, text) in policies.iter().enumerate() {
            // An hour before the restart, so that the decision can be looked at.
            let rest = format!("[restart]\ndelay = \"1h\"\n{text}");
            world.fixture(&format!("end{number}-{policy}"), &end.commands, &rest);
        }
    }
    world.up();
    for (number, end) in ends().iter().enumerate() {
        let restarted = [true, end.after_failure, false, end.by_map];
        for (policy, restarts) in restarted.into_iter().enumerate() {
            let name = format!("end{number}-{policy}");
            let settled = |state| matches!(state, State::Backoff | State::Done);
            let status = world.until(&name, "has settled", |status| settled(status.state));
            let wanted = if restarts { State::Backoff } else { State::Done };
            let (commands, policy) = (end.commands, policies[policy]);
            assert_eq!(status.state, wanted, "{commands:?}, {policy}");
            assert_eq!(status.last_exit.as_ref(), Some(&end.seen), "{commands:?}, {policy}");
            let recorded = world.events(&name).into_iter().find_map(|what| match what {
                What::Exited { exit, asked: false, .. } => Some(exit),
                _ => None,
            });
            assert_eq!(recorded.as_ref(), Some(&end.seen), "{commands:?}, {policy}");
            let done = world.events(&name).into_iter().any(|what| matches!(what, What::Done { .. }));
            assert_eq!(done, !restarts, "{commands:?}, {policy}");
        }
    }
}

#[test]
fn a_server_survives_crash_after_crash() {
    const CRASHES: u64 = if cfg!(windows) { 60 } else { 1000 };
    let mut world = World::new();
    let server = world.server("web", &[], TIRELESS);
    world.up();
    let first = world.until_up("web");
    let (mut pid, mut run) = world.healthy(server);
    for _ in 0..CRASHES {
        server.crash(3);
        let (later_pid, later_run) = world.healthy_after(server, run);
        assert_eq!(later_run, run + 1, "one crash, one run");
        assert_ne!(later_pid, pid);
        (pid, run) = (later_pid, later_run);
    }
    let last = world.until("web", "is up", |status| status.state == State::Up && status.run == run);
    assert_eq!((last.restarts, last.guard_pid), (CRASHES, first.guard_pid));
    let records = world.records("web");
    assert!(records.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq), "a record is missing");
    assert!(!records.iter().any(|record| matches!(record.what, What::Backoff { .. } | What::Fault { .. })));
    assert!(starts(&world, "web") as u64 <= CRASHES + 1);
}
