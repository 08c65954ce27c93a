//! What a program may use, as it finds it itself.

use mainstay_os::resources::{Resources, check};
use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::world::{World, fixture, quoted, text_of};

/// What the program prints with this in its spec.
fn said(commands: &[&str], rest: &str) -> Vec<String> {
    let mut world = World::new();
    world.fixture("one", &[commands, &["exit", "0"]].concat(), rest);
    world.up();
    world.until_state("one", State::Done);
    world.printed("one")
}

/// A spec that is refused where it is, for this reason.
#[track_caller]
fn assert_refused(rest: &str, place: &str, why: &str) {
    let world = World::new();
    world.spec("one", &format!("program = {}\n{rest}\n", quoted(&text_of(&fixture()))));
    let said = world.run(&["validate", "one"]).failed(1);
    assert!(said.contains(&format!("one.toml:{place}")) && said.contains(why), "{said}");
}

/// The words behind a name in a file of `/proc/self`.
fn of_proc(printed: &[String], name: &str) -> String {
    let line = printed.iter().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {printed:?}"));
    line.trim_start_matches(':').split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_program_stands_as_its_spec_says() {
    for (priority, nice, class) in [("idle", 19, 0x40), ("below-normal", 10, 0x4000), ("normal", 0, 0x20)] {
        let printed = said(&["standing"], &format!("[resources]\npriority = '{priority}'"));
        if cfg!(windows) {
            assert!(printed[0].starts_with(&format!("class {class:#x} ")), "{priority}: {printed:?}");
        } else {
            assert!(printed[0].starts_with(&format!("nice {nice} ")), "{priority}: {printed:?}");
        }
    }
}

#[test]
fn an_exact_nice_value_goes_before_the_priority() {
    let rest = "[resources]\nnice = 7\npriority = 'idle'";
    if cfg!(windows) {
        return assert_refused(rest, "3:8", "use priority");
    }
    assert!(said(&["standing"], rest)[0].starts_with("nice 7 "));
}

#[test]
fn its_reads_and_writes_stand_as_its_spec_says() {
    for (io, told) in [("idle", "io 3 0"), ("low", "io 2 7"), ("normal", "io 2 4"), ("high", "io 2 0")] {
        let rest = format!("[resources]\nio = '{io}'");
        match (cfg!(windows), io) {
            // The system keeps it for itself.
            (true, "high") => assert_refused(&rest, "3:6", "cannot set resources.io"),
            // What it was given can't be read from inside. Wine does not know it: then a failed start says so.
            (true, _) => assert_runs_or_says_why_not(&rest),
            (false, _) => assert!(said(&["standing"], &rest)[0].ends_with(told), "{io}"),
        }
    }
}

fn assert_runs_or_says_why_not(rest: &str) {
    let mut world = World::new();
    world.fixture("one", &["exit", "0"], &format!("[restart]\non = 'never'\n{rest}"));
    world.up();
    let status = world.until_state("one", State::Done);
    let says = world.events("one").into_iter().any(|what| match what {
        What::SpawnFailed { why, .. } => why.contains("cannot set resources.io: this system does not take it"),
        _ => false,
    });
    assert!(status.last_exit.is_some() || says, "{}", world.story());
}

#[test]
fn a_program_runs_on_its_processors() {
    let rest = "[resources]\naffinity = '0'";
    if cfg!(windows) {
        // Wine's jobs keep it and don't enforce it.
        assert!(said(&["standing"], rest)[0].starts_with("class "));
    } else {
        assert_eq!(of_proc(&said(&["cat", "/proc/self/status"], rest), "Cpus_allowed_list"), "0");
    }
    let missing = if cfg!(windows) { "63" } else { "1023" };
    let why = format!("there is no processor {missing}");
    assert_refused(&format!("[resources]\naffinity = '{missing}'"), "3:12", &why);
}

#[test]
fn a_programs_limits_and_umask_are_those_of_its_spec() {
    let rest = "[resources]\numask = '0027'\n[resources.limits]\nopen-files = 99\ncore = 0\nstack = '4MiB'\nfile-size = 'unlimited'\ncpu-time = '1h'";
    if cfg!(windows) {
        assert_refused("[resources]\numask = '0027'", "3:9", "Windows");
        return assert_refused("[resources]\nlimits = { core = 0 }", "3:10", "Windows");
    }
    let printed = said(&["cat", "/proc/self/status", "cat", "/proc/self/limits"], rest);
    assert_eq!(of_proc(&printed, "Umask"), "0027");
    for (name, wanted) in [
        ("Max open files", "99 99 files"),
        ("Max core file size", "0 0 bytes"),
        ("Max stack size", "4194304 4194304 bytes"),
        ("Max file size", "unlimited unlimited bytes"),
        ("Max cpu time", "3600 3600 seconds"),
    ] {
        assert_eq!(of_proc(&printed, name), wanted, "{name}");
    }
}

/// Whether this machine can keep these, and if not, why: what the OS crate says of it.
fn why_not(resources: &Resources) -> Option<String> {
    check(resources).first().map(|told| told.reason.clone())
}

#[track_caller]
fn assert_kept_or_refused(line: &str, resources: &Resources) {
    let mut world = World::new();
    world.fixture("one", &["print", "ran", "exit", "0"], &format!("[restart]\non = 'never'\n[resources]\n{line}"));
    world.fixture("other", &["forever"], "");
    match why_not(resources) {
        None => {
            world.run(&["validate", "one"]).fine();
            world.up();
            world.until_state("one", State::Done);
            assert_eq!(world.printed("one"), ["ran"], "{}", world.story());
        }
        Some(why) => {
            let said = world.run(&["validate", "one"]).failed(1);
            assert!(said.contains("one.toml:6:") && said.contains(&why), "{said}");
            assert!(why.starts_with("cannot set resources."), "{why}");
            // A file that nobody has validated: each attempt says why.
            world.up();
            let failed = world.until_record("one", "a failed start", |what| matches!(what, What::SpawnFailed { .. }));
            let What::SpawnFailed { why: told, .. } = failed.what else { unreachable!() };
            assert!(told.contains(&why) && world.printed("one").is_empty(), "{told}");
            let said = world.run(&["set", "other", &format!("resources.{}", line.replace(" = ", "="))]).failed(1);
            assert!(said.contains(&why), "{said}");
        }
    }
}

#[test]
fn a_limit_of_memory_is_kept_or_refused_with_its_reason() {
    assert_kept_or_refused("memory = '512MiB'", &Resources { memory_bytes: Some(512 << 20), ..Resources::default() });
}

#[test]
fn a_limit_of_processor_time_is_kept_or_refused_with_its_reason() {
    assert_kept_or_refused("cpu = '80%'", &Resources { cpu_percent: Some(80), ..Resources::default() });
}

#[test]
fn a_share_of_processor_time_is_kept_or_refused_with_its_reason() {
    assert_kept_or_refused("cpu-weight = 50", &Resources { cpu_weight: Some(50), ..Resources::default() });
}

#[test]
fn a_limit_of_processes_is_kept_or_refused_with_its_reason() {
    assert_kept_or_refused("processes = 30", &Resources { processes: Some(30), ..Resources::default() });
}

#[test]
fn what_makes_no_sense_is_refused_where_it_is() {
    for (line, place, why) in [
        ("memory = '10KiB'", "3:10", "at least 1MiB"),
        ("cpu = '0%'", "3:7", "is not a part of a processor"),
        ("cpu = 50", "3:7", "such as \"150%\""),
        ("cpu-weight = 0", "3:14", "cpu-weight"),
        ("affinity = '3-1'", "3:12", "names no processors"),
        ("priority = 'highest'", "3:12", "it can be idle"),
        ("processes = 0", "3:13", "processes"),
        ("memroy = '1GiB'", "3:1", "did you mean"),
    ] {
        assert_refused(&format!("[resources]\n{line}"), place, why);
    }
    if cfg!(unix) {
        assert_refused("[resources]\numask = '999'", "3:9", "is no umask");
        assert_refused("[resources.limits]\ncpu-time = '1500ms'", "3:12", "must be whole seconds");
    }
}

/// They say nothing of the machine the test runs on.
#[test]
fn a_spec_for_the_other_system_is_checked_by_its_rules() {
    let world = World::new();
    world.spec("linux", "program = 'x'\n[resources]\nnice = 5\numask = '0027'\n");
    world.run(&["validate", "linux", "--platform", "linux"]).fine();
    let said = world.run(&["validate", "linux", "--platform", "windows"]).failed(1);
    assert!(said.contains("linux.toml:3:8") && said.contains("linux.toml:4:9"), "{said}");
}
