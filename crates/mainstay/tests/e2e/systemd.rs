//! Services under a real systemd, each test in a container of its own (scripts/systemd-container.sh).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mainstay_wire::record::{ExitText, Record, What};
use serde_json::Value;

use crate::world::{LIMIT, Said, World, fixture, go_server, mainstay, try_wait};

/// Where the programs lie in the container, read-only.
const MAINSTAY: &str = "/usr/local/bin/mainstay";
const SERVER: &str = "/usr/local/bin/go-server";
const FIXTURE: &str = "/usr/local/bin/fixture-child";

/// Whatever the container's own network has is ours.
const PORT: &str = "8080";

/// Asks the server in the container: `get PATH`.
const GET: &str =
    r#"get() { { printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3; cat <&3; } 3<>/dev/tcp/127.0.0.1/8080; } 2>/dev/null;"#;

/// A machine with systemd as its first process.
struct Machine {
    /// For its files and for running commands; no home of it is used.
    world: World,
    state: PathBuf,
    runs: bool,
}

impl Machine {
    fn boot() -> Self {
        let world = World::new();
        let (state, journals) = (world.path("container"), world.path("journals"));
        std::fs::create_dir(&journals).unwrap();
        let mut command = Command::new(script());
        command.arg("start").arg(&state).arg(format!("--bind={}:/var/lib/mainstay", journals.display()));
        for (host, guest) in [(mainstay(), MAINSTAY), (go_server(), SERVER), (fixture(), FIXTURE)] {
            command.arg(format!("--bind-ro={}:{guest}", std::fs::canonicalize(host).unwrap().display()));
        }
        let said = world.run_command(&mut command);
        assert_eq!(said.code, 0, "{said:?}: is its tree there? scripts/setup-systemd.sh makes it");
        Self { world, state, runs: true }
    }

    fn run(&self, words: &[&str]) -> Said {
        self.world.run_command(Command::new(script()).arg("exec").arg(&self.state).args(words))
    }

    fn mainstay(&self, words: &[&str]) -> Said {
        self.run(&[&[MAINSTAY], words].concat())
    }

    /// `mainstay install NAME OPTIONS -- PROGRAM…`
    fn install(&self, name: &str, options: &[&str], program: &[&str]) {
        self.mainstay(&[&["install", name], options, &["--"], program].concat()).fine();
    }

    fn install_server(&self) {
        let ready = format!("ready.http=http://127.0.0.1:{PORT}/health");
        self.install("web", &["--set", &ready, "--set", "ready.every=20ms"], &[SERVER, "--port", PORT]);
    }

    fn status(&self, name: &str) -> Value {
        self.mainstay(&["--json", "status", name]).json()[0].take()
    }

    /// One property of the unit.
    fn unit(&self, name: &str, property: &str) -> String {
        self.run(&["systemctl", "show", "--value", "-p", property, &format!("mainstay-{name}")])
            .fine()
            .trim()
            .to_owned()
    }

    fn bash(&self, script: &str) -> Said {
        self.run(&["bash", "-c", &format!("{GET} {script}")])
    }

    #[track_caller]
    fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        match try_wait(LIMIT, look) {
            Some(found) => found,
            None => panic!("{what}: not within {LIMIT:?}\n{}", self.run(&["journalctl", "-n", "50"]).stdout),
        }
    }

    fn until_up_after(&self, name: &str, run: u64) -> Value {
        self.until(&format!("{name} is up"), || {
            let status = self.status(name);
            (status["state"] == "up" && status["run"].as_u64().unwrap() > run).then_some(status)
        })
    }

    /// From outside, also when it is switched off.
    fn records(&self, name: &str) -> Vec<Record> {
        let path = self.world.path("journals").join(name).join("journal.ndjson");
        std::fs::read_to_string(path).unwrap().lines().filter_map(Record::parse).collect()
    }

    fn processes_of(&self, program: &str) -> usize {
        self.run(&["pgrep", "-c", "-x", "-f", &format!("{program}.*")]).stdout.trim().parse().unwrap()
    }

    /// As a machine is switched off.
    fn power_off(&mut self) {
        self.runs = false;
        self.world.run_command(Command::new(script()).arg("stop").arg(&self.state)).fine();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.runs {
            let stopped = Command::new(script()).arg("stop").arg(&self.state).status();
            assert!(stopped.is_ok_and(|status| status.success()) || std::thread::panicking());
        }
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/systemd-container.sh")
}

