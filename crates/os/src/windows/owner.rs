//! A guard under the service control manager.
//!
//! Microsoft: "Service Entry Point", "Service Control Handler Function", "SetServiceStatus function". Called directly, not
//! through the crate `windows-service`, because that one (0.8) frees its handler at the first STOP, and the manager
//! still calls it after that (INTERROGATE is always allowed).

use std::ffi::c_void;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use windows_sys::Win32::Foundation::{
    ERROR_BUSY, ERROR_CALL_NOT_IMPLEMENTED, ERROR_FAILED_SERVICE_CONTROLLER_CONNECT, ERROR_PROCESS_ABORTED,
    ERROR_SERVICE_CANNOT_ACCEPT_CTRL, ERROR_SERVICE_SPECIFIC_ERROR, NO_ERROR,
};
use windows_sys::Win32::System::Services::{
    RegisterServiceCtrlHandlerExW, SERVICE_ACCEPT_PARAMCHANGE, SERVICE_ACCEPT_PAUSE_CONTINUE,
    SERVICE_ACCEPT_POWEREVENT, SERVICE_ACCEPT_PRESHUTDOWN, SERVICE_ACCEPT_SHUTDOWN, SERVICE_ACCEPT_STOP,
    SERVICE_ACCEPT_TIMECHANGE, SERVICE_CONTINUE_PENDING, SERVICE_CONTROL_CONTINUE, SERVICE_CONTROL_INTERROGATE,
    SERVICE_CONTROL_PARAMCHANGE, SERVICE_CONTROL_PAUSE, SERVICE_CONTROL_POWEREVENT, SERVICE_CONTROL_PRESHUTDOWN,
    SERVICE_CONTROL_SHUTDOWN, SERVICE_CONTROL_STOP, SERVICE_CONTROL_TIMECHANGE, SERVICE_PAUSE_PENDING, SERVICE_PAUSED,
    SERVICE_RUNNING, SERVICE_START_PENDING, SERVICE_STATUS, SERVICE_STATUS_CURRENT_STATE, SERVICE_STATUS_HANDLE,
    SERVICE_STOP_PENDING, SERVICE_STOPPED, SERVICE_TABLE_ENTRYW, SERVICE_WIN32_OWN_PROCESS, SetServiceStatus,
    StartServiceCtrlDispatcherW,
};

use super::{power, win32};
use crate::owner::{Report, Request};
use crate::tree::Exit;

/// How often a pending state is confirmed. The manager takes a service for hung after 30 s without a new checkpoint.
const PULSE: Duration = Duration::from_secs(1);

/// The wait hint: the time until the next checkpoint, with a wide margin for a machine that is busy booting, and a
/// little longer each time, because some clients give up on a hint that never changes.
const HINT: Duration = Duration::from_secs(10);
const HINT_GROWTH: Duration = Duration::from_secs(1);

/// So many requests wait for the guard at most.
const REQUESTS_MAX: usize = 8;
/// Of these places only STOP and SHUTDOWN may take the last ones: both can come once, a third is not waited for.
const KEPT_FOR_THE_END: usize = 2;

/// Who started this guard.
#[derive(Debug)]
pub struct Owner(Role);

