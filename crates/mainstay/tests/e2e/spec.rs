//! Specs that come, change and go while everything runs.

use std::time::Duration;

use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::guard;
use crate::world::{Process, World, face, fixture, quoted, text_of, try_wait};

/// How often a service's spec was changed: with a restart, without.
fn changes(world: &World, name: &str) -> (usize, usize) {
    let count = |wanted: bool| {
        world
            .events(name)
            .iter()
            .filter(|what| matches!(what, What::SpecChanged { restart } if *restart == wanted))
            .count()
    };
    (count(true), count(false))
}

#[test]
fn only_what_changed_restarts() {
    let mut world = World::new();
    for name in ["changed", "same"] {
        world.fixture(name, &["env", "COLOUR", "forever"], "");
    }
    world.up();
    let before = ["changed", "same"].map(|name| world.until_up(name));
    world.fixture("changed", &["env", "COLOUR", "forever"], "env = { COLOUR = \"green\" }");
    let after = world.until_up_after("changed", before[0].run);
    assert_eq!(after.guard_pid, before[0].guard_pid, "the guard stays");
    assert_ne!(after.pid, before[0].pid);
    world.until_printed("changed", "COLOUR=green");
    assert_eq!((changes(&world, "changed"), changes(&world, "same")), ((1, 0), (0, 0)));
    assert_eq!(world.face("same"), Some(face(&before[1])));
}

#[test]
fn a_new_spec_is_guarded_and_a_removed_one_no_longer() {
    let mut world = World::new();
    world.up();
    world.fixture("late", &["forever"], "");
    let status = world.until_up("late");
    let processes = [status.pid, status.guard_pid].map(|pid| Process::of(pid.unwrap()));
    std::fs::remove_file(world.layout.spec("late")).unwrap();
    processes.iter().for_each(|process| process.wait_until_gone("the removed service"));
    assert!(world.up_said().contains("late: its spec was removed"), "{}", world.up_said());
    assert!(world.events("late").iter().any(|what| matches!(what, What::GuardEnded)));
    world.fixture("late", &["forever"], "");
    assert!(world.until_up("late").run > status.run, "it knows its past");
}

#[test]
fn a_bad_spec_is_reported_and_the_old_one_goes_on() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    world.up();
    let before = world.until_up("web");
    world.spec("web", "program = 7\nprogramm = 'x'\n[restart]\ndelay = 3\n");
    world.until_record("web", "the refusal", |what| {
        matches!(what, What::SpecRefused { problems } if problems.len() == 3
            && problems[0].starts_with("1:11: ") && problems[1].starts_with("2:1: ") && problems[2].starts_with("4:9: "))
    });
    let file = text_of(&world.layout.spec("web"));
    world.wait("`up` reports every problem with its place", || {
        let said = world.up_said();
        [":1:11: ", ":2:1: ", ":4:9: "].iter().all(|place| said.contains(&format!("{file}{place}"))).then_some(())
    });
    assert_eq!(world.face("web"), Some(face(&before)));
    // Even a guard that dies now comes back with what was good.
    world.guard("web").kill();
    let after = world.until_up_after("web", before.run);
    assert_eq!(after.state, State::Up);
    // The mended file is taken.
    world.fixture("web", &["print", "mended", "forever"], "");
    world.until_printed("web", "mended");
}

#[test]
fn a_new_policy_keeps_the_program() {
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    world.up();
    let before = world.until_up("web");
    let rest = "[restart]\non = \"never\"\n[stop]\nladder = [{ ask = \"terminate\" }]";
    world.fixture("web", &["forever"], rest);
    world.until_record("web", "the change", |what| matches!(what, What::SpecChanged { restart: false }));
    assert_eq!(world.face("web"), Some(face(&before)));
    Process::of(before.pid.unwrap()).kill();
    world.until_state("web", State::Done);
}

#[test]
fn set_applies_policy_at_once_and_holds_back_what_needs_a_restart() {
    let world = World::new();
    let text = format!(
        "# the best there is\nprogram = {} # ours\nargs = [\"env\", \"COLOUR\", \"forever\"]\n\n[restart] # careful\non = \"always\"\n",
        quoted(&text_of(&fixture()))
    );
    world.spec("web", &text);
    guard::begin(&world, "web");
    let before = world.until_up("web");
    world.until_printed("web", "COLOUR unset");

    world.run(&["set", "web", "restart.delay=1h"]).fine();
    world.until_record("web", "the change", |what| matches!(what, What::SpecChanged { restart: false }));
    world.run(&["set", "web", "env.COLOUR=green"]).fine();
    let changed = try_wait(Duration::from_millis(300), || (world.face("web") != Some(face(&before))).then_some(()));
    assert_eq!(changed, None);
    assert_eq!(world.run(&["get", "web", "env.COLOUR"]).fine(), "green\n");

    world.run(&["apply", "web"]).fine();
    let after = world.until_up_after("web", before.run);
    world.until_printed("web", "COLOUR=green");
    world.run(&["set", "web", "env.COLOUR=red"]).fine();
    world.run(&["restart", "web"]).fine();
    world.until_printed("web", "COLOUR=red");
    let applied = world.look("web").unwrap();
    world.run(&["unset", "--apply", "web", "env.COLOUR"]).fine();
    world.until_up_after("web", applied.run);
    assert!(applied.run > after.run);

    let kept = std::fs::read_to_string(world.layout.spec("web")).unwrap();
    for comment in ["# the best there is", "# ours", "# careful"] {
        assert!(kept.contains(comment), "{kept}");
    }
    let refused = world.run(&["set", "web", "restart.delay=soon"]).failed(1);
    assert!(refused.contains("nothing is changed"), "{refused}");
    assert_eq!(std::fs::read_to_string(world.layout.spec("web")).unwrap(), kept);
    assert_eq!(world.look("web").unwrap().run, applied.run + 1);
}

#[test]
fn a_manual_service_waits_for_its_order_and_a_disabled_one_refuses_it() {
    let mut world = World::new();
    world.fixture("manual", &["forever"], "start = \"manual\"");
    world.fixture("disabled", &["forever"], "start = \"disabled\"");
    world.up();
    for name in ["manual", "disabled"] {
        assert_eq!(world.until(name, "has a guard", |_| true).state, State::Down);
    }
    world.run(&["start", "manual"]).fine();
    let refused = world.run(&["start", "disabled"]).failed(1);
    assert!(refused.contains("disabled"), "{refused}");
    let events = world.events("disabled");
    assert!(events.iter().any(|what| matches!(what, What::OrderRefused { .. })), "{events:?}");
    assert_eq!(world.look("disabled").unwrap().run, 0);
}
