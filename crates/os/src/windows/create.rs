//! CreateProcessW with everything said explicitly: the file, the inherited handles, the job.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, GENERIC_READ, GENERIC_WRITE, HANDLE,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
};
use windows_sys::Win32::System::Threading::{
    CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DeleteProcThreadAttributeList,
    EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList, LPPROC_THREAD_ATTRIBUTE_LIST,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST, PROCESS_CREATION_FLAGS, PROCESS_INFORMATION,
    ResumeThread, STARTF_USESTDHANDLES, STARTUPINFOEXW, TerminateProcess, UpdateProcThreadAttribute,
};

use super::job::Job;
use super::win32;

/// "The lpCurrentDirectory […] maximum length is MAX_PATH", and `\\?\` is not understood there.
const DIRECTORY_UNITS_MAX: usize = 258;

/// A process to be made.
pub(super) struct Order<'a> {
    /// The file, never looked for: with an explicit application name a `C:\Prog.exe` beside `C:\Prog Dir` is no danger.
    pub(super) program: &'a Path,
    /// NUL-terminated; CreateProcessW may write into it.
    pub(super) command_line: Vec<u16>,
    /// None: ours.
    pub(super) directory: Option<&'a Path>,
    /// As [`super::environment::block`] makes it.
    pub(super) environment: Vec<u16>,
    /// Standard input, output and error: the only handles the process inherits. Each must be inheritable.
    pub(super) stdio: [BorrowedHandle<'a>; 3],
    /// The job it is born into.
    pub(super) job: Option<&'a Job>,
    /// Beside those this module sets itself.
    pub(super) flags: PROCESS_CREATION_FLAGS,
    /// What has to be done to the process before its first instruction; when it can't be done, there is no process.
    pub(super) before_it_runs: Option<&'a BeforeItRuns<'a>>,
}

/// A setting of the process that its creation can't be told.
pub(super) type BeforeItRuns<'a> = dyn Fn(BorrowedHandle<'_>) -> io::Result<()> + 'a;

/// A process that runs.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) process: OwnedHandle,
    pub(super) pid: u32,
}

/// Makes the process, inside its job from its first instruction.
pub(super) fn create(mut order: Order<'_>) -> io::Result<Created> {
    match (in_job_list(&mut order), order.job) {
        // A system that doesn't know the attribute (Wine before 7): suspended, taken in, let go.
        (Err(error), Some(job)) if job_list_is_unknown(&error) => suspended_and_assigned(&mut order, job),
        (answer, _) => answer,
    }
}

fn job_list_is_unknown(error: &io::Error) -> bool {
    [ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, ERROR_CALL_NOT_IMPLEMENTED]
        .iter()
        .any(|&code| win32::is(error, code))
}

fn in_job_list(order: &mut Order<'_>) -> io::Result<Created> {
    let jobs: Vec<HANDLE> = order.job.iter().map(|job| job.handle()).collect();
    let Some(prepare) = order.before_it_runs else {
        return call(order, &jobs, 0).map(|(created, _thread)| created);
    };
    suspended(order, &jobs, prepare)
}

fn suspended_and_assigned(order: &mut Order<'_>, job: &Job) -> io::Result<Created> {
    let prepare = order.before_it_runs;
    suspended(order, &[], &|process| {
        job.assign(process)?;
        prepare.map_or(Ok(()), |prepare| prepare(process))
    })
}

/// Makes it, prepares it, and lets it go; or ends it.
fn suspended(order: &mut Order<'_>, jobs: &[HANDLE], prepare: &BeforeItRuns<'_>) -> io::Result<Created> {
    let (created, thread) = call(order, jobs, CREATE_SUSPENDED)?;
    let mut done = prepare(created.process.as_handle());
    if done.is_ok() {
        // SAFETY: the thread's handle is ours.
        if unsafe { ResumeThread(thread.as_raw_handle()) } == u32::MAX {
            done = Err(io::Error::last_os_error());
        }
    }
    if done.is_err() {
        // SAFETY: the process's handle is ours; it has not run a single instruction.
        unsafe { TerminateProcess(created.process.as_raw_handle(), 1) };
    }
    done.map(|()| created)
}

fn call(order: &mut Order<'_>, jobs: &[HANDLE], flags: PROCESS_CREATION_FLAGS) -> io::Result<(Created, OwnedHandle)> {
    let program = win32::wide_path(order.program)?;
    let directory = order.directory.map(win32::wide).transpose()?;
    let [stdin, stdout, stderr] = order.stdio.map(|handle| handle.as_raw_handle());
    // The same handle twice is an invalid parameter.
    let mut inherited = vec![stdin, stdout, stderr];
    inherited.sort_unstable();
    inherited.dedup();

    let mut attributes = Attributes::new(if jobs.is_empty() { 1 } else { 2 })?;
    attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &inherited)?;
    if !jobs.is_empty() {
        attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, jobs)?;
    }
    let mut startup = STARTUPINFOEXW::default();
    startup.StartupInfo.cb = size_of::<STARTUPINFOEXW>() as u32;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = stdin;
    startup.StartupInfo.hStdOutput = stdout;
    startup.StartupInfo.hStdError = stderr;
    startup.lpAttributeList = attributes.list();

    let mut made = PROCESS_INFORMATION::default();
    // SAFETY: every pointer leads to a NUL-terminated string, the double-NUL block or a structure that lives during the
    // call; the command line is writable; the attribute values (`inherited`, `jobs`) outlive it too.
    let done = unsafe {
        CreateProcessW(
            program.as_ptr(),
            order.command_line.as_mut_ptr(),
            ptr::null(),
            ptr::null(),
            1,
            order.flags | flags | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT,
            order.environment.as_ptr().cast(),
            directory.as_ref().map_or(ptr::null(), |units| units.as_ptr()),
            (&raw const startup).cast(),
            &raw mut made,
        )
    };
    win32::check(done)?;
    // SAFETY: the call succeeded and gave us both handles.
    let (process, thread) = unsafe { (win32::own(made.hProcess)?, win32::own(made.hThread)?) };
    Ok((Created { process, pid: made.dwProcessId }, thread))
}

