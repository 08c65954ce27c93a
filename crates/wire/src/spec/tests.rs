//! What a spec may say, and what is said back when it says something else.

use expect_test::{Expect, expect};
use mainstay_core::spec::{Ask, ExitKey, OnExit, Probe};

use super::*;

mod keys;
mod properties;
mod values;

fn check_problems(text: &str, expected: &Expect) {
    let problems = read("payment", text, Platform::Linux).expect_err("the text has problems");
    let lines: Vec<String> = problems.0.iter().map(Problem::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

fn good(text: &str, platform: Platform) -> Spec {
    let spec = read("payment", text, platform).unwrap_or_else(|problems| panic!("{problems}"));
    schema::tests::assert_fits(text);
    spec
}

#[test]
fn only_program_is_required_and_the_defaults_are_these() {
    expect![[r#"
        description = ""
        groups = []
        start = "auto"
        kind = "simple"
        max-runtime = "0s"
        after = []
        after-timeout = "5m"
        program = "server"
        args = []
        stdin = "closed"
        env-inherit = true
        env-unset = []
        env-files = []
        env-secrets = {}
        env = {}
        path-prepend = []
        path-append = []
        breakaway = false

        [hooks]
        names = "own"

        [ready]
        every = "250ms"
        timeout = "5m"

        [restart]
        on = "failure"
        exit-codes = {}
        delay = "0s"
        delay-max = "1m"
        stable-after = "10s"
        quarantine = { restarts = 3, within = "5m" }

        [stop]
        ladder = [{ ask = "ctrl-c", wait = "10s" }, { ask = "close-windows", wait = "2s" }, { ask = "terminate", wait = "0s" }]

        [log]
        managed = true
        on-full = "block"
        full-wait = "10s"
        multiline = "off"
        rotate = { size = "64MiB", at-start = false, copy = false, compress = "none", keep = 14 }
    "#]]
    .assert_eq(&show(&good("program = 'server'", Platform::Windows)));
    let linux = good("program = 'server'", Platform::Linux);
    assert_eq!(linux.stop.ladder.iter().map(|s| s.ask.clone()).collect::<Vec<_>>(), [Ask::Signal(15), Ask::Terminate]);
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    check_problems(
        r#"progam = "x"
args = ["a", 5, "b", true]
start = "automatic"
[restart]
delay = 2
delay-max = "soon"
quarantine = { restart = 3 }
[ready]
tcp = "localhost"
http = "https://localhost/health"
[stop]
ladder = [{ ask = "close-windows" }, { ask = "SIGBOGUS" }, { wait = "1s" }]
[log]
rotate = { size = "1KiB", keep = -1 }
"#,
        &expect![[r#"
            1:1: `program` is missing (add program = 'path of the file to run')
            1:1: there is no key `progam` (did you mean `program`?)
            2:14: `args` must be a string in quotes, not a number
            2:22: `args` must be a string in quotes, not true or false
            3:9: `start` cannot be "automatic" (it can be auto, delayed, manual, disabled)
            5:9: `restart.delay` must be a duration with its unit (for seconds write "2s", for milliseconds "2ms")
            6:13: `restart.delay-max`: `soon` is not a duration: write a number with its unit, such as "250ms", "10s", "1m30s", "2h" or "1d"
            7:16: there is no key `restart.quarantine.restart` (did you mean `restarts`?)
            9:7: `ready.tcp`: `localhost` is not HOST:PORT, such as "127.0.0.1:8080"
            10:8: `ready.http`: `https://localhost/health` is not a plain http:// address, such as "http://127.0.0.1:8080/health"
            12:19: `stop.ladder.ask`: cannot use "close-windows" on Linux: use a signal such as SIGTERM, ctrl-c (SIGINT), command or terminate
            12:46: `stop.ladder.ask`: "SIGBOGUS" is no way to stop: use a signal such as SIGTERM, ctrl-c (SIGINT), command or terminate
            12:60: a step needs `ask` or `command` (use a signal such as SIGTERM, ctrl-c (SIGINT), command or terminate)
            14:19: `log.rotate.size` must be at least 4KiB
            14:34: `log.rotate.keep` must be a whole number from 0 to 100000, not -1"#]],
    );
}

#[test]
fn syntax_errors_are_reported_together() {
    let problems =
        read("payment", "program = \nargs = [\"a\"\nstart = 'auto'\n", Platform::Linux).expect_err("no TOML");
    assert!(problems.0.len() >= 2, "{problems}");
    assert_eq!(problems.0.first().map(|p| p.line), Some(1));
}

#[test]
fn what_a_system_cannot_do_is_refused_when_the_spec_is_read() {
    let text = "program = 'x'\n[stop]\nladder = [{ ask = \"SIGUSR1\" }]\n";
    let problems = read("payment", text, Platform::Windows).expect_err("no signals there");
    expect!["3:19: `stop.ladder.ask`: cannot use stop signal SIGUSR1 on Windows: use ctrl-c, ctrl-break, close-windows, quit-threads, command or terminate"]
        .assert_eq(&problems.to_string());
    assert_eq!(good(text, Platform::Linux).stop.ladder.first().map(|s| s.ask.clone()), Some(Ask::Signal(10)));
}

#[test]
fn a_ladder_always_ends_with_terminate() {
    let spec =
        good("program = 'x'\n[stop]\nladder = [{ command = [\"bye\", \"now\"], wait = \"1s\" }]\n", Platform::Linux);
    let asks: Vec<Ask> = spec.stop.ladder.into_iter().map(|step| step.ask).collect();
    assert_eq!(asks, [Ask::Command(vec!["bye".to_owned(), "now".to_owned()]), Ask::Terminate]);
}

#[test]
fn exit_codes_are_any_32_bits_negatives_and_signals() {
    let text = "program = 'x'\n[restart]\nexit-codes = { 0 = 'done', 259 = 'restart', -1 = 'fail', \"0xC0000005\" = 'done', 4294967294 = 'done' }\n";
    let exits = good(text, Platform::Windows).restart.exits;
    let expected = [
        (ExitKey::Code(0), OnExit::Done),
        (ExitKey::Code(259), OnExit::Restart),
        (ExitKey::Code(0xC000_0005), OnExit::Done),
        (ExitKey::Code(0xFFFF_FFFE), OnExit::Done),
        (ExitKey::Code(0xFFFF_FFFF), OnExit::Fail),
    ];
    assert_eq!(exits.into_iter().collect::<Vec<_>>(), expected);
    let linux = good("program = 'x'\n[restart]\nexit-codes = { -1 = 'done', SIGKILL = 'fail' }\n", Platform::Linux)
        .restart
        .exits;
    assert_eq!(
        linux.into_iter().collect::<Vec<_>>(),
        [(ExitKey::Code(255), OnExit::Done), (ExitKey::Signal(9), OnExit::Fail)]
    );
    let twice = "program = 'x'\n[restart]\nexit-codes = { 255 = 'done', -1 = 'fail' }\n";
    assert!(read("payment", twice, Platform::Linux).is_err());
}

#[test]
fn quarantine_can_be_never_and_probes_are_read() {
    let spec = good(
        "program = 'x'\n[restart]\nquarantine = 'never'\n[ready]\nlog = 'listening on .*'\ntimeout = '0s'\n",
        Platform::Linux,
    );
    assert_eq!(spec.restart.quarantine, None);
    assert_eq!(spec.ready.probe, Some(Probe::Log("listening on .*".to_owned())));
    assert_eq!(spec.ready.timeout, None);
}

#[test]
fn names_become_files_and_sockets() {
    for name in ["payment", "web-2", "a.b_c", "9lives"] {
        assert_eq!(check_name(name), Ok(()), "{name}");
        assert_eq!(check_name(&format!("{name}@2")), Ok(()), "{name}");
        assert_eq!(check_base(name), Ok(()), "{name}");
        assert!(check_base(&format!("{name}@2")).is_err(), "{name}");
    }
    for name in
        ["", "-x", "a b", "ä", "../x", "con", "x.", "x@", "x@0", "x@02", "x@10000", "@2", "x@2@3", &"x".repeat(65)]
    {
        assert!(check_name(name).is_err(), "{name}");
    }
}

#[test]
fn set_keeps_comments_and_order() {
    let text = "# our payment API\nprogram = 'x'   # the binary\n\n[restart]\n# be quick\ndelay = \"1s\" # was 5s\n";
    let text = set("payment", text, "restart.delay", "2s", Platform::Linux).expect("valid");
    let text = set("payment", &text, "env.GIN_MODE", "release", Platform::Linux).expect("valid");
    let text = set("payment", &text, "env.PORT", "8080", Platform::Linux).expect("a variable is text");
    let text = set("payment", &text, "args", "[\"--port\", \"8080\"]", Platform::Linux).expect("valid");
    let text = set("payment", &text, "log.rotate.keep", "3", Platform::Linux).expect("valid");
    expect![[r#"
        # our payment API
        program = 'x'   # the binary
        args = ["--port", "8080"]

        [restart]
        # be quick
        delay = "2s" # was 5s

        [env]
        GIN_MODE = "release"
        PORT = "8080"

        [log]

        [log.rotate]
        keep = 3
    "#]]
    .assert_eq(&text);
    assert_eq!(get("payment", &text, "restart.delay", Platform::Linux), Ok("2s".to_owned()));
    assert_eq!(
        get("payment", &text, "restart.delay-max", Platform::Linux),
        Ok("1m".to_owned()),
        "the default is in force"
    );
    let text = unset("payment", &text, "env.GIN_MODE", Platform::Linux).expect("it was set");
    assert!(!text.contains("GIN_MODE"));
    assert_eq!(
        unset("payment", &text, "env.GIN_MODE", Platform::Linux),
        Err(EditError::NoKey("env.GIN_MODE".to_owned()))
    );
}

#[test]
fn a_bad_edit_changes_nothing_and_says_why() {
    let text = "program = 'x'\n";
    for (key, value, needle) in [
        ("restart.delay", "soon", "`soon` is not a duration"),
        ("restart.dealy", "1s", "did you mean `delay`?"),
        ("args", "--port 8080", "must be a list of strings"),
        ("log.rotate.keep", "many", "whole number"),
    ] {
        let error = set("payment", text, key, value, Platform::Linux).expect_err("invalid");
        assert!(error.to_string().contains(needle), "{key}={value}: {error}");
    }
}

#[test]
fn a_template_reads_back_whatever_the_arguments_are() {
    let args: Vec<String> = ["--port", "8080", "a b", "\"q\"", "C:\\x\\", "", "ä字😀"].map(str::to_owned).to_vec();
    let text = template("C:\\goapp\\main.exe", &args, None);
    let spec = good(&text, Platform::Windows);
    assert_eq!((spec.launch.program.as_str(), &spec.launch.args), ("C:\\goapp\\main.exe", &args));
    let text = template("x", &[], Some("file:///srv/spec.schema.json"));
    assert_eq!(text, "#:schema file:///srv/spec.schema.json\n\nprogram = \"x\"\n");
}
