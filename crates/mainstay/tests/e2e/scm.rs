//! Services under the Windows service manager; each test has a Windows machine (a Wine prefix) of its own.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mainstay_os::manager::{self, Manager, OsState};
use mainstay_wire::record::{Record, What};
use serde_json::Value;
use windows_service::service::{ServiceAccess, ServiceExitCode, ServiceState, ServiceStatus};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use crate::world::{LIMIT, Process, Said, Server, World, fixture, free_port, go_server, mainstay, text_of, try_wait};

/// This machine with its service manager; whatever a test installed is removed at its end.
struct Machine {
    /// For its files and for running commands; no home of it is used.
    world: World,
    manager: Manager,
}

impl Machine {
    fn new() -> Self {
        Self { world: World::new(), manager: manager::detect().unwrap() }
    }

    fn mainstay<S: AsRef<OsStr>>(&self, words: &[S]) -> Said {
        self.world.run_command(Command::new(mainstay()).args(words))
    }

    fn begin(&self, words: &[&str]) -> Child {
        let mut command = Command::new(mainstay());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// `mainstay install NAME OPTIONS -- PROGRAM…`
    fn install(&self, name: &str, options: &[&str], program: &[&str]) {
        self.mainstay(&[&["install", name], options, &["--"], program].concat()).fine();
    }

    fn install_server(&self, name: &str, flags: &[&str], options: &[&str]) -> Server {
        let port = free_port();
        let ready = format!("ready.http=http://127.0.0.1:{port}/health");
        let (program, number) = (text_of(&go_server()), port.to_string());
        let program = [&[&program[..], "--port", &number], flags].concat();
        self.install(name, &[&["--set", &ready, "--set", "ready.every=20ms"], options].concat(), &program);
        Server { port }
    }

    fn install_fixture(&self, name: &str, commands: &[&str], options: &[&str]) {
        self.install(name, options, &[&[&text_of(&fixture())[..]], commands].concat());
    }

    fn status(&self, name: &str) -> Value {
        self.mainstay(&["--json", "status", name]).json()[0].take()
    }

    /// What the manager itself says.
    fn told(&self, name: &str) -> ServiceStatus {
        let manager = ServiceManager::local_computer(None::<&OsStr>, ServiceManagerAccess::CONNECT).unwrap();
        manager.open_service(name, ServiceAccess::QUERY_STATUS).unwrap().query_status().unwrap()
    }

    /// The bare control, as `sc stop` sends it: comes back at once.
    fn order_stop(&self, name: &str) {
        let manager = ServiceManager::local_computer(None::<&OsStr>, ServiceManagerAccess::CONNECT).unwrap();
        manager.open_service(name, ServiceAccess::STOP).unwrap().stop().unwrap();
    }

    /// As services.msc stops it.
    fn stop_by_manager(&self, name: &str) {
        self.manager.stop(name, LIMIT).unwrap();
    }

    fn state(&self, name: &str) -> OsState {
        self.manager.state(name).unwrap().unwrap()
    }

    fn guard(&self, name: &str) -> Process {
        match self.state(name) {
            OsState::Running { pid } => Process::of(pid),
            other => panic!("{name} is not running: {other:?}"),
        }
    }

    fn data(&self) -> PathBuf {
        PathBuf::from(std::env::var_os("ProgramData").unwrap()).join("mainstay")
    }

    fn events(&self, name: &str) -> Vec<What> {
        let path = self.data().join("state").join(name).join("journal.ndjson");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().filter_map(Record::parse).map(|record| record.what).collect()
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.data().join("logs").join(name).join("output.log")).unwrap_or_default()
    }

