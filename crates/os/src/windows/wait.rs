//! Waking a task when a kernel object is signalled, without a thread of our own.
//!
//! Microsoft: "RegisterWaitForSingleObject function (winbase.h)". The system's thread pool has one wait thread for up to
//! 63 objects; our callback only sets a flag and wakes the task, so it runs in that very thread.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WORKER_THREAD_FLAGS, WT_EXECUTEINWAITTHREAD,
    WT_EXECUTEONLYONCE,
};

/// A registered wait. Dropping it ends the wait; no callback runs afterwards.
#[derive(Debug)]
pub(crate) struct Wait {
    registration: HANDLE,
    shared: Arc<Shared>,
    /// Kept open as long as the system waits for it.
    _object: Arc<OwnedHandle>,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    signalled: bool,
    task: Option<Waker>,
}

// SAFETY: the registration is a token for UnregisterWaitEx, which any thread may call; the rest is Send and Sync.
unsafe impl Send for Wait {}
// SAFETY: as above; the registration is only used in `drop`.
unsafe impl Sync for Wait {}

impl Wait {
    /// For objects that stay signalled, such as a process: told once.
    pub(crate) fn once(object: &Arc<OwnedHandle>) -> io::Result<Wait> {
        Wait::register(object, WT_EXECUTEINWAITTHREAD | WT_EXECUTEONLYONCE)
    }

    /// For auto-reset events: told each time; see [`Wait::forget`].
    pub(crate) fn each(object: &Arc<OwnedHandle>) -> io::Result<Wait> {
        Wait::register(object, WT_EXECUTEINWAITTHREAD)
    }

    fn register(object: &Arc<OwnedHandle>, flags: WORKER_THREAD_FLAGS) -> io::Result<Wait> {
        let shared = Arc::new(Shared::default());
        let mut registration: HANDLE = std::ptr::null_mut();
        // SAFETY: the object stays open (`_object`) and the context alive (`shared`) until `drop` has unregistered.
        let done = unsafe {
            RegisterWaitForSingleObject(
                &raw mut registration,
                object.as_raw_handle(),
                Some(signalled),
                Arc::as_ptr(&shared).cast(),
                INFINITE,
                flags,
            )
        };
        super::win32::check(done)?;
        Ok(Wait { registration, shared, _object: Arc::clone(object) })
    }

    /// Ready when the object has been signalled since the registration or the last [`Wait::forget`].
    pub(crate) fn poll_signalled(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        if state.signalled {
            return Poll::Ready(());
        }
        state.task = Some(context.waker().clone());
        Poll::Pending
    }

    /// Sleeps until the object has been signalled; cancel-safe.
    pub(crate) async fn signalled(&self) {
        std::future::poll_fn(|context| self.poll_signalled(context)).await;
    }

    /// Forgets a signal, to wait for the next one.
    pub(crate) fn forget(&self) {
        self.shared.lock().signalled = false;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, so a poisoned state is still a true one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs in the system's wait thread.
unsafe extern "system" fn signalled(context: *mut c_void, _timed_out: bool) {
    // SAFETY: `context` is the `Shared` of a `Wait` that has not been dropped: its drop waits for us.
    let shared = unsafe { &*context.cast::<Shared>() };
    let task = {
        let mut state = shared.lock();
        state.signalled = true;
        state.task.take()
    };
    if let Some(task) = task {
        task.wake();
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // SAFETY: our own registration, unregistered once. INVALID_HANDLE_VALUE: returns when no callback runs any
        // more, so `shared` may go; never called from a callback, where it would wait for itself.
        unsafe { UnregisterWaitEx(self.registration, INVALID_HANDLE_VALUE) };
    }
}
