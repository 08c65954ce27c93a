//! Job objects: membership that nothing but breakaway can leave, an atomic end, and death with the last handle.
//!
//! Microsoft: "Job Objects", "JOBOBJECT_BASIC_LIMIT_INFORMATION structure".

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, HANDLE};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, IsProcessInJob, JOB_OBJECT_LIMIT_BREAKAWAY_OK,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_BASIC_PROCESS_ID_LIST,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JOBOBJECTINFOCLASS, JobObjectBasicAccountingInformation,
    JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_ACCESS_RIGHTS, PROCESS_QUERY_INFORMATION, PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_SYNCHRONIZE,
};

use super::win32;

/// The code of every process that [`Job::end`] ended.
const ENDED: u32 = 1;

/// A job whose processes die with its handle. The handle can't be inherited, so that is when we die at the latest.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

impl Job {
    /// An empty job; `breakaway`: its processes may start others outside of it.
    pub(super) fn new(breakaway: bool) -> io::Result<Job> {
        // SAFETY: no security attributes and no name: not inheritable, reachable by its handle alone.
        let job = Job(unsafe { win32::own(CreateJobObjectW(ptr::null(), ptr::null())) }?);
        job.limit(JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default(), breakaway)?;
        Ok(job)
    }

    /// Sets its limits, in place of those before.
    pub(super) fn limit(&self, mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION, breakaway: bool) -> io::Result<()> {
        limits.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        if breakaway {
            limits.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_BREAKAWAY_OK;
        }
        // SAFETY: the structure belongs to the information class.
        unsafe { self.set(JobObjectExtendedLimitInformation, &limits) }
    }

    /// Sets one of its kinds of information.
    ///
    /// # Safety
    /// `T` is the structure, or an array of structures, of this information class.
    pub(super) unsafe fn set<T: ?Sized>(&self, class: JOBOBJECTINFOCLASS, value: &T) -> io::Result<()> {
        // SAFETY: the value lives and has the size given; the caller vouches for its type.
        win32::check(unsafe {
            SetInformationJobObject(self.handle(), class, ptr::from_ref(value).cast(), size_of_val(value) as u32)
        })
    }

    pub(super) fn handle(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Takes a process in that was not started inside.
    pub(super) fn assign(&self, process: BorrowedHandle<'_>) -> io::Result<()> {
        // SAFETY: both handles are open for the length of the call.
        win32::check(unsafe { AssignProcessToJobObject(self.handle(), process.as_raw_handle()) })
    }

    /// Whether none of its processes lives.
    ///
    /// The job's own count says so, or every process it lists has ended: Wine goes on counting a process that was killed
    /// while it was being made. Only living members can make new ones, so when a second list names nobody new, nobody
    /// was missed; the handles held meanwhile keep a pid from meaning another process.
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        if self.count()? == 0 {
            return Ok(true);
        }
        let listed = self.pids()?;
        let mut ended = Vec::new();
        for &pid in &listed {
            match self.look_at(pid) {
                Member::Lives(_) | Member::Closed => return Ok(false),
                Member::Ended(process) => ended.push(process),
            }
        }
        Ok(self.pids()?.iter().all(|pid| listed.contains(pid)))
    }

    /// How many of its processes live, by its own count.
    fn count(&self) -> io::Result<u32> {
        let mut numbers = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: the structure belongs to the information class and has its size.
        let done = unsafe {
            QueryInformationJobObject(
                self.handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut numbers).cast(),
                size_of_val(&numbers) as u32,
                ptr::null_mut(),
            )
        };
        win32::check(done)?;
        Ok(numbers.ActiveProcesses)
    }

    /// The pids of its processes. Each may be gone the next moment: [`Job::look_at`] before acting on one.
    pub(super) fn pids(&self) -> io::Result<Vec<u32>> {
        /// `NumberOfAssignedProcesses` and `NumberOfProcessIdsInList`, in units of one `usize`.
        const HEADER: usize = std::mem::offset_of!(JOBOBJECT_BASIC_PROCESS_ID_LIST, ProcessIdList) / size_of::<usize>();
        let mut room = 32;
        loop {
            let mut list = vec![0_usize; HEADER + room];
            // SAFETY: the buffer is aligned for the structure (its largest member is a usize) and has this size.
            let done = unsafe {
                QueryInformationJobObject(
                    self.handle(),
                    JobObjectBasicProcessIdList,
                    list.as_mut_ptr().cast(),
                    (list.len() * size_of::<usize>()) as u32,
                    ptr::null_mut(),
                )
            };
            if let Err(error) = win32::check(done) {
                if !win32::is(&error, ERROR_MORE_DATA) {
                    return Err(error);
                }
                room *= 4;
                continue;
            }
            // SAFETY: the call succeeded, so the header is filled in.
            let filled = unsafe { (*list.as_ptr().cast::<JOBOBJECT_BASIC_PROCESS_ID_LIST>()).NumberOfProcessIdsInList };
            let pids = list.into_iter().skip(HEADER).take(filled as usize);
            return Ok(pids.filter_map(|pid| u32::try_from(pid).ok()).collect());
        }
    }

    /// What has become of a member with this pid; a pid that was given to another process is that of an ended one.
    pub(super) fn look_at(&self, pid: u32) -> Member {
        // The full right first: Wine's IsProcessInJob asks for it. A member that has elevated itself gives only the other.
        let opened = open(pid, PROCESS_QUERY_INFORMATION).or_else(|_| open(pid, PROCESS_QUERY_LIMITED_INFORMATION));
        let process = match opened {
            Ok(process) => process,
            Err(error) if win32::is(&error, ERROR_INVALID_PARAMETER) => return Member::Ended(None),
            Err(_) => return Member::Closed,
        };
        let mut inside = 0;
        // SAFETY: both handles are open, the result lives.
        unsafe { IsProcessInJob(process.as_raw_handle(), self.handle(), &raw mut inside) };
        match win32::wait(process.as_handle(), Duration::ZERO) {
            Ok(false) if inside != 0 => Member::Lives(process),
            Ok(_) | Err(_) => Member::Ended(Some(process)),
        }
    }

    /// Each living member that can be opened.
    pub(super) fn living(&self) -> impl Iterator<Item = (u32, OwnedHandle)> {
        let pids = self.pids().unwrap_or_default();
        pids.into_iter().filter_map(|pid| match self.look_at(pid) {
            Member::Lives(process) => Some((pid, process)),
            Member::Closed | Member::Ended(_) => None,
        })
    }

    /// Ends all of it at once; nothing that a member starts meanwhile survives. Can be repeated.
    pub(super) fn end(&self) -> io::Result<()> {
        // SAFETY: a plain call on our own handle.
        win32::check(unsafe { TerminateJobObject(self.handle(), ENDED) })
    }
}

fn open(pid: u32, query: PROCESS_ACCESS_RIGHTS) -> io::Result<OwnedHandle> {
    // SAFETY: a plain call; the handle is ours.
    unsafe { win32::own(OpenProcess(PROCESS_SYNCHRONIZE | query, 0, pid)) }
}

/// What has become of a listed process.
#[derive(Debug)]
pub(super) enum Member {
    /// It lives; as long as the handle is open, its pid is its own.
    Lives(OwnedHandle),
    /// It can't be opened by us, so it is taken for living.
    Closed,
    /// It has ended, or is gone altogether.
    Ended(Option<OwnedHandle>),
}

impl AsHandle for Job {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}
