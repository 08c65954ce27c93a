//! The command line: exit codes, names, JSON, help.

use std::process::Command;

use mainstay_wire::status::State;
use serde_json::{Value, json};

use crate::world::{Said, World, mainstay, quoted, text_of};

/// Without any home.
fn plain(world: &World, words: &[&str]) -> Said {
    world.run_command(Command::new(mainstay()).args(words))
}

#[test]
fn every_exit_code_means_what_the_help_says() {
    let mut world = World::new();
    world.fixture("good", &["forever"], "");
    world.fixture(
        "crash",
        &["exit", "3"],
        "[restart]\nquarantine = { restarts = 0, within = \"1m\" }\n[ready]\ndelay = \"5s\"",
    );
    world.fixture("slow", &["forever"], "start = \"manual\"\n[ready]\ndelay = \"1h\"\ntimeout = \"2h\"");
    // 3 before anything runs.
    let said = world.run(&["start", "good"]).failed(3);
    assert!(said.contains("no guard runs for it; `mainstay up "), "{said}");
    world.run(&["stop", "good"]).fine();
    world.up();
    world.until_up("good");
    world.run(&["start", "good"]).fine();
    let said = world.run(&["start", "crash"]).failed(1);
    assert!(said.contains("cannot start crash") && said.contains("mainstay records crash"), "{said}");
    for wrong in [
        &["dance"][..],
        &["start"],
        &["start", "good", "--all"],
        &["logs", "good", "--since", "soon"],
        &["status", "--nonsense"],
    ] {
        world.run(wrong).failed(2);
    }
    let said = world.run(&["start", "goood"]).failed(4);
    assert!(said.contains("there is no service `goood`; did you mean `good`?"), "{said}");
    let said = world.run(&["start", "slow", "--timeout", "200ms"]).failed(6);
    assert!(said.contains("cannot start slow within 200ms"), "{said}");
    world.run(&["start", "slow", "--no-wait"]).fine();
    assert_eq!(world.look("slow").unwrap().state, State::Starting);
    for verb in [
        "status", "logs", "records", "show", "get", "set", "unset", "stop", "kill", "restart", "remove", "apply",
        "validate",
    ] {
        let words: &[&str] = match verb {
            "get" | "unset" => &[verb, "nobody", "program"],
            "set" => &[verb, "nobody", "program=x"],
            _ => &[verb, "nobody"],
        };
        let said = world.run(words).failed(4);
        assert!(said.starts_with("mainstay: there is no service `nobody`"), "{verb}: {said}");
    }
}

/// 5: an account that may not. Root runs the tests on Linux, so another one asks.
#[cfg(unix)]
#[test]
fn who_may_not_is_told_so() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::new();
    world.fixture("web", &["forever"], "");
    world.up();
    world.until_up("web");
    // A copy where everybody may read it, and a home that everybody may enter but not order in.
    let binary = world.path("mainstay");
    std::fs::copy(mainstay(), &binary).unwrap();
    for path in [world.path(""), world.home().to_owned(), world.layout.specs.clone()] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let stop = format!("{} --home {} stop web", text_of(&binary), text_of(world.home()));
    let said = world.run_command(Command::new("setpriv").args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "sh",
        "-c",
        &stop,
    ]));
    let text = said.failed(5);
    assert!(text.starts_with("mainstay: cannot "), "{text}");
    let install = format!("{} install x -- /bin/true", text_of(&binary));
    let said = world.run_command(Command::new("setpriv").args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "sh",
        "-c",
        &install,
    ]));
    let text = said.failed(5);
    assert!(text.contains("cannot install x") && text.contains("use sudo") && text.contains("--home DIR"), "{text}");
    assert_eq!(world.look("web").unwrap().state, State::Up);
}

