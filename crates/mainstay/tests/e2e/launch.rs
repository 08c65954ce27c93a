//! How a program is started: what it is given, and what when it can't be.

use std::fs;
use std::path::Path;

use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::world::{World, fixture, quoted, text_of};

/// Runs the test program to its end and gives what it printed, byte for byte.
fn said(world: &mut World, commands: &[&str], rest: &str) -> Vec<String> {
    let out = format!("[log]\nstdout = {}", quoted(&world.text_path("out.log")));
    world.fixture("one", commands, &format!("{rest}\n{out}"));
    world.up();
    let status = world.until("one", "has ended", |status| matches!(status.state, State::Done | State::Backoff));
    assert_eq!(status.state, State::Done, "{}", world.story());
    let text = fs::read_to_string(world.path("out.log")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn escaped(text: &str) -> String {
    text.as_bytes().escape_ascii().to_string()
}

#[test]
fn a_program_gets_its_arguments_unchanged() {
    let long = "ab ".repeat(10_600);
    let hard = [
        "plain",
        "two words",
        "",
        " ",
        "\"",
        "\"quoted\"",
        "a\"b",
        r"C:\folder\",
        r"C:\two words\",
        r"\\server\share\\",
        r#"\""#,
        r#"\\\""#,
        r#"ends with \"#,
        "ä字😀",
        "%PATH%",
        "^",
        "&",
        "a & b",
        "|<>",
        "*",
        "?",
        "*.toml",
        "'single'",
        "$HOME",
        "${HOME}",
        "`x`",
        "!x!",
        "tab\there",
        "line\nfeed",
        "--port=8080",
        "-x",
        "/y",
        "@file",
        "~",
        ";",
        "#",
        "=",
        &long,
    ];
    let mut world = World::new();
    let commands = [&["args"], &hard[..]].concat();
    assert_eq!(said(&mut world, &commands, ""), hard.map(escaped));
}

#[test]
fn a_program_may_have_any_path() {
    let mut world = World::new();
    let folder = world.path("Prog Dir").join("ä字😀");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join(format!("a b{}", std::env::consts::EXE_SUFFIX));
    fs::copy(fixture(), &program).unwrap();
    // What a carelessly quoted path would start instead.
    let planted = world.path(&format!("Prog{}", std::env::consts::EXE_SUFFIX));
    fs::write(planted, "not me").unwrap();
    world.program("odd", &program, &["exe", "cwd", "exit", "0"], "");
    world.up();
    world.until_state("odd", State::Done);
    let printed = world.printed("odd");
    assert!(printed[0].ends_with(&escaped("a b")) || printed[0].contains("a b"), "{printed:?}");
    assert!(printed[1].ends_with(&escaped("ä字😀")), "it runs in its own folder: {printed:?}");
}

#[test]
fn the_environment_is_added_to_or_replaced() {
    // Cargo gives this one to the tests, and `up` and the guards pass it on.
    let inherited = "CARGO_MANIFEST_DIR";
    let vars = "env = { COLOUR = \"dark green\", EMPTY = \"\", \"MiXed.Case\" = \"ä=1\" }";
    let mut world = World::new();
    world.fixture("added", &["environment", "exit", "0"], vars);
    world.fixture("replaced", &["environment", "exit", "0"], &format!("{vars}\nenv-inherit = false"));
    world.up();
    for name in ["added", "replaced"] {
        world.until_state(name, State::Done);
        let printed = world.printed(name);
        let ours = [format!("MAINSTAY_SERVICE={name}"), "MAINSTAY_RUN=1".to_owned()];
        let given = ["COLOUR=dark green".to_owned(), "EMPTY=".to_owned(), format!("MiXed.Case={}", escaped("ä=1"))];
        for line in ours.iter().chain(&given) {
            assert!(printed.contains(line), "{name}: {line} is not in {printed:?}");
        }
        let has_inherited = printed.iter().any(|line| line.starts_with(&format!("{inherited}=")));
        assert_eq!(has_inherited, name == "added", "{printed:?}");
        let of_the_owner = ["NOTIFY_SOCKET=", "WATCHDOG_USEC=", "INVOCATION_ID=", "MAINSTAY_HOME="];
        let leaked = printed.iter().find(|line| of_the_owner.iter().any(|name| line.starts_with(name)));
        assert_eq!(leaked, None);
    }
}

#[test]
fn each_run_knows_its_number() {
    let mut world = World::new();
    world.fixture(
        "counted",
        &["env", "MAINSTAY_RUN", "exit", "1"],
        "[restart]\nquarantine = { restarts = 1, within = \"1m\" }",
    );
    world.up();
    world.until_state("counted", State::Quarantined);
    assert_eq!(world.printed("counted"), ["MAINSTAY_RUN=1", "MAINSTAY_RUN=2"]);
}

#[test]
fn the_directory_follows_its_rules() {
    let mut world = World::new();
    let inside = world.home().join("inside");
    let outside = world.path("out side");
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    let own = fixture().parent().unwrap().to_owned();
    let commands = ["cwd", "exit", "0"];
    world.fixture("named", &commands, &format!("directory = {}", quoted(&text_of(&outside))));
    world.fixture("relative", &commands, "directory = 'inside'");
    world.fixture("own", &commands, "");
    world.fixture("missing", &commands, "directory = 'nowhere'\n[restart]\ndelay = \"1h\"");
    world.up();
    for (name, folder) in [("named", &outside), ("relative", &inside), ("own", &own)] {
        world.until_state(name, State::Done);
        let printed = world.printed(name).remove(0).replace(r"\\", r"\");
        let same = |path: &Path| fs::canonicalize(path).unwrap();
        assert_eq!(same(Path::new(&printed)), same(folder), "{name}");
    }
    world.until_state("missing", State::Backoff);
    let why = spawn_failure(&world, "missing");
    assert!(why.starts_with("cannot use ") && why.contains("nowhere as working directory"), "{why}");
}

#[test]
fn a_program_reads_nothing_and_inherits_nothing() {
    let mut world = World::new();
    let printed = said(&mut world, &["stdin", "fds", "exit", "0"], "");
    assert_eq!(printed[0], "stdin closed after 0 bytes");
    #[cfg(unix)]
    {
        let open: Vec<&str> = printed[1..].iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(open, ["0", "1", "2"], "{printed:?}");
        assert_eq!(printed[1], "fd 0 /dev/null");
        assert!(printed[2].contains("pipe:") && printed[3].contains("pipe:"), "{printed:?}");
    }
    #[cfg(windows)]
    {
        let home = world.home().file_name().unwrap().to_str().unwrap().to_owned();
        let leaked: Vec<&String> = printed.iter().filter(|line| line.contains(&home)).collect();
        assert_eq!(leaked, [""; 0]);
        let pipes = printed.iter().filter(|line| line.contains(" pipe")).count();
        assert!(pipes <= 2, "{printed:?}");
    }
}

/// Why the last start failed.
fn spawn_failure(world: &World, name: &str) -> String {
    let mut failures = world.events(name).into_iter().rev().filter_map(|what| match what {
        What::SpawnFailed { why, .. } => Some(why),
        _ => None,
    });
    failures.next().unwrap_or_else(|| panic!("{}", world.story()))
}

/// The program can't be started; its guard lives, tries again, and all is well as soon as `mend` was called.
fn assert_mendable(world: &mut World, program: &Path, reasons: &[&str], mend: impl FnOnce()) {
    world.program("bad", program, &["forever"], "");
    world.up();
    let status = world.until_state("bad", State::Quarantined);
    assert_eq!((status.run, status.restarts, status.pid), (4, 3, None), "counted and retried like any failure");
    let why = spawn_failure(world, "bad");
    let text = text_of(program);
    assert!(why.starts_with(&format!("cannot start {text}: ")), "{why}");
    assert!(reasons.iter().any(|reason| why.contains(reason)), "{why}");
    let said = world.run(&["start", "bad"]).failed(1);
    assert!(said.contains("cannot start bad"), "{said}");
    mend();
    world.run(&["start", "bad"]).fine();
    let mended = world.look("bad").unwrap();
    assert_eq!((mended.state, mended.guard_pid), (State::Up, status.guard_pid));
}

fn put_program(at: &Path) {
    fs::copy(fixture(), at).unwrap();
}

#[test]
fn a_missing_program_is_told_and_comes_up_when_it_is_there() {
    let mut world = World::new();
    let program = world.path(&format!("later{}", std::env::consts::EXE_SUFFIX));
    let missing = ["No such file", "no such file"];
    assert_mendable(&mut world, &program, &missing, || put_program(&program));
}

#[cfg(unix)]
#[test]
fn a_file_that_is_no_program_is_told_and_comes_up_when_it_is_one() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::new();
    let program = world.path("not-executable");
    fs::copy(fixture(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    assert_mendable(&mut world, &program, &["no permission to execute"], || {
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    });
}

#[cfg(windows)]
#[test]
fn a_file_that_is_no_program_is_told_and_comes_up_when_it_is_one() {
    let mut world = World::new();
    let program = world.path("no-program.exe");
    fs::write(&program, "only text").unwrap();
    let reasons = ["os error 193", "not a valid", "Bad EXE"];
    assert_mendable(&mut world, &program, &reasons, || put_program(&program));
}

#[cfg(windows)]
#[test]
fn a_locked_program_is_told_and_comes_up_when_it_is_free() {
    use std::os::windows::fs::OpenOptionsExt;
    let mut world = World::new();
    let program = world.path("scanned.exe");
    fs::copy(fixture(), &program).unwrap();
    let scanner = fs::File::options().read(true).share_mode(0).open(&program).unwrap();
    assert_mendable(&mut world, &program, &["os error 32", "in use", "Sharing violation"], || drop(scanner));
}
