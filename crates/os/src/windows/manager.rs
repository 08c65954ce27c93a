//! The service control manager, through the crate `windows-service`; which services are ours is read from the registry,
//! as that needs no rights.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceExitCode,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState, ServiceStatus,
    ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CALL_NOT_IMPLEMENTED, ERROR_CIRCULAR_DEPENDENCY, ERROR_DEPENDENT_SERVICES_RUNNING,
    ERROR_INVALID_LEVEL, ERROR_INVALID_PARAMETER, ERROR_INVALID_SERVICE_ACCOUNT, ERROR_LOGON_FAILURE,
    ERROR_LOGON_TYPE_NOT_GRANTED, ERROR_SERVICE_ALREADY_RUNNING, ERROR_SERVICE_CANNOT_ACCEPT_CTRL,
    ERROR_SERVICE_DEPENDENCY_DELETED, ERROR_SERVICE_DEPENDENCY_FAIL, ERROR_SERVICE_DISABLED,
    ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_EXISTS, ERROR_SERVICE_LOGON_FAILED, ERROR_SERVICE_MARKED_FOR_DELETE,
    ERROR_SERVICE_NOT_ACTIVE, ERROR_SERVICE_REQUEST_TIMEOUT,
};

use super::account::{self, Kind};
use super::registry::Key;
use super::{service_config, win32};
use crate::account::Secret;
use crate::manager::{Entry, ManagerError, OsState, Start};

/// Who a service runs as where no account is named.
const LOCAL_SYSTEM: &str = "LocalSystem";

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
    pub fn kind(&self) -> crate::manager::Kind {
        crate::manager::Kind::Scm
    }

    /// Makes the service. Returns what this Windows could not be told, as sentences. Only a user's account has a password;
    /// it gets the right to log on as a service, which it keeps.
    pub fn install(&self, entry: &Entry, password: Option<&Secret>) -> Result<Vec<String>, ManagerError> {
        let action = Action { verb: "install", name: &entry.name };
        let account = entry.account.as_deref().unwrap_or(LOCAL_SYSTEM);
        let password = action.password(account, password)?;
        let manager = action.open_manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
        let service = manager.create_service(&info(entry), CONFIGURE).map_err(|error| action.failed(error))?;
        let name = account::manager_name(account);
        let done = service_config::set(&service, entry, Some(&name), password)
            .map_err(|source| action.refused(account, source))
            .and_then(|()| configure(&service, entry, account).map_err(|error| action.failed(error)));
        if done.is_err() {
            // Half a service is worse than none.
            let _ = service.delete();
        }
        let mut warnings = done?;
        // Without it the service can't start, but an administrator of the domain may have to give it.
        warnings.extend(account::let_log_on_as_service(account).err().map(|error| error.to_string()));
        Ok(warnings)
    }

    /// Changes an installed service to what `entry` says; takes effect at its next start. An account with a password is only
    /// changed by installing the service again.
    pub fn update(&self, entry: &Entry) -> Result<Vec<String>, ManagerError> {
        let action = Action { verb: "update", name: &entry.name };
        let service = action.open(CONFIGURE)?;
        let wanted = entry.account.as_deref().unwrap_or(LOCAL_SYSTEM);
        let now = service_config::account_of(&service).map_err(|source| action.refused(wanted, source))?;
        let changes = !service_config::same_account(&now, wanted);
        if changes && Kind::of(wanted).has_password() {
            let text = format!("it runs as {now}; remove it and install it again to give the password of {wanted}");
            return Err(action.refused(wanted, io::Error::other(text)));
        }
        service.change_config(&info(entry)).map_err(|error| action.failed(error))?;
        let name = changes.then(|| account::manager_name(wanted));
        service_config::set(&service, entry, name.as_deref(), None).map_err(|source| action.refused(wanted, source))?;
        configure(&service, entry, wanted).map_err(|error| action.failed(error))
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

    /// The state of any service, by the manager's own name for it. None: there is no such service.
    pub fn raw_state(&self, os_name: &str) -> Result<Option<OsState>, ManagerError> {
        self.state(os_name)
    }

    /// The executable that starts a service's guard. None: no such service, or none of ours.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let services = Key::open(SERVICES_KEY).ok()??;
        let line = services.text(name, "ImagePath").filter(|line| is_guard(line, name))?;
        Some(PathBuf::from(program_of(&line)))
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

/// The first word of a command line, which stands in quotes if it has spaces.
fn program_of(command_line: &str) -> &str {
    let line = command_line.trim_start();
    let (first, _) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => line.split_once(' ').unwrap_or((line, "")),
    };
    first
}