#[test]
fn names_may_be_patterns() {
    let mut world = World::new();
    for name in ["api-1", "api-2", "web"] {
        world.fixture(name, &["forever"], "");
    }
    world.up();
    ["api-1", "api-2", "web"].iter().for_each(|name| drop(world.until_up(name)));
    let names = |value: Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|status| status["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(world.json(&["status", "api-*"])), ["api-1", "api-2"]);
    assert_eq!(names(world.json(&["status", "*-2", "web"])), ["api-2", "web"]);
    assert_eq!(names(world.json(&["status"])), ["api-1", "api-2", "web"]);
    assert_eq!(names(world.json(&["stop", "api-?"])), ["api-1", "api-2"]);
    assert_eq!(world.look("web").unwrap().state, State::Up);
    world.run(&["stop", "--all"]).fine();
    assert_eq!(world.look("web").unwrap().state, State::Down);
    world.run(&["restart", "--all"]).fine();
    assert_eq!(world.look("api-1").unwrap().state, State::Up);
    world.run(&["status", "nothing-*"]).failed(4);
}

#[test]
fn json_has_the_promised_form() {
    let mut world = World::new();
    world.fixture("web", &["print", "hello", "exit", "3"], "description = \"The web\"\n[restart]\ndelay = \"1h\"");
    world.fixture("idle", &["forever"], "start = \"manual\"");
    let offline = world.json(&["status"]);
    assert_eq!(offline[0]["guard_pid"], Value::Null, "{offline}");
    assert_eq!(offline[0]["state"], "down", "{offline}");
    world.up();
    world.until_state("web", State::Backoff);
    world.until("idle", "has a guard", |_| true);
    let statuses = world.json(&["status"]);
    let web = &statuses[1];
    for (key, wanted) in [
        ("name", json!("web")),
        ("state", json!("backoff")),
        ("pid", Value::Null),
        ("run", json!(1)),
        ("restarts", json!(0)),
    ] {
        assert_eq!(web[key], wanted, "{key} in {web}");
    }
    assert_eq!(web["last_exit"], json!({ "code": 3 }), "{web}");
    assert!(web["guard_pid"].as_u64().is_some(), "{web}");
    let is_time = |value: &Value| value.as_str().is_some_and(|text| text.contains('T') && text.ends_with('Z'));
    assert!(is_time(&web["since"]) && is_time(&web["next"]), "{web}");

    let list = world.json(&["list"]);
    assert_eq!(
        (&list[1]["name"], &list[1]["description"], &list[0]["start"]),
        (&json!("web"), &json!("The web"), &json!("manual"))
    );
    assert_eq!(world.json(&["get", "web", "restart.delay"])["value"], "1h");
    assert_eq!(world.json(&["show", "web"])["restart"]["delay"], "1h");
    let records = world.run(&["--json", "records", "web"]).json_lines();
    let kinds: Vec<&str> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["guard-started", "ordered", "starting", "spawned", "ready", "exited", "backoff"]);
    for record in &records {
        assert!(is_time(&record["time"]) && record["service"] == "web" && record["seq"].as_u64().is_some(), "{record}");
    }
    assert_eq!((&records[5]["exit"], &records[5]["last_lines"]), (&json!({ "code": 3 }), &json!(["hello"])));
    assert_eq!(records[1]["by"], "mainstay up");
    let log = world.run(&["--json", "logs", "web"]).json_lines();
    assert_eq!(
        (&log[0]["stream"], &log[0]["line"], &log[0]["level"]),
        (&json!("stdout"), &json!("hello"), &json!(null))
    );
    let stopped = world.json(&["stop", "web"]);
    assert_eq!(stopped[0]["state"], "down", "{stopped}");
    let by = world.run(&["--json", "records", "web", "-n", "2"]).json_lines();
    assert_eq!(by.len(), 2);
    assert!(
        by[0]["kind"] == "ordered" && by[0]["verb"] == "stop" && by[0]["by"].as_str().unwrap().contains("(pid "),
        "{by:?}"
    );
}

const BAD: &str = "\
program = ''
args = 'not a list'
speed = 7

