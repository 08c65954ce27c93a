//! Sleep and waking, and the calendar clock being set.
//!
//! A service is told by its manager ([`super::owner`] hands it on to here); any other process by powrprof's callback
//! (Microsoft: "PowerRegisterSuspendResumeNotification function"). A console program has no window for WM_TIMECHANGE, so
//! only a service is told of [`Power::ClockSet`].

use std::collections::VecDeque;
use std::ffi::c_void;
use std::io;
use std::mem::transmute;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::task::{Poll, Waker};

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::System::Power::DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS;

use super::library::{Function, Library};
use super::{owner, win32};
use crate::power::Power;

/// `DEVICE_NOTIFY_CALLBACK` of winuser.h.
const DEVICE_NOTIFY_CALLBACK: u32 = 2;

// `PBT_…` of winuser.h.
const SUSPEND: u32 = 0x04;
/// "Resumes after a critical suspension": before Windows Vista, and still in the documentation of services.
const RESUME_CRITICAL: u32 = 0x06;
/// Comes at every waking; `PBT_APMRESUMESUSPEND` follows it when a person is there, and would be a second one.
const RESUME_AUTOMATIC: u32 = 0x12;

/// So much news waits for a reader at most; the oldest goes first.
const UNREAD_MAX: usize = 8;

/// All watches of this process.
static WATCHES: Mutex<Vec<Weak<Mutex<State>>>> = Mutex::new(Vec::new());

/// Tells what the machine does from its making on.
#[derive(Debug)]
pub struct Watch(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    unread: VecDeque<Power>,
    task: Option<Waker>,
}

impl Watch {
    /// Where the system tells nothing (Wine), it stays pending: nobody can tell that from a machine that never sleeps.
    pub fn new() -> io::Result<Watch> {
        static REGISTRATION: Once = Once::new();
        let state = Arc::new(Mutex::new(State::default()));
        let mut watches = lock(&WATCHES);
        watches.retain(|watch| watch.strong_count() > 0);
        watches.push(Arc::downgrade(&state));
        drop(watches);
        if !owner::is_service() {
            // Once and for the life of the process; a failure would be the same each time.
            REGISTRATION.call_once(|| drop(register()));
        }
        Ok(Watch(state))
    }

    /// The next news. Cancel-safe.
    pub async fn next(&mut self) -> Power {
        std::future::poll_fn(|context| {
            let mut state = lock(&self.0);
            match state.unread.pop_front() {
                Some(power) => Poll::Ready(power),
                None => {
                    state.task = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

fn register() -> io::Result<()> {
    type Register = unsafe extern "system" fn(u32, *mut c_void, *mut *mut c_void) -> u32;
    let function = Library::load("powrprof.dll")?.function(c"PowerRegisterSuspendResumeNotification")?;
    // SAFETY: the type is that of the function's page.
    let register = unsafe { transmute::<Function, Register>(function) };
    let mut recipient = DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS { Callback: Some(told), Context: ptr::null_mut() };
    let mut registration = ptr::null_mut();
    // SAFETY: both live during the call; the callback is a function of this program, never unregistered.
    match unsafe { register(DEVICE_NOTIFY_CALLBACK, (&raw mut recipient).cast(), &raw mut registration) } {
        ERROR_SUCCESS => Ok(()),
        code => Err(win32::error(code)),
    }
}

/// Called by a thread of the system's.
unsafe extern "system" fn told(_context: *const c_void, event: u32, _setting: *const c_void) -> u32 {
    happened(event);
    ERROR_SUCCESS
}

/// Hands a `PBT_…` event on, if it means anything here.
pub(super) fn happened(event: u32) {
    match event {
        SUSPEND => tell(Power::Suspending),
        RESUME_AUTOMATIC | RESUME_CRITICAL => tell(Power::Resumed),
        _ => {}
    }
}

/// Hands `SERVICE_CONTROL_TIMECHANGE` on.
pub(super) fn clock_set() {
    tell(Power::ClockSet);
}

fn tell(power: Power) {
    for watch in lock(&WATCHES).iter().filter_map(Weak::upgrade) {
        let mut state = lock(&watch);
        if state.unread.len() >= UNREAD_MAX {
            state.unread.pop_front();
        }
        state.unread.push_back(power);
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these is held, so what a poisoned one holds is still true.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// One test, because all watches of a process are told the same.
    #[tokio::test]
    async fn each_event_is_told_to_each_watch_as_what_it_means() {
        let mut watches = [Watch::new().unwrap(), Watch::new().unwrap()];
        drop(Watch::new().unwrap());
        // PBT_APMPOWERSTATUSCHANGE, PBT_APMRESUMESUSPEND and PBT_POWERSETTINGCHANGE say nothing that matters.
        for event in [SUSPEND, 0x0A, RESUME_AUTOMATIC, 0x07, 0x8013, RESUME_CRITICAL, u32::MAX] {
            // SAFETY: as the system calls it; both pointers are unused.
            assert_eq!(unsafe { told(ptr::null(), event, ptr::null()) }, ERROR_SUCCESS);
        }
        clock_set();
        for watch in &mut watches {
            for expected in [Power::Suspending, Power::Resumed, Power::Resumed, Power::ClockSet] {
                let next = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.expect("in time");
                assert_eq!(next, expected);
            }
            let pending = std::future::poll_fn(|context| {
                Poll::Ready(std::pin::pin!(watch.next()).as_mut().poll(context).is_pending())
            });
            assert!(pending.await);
        }
        for _ in 0..100 {
            happened(SUSPEND);
        }
        assert_eq!(lock(&watches[0].0).unread.len(), UNREAD_MAX);
    }
}
