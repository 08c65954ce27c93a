//! A run's process tree is a job object.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BAD_EXE_FORMAT, ERROR_BAD_PATHNAME, ERROR_CHILD_NOT_COMPLETE, ERROR_DIRECTORY,
    ERROR_ELEVATION_REQUIRED, ERROR_EXE_MACHINE_TYPE_MISMATCH, ERROR_FILE_NOT_FOUND, ERROR_INVALID_NAME,
    ERROR_LOCK_VIOLATION, ERROR_PATH_NOT_FOUND, ERROR_SHARING_VIOLATION, ERROR_SXS_CANT_GEN_ACTCTX,
    ERROR_VIRUS_INFECTED,
};
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT};
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SEM_NOOPENFILEERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::Threading::{CREATE_NO_WINDOW, GetExitCodeProcess};

use super::job::{Job, Member};
use super::limits::Hits;
use super::pause::Halted;
use super::pipe::RawWriter;
use super::resources::{self, Refused};
use super::wait::Wait;
use super::{ask_helper, command_line, console, create, environment, pipe, process, program, win32};
use crate::account::RunAs;
use crate::resources::LimitHit;
use crate::tree::{Containment, Exit, Launch, MARK_VARIABLE, Method, News, Output, SpawnError, Stdin};

pub use super::ask_helper::run as run_ask_helper;

/// How soon a job is asked again when it counts a process that can't be opened: one that is just beginning or ending.
const RECHECK: Duration = Duration::from_millis(5);

/// A program older than this that has no console will have none.
const CONSOLE_COMES_WITHIN: Duration = Duration::from_millis(500);
/// Between two attempts to reach the console of a younger one.
const CONSOLE_AGAIN: Duration = Duration::from_millis(10);

/// Where a service's runs live.
#[derive(Debug)]
pub struct Place {
    mark: String,
}

