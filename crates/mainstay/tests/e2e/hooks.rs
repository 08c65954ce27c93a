//! Commands of a service's own at the moments of its life.

use std::fs;
use std::time::{Duration, Instant};

use mainstay_wire::control::Ask;
use mainstay_wire::record::{ExitText, What};
use mainstay_wire::status::{Standing, State};

use crate::world::{Process, World, fixture, list, text_of};

/// The test program as a hook's command.
fn command(words: &[&str]) -> String {
    let program = text_of(&fixture());
    list(&[&[program.as_str()], words].concat())
}

/// A hook as a line of `[hooks]`.
fn hook(point: &str, words: &[&str]) -> String {
    format!("{point} = {}\n", command(words))
}

/// One that adds a line to a file.
fn note(point: &str, file: &str) -> String {
    hook(point, &["append", file, point])
}

fn lines_of(world: &World, file: &str) -> Vec<String> {
    fs::read_to_string(world.path(file)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Each hook that is over: its moment and how it ended.
fn ends(world: &World, name: &str) -> Vec<(String, String)> {
    let end = |what| if let What::Hooked { point, result, .. } = what { Some((point, result)) } else { None };
    world.events(name).into_iter().filter_map(end).collect()
}

fn until_ended(world: &World, name: &str, point: &str, result: &str) {
    let wanted = (point.to_owned(), result.to_owned());
    world.wait(&format!("{point} of {name} is {result}"), || ends(world, name).contains(&wanted).then_some(()));
}

const ONE_RESTART: &str = "[restart]\nquarantine = { restarts = 1, within = '1m' }\n";

#[test]
fn a_hook_comes_before_each_run_and_its_output_is_in_the_log() {
    let mut world = World::new();
    let order = world.text_path("order");
    let words =
        ["append", &order, "hook", "print", "out", "stderr", "err", "env", "MAINSTAY_RUN", "env", "MAINSTAY_HOOK"];
    let rest = format!(
        "env = {{ OWN = 'x' }}\n{ONE_RESTART}[hooks]\n{}",
        hook("pre-start", &[&words[..], &["env", "OWN", "cwd"]].concat())
    );
    world.fixture("web", &["append", &order, "program", "exit", "1"], &rest);
    world.up();
    world.until_state("web", State::Quarantined);
    assert_eq!(lines_of(&world, "order"), ["hook", "program", "hook", "program"]);
    let printed = world.printed("web");
    for line in ["out", "err", "MAINSTAY_RUN=1", "MAINSTAY_RUN=2", "MAINSTAY_HOOK=pre-start", "OWN=x"] {
        assert!(printed.iter().any(|l| l == line), "{line} is not in {printed:?}");
    }
    assert_eq!(
        ends(&world, "web"),
        [("pre-start".to_owned(), "ok".to_owned()), ("pre-start".to_owned(), "ok".to_owned())]
    );
}

#[test]
fn a_hook_that_fails_forbids_the_run_and_is_tried_again_by_the_policy() {
    let mut world = World::new();
    let rest = format!("{ONE_RESTART}[hooks]\n{}", hook("pre-start", &["exit", "3"]));
    world.fixture("web", &["print", "ran", "forever"], &rest);
    world.up();
    let status = world.until_state("web", State::Quarantined);
    assert_eq!((status.run, status.restarts, status.pid), (2, 1, None));
    assert_eq!(world.printed("web"), [""; 0]);
    let failed = world.until_record("web", "a failed start", |what| matches!(what, What::SpawnFailed { .. }));
    let What::SpawnFailed { why, .. } = failed.what else { unreachable!() };
    assert_eq!(why, "its pre-start hook failed: exit code 3");
    let told = world
        .events("web")
        .into_iter()
        .find_map(|what| if let What::Hooked { exit, took, .. } = what { Some((exit, took)) } else { None });
    let (exit, took) = told.unwrap();
    assert_eq!(exit, Some(ExitText::Code(3)));
    assert!(took.is_some());
    let said = world.run(&["start", "web"]).failed(1);
    assert!(said.contains("cannot start web: it is quarantined"), "{said}");
}

#[test]
fn a_hook_can_forbid_that_the_service_runs_at_all() {
    let mut world = World::new();
    let gate = world.text_path("gate");
    let pre = format!("pre-start = {{ command = {}, abort-on = [2] }}", command(&["cat", &gate]));
    world.fixture("web", &["forever"], &format!("[restart]\non = 'always'\n[hooks]\n{pre}"));
    world.up();
    let status = world.until_state("web", State::Done);
    assert_eq!((status.standing, status.run, status.restarts), (Standing::Failed, 1, 0));
    let note = status.note.unwrap();
    assert_eq!(note, "its pre-start hook forbids it: exit code 2");
    let said = world.run(&["start", "web"]).failed(1);
    assert!(said.contains("cannot start web") && said.contains("forbids it"), "{said}");
    fs::write(&gate, "open").unwrap();
    world.run(&["start", "web"]).fine();
    assert_eq!(world.look("web").unwrap().state, State::Up);
}

#[test]
fn the_failure_of_a_hook_can_be_ignored() {
    let mut world = World::new();
    let pre = format!("pre-start = {{ command = {}, ignore-failure = true }}", command(&["exit", "3"]));
    world.fixture("failed", &["forever"], &format!("[hooks]\n{pre}"));
    let missing = world.text_path("no-such-program");
    let pre = format!("pre-start = {{ command = {}, ignore-failure = true }}", list(&[missing]));
    world.fixture("missing", &["forever"], &format!("[hooks]\n{pre}"));
    world.up();
    for (name, result) in [("failed", "failed"), ("missing", "not-started")] {
        assert_eq!(world.until_up(name).restarts, 0);
        assert_eq!(ends(&world, name), [("pre-start".to_owned(), result.to_owned())]);
    }
}

#[test]
fn hooks_come_at_their_moments() {
    let mut world = World::new();
    let order = world.text_path("order");
    let hooks: String =
        ["pre-start", "post-start", "pre-stop", "post-stop", "on-exit"].map(|point| note(point, &order)).concat();
    let asked = format!("append '{order}' asked; exit 0");
    let stop = crate::foreground::INTERRUPT;
    world.fixture(
        "web",
        &["on-stop", &asked, "print", "up", "forever"],
        &format!("{stop}\n[ready]\nlog = 'up'\n[hooks]\n{hooks}"),
    );
    world.up();
    world.until_up("web");
    until_ended(&world, "web", "post-start", "ok");
    world.run(&["stop", "web"]).fine();
    until_ended(&world, "web", "on-exit", "ok");
    let mut order = lines_of(&world, "order");
    // Nobody waits for it: beside the hook after the run.
    order[4..].sort_unstable();
    assert_eq!(order, ["pre-start", "post-start", "pre-stop", "asked", "on-exit", "post-stop"]);
}

#[test]
fn a_hook_after_the_start_comes_when_the_run_is_ready() {
    let mut world = World::new();
    let (order, gate) = (world.text_path("order"), world.text_path("gate"));
    let rest = format!("[ready]\nlog = 'up'\n[hooks]\n{}", note("post-start", &order));
    world.fixture(
        "web",
        &["append", &order, "begun", "wait-for", &gate, "append", &order, "up", "print", "up", "forever"],
        &rest,
    );
    world.up();
    world.wait("it has begun", || (lines_of(&world, "order") == ["begun"]).then_some(()));
    fs::write(&gate, "").unwrap();
    until_ended(&world, "web", "post-start", "ok");
    assert_eq!(lines_of(&world, "order"), ["begun", "up", "post-start"]);
}

#[test]
fn a_program_is_asked_to_stop_when_the_hook_before_is_over() {
    let mut world = World::new();
    let order = world.text_path("order");
    let pre = hook(
        "pre-stop",
        &["append", &order, "begun", "sleep", "300ms", "append", &order, "over", "env", "MAINSTAY_PID"],
    );
    let asked = format!("append '{order}' asked; exit 0");
    world.fixture(
        "web",
        &["on-stop", &asked, "print", "up", "forever"],
        &format!("{}\n[hooks]\n{pre}", crate::foreground::INTERRUPT),
    );
    world.up();
    world.until_printed("web", "up");
    let pid = world.until_up("web").pid.unwrap();
    world.run(&["stop", "web"]).fine();
    assert_eq!(lines_of(&world, "order"), ["begun", "over", "asked"]);
    let printed = world.printed("web");
    assert!(printed.contains(&format!("MAINSTAY_PID={pid}")), "{printed:?}");
}

#[test]
fn the_next_run_waits_for_the_hook_after_the_last() {
    let mut world = World::new();
    let order = world.text_path("order");
    let post = hook("post-stop", &["append", &order, "begun", "sleep", "300ms", "append", &order, "over"]);
    world.fixture("web", &["append", &order, "run", "exit", "1"], &format!("{ONE_RESTART}[hooks]\n{post}"));
    world.up();
    world.until_state("web", State::Quarantined);
    assert_eq!(lines_of(&world, "order"), ["run", "begun", "over", "run", "begun", "over"]);
}

#[test]
fn the_hook_at_an_exit_knows_code_and_cause() {
    let mut world = World::new();
    let names = ["MAINSTAY_EXIT_CODE", "MAINSTAY_EXIT", "MAINSTAY_EXIT_CAUSE", "MAINSTAY_RUN", "MAINSTAY_RAN_MS"];
    let told =
        |file: &str| hook("on-exit", &names.iter().flat_map(|name| ["append-env", file, name]).collect::<Vec<_>>());
    let [itself, asked] = ["itself", "asked"].map(|name| world.text_path(name));
    world.fixture("itself", &["exit", "42"], &format!("[restart]\non = 'never'\n[hooks]\n{}", told(&itself)));
    let rest = format!("{}\n[hooks]\n{}", crate::foreground::INTERRUPT, told(&asked));
    world.fixture("asked", &["on-stop", "exit 7", "print", "up", "forever"], &rest);
    world.up();
    world.until_printed("asked", "up");
    world.run(&["stop", "asked"]).fine();
    for (name, code) in [("itself", 42), ("asked", 7)] {
        until_ended(&world, name, "on-exit", "ok");
        let lines = lines_of(&world, name);
        let first = [
            format!("MAINSTAY_EXIT_CODE={code}"),
            format!("MAINSTAY_EXIT=exit code {code}"),
            format!("MAINSTAY_EXIT_CAUSE={name}"),
            "MAINSTAY_RUN=1".to_owned(),
        ];
        assert_eq!(lines[..4], first);
        lines[4].strip_prefix("MAINSTAY_RAN_MS=").unwrap().parse::<u64>().unwrap();
    }
}

#[test]
fn a_hook_is_told_which_file_was_set_aside() {
    let mut world = World::new();
    let told = world.text_path("told");
    let rest = format!(
        "[log]\nrotate = {{ size = '4KiB' }}\n[hooks]\n{}",
        hook("on-rotate", &["append-env", &told, "MAINSTAY_LOG_FILE"])
    );
    world.fixture("web", &["flood", "80", "forever"], &rest);
    world.up();
    let line = world.until_file("told");
    let path = line.lines().next().unwrap().strip_prefix("MAINSTAY_LOG_FILE=").unwrap();
    let name = std::path::Path::new(path).file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("output-") && std::path::Path::new(path).is_file(), "{path}");
}

/// Meanwhile the program prints on, into the old file.
#[test]
fn a_rotation_waits_for_the_hook_before_it() {
    let mut world = World::new();
    let (told, gate) = (world.text_path("told"), world.text_path("gate"));
    let rest = format!(
        "[log]\nrotate = {{ size = '4KiB' }}\n[hooks]\n{}",
        hook("pre-rotate", &["append-env", &told, "MAINSTAY_LOG_FILE", "wait-for", &gate])
    );
    world.fixture("web", &["flood", "400", "print", "end", "forever"], &rest);
    world.up();
    world.until_printed("web", "end");
    let line = world.until_file("told");
    assert!(line.trim_end().ends_with("output.log"), "{line}");
    let asides = || {
        let entries = std::fs::read_dir(world.layout.logs_of("web")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with("output-")).count()
    };
    assert_eq!(asides(), 0);
    std::fs::write(&gate, "").unwrap();
    world.wait("it is set aside", || (asides() == 1).then_some(()));
    until_ended(&world, "web", "pre-rotate", "ok");
    assert_eq!(lines_of(&world, "told").len(), 1);
    // On demand too: of what came after the hook began nothing is left in the current file, so a line is needed first.
    world.run(&["restart", "web"]).fine();
    world.wait("the second run prints", || {
        (world.printed("web").iter().filter(|line| *line == "end").count() == 2).then_some(())
    });
    let before = lines_of(&world, "told").len();
    world.run(&["rotate", "web"]).fine();
    assert!(lines_of(&world, "told").len() > before, "the hook came first");
}

#[test]
fn a_hook_is_told_of_a_quarantine() {
    let mut world = World::new();
    let told = world.text_path("told");
    let words = [
        "append-env",
        &told,
        "MAINSTAY_RESTARTS",
        "append-env",
        &told,
        "MAINSTAY_STATE",
        "append-env",
        &told,
        "MAINSTAY_EXIT_CODE",
    ];
    world.fixture("web", &["exit", "5"], &format!("{ONE_RESTART}[hooks]\n{}", hook("on-quarantine", &words)));
    world.up();
    world.until_state("web", State::Quarantined);
    until_ended(&world, "web", "on-quarantine", "ok");
    assert_eq!(lines_of(&world, "told"), ["MAINSTAY_RESTARTS=1", "MAINSTAY_STATE=quarantined", "MAINSTAY_EXIT_CODE=5"]);
}

#[test]
fn hooks_that_were_written_for_nssm_find_its_variables() {
    let mut world = World::new();
    let [exit, start] = ["exit", "start"].map(|name| world.text_path(name));
    let names = [
        "NSSM_HOOK_VERSION",
        "NSSM_EVENT",
        "NSSM_ACTION",
        "NSSM_SERVICE_NAME",
        "NSSM_SERVICE_DISPLAYNAME",
        "NSSM_EXITCODE",
        "NSSM_DEADLINE",
    ];
    let words = |file: &'_ str| {
        names.iter().flat_map(|name| ["append-env".to_owned(), file.to_owned(), (*name).to_owned()]).collect::<Vec<_>>()
    };
    let line = |point: &str, file: &str| {
        let words = words(file);
        hook(point, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let rest = format!(
        "display-name = 'The Web'\n[restart]\non = 'never'\n[hooks]\nnames = 'nssm'\n{}{}",
        line("pre-start", &start),
        line("on-exit", &exit)
    );
    world.fixture("web", &["exit", "9"], &rest);
    world.fixture("own", &["exit", "0"], &format!("[hooks]\n{}", hook("pre-start", &["env", "NSSM_EVENT"])));
    world.up();
    until_ended(&world, "web", "on-exit", "ok");
    let told = |event: &str, action: &str, exit: &str, deadline: u32| {
        [
            "NSSM_HOOK_VERSION=1".to_owned(),
            format!("NSSM_EVENT={event}"),
            format!("NSSM_ACTION={action}"),
            "NSSM_SERVICE_NAME=web".to_owned(),
            "NSSM_SERVICE_DISPLAYNAME=The Web".to_owned(),
            exit.to_owned(),
            format!("NSSM_DEADLINE={deadline}"),
        ]
    };
    assert_eq!(lines_of(&world, "start"), told("Start", "Pre", "NSSM_EXITCODE unset", 20_000));
    assert_eq!(lines_of(&world, "exit"), told("Exit", "Post", "NSSM_EXITCODE=9", 60_000));
    world.until_state("own", State::Done);
    assert_eq!(world.printed("own"), ["NSSM_EVENT unset"]);
}

#[test]
fn a_hook_that_hangs_is_ended_in_time_with_all_it_started() {
    let mut world = World::new();
    let away = world.text_path("away");
    let far = format!("ignore-stop; pidfile '{away}'; forever");
    let words = ["ignore-stop", "fork-session", &far, "wait-for", &away, "fork-bomb-respawn", "4"];
    let pre = format!("pre-start = {{ command = {}, timeout = '1s', ignore-failure = true }}", command(&words));
    world.fixture("web", &["forever"], &format!("[hooks]\n{pre}"));
    world.up();
    let far = world.until_pidfile("away");
    let status = world.until_up("web");
    assert_eq!(ends(&world, "web"), [("pre-start".to_owned(), "timed-out".to_owned())]);
    assert!(!far.lives(), "what it started outlived it");
    assert!(Process::of(status.pid.unwrap()).lives());
    #[cfg(unix)]
    assert_eq!(world.marked().len(), 1, "the program alone");
}

#[test]
fn what_a_hook_leaves_behind_ends_with_it() {
    let mut world = World::new();
    let away = world.text_path("away");
    let far = format!("pidfile '{away}'; forever");
    world.fixture(
        "web",
        &["forever"],
        &format!("[hooks]\n{}", hook("pre-start", &["fork-session", &far, "wait-for", &away])),
    );
    world.up();
    world.until_up("web");
    let pid = fs::read_to_string(&away).unwrap().trim().parse().unwrap();
    assert!(Process::try_of(pid).is_none_or(|left| !left.lives()));
    assert_eq!(ends(&world, "web"), [("pre-start".to_owned(), "ok".to_owned())]);
}

#[test]
fn a_hook_that_floods_blocks_nobody_and_costs_no_line() {
    const LINES: u32 = 20_000;
    let mut world = World::new();
    let own: Vec<String> = (0..200).map(|n| format!("own {n}")).collect();
    let commands: Vec<&str> = own.iter().flat_map(|line| ["print", line.as_str()]).chain(["forever"]).collect();
    world.fixture("web", &commands, &format!("[hooks]\n{}", hook("post-start", &["flood", &LINES.to_string()])));
    world.up();
    until_ended(&world, "web", "post-start", "ok");
    let ours =
        |world: &World| world.printed("web").into_iter().filter(|line| line.starts_with("own ")).collect::<Vec<_>>();
    world.wait("all of the program's lines are there", || (ours(&world).len() == own.len()).then_some(()));
    assert_eq!(ours(&world), own);
    let last = format!("line {:09} the quick brown fox jumps over the lazy dog", LINES - 1);
    world.until_printed("web", &last);
}

#[test]
fn a_stop_during_a_hook_that_hangs_works_at_once() {
    let mut world = World::new();
    let at = world.text_path("at");
    let pre = |words: &[&str]| format!("[hooks]\npre-start = {{ command = {}, timeout = '1h' }}", command(words));
    world.fixture("web", &["print", "ran", "forever"], &pre(&["ignore-stop", "pidfile", &at, "forever"]));
    world.up();
    let hook = world.until_pidfile("at");
    assert_eq!(world.look("web").unwrap().state, State::Starting);
    let begin = Instant::now();
    world.ask("web", Ask::Stop).unwrap().unwrap();
    world.until_state("web", State::Down);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(!hook.lives());
    assert_eq!(world.printed("web"), [""; 0]);
    assert_eq!(ends(&world, "web"), [("pre-start".to_owned(), "ended".to_owned())]);
}

#[test]
fn a_hook_of_a_killed_guard_is_ended_by_the_next() {
    let mut world = World::new();
    let at = world.text_path("at");
    let away = world.text_path("away");
    let far = format!("ignore-stop; pidfile '{away}'; forever");
    let words = ["ignore-stop", "fork-session", &far, "pidfile", &at, "forever"];
    let post = format!("post-start = {{ command = {}, timeout = '1h' }}", command(&words));
    world.fixture("web", &["forever"], &format!("[hooks]\n{post}"));
    world.up();
    let hooks = ["at", "away"].map(|name| world.until_pidfile(name));
    let guard = world.guard("web");
    for name in ["at", "away"] {
        fs::remove_file(world.path(name)).unwrap();
    }
    guard.kill();
    world.until("web", "has another guard", |status| status.guard_pid != Some(guard.pid));
    for hook in hooks {
        hook.wait_until_gone("a hook of the dead guard");
    }
}