    #[track_caller]
    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        match try_wait(LIMIT, &mut look) {
            Some(found) => found,
            None => panic!("{what}: not within {LIMIT:?}"),
        }
    }

    #[track_caller]
    fn healthy_after(&self, server: Server, run: u64) -> (u32, u64) {
        self.until("the server is healthy", || server.health().filter(|(_, now)| *now > run))
    }

    /// Every state that the manager tells while `ordering` goes on, with its checkpoint and hint.
    fn watch(&self, name: &str, mut ordering: Child, pending: ServiceState) -> Vec<(u32, Duration)> {
        let mut seen: Vec<(u32, Duration)> = Vec::new();
        let status = self.until("the order is carried out", || {
            let now = self.told(name);
            if now.current_state == pending && seen.last() != Some(&(now.checkpoint, now.wait_hint)) {
                seen.push((now.checkpoint, now.wait_hint));
            }
            ordering.try_wait().unwrap()
        });
        assert!(status.success(), "{status:?}: {seen:?}");
        // The first moment, before the guard has said anything, is the manager's own.
        seen.retain(|(checkpoint, _)| *checkpoint > 0);
        seen
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for name in self.manager.names() {
            if self.data().join("services").join(format!("{name}.toml")).exists() {
                self.mainstay(&["remove", &name]);
            }
        }
    }
}

fn assert_growing(seen: &[(u32, Duration)]) {
    assert!(seen.len() >= 3 && seen.is_sorted_by(|(a, _), (b, _)| a < b), "{seen:?}");
    assert!(seen.iter().all(|(_, hint)| *hint >= Duration::from_secs(1)), "{seen:?}");
}

const FINE: OsState = OsState::Stopped { win32_exit: 0, specific_exit: 0 };

#[test]
fn scm_a_service_lives_through_everything() {
    let machine = Machine::new();
    let server = machine.install_server("web", &[], &["--description", "The web"]);
    assert_eq!(machine.state("web"), OsState::Stopped { win32_exit: 1077, specific_exit: 0 }, "never started");
    machine.mainstay(&["start", "web"]).fine();
    let guard = machine.guard("web");
    let (pid, run) = server.health().expect("`start` comes back when it is healthy");
    let status = machine.status("web");
    assert_eq!(
        (&status["state"], &status["pid"], &status["guard_pid"]),
        (&"up".into(), &pid.into(), &guard.pid.into())
    );

    server.crash(3);
    let (_, run) = machine.healthy_after(server, run);
    assert_eq!((run, machine.guard("web")), (2, guard), "the same guard");

    let told = machine.told("web");
    assert_eq!(told.current_state, ServiceState::Running);
    machine.stop_by_manager("web");
    assert_eq!(machine.state("web"), FINE);
    assert!(server.health().is_none());
    let log = machine.log("web");
    assert_eq!(log.matches("interrupt received").count(), 1, "{log}");
    assert!(log.ends_with(" stdout F bye\n"), "{log}");
    assert!(machine.events("web").iter().any(|what| matches!(what, What::Ordered { verb, .. } if verb == "retire")));

    machine.mainstay(&["start", "web"]).fine();
    machine.mainstay(&["stop", "web"]).fine();
    assert_eq!(machine.state("web"), FINE);
    machine.mainstay(&["remove", "web"]).fine();
    assert_eq!(machine.manager.state("web").unwrap(), None);
    assert!(!machine.data().join("services").join("web.toml").exists());
}

#[test]
fn scm_a_killed_guard_leaves_nothing_behind() {
    let machine = Machine::new();
    let server = machine.install_server("web", &[], &[]);
    machine.mainstay(&["start", "web"]).fine();
    let (pid, run) = server.health().unwrap();
    let program = Process::of(pid);
    let guard = machine.guard("web");
    guard.kill();
    program.wait_until_gone("the program");
    guard.wait_until_gone("the guard");
    machine.until("the manager knows", || matches!(machine.state("web"), OsState::Stopped { .. }).then_some(()));
    // Recovery actions are kept by Wine but never run: here a person starts it again.
    machine.mainstay(&["start", "web"]).fine();
    let (_, later) = server.health().unwrap();
    assert!(later > run);
    machine.mainstay(&["stop", "web"]).fine();
}

#[test]
fn scm_a_manual_service_is_started_by_order_only_and_a_disabled_one_never() {
    let machine = Machine::new();
    machine.install_fixture("manual", &["forever"], &["--start", "manual"]);
    machine.install_fixture("disabled", &["forever"], &["--start", "disabled"]);
    machine.mainstay(&["start", "manual"]).fine();
    assert!(matches!(machine.state("manual"), OsState::Running { .. }));
    let refused = machine.mainstay(&["start", "disabled"]).failed(1);
    assert!(refused.contains("disabled"), "{refused}");
    assert!(matches!(machine.state("disabled"), OsState::Stopped { .. }));
    // A changed spec changes the entry.
    machine.mainstay(&["set", "disabled", "start=manual"]).fine();
    machine.mainstay(&["start", "disabled"]).fine();
    assert!(matches!(machine.state("disabled"), OsState::Running { .. }));
    machine.mainstay(&["stop", "--all"]).fine();
    assert_eq!((machine.state("manual"), machine.state("disabled")), (FINE, FINE));
}