impl Place {
    /// Every run gets a job object of its own; nothing is claimed before.
    pub fn claim(mark: &str) -> io::Result<Place> {
        if mark.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "cannot use a mark with a NUL character"));
        }
        Ok(Place { mark: mark.to_owned() })
    }

    /// Always a job object.
    pub fn containment(&self) -> Containment {
        Containment::Job
    }

    /// A job dies with its guard, so all that can be left is a process that is just ending: it is ended and waited for,
    /// by a handle opened before its start stamp was compared.
    pub async fn end_leftovers(&self, known: Option<(u32, u64)>, limit: Duration) -> io::Result<usize> {
        let Some((pid, stamp)) = known else { return Ok(0) };
        let Some(mut left) = process::Watched::open(pid, stamp)? else { return Ok(0) };
        left.kill()?;
        match tokio::time::timeout(limit, left.exited()).await {
            Ok(()) => Ok(1),
            Err(_) => {
                let text = format!("cannot end process {pid} of an earlier guard: it still lives after {limit:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }

    /// Starts the program inside a new job, with its streams on pipes of ours.
    pub fn spawn(&self, launch: &Launch<'_>) -> Result<(Tree, Output), SpawnError> {
        let program = launch.program;
        create::check_directory(launch.directory)
            .map_err(|source| SpawnError::Directory { path: launch.directory.to_owned(), source })?;
        check_account(launch)?;
        let (file, command_line) = what_to_execute(launch).map_err(|reason| argument(program, reason))?;
        let mut env = environment::merge(launch.env.to_vec(), [(MARK_VARIABLE.into(), self.mark.clone().into())]);
        env.retain(|(name, _)| !name.is_empty());
        let environment = environment::block(env).map_err(|reason| argument(program, reason))?;

        let no_pipe = |source| SpawnError::Pipe { source };
        let (stdout, their_stdout) = pipe::output().map_err(no_pipe)?;
        let (stderr, their_stderr) = pipe::output().map_err(no_pipe)?;
        let (stdin, their_stdin) = input(launch.stdin)?;
        let not_set = |Refused { key, source }| SpawnError::Resource { path: program.to_owned(), what: key, source };
        let job = resources::job(launch.resources, launch.breakaway).map_err(not_set)?;
        let hits = Hits::of(&job, launch.resources).map_err(|source| not_set(Refused { key: "resources", source }))?;
        // What the closure below can't say in an io::Error.
        let key = Cell::new(None);
        let prepare = |process: BorrowedHandle<'_>| {
            resources::prepare(process, launch.resources).map_err(|refused| {
                key.set(Some(refused.key));
                refused.source
            })
        };
        let created = create::create(create::Order {
            program: &file,
            command_line,
            directory: Some(launch.directory),
            environment,
            stdio: [their_stdin.as_handle(), their_stdout.as_handle(), their_stderr.as_handle()],
            job: Some(&job),
            // Its own console without a window, so that a Ctrl-C reaches it and nobody else.
            flags: CREATE_NO_WINDOW,
            before_it_runs: resources::prepares(launch.resources).then_some(&prepare),
        })
        .map_err(|source| match key.take() {
            Some(key) => not_set(Refused { key, source }),
            None => refusal(program, launch.directory, source),
        })?;
        let stamp = process::created_at(created.process.as_handle())
            .map_err(|source| refusal(program, launch.directory, source))?;
        let tree = Tree {
            pid: created.pid,
            born: Instant::now(),
            stamp,
            exit: None,
            ending: None,
            helper: Mutex::new(None),
            halted: Mutex::default(),
            hits: hits.map(Arc::new),
            process: Arc::new(created.process),
            job,
        };
        Ok((tree, Output { stdout, stderr, stdin }))
    }
}

/// Who the guard is decides who the program is: the service manager has logged it on.
fn check_account(launch: &Launch<'_>) -> Result<(), SpawnError> {
    let Some(RunAs { user, group, groups, capabilities, .. }) = launch.run_as else { return Ok(()) };
    let asked = [
        (user.as_deref(), "the service manager logs the service on; set the account at install"),
        (group.as_deref().or(groups.first().map(String::as_str)), "Windows has no groups of a process to choose"),
        (capabilities.as_ref().map(|_| "capabilities"), "Windows has no capabilities"),
    ];
    match asked.into_iter().find_map(|(who, why)| Some((who?, why))) {
        None => Ok(()),
        Some((who, why)) => Err(SpawnError::Account {
            path: launch.program.to_owned(),
            user: who.to_owned(),
            source: io::Error::new(io::ErrorKind::Unsupported, why),
        }),
    }
}

/// Our end of the program's input, if there is one, and the handle for the program.
fn input(stdin: Stdin<'_>) -> Result<(Option<RawWriter>, OwnedHandle), SpawnError> {
    match stdin {
        Stdin::Null => create::null_device().map(|theirs| (None, theirs)).map_err(|source| SpawnError::Pipe { source }),
        Stdin::File(path) => create::file_to_read(path)
            .map(|theirs| (None, theirs))
            .map_err(|source| SpawnError::Stdin { path: path.to_owned(), source }),
        Stdin::Pipe => {
            pipe::input().map(|(ours, theirs)| (Some(ours), theirs)).map_err(|source| SpawnError::Pipe { source })
        }
    }
}

/// The file for CreateProcessW and its command line; a batch file is run by cmd.exe.
fn what_to_execute(launch: &Launch<'_>) -> Result<(PathBuf, Vec<u16>), String> {
    let is_batch = launch
        .program
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("bat") || extension.eq_ignore_ascii_case("cmd"));
    if is_batch {
        let interpreter = program::interpreter(launch.env)?;
        let line = command_line::batch(&interpreter, launch.program, launch.args)?;
        Ok((interpreter, line))
    } else {
        Ok((launch.program.to_owned(), command_line::program(launch.program, launch.args)?))
    }
}

fn argument(program: &Path, reason: String) -> SpawnError {
    SpawnError::Argument { path: program.to_owned(), reason }
}

/// What a failed CreateProcessW is about: the folder, the file, or the system.
fn refusal(program: &Path, directory: &Path, source: io::Error) -> SpawnError {
    const OF_THE_FILE: [u32; 13] = [
        ERROR_FILE_NOT_FOUND,
        ERROR_PATH_NOT_FOUND,
        ERROR_ACCESS_DENIED,
        ERROR_SHARING_VIOLATION,
        ERROR_LOCK_VIOLATION,
        ERROR_INVALID_NAME,
        ERROR_CHILD_NOT_COMPLETE,
        ERROR_BAD_PATHNAME,
        ERROR_BAD_EXE_FORMAT,
        ERROR_EXE_MACHINE_TYPE_MISMATCH,
        ERROR_VIRUS_INFECTED,
        ERROR_ELEVATION_REQUIRED,
        ERROR_SXS_CANT_GEN_ACTCTX,
    ];
    if win32::is(&source, ERROR_DIRECTORY) {
        return SpawnError::Directory { path: directory.to_owned(), source };
    }
    // Wine's answer to a folder is "invalid handle".
    if OF_THE_FILE.iter().any(|&code| win32::is(&source, code)) || program.is_dir() {
        return SpawnError::Program { path: program.to_owned(), source };
    }
    SpawnError::Process { path: program.to_owned(), source }
}

/// One run's whole process tree. Dropping it ends the tree.
#[derive(Debug)]
pub struct Tree {
    pid: u32,
    stamp: u64,
    /// When it was started, on our clock.
    born: Instant,
    exit: Option<Exit>,
    /// Registered when somebody first waits for the main process.
    ending: Option<Wait>,
    /// The last helper that asks windows to close, in a job of its own so that it can't outlive us.
    helper: Mutex<Option<Job>>,
    /// What [`Tree::pause`] has suspended.
    halted: Mutex<Halted>,
    /// Its limits that were hit, where there is one that tells.
    hits: Option<Arc<Hits>>,
    /// As long as this handle is open the pid is not given to another process.
    process: Arc<OwnedHandle>,
    job: Job,
}

impl Tree {
    /// The main process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When the main process was made, in 100 ns since 1601: with the pid it names one process for ever.
    pub fn start_stamp(&self) -> u64 {
        self.stamp
    }

    /// How the main process ended. Cancel-safe; the same answer when asked again.
    pub async fn exited(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        if self.ending.is_none() {
            self.ending = Wait::once(&self.process).ok();
        }
        match &self.ending {
            Some(ending) => ending.signalled().await,
            // No room for a wait: looked at now and then instead.
            None => self.exited_by_looking().await,
        }
        self.ending = None;
        let exit = Exit::Code(self.exit_code());
        self.exit = Some(exit);
        exit
    }

    /// [`Tree::limit_hit`] or [`Tree::exited`], whichever comes first; of both at once the limit, which tells why. Cancel-safe.
    pub async fn news(&mut self) -> News {
        match self.hits.clone() {
            Some(hits) => tokio::select! {
                biased;
                hit = hits.next() => News::Limit(hit),
                exit = self.exited() => News::Exited(exit),
            },
            None => News::Exited(self.exited().await),
        }
    }

    async fn exited_by_looking(&self) {
        while !matches!(win32::wait(self.process.as_handle(), Duration::ZERO), Ok(true)) {
            tokio::time::sleep(RECHECK * 10).await;
        }
    }

    /// Only asked after the wait has told of the end, so 259 (STILL_ACTIVE) is a code like any other.
    fn exit_code(&self) -> u32 {
        let mut code = u32::MAX;
        // SAFETY: the handle is ours and has the right to query; the result lives.
        unsafe { GetExitCodeProcess(self.process.as_raw_handle(), &raw mut code) };
        code
    }

    /// Returns when nothing of the tree lives. Cancel-safe.
    ///
    /// Waits for one living member after the other, each by a handle, and believes only what the job says then: exact,
    /// without a thread, and without waking up before something ends. (The job's completion port would need a thread,
    /// and Microsoft does not promise its messages.)
    pub async fn emptied(&mut self) {
        while !self.is_empty() {
            match self.living().next().and_then(|(_, member)| Wait::once(&Arc::new(member)).ok()) {
                Some(ending) => ending.signalled().await,
                None => tokio::time::sleep(RECHECK).await,
            }
        }
    }

    /// Whether nothing of the tree lives.
    pub fn is_empty(&self) -> bool {
        self.job.is_empty().unwrap_or(false)
    }

    /// Each living member that can be opened, the main process first.
    fn living(&self) -> impl Iterator<Item = (u32, OwnedHandle)> {
        let mut living: Vec<(u32, OwnedHandle)> = self.job.living().collect();
        living.sort_by_key(|&(pid, _)| pid != self.pid);
        living.into_iter()
    }

    /// Makes another member the main process, whose end is then the run's: that of a program that sends itself into the
    /// background. `None`: the oldest that lives, which is the only one as a rule. Returns its pid.
    pub fn adopt(&mut self, pid: Option<u32>) -> io::Result<u32> {
        let mut candidates: Vec<(u64, u32, OwnedHandle)> = Vec::new();
        for (member, process) in self.job.living() {
            if pid.is_some_and(|wanted| wanted != member) || process::is_console_host(process.as_handle()) {
                continue;
            }
            // One that ends this very moment may have no time of birth any more.
            if let Ok(stamp) = process::created_at(process.as_handle()) {
                candidates.push((stamp, member, process));
            }
        }
        let Some((stamp, pid, process)) = candidates.into_iter().min_by_key(|&(stamp, pid, _)| (stamp, pid)) else {
            let text = match pid {
                Some(pid) => format!("process {pid} is not part of this run"),
                None => "no process of this run lives".to_owned(),
            };
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        };
        if (pid, stamp) != (self.pid, self.stamp) {
            (self.pid, self.stamp, self.exit, self.ending) = (pid, stamp, None, None);
            self.process = Arc::new(process);
        }
        Ok(pid)
    }

    /// Halts every process of the tree, those born meanwhile too; fine when it is halted already. All of them or none.
    pub fn pause(&self) -> io::Result<()> {
        self.halted().halt(&self.job)
    }

    /// Lets what [`Tree::pause`] has halted go on; fine when nothing is.
    pub fn resume(&self) -> io::Result<()> {
        self.halted().go_on()
    }

    fn halted(&self) -> MutexGuard<'_, Halted> {
        self.halted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next limit that the run runs into, each once; pending for ever where none is set. Cancel-safe.
    pub async fn limit_hit(&mut self) -> LimitHit {
        match &self.hits {
            Some(hits) => hits.next().await,
            None => std::future::pending().await,
        }
    }

    /// Ends the whole tree at once.
    pub fn kill(&self) -> io::Result<()> {
        self.job.end()
    }

    /// Asks the program to stop. `Ok` means that it was asked, not that it will; or that nobody is left to be asked.
    pub fn ask(&self, method: Method) -> io::Result<()> {
        let asked = self.ask_somebody(method);
        if asked.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Unsupported) && self.is_empty() {
            return Ok(());
        }
        asked
    }

    fn ask_somebody(&self, method: Method) -> io::Result<()> {
        match method {
            Method::CtrlC => self.send_event(CTRL_C_EVENT),
            Method::CtrlBreak => self.send_event(CTRL_BREAK_EVENT),
            Method::CloseWindows | Method::QuitThreads => {
                let helper = ask_helper::start(method, &self.members())?;
                *self.helper.lock().unwrap_or_else(PoisonError::into_inner) = Some(helper);
                Ok(())
            }
            Method::Signal(number) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("cannot send signal {number}: Windows has no signals"),
            )),
        }
    }

    /// A program gets its console while it is being started, some milliseconds after it exists: one asked to stop at once
    /// is asked again for a short while before that counts as "it has none".
    fn send_event(&self, event: u32) -> io::Result<()> {
        let young_until = self.born + CONSOLE_COMES_WITHIN;
        loop {
            let sent = console::send(event, self.living());
            if sent.is_ok() || Instant::now() >= young_until || self.is_empty() {
                return sent;
            }
            #[expect(clippy::disallowed_methods, reason = "nothing tells when the console comes; bounded by its age")]
            std::thread::sleep(CONSOLE_AGAIN);
        }
    }

    /// The pids of all members. One that ends may be among them for a moment longer.
    pub fn members(&self) -> Vec<u32> {
        let mut pids = self.job.pids().unwrap_or_default();
        pids.retain(|&pid| !matches!(self.job.look_at(pid), Member::Ended(_)));
        pids
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Closing the job's handle ends the tree too; this does not depend on it being the last one.
        let _ = self.job.end();
    }
}

/// Once, first thing in a guard: away from any console, deaf to its events, and without dialogs that nobody would see
/// (the children inherit that error mode).
pub fn prepare_guard() -> io::Result<()> {
    // SAFETY: plain calls that change this process's own modes.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX) };
    console::prepare()
}

/// Windows has no orphans to reap: pending for ever.
pub async fn reap_orphans() -> Infallible {
    std::future::pending().await
}
