//! A run's whole process tree: started inside its containment, watched, asked to stop, ended as one.
//!
//! | | Windows | Linux with a cgroup | Linux without |
//! |---|---|---|---|
//! | member | in the job object from birth | in the cgroup from birth | descendant of the guard, its subreaper |
//! | `emptied` | no process of the job lives, told by their handles | `populated 0` in `cgroup.events` | no descendant left |
//! | `kill` | `TerminateJobObject` | `cgroup.kill` | SIGSTOP to all until none is new, then SIGKILL, by pidfd |
//! | guard dies | kill-on-close | main: parent-death signal; rest: the next guard | the same |
//!
//! Membership never follows parent pids across a process that could have died in between: in the third column every
//! orphan becomes the guard's own child, so a chain of parents inside its subtree can't be broken by a reused pid.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::account::RunAs;
use crate::pipe::{RawReader, RawWriter};
use crate::resources::{LimitHit, Resources};

pub use crate::sys::tree::{Place, Tree, prepare_guard, reap_orphans, run_ask_helper};

/// The variable that marks every process of a service, so that leftovers can be found where there is no cgroup.
pub const MARK_VARIABLE: &str = "MAINSTAY_MARK";

/// What to start, all of it decided.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The file to execute, as [`crate::program::find`] found it.
    pub program: &'a Path,
    /// Arguments after the program's own name.
    pub args: &'a [OsString],
    /// Working directory.
    pub directory: &'a Path,
    /// The whole environment; only [`MARK_VARIABLE`] is added.
    pub env: &'a [(OsString, OsString)],
    /// Whether descendants may leave the tree (updaters). Windows: `JOB_OBJECT_LIMIT_BREAKAWAY_OK`, a child asks with
    /// `CREATE_BREAKAWAY_FROM_JOB`. Linux: a descendant leaves by making a session of its own (`setsid`).
    pub breakaway: bool,
    /// What it reads.
    pub stdin: Stdin<'a>,
    /// Who it runs as; `None`: as we do, with all that we may.
    pub run_as: Option<&'a RunAs>,
    /// What it may use.
    pub resources: &'a Resources,
}

/// A program's standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin<'a> {
    /// Empty: at its end from the beginning.
    Null,
    /// This file, from its beginning, opened by us (not as the program's account).
    File(&'a Path),
    /// A pipe whose other end is [`Output::stdin`]; at its end when that is dropped.
    Pipe,
}

/// Our ends of the child's pipes; can be sent to another thread and opened on its runtime.
#[derive(Debug)]
pub struct Output {
    /// What it prints.
    pub stdout: RawReader,
    /// What it complains about.
    pub stderr: RawReader,
    /// What it reads, for [`Stdin::Pipe`].
    pub stdin: Option<RawWriter>,
}

/// How a service's processes are held together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Containment {
    /// A Windows job object.
    Job,
    /// A cgroup v2 of its own.
    Cgroup,
    /// Session, process group and a subreaping guard.
    ProcessGroup,
}

impl fmt::Display for Containment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Containment::Job => "job object",
            Containment::Cgroup => "cgroup",
            Containment::ProcessGroup => "process group",
        })
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It returned this; Windows codes use all 32 bits, and 259 is a code like any other.
    Code(u32),
    /// A signal ended it (never on Windows). 0, which is none: it has ended, and nobody can tell how (`Tree::adopt`).
    Signal(u8),
}

/// What a tree's main process, or its limits, have to tell (`Tree::news`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It has ended.
    Exited(Exit),
    /// The run has hit a limit of its resources.
    Limit(LimitHit),
}

/// A way of asking a program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A signal to the main process's group (Linux).
    Signal(u8),
    /// Ctrl-C in the program's own console; SIGINT on Linux.
    CtrlC,
    /// Ctrl-Break in the program's own console (Windows).
    CtrlBreak,
    /// `WM_CLOSE` to every top-level window (Windows).
    CloseWindows,
    /// `WM_QUIT` to every thread with a message queue (Windows).
    QuitThreads,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Signal(number) => write!(f, "signal {number}"),
            Method::CtrlC => f.write_str("Ctrl-C"),
            Method::CtrlBreak => f.write_str("Ctrl-Break"),
            Method::CloseWindows => f.write_str("closing its windows"),
            Method::QuitThreads => f.write_str("WM_QUIT to its threads"),
        }
    }
}

/// Why a program could not be started. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The file for its standard input is missing or closed to us.
    #[error("cannot use {} as standard input: {source}", path.display())]
    Stdin {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It can't run as the account asked for: no such user, or we may not become it.
    #[error("cannot run {} as {user}: {source}", path.display())]
    Account {
        /// The program.
        path: PathBuf,
        /// Who.
        user: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Something of its resources can't be given or enforced here.
    #[error("cannot start {}: cannot set {what}: {source}", path.display())]
    Resource {
        /// The program.
        path: PathBuf,
        /// The key of the spec, e.g. `resources.memory`.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The working directory is missing, no directory, or closed to us (or to the program's account).
    #[error("cannot use {} as working directory: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is missing, no program, or closed to us.
    #[error("cannot start {}: {source}", path.display())]
    Program {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// An argument or variable that can't be passed: a NUL inside, too long, unsafe for a batch file.
    #[error("cannot start {}: {reason}", path.display())]
    Argument {
        /// The file.
        path: PathBuf,
        /// What is wrong with which argument.
        reason: String,
    },
    /// No pipe for its output: usually too many open files.
    #[error("cannot make a pipe for the program's output: {source}")]
    Pipe {
        /// The system's reason.
        source: io::Error,
    },
    /// The system has no room for another process, or the containment refused it.
    #[error("cannot make a process for {}: {source}", path.display())]
    Process {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}
