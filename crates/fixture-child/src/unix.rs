//! What differs on Unix.
#![expect(unsafe_code, reason = "signals")]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::process::Command;

use crate::Failure;

/// What a person or a service manager sends to stop a program.
const STOPS: [(i32, &str); 3] = [(libc::SIGTERM, "SIGTERM"), (libc::SIGINT, "SIGINT"), (libc::SIGHUP, "SIGHUP")];

pub(crate) fn ids() -> String {
    use rustix::process::{getpgrp, getpid, getsid};
    let session = getsid(None).map_or(0, |session| session.as_raw_nonzero().get());
    format!("pid {} group {} session {session}", getpid().as_raw_nonzero(), getpgrp().as_raw_nonzero())
}

pub(crate) fn open_descriptors() -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // The folder that is being read is open as well; nothing else leads there.
        match fs::read_link(entry.path()) {
            Ok(target) if target.starts_with("/proc") => {}
            Ok(target) => found.push(format!("fd {} {}", entry.file_name().display(), target.display())),
            Err(_) => {}
        }
    }
    Ok(found)
}

pub(crate) fn signal_self(name: &str) -> Result<(), Failure> {
    let known = [
        ("SIGHUP", libc::SIGHUP),
        ("SIGINT", libc::SIGINT),
        ("SIGQUIT", libc::SIGQUIT),
        ("SIGABRT", libc::SIGABRT),
        ("SIGBUS", libc::SIGBUS),
        ("SIGKILL", libc::SIGKILL),
        ("SIGSEGV", libc::SIGSEGV),
        ("SIGTERM", libc::SIGTERM),
        ("SIGUSR1", libc::SIGUSR1),
        ("SIGSTOP", libc::SIGSTOP),
    ];
    let (_, number) = known.iter().find(|(known, _)| *known == name).ok_or("there is no such signal")?;
    // SAFETY: two integers. First the default action: Rust handles SIGSEGV and SIGBUS itself.
    unsafe {
        libc::signal(*number, libc::SIG_DFL);
        libc::kill(libc::getpid(), *number);
    }
    Ok(())
}

pub(crate) fn ignore_stop() -> Result<(), Failure> {
    for (number, _) in STOPS {
        // SAFETY: no handler function of ours is installed.
        unsafe { libc::signal(number, libc::SIG_IGN) };
    }
    Ok(())
}

/// Calls `action` with the name of each stop signal, on a thread of its own.
pub(crate) fn at_stop(action: Box<dyn Fn(&str) + Send>) -> Result<(), Failure> {
    // SAFETY: the set is initialised before it is used; sigwait only takes what is blocked here, before any thread of
    // ours exists. (A child started later has an empty mask: std::process::Command resets it.)
    let stops = unsafe {
        let mut stops: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut stops);
        for (number, _) in STOPS {
            libc::sigaddset(&raw mut stops, number);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const stops, std::ptr::null_mut());
        stops
    };
    std::thread::spawn(move || {
        loop {
            let mut number = 0;
            // SAFETY: both point to what lives on this stack.
            unsafe { libc::sigwait(&raw const stops, &raw mut number) };
            if let Some((_, name)) = STOPS.iter().find(|(known, _)| *known == number) {
                action(name);
            }
        }
    });
    Ok(())
}

pub(crate) fn new_session() -> Result<(), Failure> {
    rustix::process::setsid()?;
    Ok(())
}

/// It makes the session itself, first thing.
pub(crate) fn own_session(commands: &VecDeque<OsString>) -> io::Result<Command> {
    let mut with_session = commands.clone();
    with_session.push_front("new-session".into());
    crate::ourselves(&with_session)
}

pub(crate) fn broken_away(commands: &VecDeque<OsString>) -> io::Result<Command> {
    own_session(commands)
}

pub(crate) fn windows(_count: u32) -> Result<(), Failure> {
    Err("there are none here".into())
}

pub(crate) fn message_loop() -> Result<(), Failure> {
    Err("there is none here".into())
}

/// ioprio_get(2): the class above, the level below.
pub(crate) fn standing() -> Result<String, Failure> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: libc::c_long = 13;
    let nice = rustix::process::getpriority_process(None)?;
    // SAFETY: a call with integers alone; 0 is the caller.
    let io = unsafe { libc::syscall(libc::SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0) };
    Ok(format!("nice {nice} io {} {}", io >> CLASS_SHIFT, io & ((1 << CLASS_SHIFT) - 1)))
}

pub(crate) fn event(_name: &str) -> Result<(), Failure> {
    Err("there are no named events here".into())
}

pub(crate) fn param_change(_service: &str) -> Result<(), Failure> {
    Err("there is no such service manager here".into())
}
