//! What is kept of what programs print: when it can't be written, when it is too much, when it is secret, and when a file is begun anew.

use std::fs;
use std::path::PathBuf;

use mainstay_wire::record::{Missing, What};
use mainstay_wire::status::State;

use crate::world::{World, quoted};

/// The managed log's place in the way, so that it can't be written. On Windows a folder with an open file in it can't be taken away;
/// there the file is replaced by a folder.
struct Obstacle(PathBuf);

impl Obstacle {
    fn put(world: &World, name: &str) -> Self {
        let (folder, output) = (world.layout.logs_of(name), world.layout.output(name));
        world.wait("the log begins", || output.exists().then_some(()));
        if cfg!(windows) {
            fs::rename(&output, folder.join("moved")).unwrap();
            fs::create_dir(&output).unwrap();
            return Self(output);
        }
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "in the way").unwrap();
        Self(folder)
    }

    fn take_away(self) {
        if cfg!(windows) {
            fs::remove_dir(&self.0).unwrap();
        } else {
            fs::remove_file(&self.0).unwrap();
        }
    }
}

/// The program's lines that are in the log, by their numbers.
fn numbers(world: &World, name: &str) -> Vec<u64> {
    let lines = world.printed(name);
    lines.iter().filter_map(|line| line.strip_prefix("line ")?.split(' ').next()?.parse().ok()).collect()
}

fn left_out(world: &World, name: &str, wanted: Missing) -> u64 {
    let lines = |what: What| match what {
        What::LeftOut { lines, why, .. } if why == wanted => lines,
        _ => 0,
    };
    world.events(name).into_iter().map(lines).sum()
}

/// A program that prints a beginning, and 40,000 lines (2.3 MB) when it may; then `flooded` by its own file.
fn flooder(world: &World, log: &str) {
    let (gate, flooded, over) = (world.text_path("gate"), world.text_path("flooded"), world.text_path("over"));
    let commands = [
        "print",
        "begin",
        "print-until",
        &gate,
        "flood",
        "40000",
        "touch",
        &flooded,
        "wait-for",
        &over,
        "print",
        "end",
        "forever",
    ];
    world.fixture("flooder", &commands, &format!("[log]\n{log}"));
}

/// What happens when the log can't be written while 2.3 MB come.
fn flood_into_nothing(world: &mut World, log: &str) {
    flooder(world, log);
    world.up();
    world.until_printed("flooder", "begin");
    let obstacle = Obstacle::put(world, "flooder");
    let fault = |what: &What| matches!(what, What::Fault { what } if what.contains("log.on-full"));
    world.until_record("flooder", "the fault", fault);
    fs::write(world.path("gate"), "").unwrap();
    world.wait("the program goes on", || world.path("flooded").exists().then_some(()));
    obstacle.take_away();
    world.until_record("flooder", "the end of the fault", |what| matches!(what, What::Mended { .. }));
    fs::write(world.path("over"), "").unwrap();
    world.until_printed("flooder", "end");
    world.wait("every line is there or counted", || {
        let there = numbers(world, "flooder").len() as u64;
        // Of the lines before the flood some may be counted too.
        (there + left_out(world, "flooder", Missing::Full) >= 40_000).then_some(())
    });
    let lines = world.printed("flooder");
    let marked =
        lines.iter().any(|line| line.starts_with("[mainstay] ") && line.contains("of output are missing here"));
    assert_eq!(marked, left_out(world, "flooder", Missing::Full) > 0, "who reads the log sees what is missing");
    let numbers = numbers(world, "flooder");
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
    let faults = world.events("flooder").iter().filter(|what| matches!(what, What::Fault { .. })).count();
    assert_eq!((faults, world.look("flooder").unwrap().run), (1, 1), "told once, the same run");
}

#[test]
fn without_a_way_to_write_new_output_is_dropped_and_counted() {
    let mut world = World::new();
    flood_into_nothing(&mut world, "on-full = 'drop-new'");
    let numbers = numbers(&world, "flooder");
    assert_eq!(numbers[0], 0, "what came first was kept in memory");
    assert!(left_out(&world, "flooder", Missing::Full) > 10_000);
}

#[test]
fn without_a_way_to_write_the_oldest_output_is_dropped_and_counted() {
    let mut world = World::new();
    flood_into_nothing(&mut world, "on-full = 'drop-oldest'");
    assert_eq!(numbers(&world, "flooder").last(), Some(&39_999), "what came last was kept in memory");
    assert!(left_out(&world, "flooder", Missing::Full) > 10_000);
}

#[test]
fn without_a_way_to_write_a_program_waits_no_longer_than_it_may() {
    let mut world = World::new();
    flood_into_nothing(&mut world, "full-wait = '200ms'");
    assert_eq!(numbers(&world, "flooder")[0], 0);
    assert!(left_out(&world, "flooder", Missing::Full) > 10_000);
}

#[test]
fn a_short_trouble_costs_no_line() {
    let mut world = World::new();
    flooder(&world, "full-wait = '10m'");
    world.up();
    world.until_printed("flooder", "begin");
    let obstacle = Obstacle::put(&world, "flooder");
    world.until_record("flooder", "the fault", |what| matches!(what, What::Fault { .. }));
    fs::write(world.path("gate"), "").unwrap();
    obstacle.take_away();
    fs::write(world.path("over"), "").unwrap();
    world.until_printed("flooder", "end");
    assert_eq!(numbers(&world, "flooder"), (0..40_000).collect::<Vec<u64>>());
    assert_eq!(left_out(&world, "flooder", Missing::Full), 0);
}

