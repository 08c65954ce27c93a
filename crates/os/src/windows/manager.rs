//! The service control manager, through the crate `windows-service`; which services are ours is read from the registry,
//! as that needs no rights.

use std::ffi::{OsStr, OsString};
use std::io;
use std::time::{Duration, Instant};

use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceExitCode,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState, ServiceStatus,
    ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_LEVEL, ERROR_INVALID_PARAMETER,
    ERROR_SERVICE_ALREADY_RUNNING, ERROR_SERVICE_CANNOT_ACCEPT_CTRL, ERROR_SERVICE_DISABLED,
    ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_EXISTS, ERROR_SERVICE_MARKED_FOR_DELETE, ERROR_SERVICE_NOT_ACTIVE,
    ERROR_SERVICE_REQUEST_TIMEOUT,
};

use super::registry::Key;
use super::win32;
use crate::manager::{Entry, Kind, ManagerError, OsState, Start};

const SERVICES_KEY: &str = r"SYSTEM\CurrentControlSet\Services";

/// The manager tells nobody of a change in time, so it is asked this often.
const POLL: Duration = Duration::from_millis(20);

/// How long [`Manager::remove`] waits for the stop before, and for the entry to be gone.
const REMOVE_STOP_LIMIT: Duration = Duration::from_secs(10 * 60);
const REMOVE_LIMIT: Duration = Duration::from_secs(5);

/// What has to be done about a missing right.
const REMEDY: &str = "run this as administrator";

/// The service control manager.
#[derive(Debug)]
pub struct Manager(());

/// Windows always has one.
pub fn detect() -> Option<Manager> {
    Some(Manager(()))
}

impl Manager {
    /// Always the service control manager.
    pub fn kind(&self) -> Kind {
        Kind::Scm
    }

    /// Makes the service. Returns what this Windows could not be told, as sentences.
    pub fn install(&self, entry: &Entry) -> Result<Vec<String>, ManagerError> {
        let action = Action { verb: "install", name: &entry.name };
        let manager = action.open_manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
        let service = manager.create_service(&info(entry), CONFIGURE).map_err(|error| action.failed(error))?;
        match configure(&service, entry) {
            Ok(warnings) => Ok(warnings),
            Err(error) => {
                // Half a service is worse than none.
                let _ = service.delete();
                Err(action.failed(error))
            }
        }
    }

    /// Changes an installed service to what `entry` says; takes effect at its next start.
    pub fn update(&self, entry: &Entry) -> Result<Vec<String>, ManagerError> {
        let action = Action { verb: "update", name: &entry.name };
        let service = action.open(CONFIGURE)?;
        service.change_config(&info(entry)).map_err(|error| action.failed(error))?;
        configure(&service, entry).map_err(|error| action.failed(error))
    }

    /// Stops the service and takes it out.
    pub fn remove(&self, name: &str) -> Result<(), ManagerError> {
        let action = Action { verb: "remove", name };
        let service = action.open(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS | ServiceAccess::DELETE)?;
        stop(&action, &service, REMOVE_STOP_LIMIT)?;
        service.delete().map_err(|error| action.failed(error))?;
        // The entry goes when the last handle does.
        drop(service);
        let begin = Instant::now();
        while self.state(name)?.is_some() {
            if begin.elapsed() >= REMOVE_LIMIT {
                let state = "held open by another program (services.msc?), and goes with that";
                return Err(ManagerError::TimedOut {
                    action: "remove",
                    name: name.to_owned(),
                    limit: REMOVE_LIMIT,
                    state,
                });
            }
            win32::pause(POLL);
        }
        Ok(())
    }