[restart]
delay = 3
on = \"sometimes\"
exit-codes = { banana = \"done\" }

[stop]
ladder = [{ ask = \"SIGUSR1\" }, { ask = \"ctrl-break\" }]
";

#[test]
fn every_problem_of_a_spec_is_shown_at_once_with_its_place() {
    let world = World::new();
    world.spec("bad", BAD);
    let said = world.run(&["validate", "bad"]).failed(1);
    let places = ["1:11", "2:8", "3:1", "6:9", "7:6", "8:16"];
    for place in places {
        assert!(said.contains(&format!("bad.toml:{place}")), "{place} is not in {said}");
    }
    assert!(said.contains("cannot use the spec of bad"), "{said}");
    // Each system refuses what it can't do.
    for (platform, place, refusal) in
        [("windows", "11:19", "SIGUSR1 on Windows"), ("linux", "11:40", "\"ctrl-break\" on Linux")]
    {
        let verdict = world.run(&["--json", "validate", "bad", "--platform", platform]);
        assert_eq!(verdict.code, 1);
        let verdict: Value = serde_json::from_str(&verdict.stdout).unwrap();
        let problems = verdict[0]["problems"].as_array().unwrap();
        let found = problems.iter().any(|problem| {
            format!("{}:{}", problem["line"], problem["column"]) == place
                && problem["message"].as_str().unwrap().contains(refusal)
        });
        assert!(found && problems.len() == 7, "{verdict:#}");
    }
    // A file that is no service yet.
    let file = world.path("other.toml");
    std::fs::write(&file, "program = 'x'\n").unwrap();
    assert_eq!(world.run(&["validate", &text_of(&file)]).fine(), "other: fine\n");
    let listed = world.json(&["list"]);
    assert!(listed[0]["problems"].as_u64().unwrap() >= 7, "{listed}");
}

#[test]
fn install_in_a_home_makes_a_spec_that_keeps_every_word() {
    let mut world = World::new();
    let program = text_of(&crate::world::fixture());
    let folder = text_of(world.home());
    let words = [
        "install",
        "web",
        "--directory",
        &folder,
        "--env",
        "A=b c",
        "--description",
        "The \"web\"",
        "--start",
        "manual",
        "--set",
        "restart.delay=2s",
        "--",
        &program,
        "args",
        "a b",
        "",
        "x\\",
    ];
    let said = world.run(&words).fine();
    assert!(said.contains("installed") && said.contains("mainstay up"), "{said}");
    let spec = world.json(&["show", "web"]);
    assert_eq!(spec["args"], json!(["args", "a b", "", "x\\"]));
    assert_eq!(
        (&spec["env"]["A"], &spec["start"], &spec["restart"]["delay"]),
        (&json!("b c"), &json!("manual"), &json!("2s"))
    );
    let said = world.run(&words).failed(1);
    assert!(said.contains("cannot install web: it exists already"), "{said}");
    world.run(&["install", "bad name", "--", &program]).failed(2);
    let said = world.run(&["install", "worse", "--set", "restart.delay=soon", "--", &program]).failed(1);
    assert!(said.contains("nothing is changed") && !world.layout.spec("worse").exists(), "{said}");
    world.up();
    world.run_when_guarded("web", &["start", "web"]).fine();
    world.until_state("web", State::Done);
    assert_eq!(world.printed("web"), ["a b", "", r"x\\"]);
    world.run(&["remove", "web", "--purge"]).fine();
    assert!(
        !world.layout.spec("web").exists()
            && !world.layout.state_of("web").exists()
            && !world.layout.logs_of("web").exists()
    );
    assert_eq!(world.json(&["status"]), json!([]));
}

#[test]
fn edit_saves_nothing_bad() {
    let world = World::new();
    world.fixture("web", &["forever"], "# mine\n");
    let before = std::fs::read_to_string(world.layout.spec("web")).unwrap();
    // The test program is the editor: it adds a line to the file it is given… as its last word.
    let editor = |line: &str| format!("{} append-to {line}", text_of(&crate::world::fixture()));
    let edit = |line: &str| {
        let mut command = Command::new(mainstay());
        command.arg("--home").arg(world.home()).args(["edit", "web"]).env("EDITOR", editor(line)).env_remove("VISUAL");
        world.run_command(crate::edit::in_folder(&world, &mut command))
    };
    let said = edit("speed=7").failed(1);
    assert!(said.contains("there is no key `speed`") && said.contains("not saved"), "{said}");
    assert_eq!(std::fs::read_to_string(world.layout.spec("web")).unwrap(), before);
    edit("description='new'").fine();
    let after = std::fs::read_to_string(world.layout.spec("web")).unwrap();
    assert_eq!(after.trim_end(), format!("{before}description='new'"));
}

#[test]
fn the_home_may_come_from_the_environment() {
    let world = World::new();
    world.fixture("web", &["forever"], "");
    let own = |command: &mut Command| {
        let output = command.arg("list").arg("--json").output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let list = own(Command::new(mainstay()).env("MAINSTAY_HOME", world.home()));
    assert_eq!(list[0]["name"], "web");
    let other = own(Command::new(mainstay()).env("MAINSTAY_HOME", world.home()).arg("--home").arg(world.path("")));
    assert_eq!(other, json!([]), "what is typed goes first");
}

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "elvish"];

#[test]
fn completions_know_every_verb() {
    let world = World::new();
    for shell in SHELLS {
        let script = plain(&world, &["completions", shell]).fine();
        for verb in VERBS {
            assert!(script.contains(verb), "{shell} does not know {verb}");
        }
    }
    assert!(plain(&world, &["version"]).fine().contains(mainstay_os::NAME));
}

const VERBS: [&str; 30] = [
    "install",
    "init",
    "remove",
    "start",
    "stop",
    "restart",
    "kill",
    "pause",
    "continue",
    "reload",
    "send",
    "scale",
    "status",
    "list",
    "tree",
    "show",
    "get",
    "set",
    "unset",
    "edit",
    "validate",
    "apply",
    "logs",
    "records",
    "up",
    "guard",
    "completions",
    "schema",
    "self",
    "version",
];

/// Checked in as docs/reference/cli-help.txt; `UPDATE_EXPECT=1 cargo test -p mainstay --test e2e` writes it anew.
#[cfg(unix)]
#[test]
fn the_help_of_every_verb_is_the_one_that_is_checked_in() {
    let world = World::new();
    let mut all = String::new();
    let of_self = ["install", "update", "uninstall"].map(|verb| ["self", verb]);
    let verbs = VERBS.iter().map(std::slice::from_ref).chain(of_self.iter().map(|words| &words[..]));
    for words in [&[][..]].into_iter().chain(verbs) {
        // `guard` as the first word is the entry point itself, which reads its words by hand.
        let asked = [&["--json"], words, &["--help"]].concat();
        let mut command = Command::new(mainstay());
        command.args(asked).env("COLUMNS", "100");
        let help = world.run_command(&mut command).fine();
        all += &format!("$ mainstay {}\n\n{help}\n", [words, &["--help"]].concat().join(" "));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli-help.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &all).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == all,
        "the help has changed; UPDATE_EXPECT=1 writes docs/reference/cli-help.txt anew. It says now:\n{all}"
    );
}

/// Every verb answers to `--help` on every system.
#[test]
fn every_verb_has_its_help() {
    let world = World::new();
    for verb in VERBS {
        let help = plain(&world, &["--json", verb, "--help"]).fine();
        assert!(help.contains("Usage: mainstay"), "{verb}: {help}");
    }
    let quoted = quoted(&plain(&world, &["--help"]).fine());
    assert!(VERBS.iter().all(|verb| quoted.contains(verb)), "{quoted}");
}
