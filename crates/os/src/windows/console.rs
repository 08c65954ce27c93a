//! Ctrl-C and Ctrl-Break for a program that shares no console with us: go to its console, make the event, leave.
//!
//! Microsoft: "AttachConsole function", "GenerateConsoleCtrlEvent function", "SetConsoleCtrlHandler function".
//!
//! An event with group 0 goes to every process of the console, so to us as well while we are attached. Our handler
//! answers TRUE ("handled") and is never removed, because the event may reach us after we have left. Never
//! `SetConsoleCtrlHandler(NULL, TRUE)`: children inherit that, and would be deaf to Ctrl-C for life.

use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::{Mutex, PoisonError};

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, HANDLE};
use windows_sys::Win32::System::Console::{
    AttachConsole, FreeConsole, GenerateConsoleCtrlEvent, GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_INPUT_HANDLE,
    STD_OUTPUT_HANDLE, SetConsoleCtrlHandler, SetStdHandle,
};
use windows_sys::core::BOOL;

use super::win32;

/// Attachment belongs to the process, so one at a time. Holds whether our handler is in place.
static ATTACHMENT: Mutex<bool> = Mutex::new(false);

/// Runs in a thread that the system makes for the event.
unsafe extern "system" fn handled(_event: u32) -> BOOL {
    1
}

/// For a guard: leaves its console, if it was started in one, and is deaf to console events from now on; what it starts
/// hears Ctrl-C even if we were started by somebody who ignored it.
pub(super) fn prepare() -> io::Result<()> {
    let mut installed = ATTACHMENT.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: plain calls that change this process's own console state. FreeConsole fails when there is none.
    unsafe {
        FreeConsole();
        SetConsoleCtrlHandler(None, 0);
    }
    install(&mut installed)
}

fn install(installed: &mut bool) -> io::Result<()> {
    if !*installed {
        // SAFETY: the handler is a function of this program, never removed.
        win32::check(unsafe { SetConsoleCtrlHandler(Some(handled), 1) })?;
        *installed = true;
    }
    Ok(())
}

/// Makes the event in the console of the first process that has one. Their handles keep the pids from being given away.
pub(super) fn send(event: u32, processes: impl Iterator<Item = (u32, OwnedHandle)>) -> io::Result<()> {
    let mut installed = ATTACHMENT.lock().unwrap_or_else(PoisonError::into_inner);
    install(&mut installed)?;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "cannot ask the program: none of its processes lives");
    for (pid, _open) in processes {
        match Attached::to(pid) {
            Ok(_attached) => {
                // A second time, in case attaching has emptied the list of handlers; then back to one.
                // SAFETY: as in `install`; group 0 is every process of the console we are attached to.
                return unsafe {
                    SetConsoleCtrlHandler(Some(handled), 1);
                    let done = win32::check(GenerateConsoleCtrlEvent(event, 0));
                    SetConsoleCtrlHandler(Some(handled), 0);
                    done
                };
            }
            Err(error) => {
                let text = format!("cannot reach the console of process {pid}, if it has one: {error}");
                failure = io::Error::new(error.kind(), text);
            }
        }
    }
    Err(failure)
}

/// Being attached to another process's console; leaving it in `drop`, with our standard handles as they were: attaching
/// may replace them by handles that are dead afterwards, and whose numbers are given to other files.
struct Attached([(STD_HANDLE, HANDLE); 3]);

impl Attached {
    fn to(pid: u32) -> io::Result<Attached> {
        // SAFETY: plain calls that read or change this process's own console state.
        unsafe {
            let kept =
                [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].map(|which| (which, GetStdHandle(which)));
            let mut done = win32::check(AttachConsole(pid));
            if done.as_ref().is_err_and(|error| win32::is(error, ERROR_ACCESS_DENIED)) {
                // "The calling process is already attached to a console": not a guard, then.
                FreeConsole();
                done = win32::check(AttachConsole(pid));
            }
            done.map(|()| Attached(kept))
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: as above; the handles are those we had before.
        unsafe {
            FreeConsole();
            for (which, handle) in self.0 {
                SetStdHandle(which, handle);
            }
        }
    }
}