#[derive(Debug)]
enum Role {
    Scm { service: &'static Service, requests: mpsc::Receiver<Request> },
    Nobody,
}

/// The one service of this process.
#[derive(Debug)]
struct Service {
    state: Mutex<State>,
    requests: mpsc::Sender<Request>,
}

/// What the manager was told last.
#[derive(Debug)]
struct State {
    handle: SERVICE_STATUS_HANDLE,
    current: SERVICE_STATUS_CURRENT_STATE,
    checkpoint: u32,
    /// The manager asked for a stop: no way back to running.
    stopping: bool,
    win32_exit: u32,
    specific_exit: u32,
}

// SAFETY: the handle is a token for SetServiceStatus, which any thread may call; it need not be closed.
unsafe impl Send for State {}

type Body = Box<dyn FnOnce(Owner) -> i32 + Send>;

/// What [`service_main`] takes over, since the manager's call can't carry it.
struct Start {
    name: Vec<u16>,
    body: Body,
    service: &'static Service,
    requests: mpsc::Receiver<Request>,
}

static START: Mutex<Option<Start>> = Mutex::new(None);
static SERVICE: OnceLock<Service> = OnceLock::new();
static CODE: OnceLock<i32> = OnceLock::new();

/// Runs a guard's body and returns its exit code.
///
/// Under the service manager this thread becomes the dispatcher, and the body runs on the manager's service thread; when
/// this returns, the service has been reported as stopped and the process shall exit.
pub fn run(name: &str, under_scm: bool, body: impl FnOnce(Owner) -> i32 + Send + 'static) -> io::Result<i32> {
    if !under_scm {
        return Ok(body(Owner(Role::Nobody)));
    }
    let context = |error: io::Error| {
        let why = if win32::is(&error, ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
            "only the service manager can start it so; start the service instead".to_owned()
        } else {
            error.to_string()
        };
        io::Error::new(error.kind(), format!("cannot run {name} as a Windows service: {why}"))
    };
    let mut units = win32::wide(name).map_err(context)?;
    let (sender, requests) = mpsc::channel(REQUESTS_MAX);
    let mut fresh = Some(Service { state: Mutex::new(State::new()), requests: sender });
    let service = SERVICE.get_or_init(|| fresh.take().unwrap_or_else(Service::unreachable));
    if fresh.is_some() {
        return Err(io::Error::other(format!("cannot run {name} as a Windows service: this process is one already")));
    }
    *lock(&START) = Some(Start { name: units.clone(), body: Box::new(body), service, requests });
    let table = [
        SERVICE_TABLE_ENTRYW { lpServiceName: units.as_mut_ptr(), lpServiceProc: Some(service_main) },
        SERVICE_TABLE_ENTRYW { lpServiceName: ptr::null_mut(), lpServiceProc: None },
    ];
    // SAFETY: the table ends with an empty entry and lives during the call, which returns when the service has stopped.
    win32::check(unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) }).map_err(context)?;
    Ok(CODE.get().copied().unwrap_or(1))
}

/// Called by the manager on a thread of its own.
unsafe extern "system" fn service_main(_count: u32, _arguments: *mut *mut u16) {
    let Some(start) = lock(&START).take() else { return };
    let Start { name, body, service, requests } = start;
    // SAFETY: the name ends with a NUL; the context is a static.
    let handle =
        unsafe { RegisterServiceCtrlHandlerExW(name.as_ptr(), Some(control_handler), ptr::from_ref(service).cast()) };
    if handle.is_null() {
        return;
    }
    {
        let mut state = lock(&service.state);
        state.handle = handle;
        state.enter(SERVICE_START_PENDING);
    }
    let owner = Owner(Role::Scm { service, requests });
    // A guard that panics must not look as if it had stopped on purpose: the process ends without STOPPED, and the
    // manager's recovery actions start it again.
    let Ok(code) = catch_unwind(AssertUnwindSafe(|| body(owner))) else { std::process::abort() };
    let _ = CODE.set(code);
    lock(&service.state).stopped(if code == 0 { NO_ERROR } else { ERROR_SERVICE_SPECIFIC_ERROR }, code.cast_unsigned());
}

/// Called by the manager on the dispatcher's thread: must not take long.
unsafe extern "system" fn control_handler(control: u32, event: u32, _data: *mut c_void, context: *mut c_void) -> u32 {
    // SAFETY: the static that `service_main` registered.
    let service = unsafe { &*context.cast::<Service>() };
    match control {
        SERVICE_CONTROL_STOP => service.asked_to_end(Request::Stop),
        SERVICE_CONTROL_SHUTDOWN | SERVICE_CONTROL_PRESHUTDOWN => service.asked_to_end(Request::Shutdown),
        SERVICE_CONTROL_PAUSE => service.asked(Request::Pause, Some(SERVICE_PAUSE_PENDING)),
        SERVICE_CONTROL_CONTINUE => service.asked(Request::Continue, Some(SERVICE_CONTINUE_PENDING)),
        SERVICE_CONTROL_PARAMCHANGE => service.asked(Request::Reload, None),
        SERVICE_CONTROL_POWEREVENT => {
            power::happened(event);
            NO_ERROR
        }
        SERVICE_CONTROL_TIMECHANGE => {
            power::clock_set();
            NO_ERROR
        }
        // The manager shows what it was told last.
        SERVICE_CONTROL_INTERROGATE => NO_ERROR,
        _ => ERROR_CALL_NOT_IMPLEMENTED,
    }
}

impl Service {
    /// `get_or_init` calls its function at most once, and `run` gave it something then.
    fn unreachable() -> Service {
        Service { state: Mutex::new(State::new()), requests: mpsc::channel(1).0 }
    }

