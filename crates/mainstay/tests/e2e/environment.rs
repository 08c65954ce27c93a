//! What a program finds in its environment.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use mainstay_wire::record::What;
use mainstay_wire::status::State;

use crate::world::{Process, World, list, quoted};

/// Where plain bytes of standard output go, as the end of a spec.
fn plain(world: &World) -> String {
    format!("[log]\nstdout = {}", quoted(&world.text_path("out.log")))
}

/// What the program prints that ends at once, byte for byte.
fn said(world: &mut World, commands: &[&str], rest: &str) -> Vec<String> {
    world.fixture("one", commands, &format!("{rest}\n{}", plain(world)));
    world.up();
    world.until_state("one", State::Done);
    fs::read_to_string(world.path("out.log")).unwrap().lines().map(str::to_owned).collect()
}

/// Why the last start failed.
fn failure(world: &World, name: &str) -> String {
    let failed = world.until_record(name, "a failed start", |what| matches!(what, What::SpawnFailed { .. }));
    let What::SpawnFailed { why, .. } = failed.what else { unreachable!() };
    why
}

#[test]
fn values_refer_to_what_stands_above_them() {
    let mut world = World::new();
    fs::write(world.path("a.env"), "# a comment\nROOT=/srv\nexport HOST=\"old\"\n\nDEEP=${ROOT}/deep\n").unwrap();
    let rest = format!(
        "directory = {}\nenv-files = ['a.env']\nenv = {{ HOST = '${{HOST}}er', DATA = '%ROOT%/data', BOTH = '${{DATA}}:%HOST%', \
         NONE = '${{NOBODY}} %NOBODY% 100%', LITERAL = '$${{HOST}}' }}",
        quoted(&world.text_path(""))
    );
    let names = ["ROOT", "DEEP", "HOST", "DATA", "BOTH", "NONE", "LITERAL"];
    let commands: Vec<&str> = names.iter().flat_map(|name| ["env", name]).collect();
    let wanted = [
        "ROOT=/srv",
        "DEEP=/srv/deep",
        "HOST=older",
        "DATA=/srv/data",
        "BOTH=/srv/data:older",
        "NONE=${NOBODY} %NOBODY% 100%",
        "LITERAL=${HOST}",
    ];
    assert_eq!(said(&mut world, &commands, &rest), wanted);
}

#[test]
fn a_file_of_variables_may_be_missing_only_if_it_says_so() {
    let mut world = World::new();
    let folder = format!("directory = {}", quoted(&world.text_path("")));
    fs::write(world.path("bad.env"), "GOOD=1\nnonsense\n").unwrap();
    let once = "[restart]\non = 'never'";
    for (name, file) in [("may", "nowhere.env?"), ("must", "nowhere.env"), ("bad", "bad.env")] {
        let rest = format!("{folder}\nenv-files = ['{file}']\n{once}");
        world.fixture(name, &["env", "GOOD", "exit", "0"], &rest);
    }
    world.up();
    world.until_state("may", State::Done);
    assert_eq!(world.printed("may"), ["GOOD unset"]);
    let why = failure(&world, "must");
    assert!(why.starts_with("cannot read the variables in ") && why.contains("nowhere.env: "), "{why}");
    let why = failure(&world, "bad");
    assert!(why.starts_with("cannot read the variables in ") && why.contains("bad.env:2:"), "{why}");
}

/// Cargo gives this one to the tests, and `up` and the guards pass it on.
const INHERITED: &str = "CARGO_MANIFEST_DIR";

#[test]
fn what_is_inherited_can_be_taken_out() {
    let mut world = World::new();
    let commands = ["environment", "exit", "0"];
    world.fixture("all", &commands, "");
    world.fixture("one-less", &commands, &format!("env-unset = ['{INHERITED}', 'NOBODY']"));
    world.fixture("none", &commands, "env-inherit = false\nenv = { OWN = 'yes' }");
    world.up();
    for (name, inherited) in [("all", true), ("one-less", false), ("none", false)] {
        world.until_state(name, State::Done);
        let printed = world.printed(name);
        let has = |wanted: &str| printed.iter().any(|line| line.to_uppercase().starts_with(&format!("{wanted}=")));
        assert_eq!((has(INHERITED), has("PATH")), (inherited, name != "none"), "{name}: {printed:?}");
        assert_eq!(has("OWN"), name == "none");
    }
}

#[test]
fn folders_are_put_before_and_behind_those_of_path() {
    let mut world = World::new();
    let rest = "env = { PATH = 'middle' }\npath-prepend = ['first', 'second']\npath-append = ['last']";
    let separator = if cfg!(windows) { ";" } else { ":" };
    let wanted = format!("PATH={}", ["first", "second", "middle", "last"].join(separator));
    assert_eq!(said(&mut world, &["env", "PATH"], rest), [wanted]);
}

