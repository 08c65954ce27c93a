//! What differs on Windows.
#![expect(unsafe_code, reason = "Win32")]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use windows_sys::Win32::Foundation::{GetHandleInformation, HANDLE, HWND, LPARAM, LRESULT, TRUE, WPARAM};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_NAME_NORMALIZED, FILE_TYPE_CHAR, FILE_TYPE_DISK, FILE_TYPE_PIPE, GetFileType, GetFinalPathNameByHandleW,
};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::Win32::System::Services::{
    ControlService, OpenSCManagerW, OpenServiceW, SC_MANAGER_CONNECT, SERVICE_CONTROL_PARAMCHANGE,
    SERVICE_PAUSE_CONTINUE, SERVICE_STATUS,
};
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NO_WINDOW, CreateEventW, GetCurrentProcess, GetPriorityClass,
    GetProcessAffinityMask, INFINITE, WaitForSingleObject,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW, GetMessageW, MSG, PM_NOREMOVE, PeekMessageW,
    PostQuitMessage, RegisterClassW, TranslateMessage, WM_CLOSE, WM_DESTROY, WNDCLASSW, WS_OVERLAPPEDWINDOW,
    WS_VISIBLE,
};
use windows_sys::core::{BOOL, w};

use crate::Failure;

/// Handle values are multiples of four; a small program has far fewer.
const HANDLE_MAX: usize = 0x4000;

pub(crate) fn ids() -> String {
    format!("pid {}", std::process::id())
}

pub(crate) fn open_descriptors() -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for value in (4..HANDLE_MAX).step_by(4) {
        let handle: HANDLE = ptr::without_provenance_mut(value);
        let mut flags = 0;
        // SAFETY: a value that is no handle is answered with FALSE.
        if unsafe { GetHandleInformation(handle, &raw mut flags) } == 0 {
            continue;
        }
        // SAFETY: a handle of ours; one that is no file is FILE_TYPE_UNKNOWN.
        let kind = match unsafe { GetFileType(handle) } {
            FILE_TYPE_DISK => format!("disk {}", final_path(handle)),
            FILE_TYPE_CHAR => "char".to_owned(),
            FILE_TYPE_PIPE => "pipe".to_owned(),
            _ => "other".to_owned(),
        };
        found.push(format!("handle {value} {kind}"));
    }
    Ok(found)
}

fn final_path(handle: HANDLE) -> String {
    let mut buffer = [0u16; 1024];
    // SAFETY: the buffer has the length that is given.
    let length =
        unsafe { GetFinalPathNameByHandleW(handle, buffer.as_mut_ptr(), buffer.len() as u32, FILE_NAME_NORMALIZED) };
    let path = buffer.get(..length as usize).unwrap_or_default();
    OsString::from_wide(path).to_string_lossy().into_owned()
}

pub(crate) fn signal_self(_name: &str) -> Result<(), Failure> {
    Err("there are no signals here".into())
}

type Action = Box<dyn Fn(&str) + Send>;

/// What console events do; none: they are swallowed.
static AT_STOP: OnceLock<Mutex<Option<Action>>> = OnceLock::new();

pub(crate) fn ignore_stop() -> Result<(), Failure> {
    handle_stops(None)
}

pub(crate) fn at_stop(action: Action) -> Result<(), Failure> {
    handle_stops(Some(action))
}

fn handle_stops(action: Option<Action>) -> Result<(), Failure> {
    *AT_STOP.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner) = action;
    // SAFETY: the handler lives as long as the process. Adding it twice would call it twice: the first answer is TRUE,
    // which ends the chain.
    if unsafe { SetConsoleCtrlHandler(Some(on_event), TRUE) } == 0 {
        return Err(io::Error::last_os_error().into());
    }
    Ok(())
}

/// On a thread the system makes for it.
unsafe extern "system" fn on_event(event: u32) -> BOOL {
    let name = match event {
        0 => "CTRL_C_EVENT",
        1 => "CTRL_BREAK_EVENT",
        2 => "CTRL_CLOSE_EVENT",
        5 => "CTRL_LOGOFF_EVENT",
        6 => "CTRL_SHUTDOWN_EVENT",
        _ => "unknown event",
    };
    if let Some(action) = AT_STOP.get()
        && let Some(action) = action.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
    {
        action(name);
    }
    TRUE
}

pub(crate) fn new_session() -> Result<(), Failure> {
    Err("it is made at the start here".into())
}

/// A console of its own, hidden by the caller's flags where there is no desktop.
pub(crate) fn own_session(commands: &VecDeque<OsString>) -> io::Result<Command> {
    let mut command = crate::ourselves(commands)?;
    command.creation_flags(CREATE_NO_WINDOW);
    Ok(command)
}