    /// Says "pause pending" or "continue pending" at once; the guard says what comes of it, by a report.
    fn asked(&self, request: Request, pending: Option<SERVICE_STATUS_CURRENT_STATE>) -> u32 {
        let mut state = lock(&self.state);
        if state.stopping || state.current == SERVICE_STOPPED {
            return ERROR_SERVICE_CANNOT_ACCEPT_CTRL;
        }
        if self.requests.capacity() <= KEPT_FOR_THE_END {
            return ERROR_BUSY;
        }
        if self.requests.try_send(request).is_err() {
            return ERROR_BUSY;
        }
        // Asked for what it is already, the guard has nothing to report.
        match pending {
            Some(SERVICE_PAUSE_PENDING) if state.current == SERVICE_PAUSED => {}
            Some(SERVICE_CONTINUE_PENDING) if state.current == SERVICE_RUNNING => {}
            Some(next) => state.enter(next),
            None => {}
        }
        NO_ERROR
    }

    /// Says "stop pending" at once, so that whoever asked sees it before the guard gets to it.
    fn asked_to_end(&self, request: Request) -> u32 {
        let mut state = lock(&self.state);
        if state.current != SERVICE_STOPPED {
            state.stopping = true;
            state.enter(SERVICE_STOP_PENDING);
        }
        drop(state);
        // Full: enough requests to stop are waiting already.
        let _ = self.requests.try_send(request);
        NO_ERROR
    }
}

impl State {
    fn new() -> State {
        State {
            handle: ptr::null_mut(),
            current: SERVICE_START_PENDING,
            checkpoint: 0,
            stopping: false,
            win32_exit: NO_ERROR,
            specific_exit: 0,
        }
    }

    fn is_pending(&self) -> bool {
        matches!(
            self.current,
            SERVICE_START_PENDING | SERVICE_STOP_PENDING | SERVICE_PAUSE_PENDING | SERVICE_CONTINUE_PENDING
        )
    }

    /// Moves to a state, or confirms the one it is in.
    fn enter(&mut self, next: SERVICE_STATUS_CURRENT_STATE) {
        let back = self.stopping && !matches!(next, SERVICE_STOP_PENDING | SERVICE_STOPPED);
        // After STOPPED the handle must not be used any more.
        if self.current == SERVICE_STOPPED || back {
            return;
        }
        let same = self.current == next;
        self.current = next;
        self.checkpoint = match (self.is_pending(), same) {
            (true, true) => self.checkpoint.saturating_add(1),
            (true, false) => 1,
            (false, _) => 0,
        };
        self.tell();
    }

    fn stopped(&mut self, win32_exit: u32, specific_exit: u32) {
        if self.current != SERVICE_STOPPED {
            self.win32_exit = win32_exit;
            self.specific_exit = specific_exit;
            self.enter(SERVICE_STOPPED);
        }
    }

    fn hint(&self) -> Duration {
        if self.is_pending() { HINT + HINT_GROWTH * self.checkpoint } else { Duration::ZERO }
    }

    fn status(&self) -> SERVICE_STATUS {
        let end = SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN | SERVICE_ACCEPT_PRESHUTDOWN;
        let news = SERVICE_ACCEPT_POWEREVENT | SERVICE_ACCEPT_TIMECHANGE;
        let accepted = match self.current {
            SERVICE_RUNNING | SERVICE_PAUSED => end | news | SERVICE_ACCEPT_PAUSE_CONTINUE | SERVICE_ACCEPT_PARAMCHANGE,
            // One thing after the other, but the end may always come.
            SERVICE_PAUSE_PENDING | SERVICE_CONTINUE_PENDING => end | news,
            _ => 0,
        };
        SERVICE_STATUS {
            dwServiceType: SERVICE_WIN32_OWN_PROCESS,
            dwCurrentState: self.current,
            dwControlsAccepted: accepted,
            dwWin32ExitCode: self.win32_exit,
            dwServiceSpecificExitCode: self.specific_exit,
            dwCheckPoint: self.checkpoint,
            dwWaitHint: u32::try_from(self.hint().as_millis()).unwrap_or(u32::MAX),
        }
    }

    fn tell(&self) {
        if !self.handle.is_null() {
            let status = self.status();
            // SAFETY: the handle is the one the manager gave us, not used after STOPPED; the status lives.
            unsafe { SetServiceStatus(self.handle, &raw const status) };
        }
    }
}

impl Owner {
    /// What the manager asks for; pending for ever where nobody does. Cancel-safe.
    pub async fn request(&mut self) -> Request {
        if let Role::Scm { requests, .. } = &mut self.0
            && let Some(request) = requests.recv().await
        {
            return request;
        }
        std::future::pending().await
    }

