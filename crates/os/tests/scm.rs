//! A real service under the service manager: installed, started, stopped, removed.
//!
//! The names begin with `scm`, so that under Wine each test gets a machine of its own (see `scripts/wine/msw`), and
//! nextest runs one at a time.

#![cfg(windows)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(unsafe_code, reason = "PARAMCHANGE is nobody else's call")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mainstay_os::manager::{self, Entry, Kind, Manager, ManagerError, OsState, Start};
use mainstay_os::process;
use windows_service::service::{Service, ServiceAccess, ServiceState, ServiceStatus};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_sys::Win32::System::Services::{
    ControlService, SERVICE_CONTROL_INTERROGATE, SERVICE_CONTROL_PARAMCHANGE, SERVICE_STATUS,
};

const LIMIT: Duration = Duration::from_secs(30);

const TESTBED: &str = env!("CARGO_BIN_EXE_os-testbed");

/// One test at a time, also when they are threads of one process: Wine's manager answers "invalid handle" to two.
static TURN: Mutex<()> = Mutex::new(());

/// An installed service, removed at the end of the test.
struct Installed {
    manager: Manager,
    name: String,
    _turn: MutexGuard<'static, ()>,
}

impl Installed {
    fn new(name: &str, start: Start, mode: &[&str]) -> Installed {
        Installed::of(&entry(name, start, mode))
    }

    fn of(entry: &Entry) -> Installed {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let manager = manager::detect().unwrap();
        for warning in manager.install(entry, None).unwrap() {
            println!("{warning}");
        }
        Installed { manager, name: entry.name.clone(), _turn: turn }
    }

    fn state(&self) -> OsState {
        self.manager.state(&self.name).unwrap().unwrap()
    }

    fn start(&self) -> Result<(), ManagerError> {
        self.manager.start(&self.name, LIMIT)
    }

    fn stop(&self) -> Result<(), ManagerError> {
        self.manager.stop(&self.name, LIMIT)
    }

    fn pid(&self) -> u32 {
        match self.state() {
            OsState::Running { pid } => pid,
            other => panic!("not running: {other:?}"),
        }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = self.manager.remove(&self.name);
    }
}

fn entry(name: &str, start: Start, mode: &[&str]) -> Entry {
    let args = ["guard", "--scm", name].iter().chain(mode).map(Into::into).collect();
    Entry {
        name: name.to_owned(),
        display_name: format!("Test: {name}"),
        description: "A test service: ä字".to_owned(),
        binary: Path::new(TESTBED).to_owned(),
        args,
        start,
        stop_limit: Duration::from_secs(90),
        account: None,
        after: Vec::new(),
        after_groups: Vec::new(),
        remains: false,
    }
}

/// The manager's own view of a service.
fn service(name: &str, access: ServiceAccess) -> Service {
    let manager = ServiceManager::local_computer(None::<&OsStr>, ServiceManagerAccess::CONNECT).unwrap();
    manager.open_service(name, access).unwrap()
}

/// What the manager itself says, checkpoint included.
fn status(name: &str) -> ServiceStatus {
    service(name, ServiceAccess::QUERY_STATUS).query_status().unwrap()
}

/// Waits until the manager says that the service is in this state.
fn comes_to(name: &str, state: ServiceState) {
    let begin = Instant::now();
    while status(name).current_state != state {
        assert!(begin.elapsed() < LIMIT, "{:?} instead of {state:?}", status(name));
        std::thread::yield_now();
    }
}

fn control(name: &str, control: u32) {
    let opened = service(name, ServiceAccess::PAUSE_CONTINUE | ServiceAccess::INTERROGATE);
    let mut answer = SERVICE_STATUS::default();
    // SAFETY: the service is open during the call, the result lives.
    let done = unsafe { ControlService(opened.raw_handle(), control, &raw mut answer) };
    assert_ne!(done, 0, "control {control}: {}", std::io::Error::last_os_error());
}

/// What the test service has been asked, once that is so much.
fn requests(name: &str, count: usize) -> String {
    let log = Path::new(&std::env::var_os("ProgramData").unwrap()).join(format!("{name}.log"));
    let begin = Instant::now();
    loop {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        if text.split_whitespace().count() >= count {
            return text;
        }
        assert!(begin.elapsed() < LIMIT, "{text:?}");
        std::thread::yield_now();
    }
}