/// One file that can't be written costs the other nothing, though the program waits for it once.
#[test]
fn a_named_file_in_trouble_leaves_the_managed_log_alone() {
    let mut world = World::new();
    let path = world.path("named.log");
    fs::create_dir(&path).unwrap(); // the same refusal on both systems, also for root
    flooder(&world, &format!("stdout = {}\nfull-wait = '200ms'", quoted(&world.text_path("named.log"))));
    world.up();
    fs::write(world.path("gate"), "").unwrap();
    fs::write(world.path("over"), "").unwrap();
    world.until_printed("flooder", "end");
    assert_eq!(numbers(&world, "flooder").len(), 40_000);
    fs::remove_dir(&path).unwrap();
    world.until_record("flooder", "it is counted", |what| {
        matches!(what, What::LeftOut { file, bytes, why: Missing::Full, .. } if file.contains("named.log") && *bytes > 1_000_000)
    });
    let kept = fs::metadata(&path).unwrap().len();
    assert!(kept > 100_000, "what was in memory is written: {kept} bytes");
}

#[test]
fn too_many_lines_are_left_out_and_counted() {
    let mut world = World::new();
    flooder(&world, "rate-limit = { lines = 100, per = '1h' }");
    world.up();
    fs::write(world.path("gate"), "").unwrap();
    world.wait("the flood is over", || world.path("flooded").exists().then_some(()));
    world.run(&["stop", "flooder"]).fine();
    let there = world.printed("flooder").iter().filter(|line| !line.starts_with("[mainstay]")).count();
    assert_eq!(there, 100);
    world.wait("every line is there or counted", || {
        let all = numbers(&world, "flooder").len() as u64 + left_out(&world, "flooder", Missing::RateLimit);
        (all == 40_000).then_some(())
    });
}

#[test]
fn a_secret_in_the_output_is_written_nowhere() {
    let mut world = World::new();
    let commands =
        ["print", "token=abc123 rest", "stderr", "card 1234567812345678", "bytes", "746f6b656e3d78797a", "exit", "3"];
    let log = format!(
        "[restart]\non = 'never'\n[log]\nredact = ['token=\\w+', '\\d{{16}}']\nstdout = {}",
        quoted(&world.text_path("named.log"))
    );
    world.fixture("talker", &commands, &log);
    world.up();
    world.until_state("talker", State::Done);
    let mut lines = world.printed("talker");
    lines.sort();
    assert_eq!(lines, ["***", "*** rest", "card ***"]);
    assert_eq!(fs::read_to_string(world.path("named.log")).unwrap().replace('\r', ""), "*** rest\n***");
    let told = |what: &What| matches!(what, What::Exited { .. });
    let record = world.until_record("talker", "the exit", told).line();
    assert!(record.contains("*** rest") && !record.contains("abc123") && !record.contains("12345678"), "{record}");
}

#[test]
fn files_are_set_aside_on_demand() {
    let mut world = World::new();
    world.fixture("talker", &["print", "one", "stdin-lines"], "stdin = 'open'");
    world.up();
    world.until_printed("talker", "one");
    world.run(&["rotate", "talker"]).fine();
    world.run(&["rotate", "talker"]).fine(); // an empty file is none
    world.run(&["send", "talker", "two"]).fine();
    world.until_printed("talker", "two");
    let mut files: Vec<PathBuf> =
        fs::read_dir(world.layout.logs_of("talker")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].ends_with(" one\n") && texts[1].ends_with(" two\n"), "{texts:?}");
    let said = world.run(&["rotate", "nobody"]).failed(4);
    assert!(said.contains("nobody"), "{said}");
}

#[test]
fn each_run_may_have_a_file_of_its_own() {
    let mut world = World::new();
    world.fixture("talker", &["print", "hello", "exit", "0"], "[restart]\non = 'never'\n[log.rotate]\nat-start = true");
    world.up();
    for run in 2..=3 {
        world.until_state("talker", State::Done);
        world.run(&["start", "talker"]).fine();
        world.until("talker", "the next run is over", |status| status.run == run && status.state == State::Done);
    }
    let files: Vec<String> = fs::read_dir(world.layout.logs_of("talker"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|text| text.lines().count() == 1), "{files:?}");
}

/// A hundred programs that print and die at once: each line is there, none twice, each before the record of its run's exit.
#[test]
fn a_program_that_dies_at_once_loses_no_last_word() {
    const RUNS: u64 = if cfg!(windows) { 40 } else { 1000 };
    let mut world = World::new();
    let rest = "[restart]\non = 'always'\ndelay-max = '0s'\nquarantine = 'never'";
    world.fixture("mayfly", &["env", "MAINSTAY_RUN", "bytes", "6c617374", "exit", "1"], rest);
    world.up();
    world.until("mayfly", "many runs are over", |status| status.run > RUNS);
    world.run(&["stop", "mayfly"]).fine();
    let lines = world.printed("mayfly");
    let runs = world.look("mayfly").unwrap().run;
    let exits = world.events("mayfly").iter().filter(|what| matches!(what, What::Exited { .. })).count() as u64;
    for run in 1..=RUNS {
        let own = format!("MAINSTAY_RUN={run}");
        assert_eq!(
            lines.iter().filter(|line| **line == own).count(),
            1,
            "run {run} of {runs}, {exits} exits in the journal"
        );
    }
    // The words without an end of line come with the next line of the stream, or as a line of their own.
    let last = lines.iter().filter(|line| line.contains("last")).count() as u64;
    assert!(last >= RUNS, "{last}");
}