#[test]
fn scm_a_slow_start_confirms_itself_and_never_fails() {
    let machine = Machine::new();
    let server = machine.install_server("slow", &["--start-delay", "8s"], &["--start", "manual"]);
    let seen = machine.watch("slow", machine.begin(&["start", "slow"]), ServiceState::StartPending);
    assert_growing(&seen);
    assert!(server.health().is_some(), "`start` waits until it is healthy");
    assert!(matches!(machine.state("slow"), OsState::Running { .. }));
    machine.stop_by_manager("slow");
    assert_eq!(machine.state("slow"), FINE);
}

#[test]
fn scm_a_slow_stop_confirms_itself_and_ends() {
    let machine = Machine::new();
    let ladder = "stop.ladder=[{ ask = \"ctrl-c\", wait = \"6s\" }, { ask = \"terminate\" }]";
    machine.install_fixture("deaf", &["ignore-stop", "print", "ready", "forever"], &["--set", ladder]);
    machine.mainstay(&["start", "deaf"]).fine();
    machine.until("it is ready", || machine.log("deaf").contains("ready").then_some(()));
    let program = Process::of(machine.status("deaf")["pid"].as_u64().unwrap().try_into().unwrap());
    let mut seen: Vec<(u32, Duration)> = Vec::new();
    machine.order_stop("deaf");
    machine.until("it is stopped", || {
        let now = machine.told("deaf");
        if now.current_state == ServiceState::StopPending && seen.last().is_none_or(|(last, _)| *last < now.checkpoint)
        {
            seen.push((now.checkpoint, now.wait_hint));
        }
        (now.current_state == ServiceState::Stopped).then_some(())
    });
    assert_growing(&seen);
    assert!(!program.lives());
    assert_eq!(machine.state("deaf"), FINE);
}

#[test]
fn scm_a_program_that_gives_up_shows_its_exit_code() {
    let machine = Machine::new();
    for (name, code) in [("seven", 7_u32), ("violation", 0xC000_0005)] {
        let commands = ["sleep", "500ms", "exit", &code.to_string()];
        machine.install_fixture(name, &commands, &["--set", "restart.on=never"]);
        machine.mainstay(&["start", "--no-wait", name]);
        machine.until("it has given up", || {
            matches!(machine.state(name), OsState::Stopped { win32_exit: 1066, .. }).then_some(())
        });
        assert_eq!(machine.told(name).exit_code, ServiceExitCode::ServiceSpecific(code));
        assert!(machine.events(name).iter().any(|what| matches!(what, What::Done { .. })));
    }
}

#[test]
fn scm_a_guard_that_can_not_begin_says_so_and_is_stopped() {
    let machine = Machine::new();
    machine.install_fixture("broken", &["forever"], &["--start", "manual"]);
    let spec = machine.data().join("services").join("broken.toml");
    std::fs::write(&spec, "program = 7\n").unwrap();
    let said = machine.mainstay(&["start", "broken"]);
    assert_ne!(said.code, 0, "{said:?}");
    let OsState::Stopped { win32_exit, .. } = machine.state("broken") else { panic!("{:?}", machine.state("broken")) };
    assert_ne!(win32_exit, 0);
    assert_ne!(win32_exit, 1053, "it answered the manager");
    // A mended file is all it needs.
    std::fs::write(&spec, format!("program = '{}'\nargs = [\"forever\"]\n", text_of(&fixture()))).unwrap();
    machine.mainstay(&["start", "broken"]).fine();
    machine.mainstay(&["stop", "broken"]).fine();
}

