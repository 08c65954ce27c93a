//! What the single keys may say.

use expect_test::{Expect, expect};
use mainstay_core::spec::{
    Account, After, Awaited, Cpu, Env, EnvValue, Follow, HookPoint, Kind, Names, Reload, Rlimit, RlimitValue, Stdin,
    Until,
};

use crate::spec::schema::tests::assert_fits;
use crate::spec::{Platform, Problem, Problems, Spec, get, locate, read, set, show, template, unset};

fn good_on(platform: Platform, text: &str) -> Spec {
    let text = format!("program = 'x'\n{text}");
    let spec = read("shop", &text, platform).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_fits(&text);
    let shown = show(&spec);
    assert_fits(&shown);
    assert_eq!(read("shop", &shown, platform).as_ref(), Ok(&spec), "{shown}");
    spec
}

fn good(text: &str) -> Spec {
    good_on(Platform::Linux, text)
}

fn bad_on(platform: Platform, text: &str, expected: &Expect) {
    let text = format!("program = 'x'\n{text}");
    let problems = read("shop", &text, platform).expect_err("the text has problems");
    let lines: Vec<String> = problems.0.iter().map(Problem::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

fn bad(text: &str, expected: &Expect) {
    bad_on(Platform::Linux, text, expected);
}

#[test]
fn groups_are_sorted_and_each_once() {
    assert_eq!(good("groups = ['web', 'shop', 'web']").groups, ["shop", "web"]);
    bad(
        "groups = ['a b', 5, 'web@2']\ndisplay-name = \"two\\nlines\"",
        &expect![[r#"
        2:11: `groups`: `a b` cannot be a group's name: use what a service's name may have
        2:18: `groups` must be a string in quotes, not a number
        2:21: `groups`: `web@2` cannot be a group's name: use what a service's name may have
        3:16: `display-name` must be one line of at most 256 characters"#]],
    );
}

#[test]
fn kinds() {
    assert_eq!(good("").kind, Kind::Simple);
    assert_eq!(good("kind = 'once'").kind, Kind::Once);
    assert_eq!(good("kind = 'forking'").kind, Kind::Forking { pid_file: None });
    let with_file = good("kind = 'forking'\npid-file = 'x.pid'").kind;
    assert_eq!(with_file, Kind::Forking { pid_file: Some("x.pid".to_owned()) });
    bad(
        "kind = 'once'\npid-file = 'x.pid'",
        &expect![[r#"3:12: `pid-file` is only for `kind = "forking"` (add kind = "forking", or leave it out)"#]],
    );
    bad(
        "kind = 'daemon'\npid-file = ''\nmax-runtime = 5",
        &expect![[r#"
        2:8: `kind` cannot be "daemon" (it can be simple, once, forking)
        3:12: `pid-file` names no file
        3:12: `pid-file` is only for `kind = "forking"` (add kind = "forking", or leave it out)
        4:15: `max-runtime` must be a duration with its unit (for seconds write "5s", for milliseconds "5ms")"#]],
    );
}

#[test]
fn what_comes_before() {
    let text = "after = ['db', 'jobs:done', '@cache', '@queue:started', 'os:MSSQL$X:Y', 'os-group:network.target', \
                { service = 'web@2', until = 'started', fails = 'stop', restarts = 'restart' }]\nafter-timeout = '0s'";
    let spec = good(text);
    let plain = |what| After { what, fails: Follow::Keep, restarts: Follow::Keep };
    let expected = [
        plain(Awaited::Service("db".to_owned(), Until::Ready)),
        plain(Awaited::Service("jobs".to_owned(), Until::Done)),
        plain(Awaited::Group("cache".to_owned(), Until::Ready)),
        plain(Awaited::Group("queue".to_owned(), Until::Started)),
        plain(Awaited::Os("MSSQL$X:Y".to_owned())),
        plain(Awaited::OsGroup("network.target".to_owned())),
        After {
            what: Awaited::Service("web@2".to_owned(), Until::Started),
            fails: Follow::Stop,
            restarts: Follow::Restart,
        },
    ];
    assert_eq!((spec.after.as_slice(), spec.after_timeout), (expected.as_slice(), None));
    bad(
        "groups = ['web']\nafter = ['shop', 'shop@2', '@web', 'db:up', 'a b', '@', 'os:', 5, 'db', 'db:done', { until = 'ready' }, \
         { service = 'os:x', until = 'ready', fails = 'stop' }, { service = 'db:ready' }]",
        &expect![[r#"
            3:10: `after`: `shop` cannot come after itself (leave it out)
            3:18: `after`: `shop` cannot come after itself (leave it out)
            3:28: `after`: `shop` cannot come after itself (leave it out)
            3:36: `after`: `db:up`: behind the colon stands started, ready or done, not `up`
            3:45: `after`: `a b` cannot be a service's name: use letters, digits, `-`, `_` and `.`, at most 64 of them, beginning with a letter or digit
            3:52: `after`: `@` names no group: `@` and a name of letters, digits, `-`, `_` and `.`
            3:57: `after`: `os:` names no service of the OS
            3:64: `after` must be a list of texts such as "database" or tables such as { service = "database", fails = "stop" }, not a number
            3:73: `after`: db is named twice
            3:84: `after.service` is missing (add service = "NAME")
            3:133: `after.until` is not for `os:` and `os-group:`: the service manager alone waits for those (leave it out)
            3:150: `after.fails` is not for `os:` and `os-group:`: the service manager alone waits for those (leave it out)
            3:172: `after.service`: `db:ready` cannot be a service's name: use letters, digits, `-`, `_` and `.`, at most 64 of them, beginning with a letter or digit"#]],
    );
}

#[test]
fn instances_share_one_text() {
    let text = "program = '/srv/${MAINSTAY_INSTANCE}/web'\nargs = ['--port', '${MAINSTAY_PORT}', '${MAINSTAY_RUN}', '$${MAINSTAY_PORT}']\n\
                directory = '/srv/${MAINSTAY_SERVICE}'\nkind = 'forking'\npid-file = '${MAINSTAY_SERVICE}.pid'\ninstances = 3\nports = '8080-8089'\n\
                stdin = { file = '${MAINSTAY_INSTANCE}.txt' }\nenv-files = ['${MAINSTAY_INSTANCE}.env?']\nenv = { PORT = '${MAINSTAY_PORT}' }\n\
                ready.http = 'http://127.0.0.1:${MAINSTAY_PORT}/health'\nlog.stdout = '${MAINSTAY_SERVICE}.log'\nlog.stderr = '${MAINSTAY_INSTANCE}.err'\n\
                hooks.post-start = ['hook', '${MAINSTAY_PORT}']\nstop.ladder = [{ command = ['quit', '${MAINSTAY_PORT}'], wait = '1s' }]\n\
                reload.command = ['tell', '${MAINSTAY_PORT}']\nwatch.paths = ['${MAINSTAY_INSTANCE}']\n";
    assert_fits(text);
    let second = read("web@2", text, Platform::Linux).unwrap();
    assert_eq!(read("web@2", &show(&second), Platform::Linux).as_ref(), Ok(&second));
    let instance = second.instance.expect("it is one of several");
    assert_eq!((second.name.as_str(), instance.number, instance.port), ("web@2", 2, Some(8081)));
    assert_eq!(second.launch.args, ["--port", "8081", "${MAINSTAY_RUN}", "$${MAINSTAY_PORT}"]);
    expect![[r#"
        description = ""
        groups = []
        start = "auto"
        kind = "forking"
        pid-file = "web@2.pid"
        max-runtime = "0s"
        after = []
        after-timeout = "5m"
        instances = 3
        ports = "8080-8089"
        program = "/srv/2/web"
        args = ["--port", "8081", "${MAINSTAY_RUN}", "$${MAINSTAY_PORT}"]
        directory = "/srv/web@2"
        stdin = { file = "2.txt" }
        env-inherit = true
        env-unset = []
        env-files = ["2.env?"]
        env-secrets = {}
        env = { PORT = "8081" }
        path-prepend = []
        path-append = []
        breakaway = false

        [hooks]
        post-start = { command = ["hook", "8081"], timeout = "1m" }
        names = "own"

        [ready]
        http = "http://127.0.0.1:8081/health"
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
        ladder = [{ command = ["quit", "8081"], wait = "1s" }, { ask = "terminate", wait = "0s" }]

        [reload]
        command = ["tell", "8081"]
        timeout = "30s"

        [watch]
        paths = ["2"]
        only = []
        ignore = []
        settle = "300ms"
        then = "restart"

        [log]
        managed = true
        stdout = "web@2.log"
        stderr = "2.err"
        on-full = "block"
        full-wait = "10s"
        multiline = "off"
        rotate = { size = "64MiB", at-start = false, copy = false, compress = "none", keep = 14 }
    "#]]
    .assert_eq(&show(&second));
    let written = read("web", text, Platform::Linux).unwrap();
    assert_eq!(read("web", &show(&written), Platform::Linux).as_ref(), Ok(&written));
    assert_eq!((written.instance, written.launch.program.as_str()), (None, "/srv/${MAINSTAY_INSTANCE}/web"));
    assert_eq!(written.instances, second.instances);
}

#[test]
fn a_plain_service_may_have_a_port() {
    let spec = good("ports = 8080\nargs = ['${MAINSTAY_PORT}', '${MAINSTAY_SERVICE}', '${MAINSTAY_INSTANCE}']");
    assert_eq!(spec.launch.args, ["8080", "shop", "${MAINSTAY_INSTANCE}"]);
    assert_eq!((spec.instances, spec.instance.and_then(|instance| instance.port)), (None, Some(8080)));
}

#[test]
fn instances_that_there_are_not() {
    let said = |name: &str, text: &str| read(name, text, Platform::Linux).expect_err(text).to_string();
    let lines = [
        said("web@9", "program = 'x'\ninstances = 3"),
        said("web@1", "program = 'x'"),
        said("web@0", "program = 'x'\ninstances = 3"),
        said("web", "program = 'x'\ninstances = 0"),
        said("web", "program = 'x'\ninstances = 3\nports = '8080-8081'"),
        said("web@3", "program = 'x'\ninstances = 3\nports = 8080"),
        said("web", "program = 'x'\nports = '8081-8080'"),
        said("web", "program = 'x'\nports = '0'"),
        said("web", "program = 'x'\nports = 70000"),
        said("web", "program = 'x'\nports = true"),
        said("web", "program = 'x'\ninstances = 2\nready.tcp = 'localhost:${MAINSTAY_PORT}'"),
    ];
    expect![[r#"
        2:13: there is no `web@9`: `web` has 3 instances
        1:1: there is no `web@1`: `web` has no instances (add instances = 1)
        1:1: `web@0` cannot be a service's name: use letters, digits, `-`, `_` and `.`, at most 64 of them, beginning with a letter or digit
        2:13: `instances` must be a whole number from 1 to 9999, not 0
        3:9: `ports` has 2 of them, too few for 3 instances
        3:9: `ports` has 1 of them, too few for 3 instances
        2:9: `ports`: `8081-8080` is no port from 1 to 65535 and no range of them such as "8080-8089"
        2:9: `ports`: `0` is no port from 1 to 65535 and no range of them such as "8080-8089"
        2:9: `ports`: `70000` is no port from 1 to 65535 and no range of them such as "8080-8089"
        2:9: `ports` must be ports such as "8080-8089" or 8080, not true or false
        3:13: `ready.tcp`: `localhost:${MAINSTAY_PORT}` is not HOST:PORT, such as "127.0.0.1:8080""#]].assert_eq(&lines.join("\n"));
}

#[test]
fn environment() {
    let text = "env-inherit = false\nenv-unset = ['A']\nenv-files = ['.env', 'local.env?']\nenv-secrets = { PASS = 'pass.txt' }\n\
                env = { PATH = '/x:${PATH}', HOST = 'db', URL = 'x://${PASS}@%HOST%/${UNKNOWN}', '=C:' = 'C:\\x' }\n\
                path-prepend = ['/a']\npath-append = ['/b', '/c']";
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    let var = |name: &str, text: &str| (name.to_owned(), EnvValue::Text(text.to_owned()));
    let expected = Env {
        inherit: false,
        unset: texts(&["A"]),
        files: texts(&[".env", "local.env?"]),
        vars: vec![
            ("PASS".to_owned(), EnvValue::Secret("pass.txt".to_owned())),
            var("PATH", "/x:${PATH}"),
            var("HOST", "db"),
            var("URL", "x://${PASS}@%HOST%/${UNKNOWN}"),
            var("=C:", "C:\\x"),
        ],
        path_prepend: texts(&["/a"]),
        path_append: texts(&["/b", "/c"]),
    };
    assert_eq!(good_on(Platform::Windows, text).launch.env, expected);
    bad(
        "env = { '=C:' = 'x', '=' = 'x', '' = 'x', 'A=B' = 'x', N = 5 }\nenv-unset = ['A=B']\nenv-files = ['?']\n\
         env-secrets = { P = '' }\npath-append = ['/a:/b', '']",
        &expect![[r#"
            2:9: `=C:` cannot be a variable's name
            2:22: `=` cannot be a variable's name
            2:33: `` cannot be a variable's name
            2:43: `A=B` cannot be a variable's name
            2:60: `env.N` must be a string in quotes, not a number
            3:13: `env-unset`: `A=B` cannot be a variable's name
            4:13: `env-files` names no file
            5:21: `env-secrets.P` names no file
            6:15: `path-append`: `/a:/b` is not one folder (write each folder as an element of the list)"#]],
    );
}

#[test]
fn a_variable_can_use_only_what_is_above_it() {
    bad(
        "env = { A = '${B}', B = 'x' }",
        &expect!["2:9: `env.A` refers to `B`, which is set only further down (move `B` above it)"],
    );
    bad(
        "env = { A = '%B%', B = '${C}', C = '${A}', D = '${D}' }",
        &expect!["2:9: `env.A` refers to itself: A → B → C → A"],
    );
    assert_eq!(
        good("env = { A = 'x', B = '${A}', C = '$${D}', D = '${b}', b = 'x' }".replace("${b}", "${B}").as_str())
            .launch
            .env
            .vars
            .len(),
        5
    );
}

#[test]
fn names_of_variables_are_the_same_in_any_case_on_windows() {
    let text = "env-secrets = { PASS = 'x' }\nenv = { Path = 'a', PATH = 'b', pass = 'c' }";
    assert_eq!(good(text).launch.env.vars.len(), 4);
    bad_on(
        Platform::Windows,
        text,
        &expect![[r#"
        3:21: `Path` and `PATH` are the same variable on Windows (keep one of them)
        3:33: `pass` is in `env-secrets` too (keep one of them)"#]],
    );
    bad(
        "env-secrets = { PASS = 'x' }\nenv = { PASS = 'c' }",
        &expect!["3:9: `PASS` is in `env-secrets` too (keep one of them)"],
    );
    let long = format!("env = {{ LONG = '{}' }}", "x".repeat(32_768));
    assert_eq!(good(&long).launch.env.vars.len(), 1);
    bad_on(Platform::Windows, &long, &expect!["2:16: `env.LONG` has over 32767 characters, the most Windows passes"]);
}

#[test]
fn standard_input() {
    assert_eq!(good("stdin = 'open'").launch.stdin, Stdin::Open);
    assert_eq!(good("stdin = { file = 'in.txt' }").launch.stdin, Stdin::File("in.txt".to_owned()));
    for (text, expected) in [
        ("stdin = 'opne'", expect![[r#"2:9: `stdin` cannot be "opne" (did you mean `open`?)"#]]),
        ("stdin = {}", expect!["2:9: `stdin.file` is missing (add file = 'path')"]),
        (
            "stdin = 5",
            expect![[
                r#"2:9: `stdin` must be "closed", "open" or a table such as { file = "input.txt" }, not a number"#
            ]],
        ),
    ] {
        bad(text, &expected);
    }
}

#[test]
fn accounts() {
    let text = "account = { user = 'shop', group = 'www', groups = ['ssl-cert'], capabilities = ['net_bind_service', 'CAP_CHOWN', 'CHOWN'], new-privileges = true }";
    let expected = Account {
        user: Some("shop".to_owned()),
        group: Some("www".to_owned()),
        groups: vec!["ssl-cert".to_owned()],
        capabilities: Some(vec![0, 10]),
        new_privileges: true,
    };
    assert_eq!(good(text).launch.account, expected);
    assert_eq!(good("account.capabilities = []").launch.account.capabilities, Some(Vec::new()));
    assert_eq!(good("account.capabilities = 'all'").launch.account.capabilities.map(|all| all.len()), Some(41));
    bad_on(
        Platform::Windows,
        text,
        &expect![[r#"
        2:36: `account.group`: cannot be used on Windows
        2:52: `account.groups`: cannot be used on Windows
        2:81: `account.capabilities`: cannot be used on Windows
        2:142: `account.new-privileges`: cannot be used on Windows"#]],
    );
    bad(
        "password = 'x'\n[account]\nuser = ''\npassword = 'x'\ncapabilities = ['CAP_NET_BIND', 'x']\n[hooks]\nPassword = 'x'",
        &expect![[r#"
            2:1: there is no key `password` (a password never stands in a spec: `mainstay install --password-file` hands it to the service manager)
            4:8: `account.user` is empty
            5:1: there is no key `account.password` (a password never stands in a spec: `mainstay install --password-file` hands it to the service manager)
            6:17: `account.capabilities`: "CAP_NET_BIND" is no capability (did you mean `CAP_NET_BIND_SERVICE`?)
            6:33: `account.capabilities`: "x" is no capability (capabilities(7) names them)
            8:1: there is no key `hooks.Password` (a password never stands in a spec: `mainstay install --password-file` hands it to the service manager)"#]],
    );
}

#[test]
fn resources() {
    let text = "[resources]\npriority = 'high'\nnice = -5\nio = 'idle'\naffinity = '8, 0-3'\nmemory = '1GiB'\ncpu = '150%'\ncpu-weight = 50\n\
                processes = 200\numask = '0027'\n\
                limits = { open-files = 65536, core = '0', stack = 'unlimited', data = 4096, cpu-time = '10s', user-processes = 'unlimited' }";
    let resources = good(text).launch.resources;
    let cpu = |number| Cpu { group: 0, number };
    assert_eq!(resources.affinity, [cpu(0), cpu(1), cpu(2), cpu(3), cpu(8)]);
    assert_eq!((resources.nice, resources.memory_bytes, resources.cpu_percent), (Some(-5), Some(1 << 30), Some(150)));
    assert_eq!(resources.umask, Some(0o27));
    let expected = [
        (Rlimit::OpenFiles, RlimitValue::At(65_536)),
        (Rlimit::Core, RlimitValue::At(0)),
        (Rlimit::Stack, RlimitValue::Unlimited),
        (Rlimit::Data, RlimitValue::At(4096)),
        (Rlimit::CpuSeconds, RlimitValue::At(10)),
        (Rlimit::UserProcesses, RlimitValue::Unlimited),
    ];
    assert_eq!(resources.rlimits, expected);
    bad_on(
        Platform::Windows,
        text,
        &expect![[r#"
        4:8: `resources.nice`: cannot be used on Windows (use priority)
        11:9: `resources.umask`: cannot be used on Windows
        12:10: `resources.limits`: cannot be used on Windows"#]],
    );
    let windows = good_on(Platform::Windows, "resources.affinity = '1:0-1, 5'").launch.resources.affinity;
    assert_eq!(windows, [cpu(5), Cpu { group: 1, number: 0 }, Cpu { group: 1, number: 1 }]);
    bad(
        "[resources]\npriority = 'highest'\nnice = 20\nio = 5\naffinity = '3-1'\nmemory = '1KiB'\ncpu = '0%'\ncpu-weight = 0\nprocesses = 0\n\
         umask = 27\nlimits = { open-files = '5', core = 'none', cpu-time = '100ms', nofile = 5 }",
        &expect![[r#"
            3:12: `resources.priority` cannot be "highest" (it can be idle, below-normal, normal, above-normal, high, realtime)
            4:8: `resources.nice` must be a whole number from -20 to 19, not 20
            5:6: `resources.io` must be a string in quotes, not a number
            6:12: `resources.affinity`: `3-1` names no processors: write "0-3,8"; the highest is 1023
            7:10: `resources.memory` must be at least 1MiB
            8:7: `resources.cpu`: `0%` is not a part of a processor: write "50%", or "150%" for one and a half, at most 100000%
            9:14: `resources.cpu-weight` must be a whole number from 1 to 10000, not 0
            10:13: `resources.processes` must be a whole number from 1 to 4294967295, not 0
            11:9: `resources.umask` must be octal digits in quotes such as "0027", not a number
            12:25: `resources.limits.open-files` must be a whole number from 0 to 4294967295, not a string
            12:37: `resources.limits.core`: `none` is not a size: write a whole number of bytes or one with its unit, such as "64MiB" or "2GiB"
            12:56: `resources.limits.cpu-time` must be whole seconds, at least "1s"
            12:65: there is no key `resources.limits.nofile` (it can be open-files, core, stack, data, address-space, file-size, locked-memory, cpu-time, user-processes)"#]],
    );
    for text in ["", "0-", "-1", "1024", "a", "1:0", "0,,1", "0-2000"] {
        assert!(
            read("shop", &format!("program = 'x'\nresources.affinity = '{text}'"), Platform::Linux).is_err(),
            "{text}"
        );
    }
    for text in ["1:64", "40:1", ":1", "1:"] {
        assert!(
            read("shop", &format!("program = 'x'\nresources.affinity = '{text}'"), Platform::Windows).is_err(),
            "{text}"
        );
    }
    for text in ["778", "1777", "", "00000", "8", "-1"] {
        assert!(
            read("shop", &format!("program = 'x'\nresources.umask = '{text}'"), Platform::Linux).is_err(),
            "{text}"
        );
    }
    for text in ["150", "1.5%", "%", "100001%", "-5%"] {
        assert!(read("shop", &format!("program = 'x'\nresources.cpu = '{text}'"), Platform::Linux).is_err(), "{text}");
    }
}

#[test]
fn hooks() {
    let text = "[hooks]\npre-start = { command = ['migrate'], timeout = '30s', abort-on = [99, 2, 99], ignore-failure = true }\n\
                pre-stop = ['drain', 'now']\non-exit = ['mail']\nnames = 'nssm'";
    let hooks = good(text).hooks;
    assert_eq!(hooks.names, Names::Nssm);
    let told: Vec<(HookPoint, &[String], u64)> =
        hooks.at.iter().map(|(point, hook)| (*point, hook.command.as_slice(), hook.timeout.as_secs())).collect();
    let words = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    let (migrate, drain, mail) = (words(&["migrate"]), words(&["drain", "now"]), words(&["mail"]));
    let expected =
        [(HookPoint::PreStart, &*migrate, 30), (HookPoint::PreStop, &*drain, 20), (HookPoint::OnExit, &*mail, 60)];
    assert_eq!(told, expected);
    let start = hooks.at.get(&HookPoint::PreStart).expect("it was named");
    assert_eq!((start.abort_on.as_slice(), start.ignore_failure), ([2, 99].as_slice(), true));
    let codes = |platform| {
        let hooks = good_on(platform, "hooks.pre-start = { command = ['x'], abort-on = [-1] }").hooks;
        hooks.at.get(&HookPoint::PreStart).map(|hook| hook.abort_on.clone())
    };
    assert_eq!((codes(Platform::Linux), codes(Platform::Windows)), (Some(vec![255]), Some(vec![u32::MAX])));
    bad(
        "[hooks]\npre-start = []\npost-start = { timeout = '1s' }\npre-stop = { command = ['x'], timeout = '0s' }\n\
         on-exit = { command = ['x'], abort-on = [1] }\non-rotate = 'x'\non-suspend = ['x']\non-start = ['x']\nnames = 'NSSM'",
        &expect![[r#"
            3:13: `hooks.pre-start` names no program (write ["program", "argument"])
            4:14: `hooks.post-start.command` is missing (add command = ["program", "argument"])
            5:41: `hooks.pre-stop.timeout` must be at least "10ms"
            6:30: there is no key `hooks.on-exit.abort-on` (it can be command, timeout)
            7:13: `hooks.on-rotate` must be a command such as ["program", "argument"] or a table such as { command = ["program"], timeout = "30s" }, not a string
            8:14: `hooks.on-suspend`: cannot be used on Linux (the system tells only of waking up; use systemd's sleep.target)
            9:1: there is no key `hooks.on-start` (it can be pre-start, post-start, pre-stop, post-stop, on-exit, pre-rotate, on-rotate, on-quarantine, on-suspend, on-resume, names)
            10:9: `hooks.names` cannot be "NSSM" (did you mean `nssm`?)"#]],
    );
    assert!(good_on(Platform::Windows, "hooks.on-suspend = ['x']").hooks.at.contains_key(&HookPoint::OnSuspend));
}

#[test]
fn reload_and_watch() {
    assert_eq!(good("reload.signal = 'SIGHUP'").reload, Some(Reload::Signal(1)));
    let command = Reload::Command(vec!["x".to_owned()], std::time::Duration::from_secs(30));
    assert_eq!(good("reload.command = ['x']").reload, Some(command));
    let event = good_on(Platform::Windows, "reload.event = 'Global\\x'").reload;
    assert_eq!(event, Some(Reload::Event("Global\\x".to_owned())));
    let watch = good(
        "reload.signal = 'SIGHUP'\nwatch = { paths = ['.'], only = ['*.go'], ignore = ['.git'], then = 'reload' }",
    )
    .watch;
    assert_eq!(watch.map(|watch| (watch.reload, watch.settle.as_millis())), Some((true, 300)));
    bad("reload = {}", &expect!["2:10: `reload` says nothing (keep one of signal, command, event)"]);
    bad(
        "reload = { signal = 'SIGHUP', command = ['x'] }",
        &expect!["2:10: `reload` says several (keep one of signal, command, event)"],
    );
    bad(
        "reload = { signal = 'SIGKILL', timeout = '1s' }",
        &expect![[r#"
        2:21: `reload.signal`: `SIGKILL` cannot be handled by a program, so it can't tell it anything
        2:42: `reload.timeout` is only for `command` (leave it out)"#]],
    );
    bad(
        "reload = { signal = 'HUP' }\nwatch = { only = ['src/*'], settle = '1ms', then = 'reload' }",
        &expect![[r#"
        2:21: `reload.signal`: `HUP` is no signal such as SIGHUP
        3:9: `watch.paths` is missing (add paths = ["."])
        3:18: `watch.only`: `src/*` is no pattern of names such as "*.go" (a folder's name alone stands for all below it)
        3:38: `watch.settle` must be at least "10ms""#]],
    );
    bad(
        "watch = { paths = [''], then = 'reload' }",
        &expect![[r#"
        2:19: `watch.paths` names no folder or file ("." is the working directory)
        2:32: `watch.then`: this service cannot be reloaded (say in [reload] how)"#]],
    );
    bad(
        "reload = { event = 'Global\\x' }",
        &expect!["2:20: `reload.event`: cannot be used on Linux (use signal or command)"],
    );
    bad_on(
        Platform::Windows,
        "reload = { event = 'Global\\' }",
        &expect![[
            r#"2:20: `reload.event`: `Global\` cannot be an event's name (write 'Global\NAME', at most 260 characters)"#
        ]],
    );
    bad_on(
        Platform::Windows,
        "reload = { signal = 'SIGHUP' }",
        &expect!["2:21: `reload.signal`: cannot be used on Windows (use event or command)"],
    );
}

#[test]
fn an_old_name_says_its_new_one() {
    bad("inherit-env = false", &expect!["2:1: there is no key `inherit-env` (it is `env-inherit` now)"]);
}

#[test]
fn nested_keys_are_set_got_and_unset() {
    let platform = Platform::Linux;
    let mut text = template("x", &[], Some("../spec.schema.json"));
    for (key, value) in [
        ("account.user", "shop"),
        ("resources.limits.open-files", "65536"),
        ("resources.limits.core", "unlimited"),
        ("resources.cpu", "150%"),
        ("hooks.pre-start.command", "[\"migrate\", \"up\"]"),
        ("hooks.pre-start.timeout", "5s"),
        ("hooks.on-exit", "[\"mail\"]"),
        ("env.HTTP.PROXY", "x"),
        ("env-secrets.DB.PASS", "/etc/pass"),
        ("reload.signal", "SIGHUP"),
        ("stdin", "{ file = \"in.txt\" }"),
        ("instances", "3"),
        ("ports", "8080-8082"),
        ("after", "[\"db\"]"),
        ("restart.exit-codes.3", "done"),
    ] {
        text = set("web", &text, key, value, platform).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    expect![[r##"
        #:schema ../spec.schema.json

        program = "x"
        stdin = { file = "in.txt" }
        instances = 3
        ports = "8080-8082"
        after = ["db"]

        [account]
        user = "shop"

        [resources]
        cpu = "150%"

        [resources.limits]
        open-files = 65536
        core = "unlimited"

        [hooks]
        on-exit = ["mail"]

        [hooks.pre-start]
        command = ["migrate", "up"]
        timeout = "5s"

        [env]
        "HTTP.PROXY" = "x"

        [env-secrets]
        "DB.PASS" = "/etc/pass"

        [reload]
        signal = "SIGHUP"

        [restart]

        [restart.exit-codes]
        3 = "done"
    "##]]
    .assert_eq(&text);
    assert_fits(&text);
    for (key, value) in [
        ("resources.limits.core", "unlimited"),
        ("resources.limits.open-files", "65536"),
        ("hooks.pre-start.timeout", "5s"),
        ("hooks.on-exit.timeout", "1m"),
        ("env.HTTP.PROXY", "x"),
        ("env-secrets.DB.PASS", "/etc/pass"),
        ("stdin.file", "in.txt"),
        ("ports", "8080-8082"),
        ("after-timeout", "5m"),
    ] {
        assert_eq!(get("web", &text, key, platform), Ok(value.to_owned()), "{key}");
    }
    for key in ["resources.limits.open-files", "resources.limits.core", "resources.cpu", "reload.signal"] {
        text = unset("web", &text, key, platform).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    assert!(!text.contains("resources") && !text.contains("reload"), "{text}");
}

#[test]
fn a_key_has_a_place() {
    let text = "program = 'x'\nenv = { A.B = 'c' }\n[resources]\nmemory = '1GiB'\n";
    let at = |key: &str| locate(text, key).and_then(|span| text.get(span));
    assert_eq!((at("resources.memory"), at("program")), (Some("'1GiB'"), Some("'x'")));
    assert_eq!((at("account.user"), at("program.x")), (None, Some("'x'")));
    let problems =
        Problems::at(text, &[("resources.memory", "too much".to_owned()), ("account.user", "who?".to_owned())]);
    assert_eq!(problems.to_string(), "1:1: who?; 4:10: too much");
}

#[test]
fn what_makes_no_sense_of_a_log_is_refused_where_it_is() {
    for (log, wanted) in [
        ("on-full = 'drop'", "`log.on-full` cannot be \"drop\""),
        ("on-full = 'drop-new'\nfull-wait = '1s'", "`log.full-wait` is for `on-full = \"block\"` alone"),
        ("full-wait = '11m'", "`log.full-wait` must be at most \"10m\""),
        ("redact = ['(']", "`(` is not a pattern"),
        ("redact = ['x*']", "`x*` matches what is not there"),
        ("rate-limit = { per = '1s' }", "`log.rate-limit` needs `lines`"),
        ("rate-limit = { lines = 0 }", "`log.rate-limit.lines` must be a whole number from 1"),
        ("multiline = 'on'", "`log.multiline` cannot be \"on\""),
        ("multiline = {}", "`log.multiline` needs `start`"),
        ("rotate = { at = '02:30' }", "`log.rotate.at` says nothing without `every = \"day\"`"),
        ("rotate = { every = 'day', on = 'sunday' }", "`log.rotate.on` says nothing without `every = \"week\"`"),
        ("rotate = { every = 'hour', at = '02:30' }", "`log.rotate.at` says nothing without `every = \"day\"`"),
        ("rotate = { every = 'day', at = '24:00' }", "`24:00` is not a time of day"),
        ("rotate = { every = 'day', at = '2:30' }", "`2:30` is not a time of day"),
        ("rotate = { every = 'month' }", "`log.rotate.every` cannot be \"month\""),
        ("rotate = { compress = 'xz' }", "`log.rotate.compress` cannot be \"xz\""),
        ("rotate = { total = '1KiB' }", "`log.rotate.total` must be at least 4KiB"),
    ] {
        let text = format!("program = 'x'\n[log]\n{log}\n");
        let problems = read("shop", &text, Platform::Linux).expect_err(log).to_string();
        assert!(problems.contains(wanted), "{log}: {problems}");
    }
}
