//! Which limits a job has run into, told by its completion port.
//!
//! Microsoft: "JOBOBJECT_ASSOCIATE_COMPLETION_PORT structure". Nothing says that a completion port can be waited for in any
//! other way than by a thread that takes its messages, so a run with such a limit has one; a run without has none.

use std::collections::VecDeque;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatus, OVERLAPPED, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::JobObjects::{
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT, JobObjectAssociateCompletionPortInformation,
};
use windows_sys::Win32::System::SystemServices::{
    JOB_OBJECT_MSG_ACTIVE_PROCESS_LIMIT, JOB_OBJECT_MSG_JOB_MEMORY_LIMIT,
};
use windows_sys::Win32::System::Threading::INFINITE;

use super::job::Job;
use super::win32;
use crate::resources::{LimitHit, Resources};

/// The thread does next to nothing.
const STACK_BYTES: usize = 64 * 1024;

/// The completion key of our own last message; the job's have 0.
const OVER: usize = 1;

/// The limits of one run that were hit. Dropping it ends its thread.
#[derive(Debug)]
pub(super) struct Hits {
    port: Arc<OwnedHandle>,
    shared: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// Each once in a run: a program that goes on at its limit would be refused thousands of times a second.
    known: Vec<LimitHit>,
    untold: VecDeque<LimitHit>,
    task: Option<Waker>,
}

impl Hits {
    /// None: no limit is asked for that the port tells of. To be called before the job has a process.
    pub(super) fn of(job: &Job, resources: &Resources) -> io::Result<Option<Hits>> {
        if resources.memory_bytes.is_none() && resources.processes.is_none() {
            return Ok(None);
        }
        // SAFETY: no file, no port to join: a port of its own, and the handle is ours.
        let port = unsafe { win32::own(CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 1)) }?;
        let association = JOBOBJECT_ASSOCIATE_COMPLETION_PORT {
            CompletionKey: ptr::null_mut(),
            CompletionPort: port.as_raw_handle(),
        };
        // SAFETY: the structure belongs to the information class; the job itself keeps the port from then on.
        unsafe { job.set(JobObjectAssociateCompletionPortInformation, &association) }?;
        let port = Arc::new(port);
        let shared = Arc::new(Mutex::default());
        let (theirs, news) = (Arc::clone(&port), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("job limits".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || take_messages(&theirs, &news))?;
        Ok(Some(Hits { port, shared, thread: Some(thread) }))
    }

    /// The next one. Cancel-safe.
    pub(super) async fn next(&self) -> LimitHit {
        std::future::poll_fn(|context| {
            let mut state = lock(&self.shared);
            match state.untold.pop_front() {
                Some(hit) => Poll::Ready(hit),
                None => {
                    state.task = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Hits {
    fn drop(&mut self) {
        // SAFETY: our own port; the message has no OVERLAPPED.
        let posted = unsafe { PostQueuedCompletionStatus(self.port.as_raw_handle(), 0, OVER, ptr::null()) };
        if posted != 0
            && let Some(thread) = self.thread.take()
        {
            // It can't panic, and ends with our message.
            let _ = thread.join();
        }
    }
}

fn take_messages(port: &OwnedHandle, shared: &Mutex<State>) {
    loop {
        let (mut message, mut key) = (0, OVER);
        // A pid where OVERLAPPED stands in other messages: never followed.
        let mut about: *mut OVERLAPPED = ptr::null_mut();
        // SAFETY: the port is open as long as `port`; the results live.
        let done = unsafe {
            GetQueuedCompletionStatus(port.as_raw_handle(), &raw mut message, &raw mut key, &raw mut about, INFINITE)
        };
        if done == 0 || key == OVER {
            return;
        }
        if let Some(hit) = meaning(message) {
            take(shared, hit);
        }
    }
}

fn take(shared: &Mutex<State>, hit: LimitHit) {
    let mut state = lock(shared);
    if state.known.contains(&hit) {
        return;
    }
    state.known.push(hit);
    state.untold.push_back(hit);
    let task = state.task.take();
    drop(state);
    if let Some(task) = task {
        task.wake();
    }
}

/// Messages of a job have their kind where the number of bytes stands.
fn meaning(message: u32) -> Option<LimitHit> {
    match message {
        JOB_OBJECT_MSG_JOB_MEMORY_LIMIT => Some(LimitHit::Memory),
        JOB_OBJECT_MSG_ACTIVE_PROCESS_LIMIT => Some(LimitHit::Processes),
        _ => None,
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing panics while it is held, so a poisoned state is still a true one.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn hits() -> (Job, Hits) {
        let job = Job::new(false).unwrap();
        let hits = Hits::of(&job, &Resources { processes: Some(1), ..Resources::default() }).unwrap().unwrap();
        (job, hits)
    }

    /// As the job does, which under Wine enforces no limit.
    fn post(hits: &Hits, message: u32) {
        // SAFETY: as in `drop`.
        win32::check(unsafe { PostQueuedCompletionStatus(hits.port.as_raw_handle(), message, 0, ptr::null()) })
            .unwrap();
    }

    #[test]
    fn only_two_messages_mean_a_limit() {
        for message in 0..20 {
            let expected = match message {
                3 => Some(LimitHit::Processes),
                10 => Some(LimitHit::Memory),
                _ => None,
            };
            assert_eq!(meaning(message), expected, "{message}");
        }
    }

    #[tokio::test]
    async fn each_limit_is_told_once_and_what_else_a_job_says_is_not() {
        let (_job, hits) = hits();
        for message in [6, 10, 10, 7, 3, 10, 3, 4] {
            post(&hits, message);
        }
        let both = async { [hits.next().await, hits.next().await] };
        let both = tokio::time::timeout(Duration::from_secs(10), both).await.expect("in time");
        assert_eq!(both, [LimitHit::Memory, LimitHit::Processes]);
        let mut third = std::pin::pin!(hits.next());
        let third = std::future::poll_fn(|context| Poll::Ready(third.as_mut().poll(context).is_pending())).await;
        assert!(third, "told again");
    }

    #[test]
    fn without_a_limit_there_is_no_thread_and_with_one_it_ends_with_its_owner() {
        let job = Job::new(false).unwrap();
        assert!(Hits::of(&job, &Resources { cpu_percent: Some(1), ..Resources::default() }).unwrap().is_none());
        drop(hits()); // would hang
    }
}
