//! When a program counts as up.

use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::world::{World, free_port};

/// How long a service's first run took to be ready, as its journal says.
fn ready_after_ms(world: &World, name: &str) -> u64 {
    world.until_up(name);
    let record = world.until_record(name, "being ready", |what| matches!(what, What::Ready { .. }));
    match record.what {
        What::Ready { after, .. } => after,
        _ => unreachable!(),
    }
}

fn assert_slow_start(world: &mut World, name: &str) {
    world.up();
    world.until(name, "is starting", |status| status.state == State::Starting && status.pid.is_some());
    let after = ready_after_ms(world, name);
    assert!((600..20_000).contains(&after), "{after} ms");
}

#[test]
fn a_delay_makes_a_program_ready() {
    let mut world = World::new();
    world.fixture("slow", &["forever"], "[ready]\ndelay = \"600ms\"");
    assert_slow_start(&mut world, "slow");
}

#[test]
fn an_open_port_makes_a_program_ready() {
    let mut world = World::new();
    let port = free_port();
    let commands = ["sleep", "600ms", "listen", &port.to_string(), "forever"];
    world.fixture("slow", &commands, &format!("[ready]\ntcp = \"localhost:{port}\"\nevery = \"50ms\""));
    assert_slow_start(&mut world, "slow");
}

#[test]
fn a_healthy_answer_makes_a_program_ready() {
    let mut world = World::new();
    world.server("slow", &["--start-delay", "600ms"], "");
    assert_slow_start(&mut world, "slow");
}

#[test]
fn a_line_in_the_log_makes_a_program_ready() {
    let mut world = World::new();
    let commands = ["print", "not ready yet", "sleep", "600ms", "stderr", "ready after 42 tries", "forever"];
    world.fixture("slow", &commands, "[ready]\nlog = '^ready after \\d+'");
    assert_slow_start(&mut world, "slow");
}

#[test]
fn a_program_that_is_not_ready_in_time_has_failed() {
    let mut world = World::new();
    let port = free_port();
    let rest = format!(
        "[restart]\ndelay = \"1h\"\n[ready]\ntcp = \"127.0.0.1:{port}\"\nevery = \"50ms\"\ntimeout = \"400ms\""
    );
    world.fixture("never", &["forever"], &rest);
    world.up();
    let status = world.until_state("never", State::Backoff);
    assert_eq!((status.run, status.pid), (1, None));
    let events = world.events("never");
    let timed_out = events.iter().find_map(|what| match what {
        What::ReadyTimedOut { after, last, .. } => Some((*after, last.clone())),
        _ => None,
    });
    let (after, last) = timed_out.unwrap();
    assert!((400..10_000).contains(&after), "{after} ms");
    let reason = last.expect("what the last attempt met");
    assert!(reason.contains(&format!("127.0.0.1:{port}")), "{reason}");
    assert!(events.iter().any(|what| matches!(what, What::Backoff { failures: 1, .. })), "{events:?}");
    let said = world.run(&["start", "never", "--timeout", "1s"]).failed(6);
    assert!(said.contains("cannot start never within 1s"), "{said}");
    world.assert_no_orphan();
}
