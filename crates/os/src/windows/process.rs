//! Processes that are not ours, held by a handle.

use std::ffi::OsString;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_INVALID_PARAMETER, FILETIME};
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, DETACHED_PROCESS, GetCurrentProcess, GetProcessTimes, IDLE_PRIORITY_CLASS, OpenProcess,
    PROCESS_MODE_BACKGROUND_BEGIN, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE,
    QueryFullProcessImageNameW, SetPriorityClass, TerminateProcess,
};

use super::wait::Wait;
use super::{command_line, create, environment, win32};

/// The code of a process that [`Watched::kill`] ended.
const ENDED: u32 = 1;

/// When the process with this pid was made. `NotFound` when there is none.
pub fn start_stamp(pid: u32) -> io::Result<u64> {
    match open(pid, PROCESS_QUERY_LIMITED_INFORMATION)? {
        Some(process) => created_at(process.as_handle()),
        None => Err(io::Error::new(io::ErrorKind::NotFound, format!("cannot find a process {pid}"))),
    }
}

/// The time a process was made, in 100 ns since 1601.
pub(super) fn created_at(process: BorrowedHandle<'_>) -> io::Result<u64> {
    let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: the handle is open and has the right to query; the results live.
    win32::check(unsafe {
        GetProcessTimes(process.as_raw_handle(), &raw mut created, &raw mut exited, &raw mut kernel, &raw mut user)
    })?;
    Ok((u64::from(created.dwHighDateTime) << 32) | u64::from(created.dwLowDateTime))
}

/// Whether it is the system's host of a program's console: no program of the run's, though in its job.
pub(super) fn is_console_host(process: BorrowedHandle<'_>) -> bool {
    const HOSTS: [&str; 2] = ["conhost.exe", "openconsole.exe"];
    let mut name = [0_u16; 1024];
    let mut length = name.len() as u32;
    // SAFETY: the handle is open, the buffer has the length given.
    let done = unsafe { QueryFullProcessImageNameW(process.as_raw_handle(), 0, name.as_mut_ptr(), &raw mut length) };
    let image = std::path::PathBuf::from(win32::text(&name));
    done != 0 && image.file_name().is_some_and(|file| HOSTS.iter().any(|host| file.eq_ignore_ascii_case(host)))
}

fn open(pid: u32, rights: u32) -> io::Result<Option<OwnedHandle>> {
    // SAFETY: a plain call; the handle is ours.
    match unsafe { win32::own(OpenProcess(rights, 0, pid)) } {
        Ok(process) => Ok(Some(process)),
        Err(error) if win32::is(&error, ERROR_INVALID_PARAMETER) => Ok(None),
        Err(error) => Err(error),
    }
}

/// One process, told by its handle from any later one with the same pid.
#[derive(Debug)]
pub struct Watched {
    pid: u32,
    gone: bool,
    ending: Option<Wait>,
    process: Arc<OwnedHandle>,
}

impl Watched {
    /// None: that process is gone, whoever has its pid now.
    pub fn open(pid: u32, stamp: u64) -> io::Result<Option<Watched>> {
        let rights = PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION;
        // A foreign account's process can be watched though not be ended.
        let process = match open(pid, rights | PROCESS_TERMINATE) {
            Err(error) if win32::is(&error, ERROR_ACCESS_DENIED) => open(pid, rights)?,
            answer => answer?,
        };
        let Some(process) = process else { return Ok(None) };
        // A dead process is still found as long as anybody holds a handle of it.
        if created_at(process.as_handle())? != stamp || win32::wait(process.as_handle(), Duration::ZERO)? {
            return Ok(None);
        }
        Ok(Some(Watched { pid, gone: false, ending: None, process: Arc::new(process) }))
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns when it is gone. Cancel-safe; at once when asked again.
    pub async fn exited(&mut self) {
        if self.gone {
            return;
        }
        if self.ending.is_none() {
            self.ending = Wait::once(&self.process).ok();
        }
        match &self.ending {
            Some(ending) => ending.signalled().await,
            None => {
                while !matches!(win32::wait(self.process.as_handle(), Duration::ZERO), Ok(true)) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        self.ending = None;
        self.gone = true;
    }

    /// Ends it, and nothing else; fine when it is gone already.
    pub fn kill(&self) -> io::Result<()> {
        // SAFETY: our own handle.
        let done = win32::check(unsafe { TerminateProcess(self.process.as_raw_handle(), ENDED) });
        // A process that is ending answers "access denied".
        if done.is_err() && win32::wait(self.process.as_handle(), Duration::from_millis(100))? {
            return Ok(());
        }
        done
    }
}

/// Makes this process the last that gets processor and disk: for work that nobody waits for. SetPriorityClass with
/// PROCESS_MODE_BACKGROUND_BEGIN; where that is not known (Wine), idle priority of the processor alone.
pub fn give_way() -> io::Result<()> {
    // SAFETY: the handle of this process needs no closing.
    let set = |class| win32::check(unsafe { SetPriorityClass(GetCurrentProcess(), class) });
    set(PROCESS_MODE_BACKGROUND_BEGIN).or_else(|_| set(IDLE_PRIORITY_CLASS))
}

/// Starts a program that outlives us: no console, nothing inherited, out of any job that lets it go.
pub fn spawn_detached(program: &Path, args: &[OsString], env: &[(OsString, OsString)]) -> io::Result<(u32, u64)> {
    let invalid = |reason| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let nothing = create::null_device()?;
    let make = |flags| {
        create::create(create::Order {
            program,
            command_line: command_line::program(program, args).map_err(invalid)?,
            directory: None,
            environment: environment::block(env.to_vec()).map_err(invalid)?,
            stdio: [nothing.as_handle(), nothing.as_handle(), nothing.as_handle()],
            job: None,
            flags,
            before_it_runs: None,
        })
    };
    let created = match make(DETACHED_PROCESS | CREATE_BREAKAWAY_FROM_JOB) {
        // In a job that doesn't let go: stay in it.
        Err(error) if win32::is(&error, ERROR_ACCESS_DENIED) => make(DETACHED_PROCESS)?,
        answer => answer?,
    };
    Ok((created.pid, created_at(created.process.as_handle())?))
}
