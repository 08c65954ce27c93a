//! `mainstay logs`: which lines are shown, from whatever files they lie in.

use std::fs;

use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::world::World;

fn lines(world: &World, words: &[&str]) -> Vec<String> {
    let said = world.run(&[&["--json", "logs"], words].concat()).json_lines();
    said.iter().map(|line| line["line"].as_str().unwrap().to_owned()).collect()
}

const ONCE: &str = "[restart]\non = 'never'\n";

#[test]
fn lines_are_chosen_by_level_pattern_and_stream() {
    let mut world = World::new();
    let commands = [
        "print",
        "INFO ready to serve",
        "print",
        r#"{"level":"error","msg":"no"}"#,
        "print",
        "free words",
        "stderr",
        "WARN slow",
        "stderr",
        "\tat once",
        "exit",
        "0",
    ];
    world.fixture("talker", &commands, ONCE);
    world.up();
    world.until_state("talker", State::Done);
    let chosen = |words: &[&str]| {
        let mut lines = lines(&world, &[&["talker"], words].concat());
        lines.sort(); // the streams are two pipes: between them the order is theirs
        lines
    };
    assert_eq!(chosen(&["--level", "warn"]), ["\tat once", "WARN slow", r#"{"level":"error","msg":"no"}"#]);
    assert_eq!(chosen(&["--level", "error"]), [r#"{"level":"error","msg":"no"}"#]);
    assert_eq!(chosen(&["--grep", "^free|once$"]), ["\tat once", "free words"]);
    assert_eq!(chosen(&["--grep", "READY", "-i"]), ["INFO ready to serve"]);
    assert_eq!(chosen(&["--grep", "READY"]), [""; 0]);
    assert_eq!(chosen(&["--stream", "stderr", "--grep", "slow"]), ["WARN slow"]);
    assert_eq!(chosen(&["--until", "2000-01-01 00:00"]), [""; 0]);
    let said = world.run(&["logs", "talker", "--level", "warn"]);
    assert!(said.stderr.contains("1 lines name no level"), "{}", said.stderr);
    assert!(world.run(&["logs", "talker", "--grep", "("]).failed(2).contains("cannot read the pattern"));
    assert!(
        world.run(&["logs", "talker", "--level", "loud"]).failed(2).contains("trace, debug, info, warn, error, fatal")
    );
    let json = world.run(&["--json", "logs", "talker", "--grep", "level"]).json_lines();
    assert_eq!((&json[0]["level"], &json[0]["fields"]["msg"]), (&"error".into(), &"no".into()), "{json:?}");
}

#[test]
fn several_services_are_one_story() {
    let mut world = World::new();
    let [a, b] = ["a", "b"].map(|name| world.text_path(name));
    world.fixture("alpha", &["print", "1", "touch", &a, "wait-for", &b, "print", "3", "exit", "0"], ONCE);
    world.fixture("beta", &["wait-for", &a, "print", "2", "sleep", "50ms", "touch", &b, "exit", "0"], ONCE);
    world.up();
    world.until_state("alpha", State::Done);
    world.until_state("beta", State::Done);
    // The program's line is read after it was printed: as far as the pipes go, the order of three is that of time.
    let said = world.run(&["--json", "logs", "alpha", "beta"]).json_lines();
    let times: Vec<&str> = said.iter().map(|line| line["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.len() == 3, "{said:?}");
    assert_eq!(lines(&world, &["alpha", "beta", "-n", "1"]), ["3"]);
    let text = world.run(&["logs", "alpha", "beta", "-n", "2"]).fine();
    assert!(text.contains("  alpha  3\n") && text.contains("  beta   2\n"), "{text}");
    assert_eq!(world.run(&["logs", "alpha"]).fine().lines().count(), 2);
}

#[test]
fn the_lines_of_one_run_can_be_asked_for() {
    let mut world = World::new();
    world.fixture("counter", &["env", "MAINSTAY_RUN", "exit", "0"], ONCE);
    world.up();
    for run in 2..=3 {
        world.until_state("counter", State::Done);
        world.run(&["start", "counter"]).fine();
        world.until("counter", "the next run is over", |status| status.run == run && status.state == State::Done);
    }
    let of = |run: &str| lines(&world, &["counter", "--run", run]);
    assert_eq!([of("1"), of("2"), of("3")], ["1", "2", "3"].map(|run| vec![format!("MAINSTAY_RUN={run}")]));
    assert_eq!([of("0"), of("-1"), of("-2")], ["3", "2", "1"].map(|run| vec![format!("MAINSTAY_RUN={run}")]));
    for none in ["4", "-3"] {
        let said = world.run(&["logs", "counter", "--run", none]).failed(1);
        assert!(said.contains("its journal knows runs 1 to 3"), "{said}");
    }
}

#[test]
fn lines_of_one_event_are_one() {
    let mut world = World::new();
    let commands = ["print", "boom", "print", "\tat a", "print", "\tat b", "print", "next", "exit", "0"];
    world.fixture("java", &commands, &format!("{ONCE}[log]\nmultiline = 'indented'"));
    world.up();
    world.until_state("java", State::Done);
    let clean = |lines: Vec<String>| lines.into_iter().map(|line| line.replace('\r', "")).collect::<Vec<String>>();
    assert_eq!(clean(lines(&world, &["java"])), ["boom\n\tat a\n\tat b", "next"]);
    assert_eq!(clean(lines(&world, &["java", "--grep", "at b"])), ["boom\n\tat a\n\tat b"]);
}

/// Packed by a process of its own, which may take its time; read the same before and after.
#[test]
fn packed_files_are_read_like_the_others() {
    for (packing, suffix) in [("zstd", "zst"), ("gzip", "gz")] {
        let mut world = World::new();
        let rest = format!("[log.rotate]\nsize = '8KiB'\nkeep = 100\ncompress = '{packing}'");
        world.fixture("flood", &["flood", "1000", "stderr", "the end", "forever"], &rest);
        world.up();
        world.until_printed("flood", "the end");
        let folder = world.layout.logs_of("flood");
        let names = || -> Vec<String> {
            let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            entries.filter(|name| name.starts_with("output-")).collect()
        };
        world.wait("everything is packed", || {
            let names = names();
            (names.len() > 5 && names.iter().all(|name| name.ends_with(suffix))).then_some(())
        });
        let all = lines(&world, &["flood", "-n", "2000"]);
        let numbers: Vec<&str> = all.iter().filter_map(|line| line.strip_prefix("line ")?.get(..9)).collect();
        assert_eq!(numbers, (0..1000).map(|n| format!("{n:09}")).collect::<Vec<String>>());
        assert_eq!(lines(&world, &["flood", "--grep", "line 000000007 "]).len(), 1);
        assert_eq!(lines(&world, &["flood", "-n", "150"]), all[all.len() - 150..]);
        let faults: Vec<What> =
            world.events("flood").into_iter().filter(|what| matches!(what, What::Fault { .. })).collect();
        assert_eq!(faults, []);
    }
}