fn pid(status: &Value, key: &str) -> String {
    status[key].as_u64().unwrap_or_else(|| panic!("no {key} in {status}")).to_string()
}

#[test]
fn systemd_a_service_lives_through_everything() {
    let machine = Machine::boot();
    machine.install_server();
    assert_eq!(machine.run(&["systemctl", "is-enabled", "mainstay-web"]).fine(), "enabled\n");
    let verified = machine.run(&["systemd-analyze", "verify", "mainstay-web.service"]);
    assert_eq!((verified.code, verified.stdout.as_str(), verified.stderr.as_str()), (0, "", ""));

    machine.mainstay(&["start", "web"]).fine();
    assert_eq!(machine.run(&["systemctl", "is-active", "mainstay-web"]).fine(), "active\n");
    let first = machine.status("web");
    assert_eq!((&first["state"], &first["run"], &first["containment"]), (&"up".into(), &1.into(), &"cgroup".into()));
    assert_eq!(machine.unit("web", "MainPID"), pid(&first, "guard_pid"));
    assert!(machine.unit("web", "StatusText").starts_with("up, run 1 (pid "), "{}", machine.unit("web", "StatusText"));

    machine.bash("get '/crash?code=3'; true").fine();
    let crashed = machine.until_up_after("web", 1);
    assert_eq!((pid(&crashed, "guard_pid"), &crashed["restarts"]), (pid(&first, "guard_pid"), &1.into()));

    // A grandchild in the tree, then the guard dies.
    machine.bash("get /fork").fine();
    assert_eq!(machine.processes_of(SERVER), 2);
    machine.run(&["kill", "-KILL", &pid(&crashed, "guard_pid")]).fine();
    let again = machine.until_up_after("web", 2);
    assert_ne!(pid(&again, "guard_pid"), pid(&first, "guard_pid"));
    assert_eq!(machine.unit("web", "NRestarts"), "1", "systemd has restarted it");
    assert_eq!(machine.processes_of(SERVER), 1, "no orphan");

    machine.mainstay(&["stop", "web"]).fine();
    assert_eq!(machine.unit("web", "ActiveState"), "inactive");
    assert_eq!(machine.processes_of(SERVER), 0);
    let log = machine.mainstay(&["logs", "web"]).fine();
    assert!(log.ends_with("  bye\n"), "{log}");

    machine.mainstay(&["remove", "web"]).fine();
    assert_eq!(machine.unit("web", "LoadState"), "not-found");
    let left = machine.bash("ls /etc/systemd/system/*mainstay* /etc/systemd/system/*/*mainstay* /run/mainstay/web* /etc/mainstay/services/web*");
    assert_eq!(left.stdout, "");
    assert_eq!(machine.processes_of(MAINSTAY), 0);
}

#[test]
fn systemd_a_server_survives_crash_after_crash() {
    const CRASHES: u64 = 300;
    let machine = Machine::boot();
    machine.install_server();
    machine.mainstay(&["set", "web", "restart.delay-max=0s", "restart.quarantine=never"]).fine();
    machine.mainstay(&["start", "web"]).fine();
    let first = machine.status("web");
    let all = format!(
        "run=1; while [ $run -le {CRASHES} ]; do get '/crash?code=3'; run=$((run + 1)); \
         for try in {{1..2000}}; do case $(get /health) in *'\"run\":\"'$run'\"'*) break;; esac; sleep 0.005; done; done; get /health"
    );
    let said = machine.bash(&all).fine();
    assert!(said.contains(&format!("\"run\":\"{}\"", CRASHES + 1)), "{said}");
    let last = machine.until_up_after("web", CRASHES);
    assert_eq!((pid(&last, "guard_pid"), &last["restarts"]), (pid(&first, "guard_pid"), &CRASHES.into()));
    assert_eq!(machine.unit("web", "NRestarts"), "0");
}