/// Restart as a recovery action needs the right to start, too.
const CONFIGURE: ServiceAccess = ServiceAccess::CHANGE_CONFIG
    .union(ServiceAccess::QUERY_CONFIG)
    .union(ServiceAccess::START)
    .union(ServiceAccess::DELETE);

fn info(entry: &Entry) -> ServiceInfo {
    ServiceInfo {
        name: OsString::from(&entry.name),
        display_name: OsString::from(if entry.display_name.is_empty() { &entry.name } else { &entry.display_name }),
        service_type: ServiceType::OWN_PROCESS,
        start_type: match entry.start {
            Start::Auto | Start::Delayed => ServiceStartType::AutoStart,
            Start::Manual => ServiceStartType::OnDemand,
            Start::Disabled => ServiceStartType::Disabled,
        },
        error_control: ServiceErrorControl::Normal,
        executable_path: entry.binary.clone(),
        launch_arguments: entry.args.clone(),
        // These two are set by `service_config`, which knows how to take dependencies away and to wipe a password.
        dependencies: Vec::new(),
        account_name: None,
        account_password: None,
    }
}

/// The settings that have calls of their own. The description is a must; the others are refused by some systems.
fn configure(service: &Service, entry: &Entry, account: &str) -> windows_service::Result<Vec<String>> {
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
    let in_crate = |done: io::Result<()>| done.map_err(windows_service::Error::Winapi);
    optional("a security identity (SID) of its own", in_crate(service_config::set_own_sid(service)))?;
    let privileges = service_config::set_privileges(service, account);
    // LocalSystem has all, before and after; only taking away is worth a word.
    if Kind::of(account) != Kind::LocalSystem {
        optional("its reduced privileges", in_crate(privileges))?;
    }
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

/// What a person can do about a code of the manager's, where its own text does not say it.
fn explanation(code: u32) -> Option<&'static str> {
    Some(match code {
        ERROR_SERVICE_LOGON_FAILED => {
            "its account could not be logged on: the password is wrong or was changed, the account is disabled, or it lacks the \
             right to log on as a service; remove the service and install it again with the right account and password"
        }
        ERROR_LOGON_TYPE_NOT_GRANTED => {
            "its account lacks the right to log on as a service; give it in secpol.msc (Local Policies, User Rights \
             Assignment), or install the service again as administrator"
        }
        ERROR_LOGON_FAILURE | ERROR_INVALID_SERVICE_ACCOUNT => {
            "there is no such account, or the password is wrong; check both (.\\user for one of this machine)"
        }
        ERROR_SERVICE_DEPENDENCY_FAIL => {
            "a service that has to run before it did not start; look at the services that its `after` names"
        }
        ERROR_SERVICE_DEPENDENCY_DELETED => {
            "a service that has to run before it is not installed; install it, or take it out of `after`"
        }
        ERROR_CIRCULAR_DEPENDENCY => "it would have to run before itself; look at the `after` of the services it names",
        ERROR_DEPENDENT_SERVICES_RUNNING => {
            "services that need it still run; stop these first (`sc enumdepend NAME` lists them)"
        }
        ERROR_SERVICE_MARKED_FOR_DELETE => {
            "it is being removed; close services.msc and whatever else shows it, then try again"
        }
        _ => return None,
    })
}

/// The system's error with what to do about it, if we know.
fn explained(source: io::Error) -> io::Error {
    let code = source.raw_os_error().map(i32::cast_unsigned);
    match code.and_then(explanation) {
        Some(text) => io::Error::other(text),
        None => source,
    }
}