#[test]
fn a_program_is_found_in_the_path_that_it_gets() {
    let mut world = World::new();
    let folder = world.path("tools");
    fs::create_dir(&folder).unwrap();
    let name = format!("own-tool{}", std::env::consts::EXE_SUFFIX);
    fs::copy(crate::world::fixture(), folder.join(&name)).unwrap();
    let rest = format!("path-prepend = [{}]", quoted(&world.text_path("tools")));
    world.program("found", Path::new(&name), &["print", "found", "exit", "0"], &rest);
    world.up();
    world.until_state("found", State::Done);
    assert_eq!(world.printed("found"), ["found"]);
}

/// Every file below a folder.
fn files_below(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

#[test]
fn a_secret_reaches_the_program_and_nothing_else() {
    const SECRET: &str = "tr0ub4dor-${PATH}-&3";
    let mut world = World::new();
    fs::write(world.path("password"), format!("{SECRET}\n")).unwrap();
    let rest = format!(
        "env-secrets = {{ DB_PASSWORD = {} }}\nenv = {{ DB_URL = 'db://me:${{DB_PASSWORD}}@host' }}",
        quoted(&world.text_path("password"))
    );
    let [first, second] = ["first", "second"].map(|name| world.text_path(name));
    let commands = ["append-env", &first, "DB_PASSWORD", "append-env", &second, "DB_URL", "forever"];
    world.fixture("shop", &commands, &rest);
    let missing =
        format!("env-secrets = {{ DB_PASSWORD = {} }}\n[restart]\non = 'never'", quoted(&world.text_path("nowhere")));
    world.fixture("missing", &["forever"], &missing);
    world.up();
    assert_eq!(world.until_file("first"), format!("DB_PASSWORD={SECRET}\n"));
    assert_eq!(world.until_file("second"), format!("DB_URL=db://me:{SECRET}@host\n"));
    let why = failure(&world, "missing");
    assert!(why.starts_with("cannot set DB_PASSWORD: the secret in ") && why.contains("nowhere"), "{why}");

    let run = world.until_up("shop").run;
    Process::of(world.look("shop").unwrap().pid.unwrap()).kill();
    world.until_up_after("shop", run);
    let verbs: [&[&str]; 9] = [
        &["show", "shop"],
        &["--json", "show", "shop"],
        &["status"],
        &["--json", "status"],
        &["records", "shop"],
        &["--json", "records", "shop"],
        &["logs", "shop"],
        &["validate", "shop"],
        &["get", "shop", "env-secrets"],
    ];
    for verb in verbs {
        let said = world.run(verb).fine();
        assert!(!said.contains("tr0ub4dor"), "{verb:?}: {said}");
    }
    assert!(!world.up_said().contains("tr0ub4dor"), "{}", world.up_said());
    let mut files = Vec::new();
    files_below(world.home(), &mut files);
    for file in files {
        // A socket, or what another process has locked, is no text.
        let text = fs::read(&file).unwrap_or_default();
        let has = text.windows(9).any(|part| part == b"tr0ub4dor");
        assert!(!has, "{} has it", file.display());
    }
}

#[test]
fn a_crash_finds_what_was_there_and_an_order_what_is_there_now() {
    let mut world = World::new();
    fs::write(world.path("it.env"), "STATE=old\n").unwrap();
    fs::write(world.path("secret"), "old").unwrap();
    let rest = format!(
        "directory = {}\nenv-files = ['it.env']\nenv-secrets = {{ SECRET = 'secret' }}\n[restart]\ndelay = '100ms'",
        quoted(&world.text_path(""))
    );
    world.fixture("web", &["env", "STATE", "env", "SECRET", "print", "ready", "forever"], &rest);
    world.up();
    let lines = |world: &World| world.printed("web").into_iter().filter(|line| line != "ready").collect::<Vec<_>>();
    let ready = |world: &World, count: usize| {
        world.wait("it is ready", || {
            (world.printed("web").iter().filter(|l| *l == "ready").count() >= count).then_some(())
        });
    };
    ready(&world, 1);
    fs::write(world.path("it.env"), "STATE=new\n").unwrap();
    fs::remove_file(world.path("secret")).unwrap();
    // An order that finds it up starts nothing, so nothing is read anew for it.
    world.run(&["start", "web"]).fine();
    Process::of(world.look("web").unwrap().pid.unwrap()).kill();
    ready(&world, 2);
    assert_eq!(lines(&world), ["STATE=old", "SECRET=old", "STATE=old", "SECRET=old"]);
    fs::write(world.path("secret"), "new").unwrap();
    world.run(&["restart", "web"]).fine();
    ready(&world, 3);
    assert_eq!(lines(&world)[4..], ["STATE=new", "SECRET=new"]);
}

#[test]
fn the_longest_values_and_the_largest_block_arrive_whole() {
    let mut world = World::new();
    let long = "v".repeat(32_767);
    let mut vars = format!("env-inherit = false\nenv = {{ LONG = '{long}'");
    let middle: Vec<String> = (0..64).map(|n| format!("{n:04}").repeat(256)).collect();
    for (n, value) in middle.iter().enumerate() {
        write!(vars, ", V{n} = '{value}'").unwrap();
    }
    vars.push_str(" }");
    let printed = said(&mut world, &["environment"], &vars);
    assert!(printed.contains(&format!("LONG={long}")), "{} lines", printed.len());
    for (n, value) in middle.iter().enumerate() {
        assert!(printed.contains(&format!("V{n}={value}")), "V{n}");
    }
}

#[test]
fn a_value_that_is_too_long_is_refused_where_it_is() {
    let world = World::new();
    world.spec("one", &format!("program = 'x'\nenv = {{ LONG = '{}' }}\n", "v".repeat(32_768)));
    let verdict = world.run(&["validate", "one"]);
    if cfg!(windows) {
        let said = verdict.failed(1);
        assert!(said.contains("one.toml:2:16") && said.contains("has over 32767 characters"), "{said}");
    } else {
        assert_eq!(verdict.fine(), "one: fine\n");
    }
}

#[test]
fn names_that_differ_by_case_are_two_or_refused() {
    let mut world = World::new();
    world.fixture("cases", &["env", "Mode", "env", "MODE", "exit", "0"], "env = { Mode = 'a', MODE = 'b' }");
    let verdict = world.run(&["validate", "cases"]);
    if cfg!(windows) {
        let said = verdict.failed(1);
        assert!(said.contains("cases.toml:3:21"), "{said}");
        assert!(said.contains("`Mode` and `MODE` are the same variable on Windows"), "{said}");
    } else {
        verdict.fine();
        world.up();
        world.until_state("cases", State::Done);
        assert_eq!(world.printed("cases"), ["Mode=a", "MODE=b"]);
    }
}

#[test]
fn a_loop_is_refused_with_its_way_and_its_place() {
    let world = World::new();
    world.spec("loop", "program = 'x'\n\n[env]\nA = '${B}'\nB = '%C%'\nC = '${A}'\n");
    let said = world.run(&["validate", "loop"]).failed(1);
    assert!(said.contains("loop.toml:4:1"), "{said}");
    assert!(said.contains("`env.A` refers to itself: A → B → C → A"), "{said}");
    world.spec("later", "program = 'x'\n\n[env]\nA = '${B}'\nB = 'b'\n");
    let said = world.run(&["validate", "later"]).failed(1);
    assert!(
        said.contains("later.toml:4:1") && said.contains("`env.A` refers to `B`, which is set only further down"),
        "{said}"
    );
    world.spec("own", "program = 'x'\n\n[env]\nPATH = '${PATH}'\n");
    world.run(&["validate", "own"]).fine();
}

/// Windows keeps the current folder of each drive in such variables.
#[test]
fn the_folder_of_a_drive_is_a_variable_on_windows_alone() {
    let mut world = World::new();
    world.fixture("drive", &["environment", "exit", "0"], "env = { '=Q:' = 'Q:\\work' }");
    let verdict = world.run(&["validate", "drive"]);
    if cfg!(windows) {
        verdict.fine();
        world.up();
        world.until_state("drive", State::Done);
        let printed = world.printed("drive");
        assert!(printed.contains(&r"=Q:=Q:\\work".to_owned()), "{printed:?}");
    } else {
        let said = verdict.failed(1);
        assert!(said.contains("drive.toml:3:9") && said.contains("`=Q:` cannot be a variable's name"), "{said}");
    }
}

#[test]
fn a_bad_name_or_folder_is_refused_where_it_is() {
    let world = World::new();
    let folders = list(&[format!("a{}b", if cfg!(windows) { ';' } else { ':' })]);
    let text = format!(
        "program = 'x'\nenv-unset = ['A=B']\nenv-files = ['?']\npath-append = {folders}\nenv = {{ '' = 'x' }}\n"
    );
    world.spec("bad", &text);
    let said = world.run(&["validate", "bad"]).failed(1);
    for place in ["2:13", "3:13", "4:15", "5:9"] {
        assert!(said.contains(&format!("bad.toml:{place}")), "{place} is not in {said}");
    }
}