#[test]
fn systemd_a_shutdown_waits_for_programs_and_starts_nothing() {
    let mut machine = Machine::boot();
    let slow = "sleep 2s; print bye; exit 0";
    machine.install("slow", &[], &[FIXTURE, "on-stop", slow, "print", "ready", "forever"]);
    machine.install("loop", &["--set", "restart.delay=3s"], &[FIXTURE, "exit", "3"]);
    machine.mainstay(&["start", "slow"]).fine();
    machine.mainstay(&["start", "--no-wait", "loop"]).fine();
    machine.until("it is ready", || machine.mainstay(&["logs", "slow"]).stdout.contains("ready").then_some(()));
    machine.until("the other waits", || (machine.status("loop")["state"] == "backoff").then_some(()));
    machine.power_off();

    let records = machine.records("slow");
    let events: Vec<&What> = records.iter().map(|record| &record.what).collect();
    let [
        ..,
        What::Ordered { verb, by },
        What::Asked { .. },
        What::Exited { exit, asked: true, last_lines, .. },
        What::Down,
        What::GuardEnded,
    ] = events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((verb.as_str(), exit), ("retire", &ExitText::Code(0)));
    assert!(by == "systemd" || by.contains("shutdown"), "{by}");
    assert_eq!(last_lines.last().unwrap(), "bye");
    let seconds = |from: usize, to: usize| (records[to].mono - records[from].mono) / 1_000_000_000;
    assert!((2..10).contains(&seconds(records.len() - 4, records.len() - 3)));

    let events: Vec<What> = machine.records("loop").into_iter().map(|record| record.what).collect();
    let starts = events.iter().filter(|what| matches!(what, What::Starting { .. })).count();
    let ended = matches!(events[..], [.., What::Ordered { .. }, What::GuardEnded]);
    assert!(ended && starts >= 1, "{events:?}");
}

#[test]
fn systemd_a_program_that_gives_up_fails_its_unit() {
    let machine = Machine::boot();
    machine.install("task", &["--set", "restart.on=never"], &[FIXTURE, "sleep", "300ms", "exit", "7"]);
    machine.mainstay(&["start", "--no-wait", "task"]).fine();
    machine.until("the unit has failed", || (machine.unit("task", "ActiveState") == "failed").then_some(()));
    let restarted =
        try_wait(Duration::from_secs(1), || (machine.unit("task", "ActiveState") != "failed").then_some(()));
    assert_eq!(restarted, None);
    assert_eq!(
        (machine.unit("task", "NRestarts").as_str(), machine.unit("task", "ExecMainStatus").as_str()),
        ("0", "78")
    );
    let exits =
        machine.records("task").into_iter().filter(|r| matches!(&r.what, What::Exited { exit: ExitText::Code(7), .. }));
    assert_eq!(exits.count(), 1);
    // A person may start it again.
    machine.mainstay(&["start", "--no-wait", "task"]).fine();
    machine.until("it ran again", || {
        machine.records("task").iter().any(|r| matches!(&r.what, What::Spawned { run: 2, .. })).then_some(())
    });
}

#[test]
fn systemd_a_reload_reads_the_spec_and_tells_the_program() {
    let machine = Machine::boot();
    machine.install(
        "web",
        &["--set", "reload.signal=SIGHUP", "--set", "stop.ladder=[{ ask = \"terminate\" }]"],
        &[FIXTURE, "report-stops", "print", "ready", "forever"],
    );
    machine.mainstay(&["start", "web"]).fine();
    machine.until("it is ready", || machine.mainstay(&["logs", "web"]).stdout.contains("ready").then_some(()));
    let before = machine.status("web");
    machine.bash("printf '\\n[log.rotate]\\nkeep = 3\\n' >>/etc/mainstay/services/web.toml").fine();
    machine.run(&["systemctl", "reload", "mainstay-web"]).fine();
    machine.until("the program is told", || {
        machine.mainstay(&["logs", "web"]).stdout.contains("stop SIGHUP").then_some(())
    });
    let events: Vec<What> = machine.records("web").into_iter().map(|record| record.what).collect();
    assert!(events.iter().any(|what| matches!(what, What::SpecChanged { restart: false })), "{events:?}");
    assert!(events.iter().any(|what| matches!(what, What::Reloaded { .. })), "{events:?}");
    assert_eq!(machine.status("web")["pid"], before["pid"]);
    assert_eq!(machine.unit("web", "ActiveState"), "active");
}

#[test]
fn systemd_a_program_that_runs_once_is_done_and_its_unit_stays_active() {
    let machine = Machine::boot();
    machine.install("task", &["--set", "kind=once"], &[FIXTURE, "print", "ran", "exit", "0"]);
    machine.mainstay(&["start", "task"]).fine();
    machine.until("it is done", || (machine.status("task")["state"] == "done").then_some(()));
    let ended = try_wait(Duration::from_secs(1), || (machine.unit("task", "ActiveState") != "active").then_some(()));
    assert_eq!(ended, None);
    machine.run(&["systemctl", "stop", "mainstay-task"]).fine();
    assert_eq!(machine.unit("task", "ActiveState"), "inactive");
}