#[test]
fn scm_a_service_is_installed_started_stopped_and_removed() {
    let service = Installed::new("ms-plain", Start::Manual, &[]);
    let manager = &service.manager;
    assert_eq!(manager.kind(), Kind::Scm);
    assert!(manager.names().contains(&"ms-plain".to_owned()), "{:?}", manager.names());
    assert!(matches!(service.state(), OsState::Stopped { .. }), "{:?}", service.state());

    let begin = Instant::now();
    service.start().unwrap();
    println!("started in {:?}", begin.elapsed());
    let pid = service.pid();
    let stamp = process::start_stamp(pid).unwrap();
    service.start().unwrap();
    assert_eq!(service.pid(), pid, "a second start changes nothing");

    let begin = Instant::now();
    service.stop().unwrap();
    println!("stopped in {:?}", begin.elapsed());
    assert_eq!(service.state(), OsState::Stopped { win32_exit: 0, specific_exit: 0 });
    let log = Path::new(&std::env::var_os("ProgramData").unwrap()).join("ms-plain.log");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "Stop");
    service.stop().unwrap();

    service.start().unwrap();
    let again = service.pid();
    assert_ne!((process::start_stamp(again).unwrap(), again), (stamp, pid), "another process");
    manager.remove("ms-plain").unwrap();
    assert_eq!(manager.state("ms-plain").unwrap(), None);
    assert!(!manager.names().contains(&"ms-plain".to_owned()));
}

#[test]
fn scm_a_slow_start_and_a_slow_stop_confirm_themselves_with_growing_checkpoints() {
    let service = Installed::new("ms-slow", Start::Manual, &["slow", "3500"]);
    for (verb, pending) in [("start", ServiceState::StartPending), ("stop", ServiceState::StopPending)] {
        let mut ordering = Command::new(TESTBED).args([verb, "ms-slow"]).spawn().unwrap();
        let mut seen: Vec<(u32, Duration)> = Vec::new();
        while ordering.try_wait().unwrap().is_none() {
            let now = status("ms-slow");
            if now.current_state == pending && seen.last() != Some(&(now.checkpoint, now.wait_hint)) {
                seen.push((now.checkpoint, now.wait_hint));
            }
        }
        assert!(ordering.wait().unwrap().success());
        println!("{seen:?}");
        // The first moment, before the guard has said anything, is the manager's own.
        seen.retain(|(checkpoint, _)| *checkpoint > 0);
        assert!(seen.len() >= 3, "{seen:?}");
        assert!(seen.is_sorted_by(|(a, hint), (b, longer)| a < b && hint < longer), "{seen:?}");
    }
    assert_eq!(service.state(), OsState::Stopped { win32_exit: 0, specific_exit: 0 });
}

#[test]
fn scm_a_guard_that_gives_up_shows_the_exit_code_of_its_program() {
    for (name, code) in [("ms-gives-up-259", 259), ("ms-gives-up-av", 0xC000_0005_u32)] {
        let service = Installed::new(name, Start::Manual, &["give-up", &code.to_string()]);
        // It may have been up for a moment or not: either way it is stopped now.
        if let Err(error) = service.start() {
            println!("{error}");
        }
        let begin = Instant::now();
        while !matches!(service.state(), OsState::Stopped { .. }) {
            assert!(begin.elapsed() < LIMIT);
            std::thread::yield_now();
        }
        assert_eq!(service.state(), OsState::Stopped { win32_exit: 1066, specific_exit: code });
    }
}

#[test]
fn scm_what_cannot_be_done_is_said_in_words() {
    let service = Installed::new("ms-disabled", Start::Disabled, &[]);
    let manager = &service.manager;
    for refused in [manager.start("ms-none", LIMIT), manager.stop("ms-none", LIMIT), manager.remove("ms-none")] {
        let error = refused.unwrap_err();
        assert!(matches!(error, ManagerError::NotInstalled(_)), "{error:?}");
        assert_eq!(error.to_string(), "cannot find a service named ms-none: it is not installed");
    }
    assert!(matches!(service.start(), Err(ManagerError::Disabled(_))));
    let twice = manager.install(&entry("ms-disabled", Start::Auto, &[]), None).unwrap_err();
    assert!(matches!(twice, ManagerError::Exists(_)), "{twice:?}");

    let mut missing = entry("ms-missing", Start::Manual, &[]);
    missing.binary = Path::new(r"C:\no such\mainstay.exe").to_owned();
    manager.install(&missing, None).unwrap();
    let error = manager.start("ms-missing", LIMIT).unwrap_err();
    assert!(error.to_string().starts_with("cannot start ms-missing: "), "{error}");
    println!("{error}");
    manager.remove("ms-missing").unwrap();
}

