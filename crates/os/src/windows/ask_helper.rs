//! Asking windows and message loops to end, in a short-lived process of its own: user32 (and gdi32 with it) would stay
//! in the guard's memory for ever.
//!
//! Microsoft: "EnumWindows function", "WM_CLOSE message", "PostThreadMessageW function", "WM_QUIT message". Windows are
//! seen only in our own session and on our own desktop; that is where our children are.

use std::ffi::OsString;
use std::io;
use std::mem::transmute;
use std::os::windows::io::{AsHandle, AsRawHandle};

use windows_sys::Win32::Foundation::{HWND, LPARAM, WPARAM};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::Threading::DETACHED_PROCESS;
use windows_sys::core::BOOL;

use super::job::Job;
use super::library::{Function, Library};
use super::{command_line, create, environment, win32};
use crate::tree::Method;

const WM_CLOSE: u32 = 0x0010;
const WM_QUIT: u32 = 0x0012;

/// The words after `mainstay` that make it the helper.
const VERB: &str = "__ask";

/// Starts `mainstay __ask METHOD PID…` in a job of its own; dropping that ends the helper.
pub(super) fn start(method: Method, pids: &[u32]) -> io::Result<Job> {
    let name = match method {
        Method::CloseWindows => "close-windows",
        Method::QuitThreads => "quit-threads",
        Method::Signal(_) | Method::CtrlC | Method::CtrlBreak => return Err(unsupported(method)),
    };
    let program = std::env::current_exe()?;
    let mut args: Vec<OsString> = vec![VERB.into(), name.into()];
    args.extend(pids.iter().map(|pid| OsString::from(pid.to_string())));
    let invalid = |reason| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let nothing = create::null_device()?;
    let job = Job::new(false)?;
    create::create(create::Order {
        program: &program,
        command_line: command_line::program(&program, &args).map_err(invalid)?,
        directory: None,
        environment: environment::block(crate::environment::inherited()).map_err(invalid)?,
        stdio: [nothing.as_handle(), nothing.as_handle(), nothing.as_handle()],
        job: Some(&job),
        flags: DETACHED_PROCESS,
        before_it_runs: None,
    })?;
    Ok(job)
}

/// The helper's whole work: `WM_CLOSE` to every top-level window of these processes, or `WM_QUIT` to every thread of
/// theirs that has a message queue.
pub fn run(method: Method, pids: &[u32]) -> io::Result<()> {
    let user = User::load()?;
    let asked = match method {
        Method::CloseWindows => user.close_windows(pids),
        Method::QuitThreads => user.quit_threads(pids)?,
        Method::Signal(_) | Method::CtrlC | Method::CtrlBreak => return Err(unsupported(method)),
    };
    if asked == 0 {
        let what = if method == Method::CloseWindows { "window" } else { "message loop" };
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("cannot find a {what} of the processes {pids:?}")));
    }
    Ok(())
}

fn unsupported(method: Method) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("cannot ask by {method} through the helper process"))
}

type EnumProc = unsafe extern "system" fn(HWND, LPARAM) -> BOOL;
type EnumWindows = unsafe extern "system" fn(Option<EnumProc>, LPARAM) -> BOOL;
type GetWindowThreadProcessId = unsafe extern "system" fn(HWND, *mut u32) -> u32;
type PostMessage = unsafe extern "system" fn(HWND, u32, WPARAM, LPARAM) -> BOOL;
type PostThreadMessage = unsafe extern "system" fn(u32, u32, WPARAM, LPARAM) -> BOOL;

/// The functions of user32 that the helper needs.
struct User {
    enum_windows: EnumWindows,
    get_window_thread_process_id: GetWindowThreadProcessId,
    post_message: PostMessage,
    post_thread_message: PostThreadMessage,
}

/// What [`of_a_window`] works on.
struct Search<'a> {
    user: &'a User,
    pids: &'a [u32],
    asked: usize,
}

impl User {
    fn load() -> io::Result<User> {
        let library = Library::load("user32.dll")?;
        let function = |name| library.function(name);
        // SAFETY: the types are those of the functions' pages.
        unsafe {
            Ok(User {
                enum_windows: transmute::<Function, EnumWindows>(function(c"EnumWindows")?),
                get_window_thread_process_id: transmute::<Function, GetWindowThreadProcessId>(function(
                    c"GetWindowThreadProcessId",
                )?),
                post_message: transmute::<Function, PostMessage>(function(c"PostMessageW")?),
                post_thread_message: transmute::<Function, PostThreadMessage>(function(c"PostThreadMessageW")?),
            })
        }
    }

    fn close_windows(&self, pids: &[u32]) -> usize {
        let mut search = Search { user: self, pids, asked: 0 };
        // SAFETY: the callback runs during this call only, with our pointer.
        unsafe { (self.enum_windows)(Some(of_a_window), (&raw mut search) as LPARAM) };
        search.asked
    }

    fn quit_threads(&self, pids: &[u32]) -> io::Result<usize> {
        let mut asked = 0;
        for thread in threads(pids)? {
            // SAFETY: a plain call; it fails for a thread without a message queue.
            if unsafe { (self.post_thread_message)(thread, WM_QUIT, 0, 0) } != 0 {
                asked += 1;
            }
        }
        Ok(asked)
    }
}

/// Called by EnumWindows for every top-level window of the desktop.
unsafe extern "system" fn of_a_window(window: HWND, search: LPARAM) -> BOOL {
    // SAFETY: the pointer that `close_windows` gave, alive and used by nobody else during EnumWindows.
    let search = unsafe { &mut *(search as *mut Search<'_>) };
    let mut pid = 0;
    // SAFETY: a window that is gone meanwhile makes the calls fail, nothing else.
    unsafe {
        (search.user.get_window_thread_process_id)(window, &raw mut pid);
        if search.pids.contains(&pid) && (search.user.post_message)(window, WM_CLOSE, 0, 0) != 0 {
            search.asked += 1;
        }
    }
    1
}

/// All threads of these processes.
fn threads(pids: &[u32]) -> io::Result<Vec<u32>> {
    // SAFETY: a plain call; the snapshot's handle is ours.
    let snapshot = unsafe { win32::own(CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0)) }?;
    let mut entry = THREADENTRY32 { dwSize: size_of::<THREADENTRY32>() as u32, ..THREADENTRY32::default() };
    let mut threads = Vec::new();
    // SAFETY: the entry lives and says its size.
    let mut more = unsafe { Thread32First(snapshot.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        if pids.contains(&entry.th32OwnerProcessID) {
            threads.push(entry.th32ThreadID);
        }
        // SAFETY: as above.
        more = unsafe { Thread32Next(snapshot.as_raw_handle(), &raw mut entry) };
    }
    Ok(threads)
}