#[test]
fn systemd_services_start_and_stop_in_their_order() {
    let mut machine = Machine::boot();
    let ready = ["--set", "ready.log=ready"];
    let database = [FIXTURE, "on-stop", "print over; exit 0", "sleep", "500ms", "print", "ready", "forever"];
    machine.install("database", &ready, &database);
    let web = [FIXTURE, "on-stop", "sleep 500ms; print over; exit 0", "print", "ready", "forever"];
    machine.install(
        "web",
        &[&ready[..], &["--set", "after=[\"database\", \"os:systemd-journald.service\"]"]].concat(),
        &web,
    );
    for property in ["After", "Wants"] {
        let units = machine.unit("web", property);
        assert!(units.split(' ').any(|unit| unit == "mainstay-database.service"), "{property}: {units}");
    }
    let units = machine.unit("web", "After");
    assert!(units.contains("systemd-journald.service"), "{units}");
    // As at a boot.
    machine.run(&["systemctl", "start", "mainstay-web"]).fine();
    machine.until_up_after("web", 0);
    assert_eq!(machine.status("database")["state"], "up");
    machine.power_off();
    let mono = |name: &str, wanted: fn(&What) -> bool| {
        let records = machine.records(name);
        records.iter().rev().find(|record| wanted(&record.what)).unwrap_or_else(|| panic!("{name}: {records:?}")).mono
    };
    let spawned: fn(&What) -> bool = |what| matches!(what, What::Spawned { .. });
    let up: fn(&What) -> bool = |what| matches!(what, What::Ready { .. });
    let asked: fn(&What) -> bool = |what| matches!(what, What::Asked { .. });
    let exited: fn(&What) -> bool = |what| matches!(what, What::Exited { exit: ExitText::Code(0), asked: true, .. });
    assert!(mono("web", spawned) >= mono("database", up), "first the database");
    assert!(mono("database", asked) >= mono("web", exited), "last the database");
    mono("database", exited);
}

#[test]
fn systemd_a_program_runs_as_its_user() {
    let machine = Machine::boot();
    let program = [FIXTURE, "cat", "/proc/self/status", "env", "USER", "print", "ready", "forever"];
    machine.install("web", &["--set", "account.user=daemon", "--set", "ready.log=ready"], &program);
    machine.mainstay(&["start", "web"]).fine();
    let log = machine.mainstay(&["logs", "web"]).fine();
    let line = |name: &str| {
        let found = log.lines().find_map(|line| line.split_once(name)).unwrap_or_else(|| panic!("no {name} in {log}"));
        found.1.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((line(" Uid:"), line(" Gid:")), (vec!["1".to_owned(); 4], vec!["1".to_owned(); 4]));
    assert!(log.contains("USER=daemon"), "{log}");
    let (program, guard) = (pid(&machine.status("web"), "pid"), pid(&machine.status("web"), "guard_pid"));
    let owner = |pid: &str| machine.run(&["stat", "-c", "%U", &format!("/proc/{pid}")]).fine().trim().to_owned();
    assert_eq!((owner(&program), owner(&guard)), ("daemon".to_owned(), "root".to_owned()));
    machine.run(&["systemctl", "stop", "mainstay-web"]).fine();
    assert_eq!(machine.processes_of(FIXTURE), 0);
}

#[test]
fn systemd_an_updater_in_a_unit_of_its_own_stops_and_starts_its_service() {
    let machine = Machine::boot();
    machine.install("web", &[], &[FIXTURE, "print", "ready", "forever"]);
    machine.mainstay(&["start", "web"]).fine();
    let before = machine.status("web");
    machine
        .run(&[
            "systemd-run",
            "--collect",
            "--wait",
            FIXTURE,
            "run",
            &format!("{MAINSTAY} stop web"),
            "run",
            &format!("{MAINSTAY} start web"),
        ])
        .fine();
    let after = machine.status("web");
    assert_eq!((&after["state"], &after["run"]), (&"up".into(), &2.into()));
    assert_ne!(after["pid"], before["pid"]);
}