impl Action<'_> {
    /// The password to pass on: exactly the accounts that have one need it.
    fn password<'a>(&self, account: &str, given: Option<&'a Secret>) -> Result<Option<&'a Secret>, ManagerError> {
        let text = match (Kind::of(account).has_password(), given) {
            (true, Some(_)) | (false, None) => return Ok(given),
            (true, None) => format!("{account} is a user's account: its password is needed"),
            (false, Some(_)) => format!("{account} has no password; leave it out"),
        };
        Err(self.refused(account, io::Error::new(io::ErrorKind::InvalidInput, text)))
    }

    /// An answer about the account or the dependencies.
    fn refused(&self, account: &str, source: io::Error) -> ManagerError {
        let of_account =
            [ERROR_LOGON_FAILURE, ERROR_INVALID_SERVICE_ACCOUNT].iter().any(|&code| win32::is(&source, code));
        match self.failed(windows_service::Error::Winapi(source)) {
            ManagerError::Refused { action, name, source } if of_account => {
                let source = io::Error::new(source.kind(), format!("it can't run as {account}: {source}"));
                ManagerError::Refused { action, name, source }
            }
            other => other,
        }
    }

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
        let source = match error {
            windows_service::Error::Winapi(source) => explained(source),
            other => io::Error::other(other),
        };
        ManagerError::Refused { action: self.verb, name, source }
    }

    /// It was started and has stopped again.
    fn ended(&self, status: &ServiceStatus) -> ManagerError {
        let text = match status.exit_code {
            ServiceExitCode::ServiceSpecific(code) => format!("it stopped again at once, with exit code {code}"),
            ServiceExitCode::Win32(0) => "it stopped again at once".to_owned(),
            ServiceExitCode::Win32(code) => match explanation(code) {
                Some(text) => text.to_owned(),
                None => format!("it stopped again at once: {}", win32::error(code)),
            },
        };
        ManagerError::Refused { action: self.verb, name: self.name.to_owned(), source: io::Error::other(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_says_what_to_do() {
        let action = Action { verb: "start", name: "web" };
        for (code, words) in [
            (1069, "the password is wrong or was changed"),
            (1385, "secpol.msc"),
            (1068, "has to run before it did not start"),
            (1075, "is not installed"),
            (1051, "stop these first"),
            (1072, "close services.msc"),
            (1326, "the password is wrong"),
            (1059, "run before itself"),
        ] {
            let text = action.failed(windows_service::Error::Winapi(win32::error(code))).to_string();
            assert!(text.starts_with("cannot start web: ") && text.contains(words), "{code}: {text}");
        }
        let status = ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state: ServiceState::Stopped,
            controls_accepted: windows_service::service::ServiceControlAccept::empty(),
            exit_code: ServiceExitCode::Win32(1069),
            checkpoint: 0,
            wait_hint: Duration::ZERO,
            process_id: None,
        };
        assert!(action.ended(&status).to_string().contains("logged on"));
    }

    #[test]
    fn exactly_a_users_account_needs_a_password() {
        let action = Action { verb: "install", name: "web" };
        let secret = Secret::new("x".to_owned());
        assert!(action.password(r".\bob", Some(&secret)).unwrap().is_some());
        for account in ["LocalSystem", "LocalService", r"NT SERVICE\web", r"CORP\web$"] {
            assert!(action.password(account, None).unwrap().is_none());
            let error = action.password(account, Some(&secret)).unwrap_err().to_string();
            assert_eq!(error, format!("cannot install web: {account} has no password; leave it out"));
        }
        let error = action.password("bob", None).unwrap_err().to_string();
        assert_eq!(error, "cannot install web: bob is a user's account: its password is needed");
        let error = action.refused("bob", win32::error(ERROR_INVALID_SERVICE_ACCOUNT)).to_string();
        assert!(error.starts_with("cannot install web: it can't run as bob: there is no such account"), "{error}");
    }

    #[test]
    fn a_guard_is_known_by_its_command_line() {
        let known = |line| is_guard(line, "payment");
        assert!(known(r#""C:\Program Files\mainstay\mainstay.exe" guard --scm payment"#));
        assert!(known(r#"C:\mainstay.exe --home "D:\x y" guard --scm "Payment""#));
        assert!(!known(r#""C:\Program Files\mainstay\mainstay.exe" guard --scm web"#));
        assert!(is_guard(r#""C:\mainstay.exe" guard --scm web@1"#, "web@1"));
        assert!(!is_guard(r#""C:\mainstay.exe" guard --scm web@1"#, "web"));
        assert!(!known(r"C:\payment.exe payment"));
        assert_eq!(
            program_of(r#""C:\Program Files\mainstay\mainstay.exe" guard x"#),
            r"C:\Program Files\mainstay\mainstay.exe"
        );
        assert_eq!(program_of(r"C:\mainstay.exe guard x"), r"C:\mainstay.exe");
        assert!(!known(r"C:\Windows\system32\svchost.exe -k netsvcs"));
    }
}