    /// Starts the service and waits until it runs; fine when it runs already.
    pub fn start(&self, name: &str, limit: Duration) -> Result<(), ManagerError> {
        let action = Action { verb: "start", name };
        let service = action.open(ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
        match service.start::<&OsStr>(&[]) {
            Err(error) if code_is(&error, ERROR_SERVICE_ALREADY_RUNNING) => {}
            // The service says more by the state it is in than this error does.
            Err(error) if code_is(&error, ERROR_SERVICE_REQUEST_TIMEOUT) => {
                let state = service.query_status().map_err(|error| action.failed(error))?;
                return Err(if is_failed(&state) { action.ended(&state) } else { action.failed(error) });
            }
            answer => answer.map_err(|error| action.failed(error))?,
        }
        let begin = Instant::now();
        loop {
            let status = service.query_status().map_err(|error| action.failed(error))?;
            match status.current_state {
                ServiceState::Running | ServiceState::Paused => return Ok(()),
                ServiceState::Stopped | ServiceState::StopPending => return Err(action.ended(&status)),
                ServiceState::StartPending | ServiceState::ContinuePending | ServiceState::PausePending => {}
            }
            if begin.elapsed() >= limit {
                return Err(ManagerError::TimedOut {
                    action: "start",
                    name: name.to_owned(),
                    limit,
                    state: "starting",
                });
            }
            win32::pause(POLL);
        }
    }

    /// Stops the service and waits until it has stopped; fine when it has already.
    pub fn stop(&self, name: &str, limit: Duration) -> Result<(), ManagerError> {
        let action = Action { verb: "stop", name };
        let service = action.open(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
        stop(&action, &service, limit)
    }

    /// None: there is no such service.
    pub fn state(&self, name: &str) -> Result<Option<OsState>, ManagerError> {
        let action = Action { verb: "ask for the state of", name };
        let service = match action.open(ServiceAccess::QUERY_STATUS) {
            Err(ManagerError::NotInstalled(_)) => return Ok(None),
            answer => answer?,
        };
        let status = service.query_status().map_err(|error| action.failed(error))?;
        Ok(Some(state_of(&status)))
    }

    /// The installed services whose program is one of our guards: its command line has the word `guard` and the
    /// service's own name.
    pub fn names(&self) -> Vec<String> {
        let Ok(Some(services)) = Key::open(SERVICES_KEY) else { return Vec::new() };
        let mut names = services.names().unwrap_or_default();
        names.retain(|name| services.text(name, "ImagePath").is_some_and(|line| is_guard(&line, name)));
        names.sort_unstable();
        names
    }
}

fn is_guard(command_line: &str, name: &str) -> bool {
    let plain = command_line.replace('"', " ");
    let words = || plain.split_whitespace().skip(1);
    words().any(|word| word == "guard") && words().any(|word| word.eq_ignore_ascii_case(name))
}

/// Restart as a recovery action needs the right to start, too.
const CONFIGURE: ServiceAccess = ServiceAccess::CHANGE_CONFIG
    .union(ServiceAccess::QUERY_CONFIG)
    .union(ServiceAccess::START)
    .union(ServiceAccess::DELETE);

fn info(entry: &Entry) -> ServiceInfo {
    ServiceInfo {
        name: OsString::from(&entry.name),
        display_name: OsString::from(&entry.name),
        service_type: ServiceType::OWN_PROCESS,
        start_type: match entry.start {
            Start::Auto | Start::Delayed => ServiceStartType::AutoStart,
            Start::Manual => ServiceStartType::OnDemand,
            Start::Disabled => ServiceStartType::Disabled,
        },
        error_control: ServiceErrorControl::Normal,
        executable_path: entry.binary.clone(),
        launch_arguments: entry.args.clone(),
        dependencies: Vec::new(),
        account_name: None,
        account_password: None,
    }
}

/// The settings that have calls of their own. The description is a must; the others are refused by some systems.
fn configure(service: &Service, entry: &Entry) -> windows_service::Result<Vec<String>> {
    service.set_description(&entry.description)?;
    let mut warnings = Vec::new();
    let mut optional = |what: &str, done: windows_service::Result<()>| match done {
        Err(error) if is_unsupported(&error) => {
            warnings.push(format!("cannot set {what}: this system does not support it"));
            Ok(())
        }
        answer => answer,
    };
    let delayed = service.set_delayed_auto_start(entry.start == Start::Delayed);
    // "Ignored unless the service is an auto-start service", so only a wish for it that fails is worth a word.
    if entry.start == Start::Delayed {
        optional("the delayed start", delayed)?;
    }
    optional("the time it gets when the system shuts down", service.set_preshutdown_timeout(entry.stop_limit))?;
    optional("the restart of a guard that dies", service.update_failure_actions(recovery()))?;
    Ok(warnings)
}

/// A guard that ends without saying "stopped" is started again at once, however often: the last action repeats. The day
/// after which its failures are forgotten only matters for the number in the Event Log. Not for a guard that stops by
/// itself with an error ("non-crash failures"): that one gave up on purpose.
fn recovery() -> ServiceFailureActions {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let restart = ServiceAction { action_type: ServiceActionType::Restart, delay: Duration::ZERO };
    ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(DAY),
        reboot_msg: None,
        command: None,
        actions: Some(vec![restart.clone(), restart.clone(), restart]),
    }
}

fn stop(action: &Action<'_>, service: &Service, limit: Duration) -> Result<(), ManagerError> {
    let begin = Instant::now();
    let mut asked = false;
    loop {
        let status = service.query_status().map_err(|error| action.failed(error))?;
        match status.current_state {
            ServiceState::Stopped => return Ok(()),
            ServiceState::StopPending => {}
            // A start that is on its way can't be stopped by the manager: asked again until it is through.
            ServiceState::StartPending
            | ServiceState::Running
            | ServiceState::Paused
            | ServiceState::PausePending
            | ServiceState::ContinuePending => {
                if !asked {
                    match service.stop() {
                        Ok(_) => asked = true,
                        Err(error) if code_is(&error, ERROR_SERVICE_NOT_ACTIVE) => return Ok(()),
                        Err(error) if code_is(&error, ERROR_SERVICE_CANNOT_ACCEPT_CTRL) => {}
                        Err(error) => return Err(action.failed(error)),
                    }
                }
            }
        }
        if begin.elapsed() >= limit {
            let state = if asked { "stopping" } else { "starting" };
            return Err(ManagerError::TimedOut { action: action.verb, name: action.name.to_owned(), limit, state });
        }
        win32::pause(POLL);
    }
}

fn state_of(status: &ServiceStatus) -> OsState {
    let (win32_exit, specific_exit) = exit_of(status);
    match status.current_state {
        ServiceState::Stopped => OsState::Stopped { win32_exit, specific_exit },
        ServiceState::StartPending => OsState::StartPending,
        ServiceState::StopPending => OsState::StopPending,
        ServiceState::Running | ServiceState::ContinuePending => {
            OsState::Running { pid: status.process_id.unwrap_or_default() }
        }
        ServiceState::Paused | ServiceState::PausePending => OsState::Paused,
    }
}

/// `dwWin32ExitCode` and `dwServiceSpecificExitCode`.
fn exit_of(status: &ServiceStatus) -> (u32, u32) {
    match status.exit_code {
        ServiceExitCode::Win32(code) => (code, 0),
        ServiceExitCode::ServiceSpecific(code) => (windows_sys::Win32::Foundation::ERROR_SERVICE_SPECIFIC_ERROR, code),
    }
}

fn is_failed(status: &ServiceStatus) -> bool {
    status.current_state == ServiceState::Stopped && exit_of(status) != (0, 0)
}

fn code_is(error: &windows_service::Error, code: u32) -> bool {
    matches!(error, windows_service::Error::Winapi(source) if win32::is(source, code))
}

/// What Wine and old systems answer to settings they don't know.
fn is_unsupported(error: &windows_service::Error) -> bool {
    [ERROR_INVALID_LEVEL, ERROR_INVALID_PARAMETER, ERROR_CALL_NOT_IMPLEMENTED].iter().any(|&code| code_is(error, code))
}

/// What is being done to which service, for errors.
struct Action<'a> {
    verb: &'static str,
    name: &'a str,
}