/// Whether CreateProcessW can use this folder at all; it answers a too long one with "the directory name is invalid".
pub(super) fn check_directory(directory: &Path) -> io::Result<()> {
    if !std::fs::metadata(directory)?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    let units = directory.as_os_str().encode_wide().count();
    if units > DIRECTORY_UNITS_MAX {
        let text =
            format!("it is {units} characters long; Windows allows {DIRECTORY_UNITS_MAX} for a working directory");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

/// The null device, for a child to inherit.
pub(super) fn null_device() -> io::Result<OwnedHandle> {
    inheritable("NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE)
}

/// A file that a child reads, while others may write, move or delete it.
pub(super) fn file_to_read(path: &Path) -> io::Result<OwnedHandle> {
    inheritable(win32::extended(path), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
}

/// Opens a file or pipe with a handle that HANDLE_LIST may name. Between here and the end of CreateProcessW another
/// thread's spawn without a list would inherit it too: a guard has no such thread.
pub(super) fn inheritable(name: impl AsRef<OsStr>, access: u32, share: u32) -> io::Result<OwnedHandle> {
    let name = win32::wide(name)?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: ptr::null_mut(),
        bInheritHandle: 1,
    };
    // SAFETY: the name ends with a NUL, the attributes live during the call; the handle is ours.
    unsafe {
        win32::own(CreateFileW(name.as_ptr(), access, share, &raw const attributes, OPEN_EXISTING, 0, ptr::null_mut()))
    }
}

/// A PROC_THREAD_ATTRIBUTE list (Microsoft: "UpdateProcThreadAttribute function").
struct Attributes {
    /// Words, so that it is aligned for whatever the system keeps in it.
    memory: Vec<usize>,
}

impl Attributes {
    fn new(count: u32) -> io::Result<Attributes> {
        let mut bytes = 0;
        // SAFETY: without a list the call only tells the size it needs (and "fails" with ERROR_INSUFFICIENT_BUFFER).
        unsafe { InitializeProcThreadAttributeList(ptr::null_mut(), count, 0, &raw mut bytes) };
        let mut memory = vec![0_usize; bytes.div_ceil(size_of::<usize>())];
        // SAFETY: the memory has the size just told.
        win32::check(unsafe {
            InitializeProcThreadAttributeList(memory.as_mut_ptr().cast(), count, 0, &raw mut bytes)
        })?;
        Ok(Attributes { memory })
    }

    fn list(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.memory.as_mut_ptr().cast()
    }

    /// The list keeps the pointer: `handles` must outlive the CreateProcessW it is for.
    fn set(&mut self, attribute: u32, handles: &[HANDLE]) -> io::Result<()> {
        // SAFETY: the list is initialized; the values outlive its use (see `call`).
        win32::check(unsafe {
            UpdateProcThreadAttribute(
                self.list(),
                0,
                attribute as usize,
                handles.as_ptr().cast(),
                size_of_val(handles),
                ptr::null_mut(),
                ptr::null(),
            )
        })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialized in `new`, deleted once.
        unsafe { DeleteProcThreadAttributeList(self.list()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::windows::io::AsHandle;
    use std::time::Duration;
    use windows_sys::Win32::System::JobObjects::IsProcessInJob;
    use windows_sys::Win32::System::Threading::{CREATE_NO_WINDOW, GetExitCodeProcess};

    type Way = fn(&mut Order<'_>, &Job) -> io::Result<Created>;

    /// Starts `cmd /c pause` in a job, looks whether it is in there, and ends it by the job.
    fn check(way: Way) {
        let cmd = Path::new(r"C:\Windows\System32\cmd.exe");
        let nothing = null_device().unwrap();
        let job = Job::new(false).unwrap();
        let mut order = Order {
            program: cmd,
            command_line: win32::wide("cmd /d /k").unwrap(),
            directory: None,
            environment: crate::sys::environment::block(std::env::vars_os().collect()).unwrap(),
            stdio: [nothing.as_handle(), nothing.as_handle(), nothing.as_handle()],
            job: Some(&job),
            flags: CREATE_NO_WINDOW,
            before_it_runs: None,
        };
        let created = way(&mut order, &job).unwrap();
        let (mut inside, mut code) = (0, 0);
        // SAFETY: both handles are open, the results live.
        unsafe { IsProcessInJob(created.process.as_raw_handle(), job.handle(), &raw mut inside) };
        assert_ne!(inside, 0);
        job.end().unwrap();
        assert!(win32::wait(created.process.as_handle(), Duration::from_secs(10)).unwrap());
        // SAFETY: as above.
        unsafe { GetExitCodeProcess(created.process.as_raw_handle(), &raw mut code) };
        // Ended with the job, or by itself at the end of its input.
        assert!(code <= 1, "{code}");
    }

    #[test]
    fn a_process_is_in_its_job_from_birth() {
        check(|order, _job| in_job_list(order));
    }

    #[test]
    fn where_the_job_list_is_unknown_it_is_taken_in_before_it_runs() {
        check(suspended_and_assigned);
    }
}