    /// Tells the manager how things stand. A pending state lasts as long as [`Owner::pulse`] confirms it, so `limit` and
    /// `text` have no use here. After `Stopped` nothing is reported any more.
    pub fn report(&mut self, report: Report, _limit: Duration, _text: &str) {
        let Role::Scm { service, .. } = &self.0 else { return };
        let mut state = lock(&service.state);
        match report {
            Report::Starting => state.enter(SERVICE_START_PENDING),
            Report::Up => state.enter(SERVICE_RUNNING),
            Report::Paused => state.enter(SERVICE_PAUSED),
            Report::Stopping => state.enter(SERVICE_STOP_PENDING),
            Report::Stopped { failed: false, .. } => state.stopped(NO_ERROR, 0),
            Report::Stopped { failed: true, exit: Some(Exit::Code(code)) } => {
                state.stopped(ERROR_SERVICE_SPECIFIC_ERROR, code);
            }
            // It never ran, so there is no code of its own.
            Report::Stopped { failed: true, exit: None | Some(Exit::Signal(_)) } => {
                state.stopped(ERROR_PROCESS_ABORTED, 0);
            }
        }
    }

    /// Confirms a pending state: another checkpoint, a longer hint. Nothing in any other state.
    pub fn pulse(&mut self) {
        let Role::Scm { service, .. } = &self.0 else { return };
        let mut state = lock(&service.state);
        if state.is_pending() {
            let current = state.current;
            state.enter(current);
        }
    }

    /// How often [`Owner::pulse`] is wanted now; ask again after every report and request.
    pub fn pulse_every(&self) -> Option<Duration> {
        let Role::Scm { service, .. } = &self.0 else { return None };
        lock(&service.state).is_pending().then_some(PULSE)
    }
}