impl Action<'_> {
    fn open_manager(&self, access: ServiceManagerAccess) -> Result<ServiceManager, ManagerError> {
        ServiceManager::local_computer(None::<&OsStr>, access).map_err(|error| self.failed(error))
    }

    fn open(&self, access: ServiceAccess) -> Result<Service, ManagerError> {
        let manager = self.open_manager(ServiceManagerAccess::CONNECT)?;
        manager.open_service(self.name, access).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: windows_service::Error) -> ManagerError {
        let name = self.name.to_owned();
        if code_is(&error, ERROR_ACCESS_DENIED) {
            return ManagerError::NotPrivileged { action: format!("{} {name}", self.verb), remedy: REMEDY };
        }
        if code_is(&error, ERROR_SERVICE_DOES_NOT_EXIST) {
            return ManagerError::NotInstalled(name);
        }
        if code_is(&error, ERROR_SERVICE_EXISTS) {
            return ManagerError::Exists(name);
        }
        if code_is(&error, ERROR_SERVICE_DISABLED) {
            return ManagerError::Disabled(name);
        }
        let source = if code_is(&error, ERROR_SERVICE_MARKED_FOR_DELETE) {
            io::Error::other("it is being removed; close services.msc and whatever else shows it, then try again")
        } else {
            match error {
                windows_service::Error::Winapi(source) => source,
                other => io::Error::other(other),
            }
        };
        ManagerError::Refused { action: self.verb, name, source }
    }

    /// It was started and has stopped again.
    fn ended(&self, status: &ServiceStatus) -> ManagerError {
        let text = match status.exit_code {
            ServiceExitCode::ServiceSpecific(code) => format!("it stopped again at once, with exit code {code}"),
            ServiceExitCode::Win32(0) => "it stopped again at once".to_owned(),
            ServiceExitCode::Win32(code) => format!("it stopped again at once: {}", win32::error(code)),
        };
        ManagerError::Refused { action: self.verb, name: self.name.to_owned(), source: io::Error::other(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_known_by_its_command_line() {
        let known = |line| is_guard(line, "payment");
        assert!(known(r#""C:\Program Files\mainstay\mainstay.exe" guard --scm payment"#));
        assert!(known(r#"C:\mainstay.exe --home "D:\x y" guard --scm "Payment""#));
        assert!(!known(r#""C:\Program Files\mainstay\mainstay.exe" guard --scm web"#));
        assert!(!known(r"C:\payment.exe payment"));
        assert!(!known(r"C:\Windows\system32\svchost.exe -k netsvcs"));
    }
}
