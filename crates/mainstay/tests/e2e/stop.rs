//! How a program is ended: asked, step by step, then with everything that it started.

use std::time::{Duration, Instant};

use mainstay_wire::control::Ask;
use mainstay_wire::record::{ExitText, What};
use mainstay_wire::status::State;

use crate::foreground::INTERRUPT;
use crate::world::{LIMIT, Process, World, fixture, list, text_of, try_wait};

/// The order of a stop as the journal tells it.
fn steps(world: &World, name: &str) -> Vec<String> {
    let step = |what: What| match what {
        What::Ordered { verb, .. } if verb != "start" => Some(format!("ordered {verb}")),
        What::Asked { ask, .. } => Some(format!("asked {}", ask.split(' ').next().unwrap_or_default())),
        What::AskFailed { ask, .. } => Some(format!("could not ask {ask}")),
        What::Killed { .. } => Some("killed".to_owned()),
        What::Exited { .. } => Some("exited".to_owned()),
        What::Down => Some("down".to_owned()),
        _ => None,
    };
    world.events(name).into_iter().filter_map(step).collect()
}

fn stop(world: &World, name: &str) -> Duration {
    let begin = Instant::now();
    world.ask(name, Ask::Stop).unwrap().unwrap();
    world.until_state(name, State::Down);
    begin.elapsed()
}

#[test]
fn a_program_that_ignores_every_request_is_ended_in_time_with_its_whole_tree() {
    let mut world = World::new();
    let [main, same, other] = ["main", "same", "other"].map(|name| world.text_path(name));
    let child = |path: &str| format!("ignore-stop; pidfile '{path}'; forever");
    let (same_session, other_session) = (child(&same), child(&other));
    let commands = ["ignore-stop", "fork", &same_session, "fork-session", &other_session, "pidfile", &main, "forever"];
    world.fixture("deaf", &commands, "[stop]\nladder = [{ ask = \"ctrl-c\", wait = \"500ms\" }]");
    world.up();
    let processes = ["main", "same", "other"].map(|name| world.until_pidfile(name));
    world.until_up("deaf");
    let took = stop(&world, "deaf");
    assert!(took >= Duration::from_millis(500), "it had its time: {took:?}");
    assert!(took < Duration::from_millis(500) + Duration::from_secs(5), "ladder and margin: {took:?}");
    assert_eq!(processes.map(Process::lives), [false; 3]);
    assert_eq!(steps(&world, "deaf"), ["ordered stop", "asked ctrl-c", "killed", "exited", "down"]);
    world.assert_no_orphan();
}

#[test]
fn the_steps_of_a_ladder_come_in_their_order() {
    let mut world = World::new();
    world.fixture(
        "deaf",
        &["report-stops", "print", "ready", "forever"],
        &format!(
            "[stop]\nladder = [{{ ask = \"ctrl-c\", wait = \"300ms\" }}, {{ command = {}, wait = \"300ms\" }}, \
             {{ ask = \"ctrl-c\", wait = \"300ms\" }}, {{ ask = \"terminate\" }}]",
            list(&[text_of(&fixture()), "print".to_owned(), "from the command".to_owned()])
        ),
    );
    world.up();
    world.until_printed("deaf", "ready");
    let took = stop(&world, "deaf");
    assert!(took >= Duration::from_millis(900), "each step has its wait: {took:?}");
    let command = format!("asked {}", text_of(&fixture()).split(' ').next().unwrap());
    let wanted = ["ordered stop", "asked ctrl-c", &command, "asked ctrl-c", "killed", "exited", "down"];
    assert_eq!(steps(&world, "deaf"), wanted);
    let printed = world.printed("deaf");
    let stops = printed.iter().filter(|line| line.starts_with("stop ")).count();
    assert_eq!((printed.len(), stops), (4, 2), "{printed:?}");
    assert!(printed[2] == "from the command", "{printed:?}");
}

#[test]
fn a_stop_command_knows_whom_to_stop() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    let command = ["env", "MAINSTAY_PID", "env", "MAINSTAY_SERVICE", "env", "MAINSTAY_RUN", "touch", &gate];
    let command = [vec![text_of(&fixture())], command.map(str::to_owned).to_vec()].concat();
    let rest = format!("[stop]\nladder = [{{ command = {}, wait = \"20s\" }}]", list(&command));
    world.fixture("gated", &["wait-for", &gate, "print", "bye", "exit", "7"], &rest);
    world.up();
    let pid = world.until_up("gated").pid.unwrap();
    let took = stop(&world, "gated");
    assert!(took < Duration::from_secs(15), "it ended when it was asked: {took:?}");
    assert_eq!(world.look("gated").unwrap().last_exit, Some(ExitText::Code(7)));
    let printed = world.printed("gated");
    for line in [format!("MAINSTAY_PID={pid}"), "MAINSTAY_SERVICE=gated".into(), "MAINSTAY_RUN=1".into(), "bye".into()]
    {
        assert!(printed.contains(&line), "{line} is not in {printed:?}");
    }
}