#[test]
fn scm_a_ctrl_c_for_one_service_reaches_no_other() {
    let machine = Machine::new();
    let commands = ["report-stops", "print", "ready", "forever"];
    machine.install_fixture("one", &["on-stop", "print asked; exit 0", "print", "ready", "forever"], &[]);
    machine.install_fixture("other", &commands, &["--set", "stop.ladder=[{ ask = \"terminate\" }]"]);
    for name in ["one", "other"] {
        machine.mainstay(&["start", name]).fine();
        machine.until("it is ready", || machine.log(name).contains("ready").then_some(()));
    }
    let guard = machine.guard("other");
    machine.stop_by_manager("one");
    assert!(machine.log("one").contains(" stdout F asked\n"), "{}", machine.log("one"));
    let reached = try_wait(Duration::from_millis(500), || machine.log("other").contains("stop ").then_some(()));
    assert_eq!(reached, None, "{}", machine.log("other"));
    assert_eq!(machine.guard("other"), guard);
    machine.mainstay(&["stop", "other"]).fine();
}

/// What `services.msc` and `sc` send.
fn service(name: &str, access: ServiceAccess) -> windows_service::service::Service {
    let manager = ServiceManager::local_computer(None::<&OsStr>, ServiceManagerAccess::CONNECT).unwrap();
    manager.open_service(name, access).unwrap()
}

#[test]
fn scm_a_service_is_paused_and_goes_on_and_stops_while_paused() {
    let machine = Machine::new();
    let ticks = machine.world.text_path("ticks");
    machine.install_fixture("web", &["tick", &ticks], &[]);
    machine.mainstay(&["start", "web"]).fine();
    machine.world.until_file("ticks");
    let control = service("web", ServiceAccess::PAUSE_CONTINUE);
    let told =
        |state| machine.until("the manager knows", || (machine.told("web").current_state == state).then_some(()));
    control.pause().unwrap();
    told(ServiceState::Paused);
    let before = machine.status("web");
    assert_eq!(before["state"], "paused");
    let ticked = |machine: &Machine| std::fs::metadata(machine.world.path("ticks")).unwrap().len();
    let halted = ticked(&machine);
    let ran = try_wait(Duration::from_millis(500), || (ticked(&machine) > halted).then_some(()));
    assert_eq!(ran, None, "it stands still");
    control.resume().unwrap();
    told(ServiceState::Running);
    machine.until("it goes on", || (ticked(&machine) > halted).then_some(()));
    let now = machine.status("web");
    assert_eq!((&now["state"], &now["pid"], &now["run"]), (&"up".into(), &before["pid"], &before["run"]));

    // By our own verbs the manager sees the same.
    machine.mainstay(&["pause", "web"]).fine();
    told(ServiceState::Paused);
    let program = Process::of(now["pid"].as_u64().unwrap().try_into().unwrap());
    machine.stop_by_manager("web");
    assert_eq!(machine.state("web"), FINE);
    assert!(!program.lives());
    let paused = machine.events("web").into_iter().filter(|what| matches!(what, What::Paused { .. })).count();
    assert_eq!(paused, 2);
}

#[test]
fn scm_changed_parameters_are_a_changed_spec() {
    let machine = Machine::new();
    let told = machine.world.text_path("told");
    let reload = format!(
        "reload.command={}",
        crate::world::list(&[text_of(&fixture()), "append".to_owned(), told, "reloaded".to_owned()])
    );
    machine.install_fixture("web", &["forever"], &["--set", &reload]);
    machine.mainstay(&["start", "web"]).fine();
    let before = machine.status("web");
    let spec = machine.data().join("services").join("web.toml");
    let text = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, format!("{text}\n[log.rotate]\nkeep = 3\n")).unwrap();
    machine.world.run_command(Command::new(fixture()).args(["param-change", "web"])).fine();
    machine.until("the spec is read", || {
        machine.events("web").iter().any(|what| matches!(what, What::SpecChanged { restart: false })).then_some(())
    });
    assert_eq!(machine.world.until_file("told"), "reloaded\n");
    assert_eq!(machine.status("web")["pid"], before["pid"]);
    assert_eq!(machine.told("web").current_state, ServiceState::Running);
    machine.mainstay(&["stop", "web"]).fine();
}

