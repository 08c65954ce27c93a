//! A whole job halted and let go again.
//!
//! `NtSuspendProcess` and `NtResumeProcess` are in no documentation of Microsoft's, but in ntdll of every Windows since XP;
//! its own Resource Monitor uses them. Suspending is counted by thread, so each process is suspended once and resumed
//! as often.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_SUSPEND_RESUME, PROCESS_SYNCHRONIZE};

use super::job::Job;
use super::ntdll::{NtResumeProcess, NtSuspendProcess};
use super::{process, win32};

/// Members that were born while others were being suspended are found by looking again; each look suspends all there are,
/// so a program would have to make processes faster than we suspend them, this often.
const LOOKS_MAX: u32 = 1000;

/// The suspended members of a job, each held by a handle so that its pid stays its own.
#[derive(Debug, Default)]
pub(super) struct Halted(Vec<(u32, OwnedHandle)>);

impl Halted {
    /// Suspends every member that is not suspended yet; all of them or none. The host of the program's console goes on:
    /// who attaches to the console would wait for it.
    pub(super) fn halt(&mut self, job: &Job) -> io::Result<()> {
        for _ in 0..LOOKS_MAX {
            match self.halt_new(job) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    let _ = self.go_on();
                    return Err(error);
                }
            }
        }
        let _ = self.go_on();
        Err(io::Error::other("cannot pause the program: it makes processes faster than they can be suspended"))
    }

    /// How many there were.
    fn halt_new(&mut self, job: &Job) -> io::Result<usize> {
        let mut new = 0;
        for (pid, living) in job.living() {
            if self.0.iter().any(|(known, _)| *known == pid) || process::is_console_host(living.as_handle()) {
                continue;
            }
            let context = |error| named("suspend", pid, &error);
            // SAFETY: a plain call; the handle is ours. `living` keeps the pid from being given away meanwhile.
            let process = unsafe { win32::own(OpenProcess(PROCESS_SUSPEND_RESUME | PROCESS_SYNCHRONIZE, 0, pid)) };
            let process = process.map_err(context)?;
            // SAFETY: the handle has the right to.
            if let Err(error) = win32::check_status(unsafe { NtSuspendProcess(process.as_raw_handle()) })
                && !has_ended(&process)
            {
                return Err(context(error));
            }
            self.0.push((pid, process));
            new += 1;
        }
        Ok(new)
    }

    /// Resumes all that were suspended, also when one can't be; fine when none is.
    pub(super) fn go_on(&mut self) -> io::Result<()> {
        let mut done = Ok(());
        for (pid, process) in self.0.drain(..) {
            // SAFETY: the handle has the right to.
            if let Err(error) = win32::check_status(unsafe { NtResumeProcess(process.as_raw_handle()) })
                && !has_ended(&process)
            {
                done = Err(named("resume", pid, &error));
            }
        }
        done
    }
}

fn has_ended(process: &OwnedHandle) -> bool {
    matches!(win32::wait(process.as_handle(), Duration::ZERO), Ok(true))
}

fn named(what: &str, pid: u32, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} process {pid}: {error}"))
}