#[test]
fn a_grandchild_that_holds_stdout_holds_up_nothing() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    let stop_at_once = ["on-stop", "print bye; exit 0", "hold-stdout", "print", "ready", "forever"];
    world.fixture("asked", &stop_at_once, INTERRUPT);
    world.fixture("itself", &["hold-stdout", "print", "ready", "wait-for", &gate, "exit", "42"], "");
    world.up();
    ["asked", "itself"].iter().for_each(|name| world.until_printed(name, "ready"));

    // What lives on when the main process has ended as asked gets two seconds to follow.
    let took = stop(&world, "asked");
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(world.look("asked").unwrap().last_exit, Some(ExitText::Code(0)));
    assert_eq!(world.printed("asked").last().unwrap(), "bye");

    std::fs::write(&gate, "").unwrap();
    let begin = Instant::now();
    let status = world.until("itself", "is started again", |status| status.run >= 2);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(status.last_exit, Some(ExitText::Code(42)), "the exit code is kept");
    world.ask("itself", Ask::Kill).unwrap().unwrap();
    world.until_state("itself", State::Down);
    world.assert_no_orphan();
}

#[test]
fn a_tree_that_grows_back_is_ended_as_one() {
    let mut world = World::new();
    world.fixture("hydra", &["ignore-stop", "fork-bomb-respawn", "8"], "[stop]\nladder = [{ ask = \"terminate\" }]");
    world.up();
    world.until_up("hydra");
    #[cfg(unix)]
    world.wait("the tree has grown", || (world.marked().len() > 16).then_some(()));
    let took = stop(&world, "hydra");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!world.events("hydra").iter().any(|what| matches!(what, What::Unkillable { .. })));
    world.assert_no_orphan();
}

#[test]
fn a_stop_reaches_nobody_else() {
    let mut world = World::new();
    let commands = ["on-stop", "print asked; exit 0", "print", "ready", "forever"];
    world.fixture("one", &commands, INTERRUPT);
    world.fixture("other", &["report-stops", "print", "ready", "forever"], "");
    world.up();
    ["one", "other"].iter().for_each(|name| world.until_printed(name, "ready"));
    stop(&world, "one");
    assert_eq!(world.printed("one"), ["ready", "asked"]);
    let reached = try_wait(Duration::from_millis(300), || (world.printed("other").len() > 1).then_some(()));
    assert_eq!(reached, None, "{:?}", world.printed("other"));
    assert_eq!(world.look("other").unwrap().state, State::Up);
}

#[test]
fn a_kill_during_a_slow_stop_wins() {
    let mut world = World::new();
    world.fixture("slow", &["ignore-stop", "print", "ready", "forever"], INTERRUPT);
    world.up();
    world.until_printed("slow", "ready");
    world.ask("slow", Ask::Stop).unwrap().unwrap();
    assert_eq!(world.look("slow").unwrap().state, State::Stopping);
    let begin = Instant::now();
    world.run(&["kill", "slow"]).fine();
    assert!(begin.elapsed() < LIMIT / 2 && world.look("slow").unwrap().state == State::Down);
    assert_eq!(steps(&world, "slow"), ["ordered stop", "asked ctrl-c", "ordered kill", "killed", "exited", "down"]);
}

/// Whoever leaves a step out of the ladder is never asked that way.
#[test]
fn each_step_of_the_ladder_can_be_left_out() {
    let mut world = World::new();
    let touch = world.text_path("touched");
    let by_command = format!("command = {}", list(&[text_of(&fixture()), "touch".to_owned(), touch.clone()]));
    // Wine loses Ctrl-Break and has no windows without a desktop: `one_ask_is_one_event` and `scm_desktop` show those.
    type Way = (&'static str, &'static str, &'static [&'static str], &'static str);
    let ladders: &[Way] = if cfg!(windows) {
        &[
            ("c", "ask = 'ctrl-c'", &["on-stop", "exit 0", "print", "ready", "forever"], "ready"),
            ("threads", "ask = 'quit-threads'", &["ignore-stop", "message-loop", "exit", "0"], "queue ready"),
        ]
    } else {
        &[
            ("c", "ask = 'ctrl-c'", &["on-stop", "exit 0", "print", "ready", "forever"], "ready"),
            ("term", "ask = 'SIGTERM'", &["on-stop", "exit 0", "print", "ready", "forever"], "ready"),
            ("hup", "ask = 'SIGHUP'", &["on-stop", "exit 0", "print", "ready", "forever"], "ready"),
        ]
    };
    for (name, step, commands, _) in ladders {
        world.fixture(name, commands, &format!("[stop]\nladder = [{{ {step}, wait = '20s' }}]"));
    }
    let rest = format!("[stop]\nladder = [{{ {by_command}, wait = '20s' }}]");
    world.fixture("command", &["report-stops", "print", "ready", "wait-for", &touch, "exit", "0"], &rest);
    world.fixture("none", &["report-stops", "print", "ready", "forever"], "[stop]\nladder = [{ ask = 'terminate' }]");
    world.up();
    let asked = |name: &str| steps(&world, name).into_iter().filter(|step| step.starts_with("asked")).count();
    let all = ladders.iter().map(|(name, .., ready)| (*name, *ready)).chain([("command", "ready")]);
    for (name, ready) in all {
        world.until_printed(name, ready);
        stop(&world, name);
        assert_eq!(
            (asked(name), world.look(name).unwrap().last_exit),
            (1, Some(ExitText::Code(0))),
            "{name}: {}",
            world.story()
        );
    }
    world.until_printed("none", "ready");
    stop(&world, "none");
    assert_eq!((asked("none"), world.printed("none")), (0, vec!["ready".to_owned()]));
}