/// Refused by the system where the job does not allow it.
pub(crate) fn broken_away(commands: &VecDeque<OsString>) -> io::Result<Command> {
    let mut command = crate::ourselves(commands)?;
    command.creation_flags(CREATE_BREAKAWAY_FROM_JOB | CREATE_NO_WINDOW);
    Ok(command)
}

pub(crate) fn windows(count: u32) -> Result<(), Failure> {
    let class = w!("mainstay-fixture");
    // SAFETY: the structure is complete, its strings and the procedure live as long as the process; windows belong to
    // this thread, which runs their messages.
    unsafe {
        let instance = GetModuleHandleW(ptr::null());
        let description = WNDCLASSW {
            lpfnWndProc: Some(on_message),
            hInstance: instance,
            lpszClassName: class,
            ..std::mem::zeroed()
        };
        RegisterClassW(&raw const description);
        for _ in 0..count {
            let style = WS_OVERLAPPEDWINDOW | WS_VISIBLE;
            let window = CreateWindowExW(
                0,
                class,
                class,
                style,
                0,
                0,
                200,
                100,
                ptr::null_mut(),
                ptr::null_mut(),
                instance,
                ptr::null(),
            );
            if window.is_null() {
                return Err(io::Error::last_os_error().into());
            }
        }
    }
    *WINDOWS_LEFT.lock().unwrap_or_else(PoisonError::into_inner) = count;
    crate::say("windows shown")?;
    run_messages();
    Ok(())
}

static WINDOWS_LEFT: Mutex<u32> = Mutex::new(0);

unsafe extern "system" fn on_message(window: HWND, message: u32, wide: WPARAM, long: LPARAM) -> LRESULT {
    match message {
        WM_CLOSE => {
            // Whoever reads may be gone.
            let _ = crate::say("closed");
            // SAFETY: our own window, on its own thread.
            unsafe { DestroyWindow(window) };
            0
        }
        WM_DESTROY => {
            let mut left = WINDOWS_LEFT.lock().unwrap_or_else(PoisonError::into_inner);
            *left = left.saturating_sub(1);
            if *left == 0 {
                // SAFETY: no arguments to get wrong.
                unsafe { PostQuitMessage(0) };
            }
            0
        }
        // SAFETY: the message as it came.
        _ => unsafe { DefWindowProcW(window, message, wide, long) },
    }
}

pub(crate) fn message_loop() -> Result<(), Failure> {
    // SAFETY: plain data, filled in by the call; the first one makes the thread's queue.
    unsafe {
        let mut message: MSG = std::mem::zeroed();
        PeekMessageW(&raw mut message, ptr::null_mut(), 0, 0, PM_NOREMOVE);
    }
    crate::say("queue ready")?;
    run_messages();
    crate::say("quit")?;
    Ok(())
}

/// Until WM_QUIT (0) or an error (-1).
fn run_messages() {
    // SAFETY: plain data, filled in by each call.
    unsafe {
        let mut message: MSG = std::mem::zeroed();
        while GetMessageW(&raw mut message, ptr::null_mut(), 0, 0) > 0 {
            TranslateMessage(&raw const message);
            DispatchMessageW(&raw const message);
        }
    }
}

pub(crate) fn standing() -> Result<String, Failure> {
    let (mut ours, mut all) = (0, 0);
    // SAFETY: the pseudo handle of this process is always open; both masks live.
    let class = unsafe {
        GetProcessAffinityMask(GetCurrentProcess(), &raw mut ours, &raw mut all);
        GetPriorityClass(GetCurrentProcess())
    };
    Ok(format!("class {class:#x} processors {ours:#x}"))
}

pub(crate) fn event(name: &str) -> Result<(), Failure> {
    let units: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a NUL; an event that resets itself, not set yet.
    let event = unsafe { CreateEventW(ptr::null(), 0, 0, units.as_ptr()) } as usize;
    if event == 0 {
        return Err(io::Error::last_os_error().into());
    }
    crate::say("event made")?;
    std::thread::spawn(move || {
        // SAFETY: the handle stays open for as long as the process lives.
        while unsafe { WaitForSingleObject(ptr::with_exposed_provenance_mut(event), INFINITE) } == 0 {
            // Whoever reads may be gone.
            let _ = crate::say("event set");
        }
    });
    Ok(())
}

pub(crate) fn param_change(service: &str) -> Result<(), Failure> {
    let units: Vec<u16> = service.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a NUL and the status lives; a handle that is none is refused by the next call. Both close with us.
    let done = unsafe {
        let manager = OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CONNECT);
        let service = OpenServiceW(manager, units.as_ptr(), SERVICE_PAUSE_CONTINUE);
        let mut status: SERVICE_STATUS = std::mem::zeroed();
        ControlService(service, SERVICE_CONTROL_PARAMCHANGE, &raw mut status)
    };
    if done == 0 {
        return Err(io::Error::last_os_error().into());
    }
    Ok(())
}