#[test]
fn scm_a_program_that_runs_once_is_done_and_its_service_stays() {
    let machine = Machine::new();
    machine.install_fixture("task", &["print", "ran", "exit", "0"], &["--set", "kind=once"]);
    machine.mainstay(&["start", "task"]).fine();
    machine.until("it is done", || (machine.status("task")["state"] == "done").then_some(()));
    let gone =
        try_wait(Duration::from_secs(1), || matches!(machine.state("task"), OsState::Stopped { .. }).then_some(()));
    assert_eq!(gone, None);
    assert_eq!(machine.told("task").current_state, ServiceState::Running);
    machine.stop_by_manager("task");
    assert_eq!(machine.state("task"), FINE);
}

#[test]
fn scm_a_service_is_installed_with_its_account_and_a_wrong_one_is_not() {
    let machine = Machine::new();
    machine.install_fixture("plain", &["forever"], &[]);
    let account = |name: &str| {
        service(name, ServiceAccess::QUERY_CONFIG)
            .query_config()
            .unwrap()
            .account_name
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    assert_eq!(account("plain").to_lowercase(), r"nt service\plain", "the least, where nothing is asked");
    for (name, user) in [("local", r"NT AUTHORITY\LocalService"), ("network", r"NT AUTHORITY\NetworkService")] {
        machine.install_fixture(name, &["forever"], &["--account", user]);
        assert_eq!(account(name).to_lowercase(), user.to_lowercase());
    }
    let program = text_of(&fixture());
    let mine = format!(r".\{}", std::env::var("USERNAME").unwrap());
    let install = |options: &[&str]| {
        machine.mainstay(&[&["install", "mine", "--account", &mine], options, &["--", &program, "forever"]].concat())
    };
    let said = install(&[]).failed(2);
    assert!(said.contains("cannot ask for the password of") && said.contains("--password-file"), "{said}");
    let spec = machine.data().join("services").join("mine.toml");
    assert!(machine.manager.state("mine").unwrap().is_none() && !spec.exists(), "nothing is left of it");
    let password = machine.world.path("password");
    std::fs::write(&password, "s3cret-word\r\n").unwrap();
    let said = install(&["--password-file", &text_of(&password)]);
    assert!(!said.stdout.contains("s3cret-word") && !said.stderr.contains("s3cret-word"), "{said:?}");
    said.fine();
    assert_eq!(account("mine").to_lowercase(), mine.to_lowercase());
    assert!(!std::fs::read_to_string(&spec).unwrap().contains("s3cret-word"));
    let said = machine.mainstay(&["install", "no", "--password-file", &text_of(&password), "--", &program]).failed(2);
    assert!(said.contains("has no password; leave it out"), "{said}");
    let said = machine.mainstay(&["install", "who", "--account", "nobody-has-this-name", "--", &program]);
    assert!(said.code != 0 && said.stderr.contains("nobody-has-this-name"), "{said:?}");
    assert_eq!(machine.manager.state("who").unwrap(), None);
}

#[test]
fn scm_instances_are_services_of_their_own_and_come_and_go_with_their_number() {
    let machine = Machine::new();
    let known = || ["web", "web@1", "web@2", "web@3"].map(|name| machine.manager.state(name).unwrap().is_some());
    machine.install_fixture("web", &["forever"], &["--set", "instances=2"]);
    assert_eq!(known(), [false, true, true, false]);
    machine.mainstay(&["set", "web", "instances=3"]).fine();
    assert_eq!(known(), [false, true, true, true]);
    machine.mainstay(&["set", "web", "instances=1"]).fine();
    assert_eq!(known(), [false, true, false, false]);
    machine.mainstay(&["remove", "web", "--purge"]).fine();
    assert_eq!(known(), [false; 4]);
    assert!(!machine.data().join("state").join("web@2").exists(), "also of one that went before");
}

#[test]
fn scm_a_spec_that_is_there_is_made_a_service() {
    let machine = Machine::new();
    machine.mainstay(&["init", "web", "--yes", "--no-trial", "--", &text_of(&fixture()), "forever"]).fine();
    assert_eq!(machine.manager.state("web").unwrap(), None);
    machine.mainstay(&["install", "web"]).fine();
    machine.mainstay(&["start", "web"]).fine();
    let said = machine.mainstay(&["install", "web"]).failed(1);
    assert!(said.contains("it exists already"), "{said}");
    machine.mainstay(&["remove", "web"]).fine();
}
