//! signal(7), waitid(2), close_range(2): the calls rustix has no safe form of.
#![expect(unsafe_code, reason = "signal dispositions, any signal number, and the pid a peek finds are libc's alone")]

use std::io;
use std::ptr;

/// A write to a pipe nobody reads is an error then, and no death.
pub(crate) fn ignore_sigpipe() -> io::Result<()> {
    // SAFETY: no handler function is installed, so nothing of ours can run in signal context.
    let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Such a write is a death then.
pub(crate) fn default_sigpipe() -> io::Result<()> {
    // SAFETY: as in `ignore_sigpipe`.
    let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ignored, as a parent may have left it, SIGCHLD would make the kernel reap our children and lose their exit codes. A
/// handler (the runtime's) is left in place.
pub(crate) fn hear_sigchld() -> io::Result<()> {
    // SAFETY: the structure is plain data, filled in by the first call; no handler function is installed.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let asked = libc::sigaction(libc::SIGCHLD, ptr::null(), &raw mut action);
        if asked == 0 && action.sa_sigaction == libc::SIG_IGN {
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut())
        } else {
            asked
        }
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub(crate) fn unblock_all() -> io::Result<()> {
    // SAFETY: sigset_t is plain data, initialised by sigemptyset before it is read.
    let error = unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut())
    };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// To every member of a process group. The caller knows that the number is still that group's.
pub(crate) fn to_group(group: u32, number: i32) -> io::Result<()> {
    let group = i32::try_from(group).ok().filter(|&group| group > 1); // 0 and -1 would mean ourselves and everybody
    let group = group.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    // SAFETY: two integers.
    if unsafe { libc::kill(-group, number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Best effort: kernels before 5.11 can't; Rust opens everything with `O_CLOEXEC` anyway.
pub(crate) fn close_on_exec_from(first: u32) {
    // SAFETY: it closes nothing now: descriptors in use stay valid.
    unsafe {
        libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

/// A child that is dead and not reaped, left as it is.
pub(crate) fn peek_dead_child() -> Option<u32> {
    // SAFETY: siginfo_t is plain data; waitid fills it in, and leaves it zeroed when nobody is dead (waitid(2)).
    let pid = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        if libc::waitid(libc::P_ALL, 0, &raw mut info, flags) != 0 {
            return None;
        }
        info.si_pid()
    };
    u32::try_from(pid).ok().filter(|&pid| pid != 0)
}

/// A dead child leaves the process table; any other pid is refused by the kernel.
pub(crate) fn reap(pid: u32) {
    // SAFETY: as in `peek_dead_child`.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_PID, pid, &raw mut info, libc::WEXITED | libc::WNOHANG);
    }
}