#[test]
fn scm_an_update_takes_effect_at_the_next_start() {
    let service = Installed::new("ms-updated", Start::Disabled, &["give-up", "5"]);
    for start in [Start::Delayed, Start::Auto, Start::Manual] {
        service.manager.update(&entry("ms-updated", start, &[])).unwrap();
    }
    service.start().unwrap();
    service.stop().unwrap();
    assert!(matches!(
        service.manager.update(&entry("ms-other", Start::Manual, &[])),
        Err(ManagerError::NotInstalled(_))
    ));
}

#[test]
fn scm_a_service_is_paused_continued_and_told_to_read_its_spec_again() {
    let name = "ms-paused";
    let installed = Installed::new(name, Start::Manual, &[]);
    installed.start().unwrap();
    let handle = service(name, ServiceAccess::PAUSE_CONTINUE);
    handle.pause().unwrap();
    comes_to(name, ServiceState::Paused);
    assert_eq!(installed.state(), OsState::Paused);
    control(name, SERVICE_CONTROL_INTERROGATE);
    control(name, SERVICE_CONTROL_PARAMCHANGE);
    assert_eq!(requests(name, 2), "Pause Reload");
    assert_eq!(installed.state(), OsState::Paused);
    handle.resume().unwrap();
    comes_to(name, ServiceState::Running);
    control(name, SERVICE_CONTROL_INTERROGATE);
    control(name, SERVICE_CONTROL_PARAMCHANGE);
    assert_eq!(requests(name, 4), "Pause Reload Continue Reload");
    assert_eq!(installed.pid(), installed.pid());
    // Also out of a pause.
    handle.pause().unwrap();
    comes_to(name, ServiceState::Paused);
    installed.stop().unwrap();
    assert_eq!(requests(name, 6), "Pause Reload Continue Reload Pause Stop");
}

#[test]
fn scm_an_entry_is_kept_with_its_name_account_and_dependencies() {
    let name = "ms-entry@1";
    let mut wanted = entry(name, Start::Manual, &[]);
    wanted.display_name = "Zahlung \u{5b57}".to_owned();
    wanted.account = Some(r"NT AUTHORITY\LocalService".to_owned());
    wanted.after = vec!["mainstay:ms-other".to_owned(), "RpcSs".to_owned()];
    let installed = Installed::of(&wanted);
    let manager = &installed.manager;
    let config = || service(name, ServiceAccess::QUERY_CONFIG).query_config().unwrap();
    assert_eq!(config().display_name, "Zahlung \u{5b57}");
    assert!(manager.names().contains(&name.to_owned()), "{:?}", manager.names());
    assert_eq!(manager.raw_state("ms-no-such").unwrap(), None);
    assert!(matches!(manager.raw_state(name).unwrap(), Some(OsState::Stopped { .. })));
    // Wine accepts both but tells neither.
    println!("{:?} {:?}", config().account_name, config().dependencies);

    wanted.display_name = String::new();
    wanted.account = None;
    wanted.after = Vec::new();
    for warning in manager.update(&wanted).unwrap() {
        println!("{warning}");
    }
    assert_eq!(config().display_name, name);
    assert_eq!(config().dependencies, []);
    installed.start().unwrap();
    installed.stop().unwrap();
}

#[test]
fn scm_an_account_without_its_password_installs_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let manager = manager::detect().unwrap();
    let mut wanted = entry("ms-account", Start::Manual, &[]);
    wanted.account = Some("bob".to_owned());
    let error = manager.install(&wanted, None).unwrap_err().to_string();
    assert_eq!(error, "cannot install ms-account: bob is a user's account: its password is needed");
    assert_eq!(manager.state("ms-account").unwrap(), None);
}