/// Whether this process runs as a service, so that the manager tells it what happens.
pub(super) fn is_service() -> bool {
    SERVICE.get().is_some()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these is held, so what a poisoned one holds is still true.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: &State) -> (u32, u32, u32, u32, u32) {
        let SERVICE_STATUS {
            dwCurrentState, dwCheckPoint, dwWaitHint, dwWin32ExitCode, dwServiceSpecificExitCode, ..
        } = state.status();
        (dwCurrentState, dwCheckPoint, dwWaitHint, dwWin32ExitCode, dwServiceSpecificExitCode)
    }

    #[test]
    fn a_pending_state_grows_its_checkpoint_and_its_hint() {
        let mut state = State::new();
        state.enter(SERVICE_START_PENDING);
        assert_eq!(told(&state), (SERVICE_START_PENDING, 1, 11_000, 0, 0));
        state.enter(SERVICE_START_PENDING);
        assert_eq!(told(&state), (SERVICE_START_PENDING, 2, 12_000, 0, 0));
        state.enter(SERVICE_RUNNING);
        assert_eq!(told(&state), (SERVICE_RUNNING, 0, 0, 0, 0));
        state.enter(SERVICE_STOP_PENDING);
        assert_eq!(told(&state), (SERVICE_STOP_PENDING, 1, 11_000, 0, 0));
    }

    #[test]
    fn a_stop_that_was_asked_for_is_not_taken_back() {
        let mut state = State::new();
        state.enter(SERVICE_RUNNING);
        state.stopping = true;
        state.enter(SERVICE_STOP_PENDING);
        state.enter(SERVICE_RUNNING);
        assert_eq!(state.current, SERVICE_STOP_PENDING);
        state.stopped(ERROR_SERVICE_SPECIFIC_ERROR, 259);
        state.stopped(NO_ERROR, 0);
        state.enter(SERVICE_RUNNING);
        assert_eq!(told(&state), (SERVICE_STOPPED, 0, 0, ERROR_SERVICE_SPECIFIC_ERROR, 259));
    }

    /// A service that was never registered with a manager, in this state.
    fn service(current: SERVICE_STATUS_CURRENT_STATE) -> (Service, mpsc::Receiver<Request>) {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let service = Service { state: Mutex::new(State::new()), requests: sender };
        lock(&service.state).enter(current);
        (service, requests)
    }

    fn send(service: &Service, control: u32, event: u32) -> u32 {
        // SAFETY: the context is a Service that lives during the call.
        unsafe { control_handler(control, event, ptr::null_mut(), ptr::from_ref(service).cast_mut().cast()) }
    }

    fn current(service: &Service) -> SERVICE_STATUS_CURRENT_STATE {
        lock(&service.state).current
    }

    /// Wine's ControlService refuses 5 and 15, as Windows does, so shutdown can only be tried here.
    #[test]
    fn shutdown_and_preshutdown_reach_the_guard_as_one_request() {
        let (service, mut requests) = service(SERVICE_RUNNING);
        assert_eq!(send(&service, SERVICE_CONTROL_INTERROGATE, 0), NO_ERROR);
        assert!(requests.try_recv().is_err());
        for (control, request) in [
            (SERVICE_CONTROL_PRESHUTDOWN, Request::Shutdown),
            (SERVICE_CONTROL_SHUTDOWN, Request::Shutdown),
            (SERVICE_CONTROL_STOP, Request::Stop),
        ] {
            assert_eq!(send(&service, control, 0), NO_ERROR);
            assert_eq!(requests.try_recv().ok(), Some(request));
            assert_eq!(current(&service), SERVICE_STOP_PENDING);
        }
        assert_eq!(send(&service, 200, 0), ERROR_CALL_NOT_IMPLEMENTED);
        for control in [SERVICE_CONTROL_PAUSE, SERVICE_CONTROL_CONTINUE, SERVICE_CONTROL_PARAMCHANGE] {
            assert_eq!(send(&service, control, 0), ERROR_SERVICE_CANNOT_ACCEPT_CTRL);
        }
        assert!(requests.try_recv().is_err());
    }

    #[test]
    fn pause_and_continue_are_pending_until_the_guard_says_so() {
        let (service, mut requests) = service(SERVICE_RUNNING);
        for (control, request, pending, then) in [
            (SERVICE_CONTROL_PAUSE, Request::Pause, SERVICE_PAUSE_PENDING, SERVICE_PAUSED),
            (SERVICE_CONTROL_PAUSE, Request::Pause, SERVICE_PAUSED, SERVICE_PAUSED),
            (SERVICE_CONTROL_PARAMCHANGE, Request::Reload, SERVICE_PAUSED, SERVICE_PAUSED),
            (SERVICE_CONTROL_CONTINUE, Request::Continue, SERVICE_CONTINUE_PENDING, SERVICE_RUNNING),
            (SERVICE_CONTROL_CONTINUE, Request::Continue, SERVICE_RUNNING, SERVICE_RUNNING),
            (SERVICE_CONTROL_PARAMCHANGE, Request::Reload, SERVICE_RUNNING, SERVICE_RUNNING),
        ] {
            assert_eq!(send(&service, control, 0), NO_ERROR);
            assert_eq!(requests.try_recv().ok(), Some(request));
            assert_eq!(current(&service), pending);
            assert_eq!(lock(&service.state).is_pending(), pending != then);
            lock(&service.state).enter(then);
        }
    }

    #[test]
    fn many_requests_leave_room_for_a_stop() {
        let (service, mut requests) = service(SERVICE_RUNNING);
        let answers: Vec<u32> = (0..REQUESTS_MAX).map(|_| send(&service, SERVICE_CONTROL_PARAMCHANGE, 0)).collect();
        let taken = REQUESTS_MAX - KEPT_FOR_THE_END;
        assert!(answers.iter().take(taken).all(|&answer| answer == NO_ERROR), "{answers:?}");
        assert!(answers.iter().skip(taken).all(|&answer| answer == ERROR_BUSY), "{answers:?}");
        assert_eq!(send(&service, SERVICE_CONTROL_STOP, 0), NO_ERROR);
        assert_eq!(send(&service, SERVICE_CONTROL_SHUTDOWN, 0), NO_ERROR);
        let all: Vec<Request> = std::iter::from_fn(|| requests.try_recv().ok()).collect();
        assert_eq!(all.get(taken..), Some([Request::Stop, Request::Shutdown].as_slice()));
    }

    #[test]
    fn each_state_accepts_what_makes_sense_in_it() {
        let accepts = |state, control| {
            let (service, _requests) = service(state);
            lock(&service.state).status().dwControlsAccepted & control != 0
        };
        for state in [SERVICE_RUNNING, SERVICE_PAUSED, SERVICE_PAUSE_PENDING, SERVICE_CONTINUE_PENDING] {
            for control in [SERVICE_ACCEPT_STOP, SERVICE_ACCEPT_PRESHUTDOWN, SERVICE_ACCEPT_POWEREVENT] {
                assert!(accepts(state, control), "{control} in {state}");
            }
            let settled = [SERVICE_RUNNING, SERVICE_PAUSED].contains(&state);
            assert_eq!(accepts(state, SERVICE_ACCEPT_PAUSE_CONTINUE | SERVICE_ACCEPT_PARAMCHANGE), settled, "{state}");
        }
        for state in [SERVICE_START_PENDING, SERVICE_STOP_PENDING, SERVICE_STOPPED] {
            assert!(!accepts(state, u32::MAX), "{state}");
        }
    }
}
