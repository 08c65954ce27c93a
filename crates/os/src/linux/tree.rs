//! A run's process tree: in a cgroup, or as the descendants of this process, which is their subreaper.
//!
//! **Breakaway** (`Launch::breakaway`): the main process leads a session of its own (setsid(2)); a descendant that makes
//! another one has left the tree: `kill`, `emptied`, `is_empty`, `members` and `Drop` count members by session then. So
//! that the next guard can tell too, such a run's mark in the environment ends with `/breakaway`:
//! [`Place::end_leftovers`] spares those of them whose session is not that of the `known` main process. Without a
//! `known` process nothing is spared: a second run of a service is worse than a lost updater. It stays in the
//! service's cgroup, so systemd's stop of the whole unit ends it.
//!
//! **Limit of the group mode**: a descendant that double-forked away, made a session *and* cleared its environment is
//! held only by being our descendant; the next guard can't find it.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout_at};

use super::cgroup::Cgroup;
use super::children::{self, Child};
use super::fork::{self, Order, Refused, Step};
use super::pidfd::Pidfd;
use super::procfs::{self, Stat};
use super::sweep::sweep;
use super::{pipe, signals};
use crate::tree::{Containment, Exit, Launch, MARK_VARIABLE, Method, Output, SpawnError};

/// Behind the mark of a run whose descendants may leave it.
const BREAKAWAY_SUFFIX: &str = "/breakaway";

/// How long a dropped tree waits for its main process to die of SIGKILL, so as to reap it itself.
const DROP_MS_MAX: u64 = 200;

/// Where a service's runs live: made once by its guard, while it holds the service's lock.
#[derive(Debug)]
pub struct Place {
    mark: String,
    held: Mutex<Held>,
    /// Opened once: a new run needs no descriptor for its stdin.
    null: File,
}

#[derive(Debug, Clone)]
enum Held {
    Cgroup(Arc<Cgroup>),
    Group,
}

impl Place {
    /// A cgroup where we may have one, else the process group. `mark`: short ASCII, unique to this service on this
    /// machine and stable. Errors: no `/dev/null`.
    pub fn claim(mark: &str) -> io::Result<Place> {
        let held = match Cgroup::claim(mark) {
            Ok(cgroup) => Held::Cgroup(Arc::new(cgroup)),
            Err(_) => Held::Group, // whatever the reason, it is a choice and no failure: `containment` tells
        };
        Place::new(mark, held)
    }

    /// What [`Place::claim`] falls back to; for tests, and for who must not touch cgroups.
    pub fn claim_process_group(mark: &str) -> io::Result<Place> {
        Place::new(mark, Held::Group)
    }

    fn new(mark: &str, held: Held) -> io::Result<Place> {
        let null = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(|error| io::Error::new(error.kind(), format!("cannot open /dev/null: {error}")))?;
        Ok(Place { mark: mark.to_owned(), held: Mutex::new(held), null })
    }

    /// How processes are held together here.
    pub fn containment(&self) -> Containment {
        match self.held() {
            Held::Cgroup(_) => Containment::Cgroup,
            Held::Group => Containment::ProcessGroup,
        }
    }

    fn held(&self) -> Held {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends everything a previous guard with the same mark left behind, and returns how many processes that were.
    /// Returns when they are gone; `TimedOut` after `limit`.
    ///
    /// Ended are: the members of the cgroup; `known` (the last main process, with its start stamp) and its descendants;
    /// and, where the cgroup can't be relied upon to be the one of the previous guard, every process whose environment
    /// carries the mark. Never by a bare pid.
    pub async fn end_leftovers(&self, known: Option<(u32, u64)>, limit: Duration) -> io::Result<usize> {
        let deadline = Instant::now() + limit;
        let mut ended = 0;
        if let Held::Cgroup(cgroup) = self.held() {
            ended += self.end_members(&cgroup, known, deadline).await?;
            let known_lives = match known {
                Some((pid, stamp)) => Pidfd::open_stamped(pid, stamp)?.is_some_and(|held| !held.is_dead()),
                None => false,
            };
            if cgroup.is_stable() && !known_lives {
                return Ok(ended);
            }
        }
        ended += until_none(|| self.marked(known), deadline).await?;
        Ok(ended)
    }

    async fn end_members(&self, cgroup: &Cgroup, known: Option<(u32, u64)>, deadline: Instant) -> io::Result<usize> {
        let members = cgroup.members();
        if members.is_empty() && !cgroup.is_populated() {
            return Ok(0);
        }
        let spared = |pid: u32| procfs::stat(pid).is_ok_and(|p| self.is_spared(&p, known));
        if members.iter().any(|&pid| spared(pid)) {
            let find = || stats_of(cgroup).into_iter().filter(|p| !self.is_spared(p, known)).collect();
            return until_none(find, deadline).await;
        }
        cgroup.kill()?;
        timeout_at(deadline, cgroup.emptied()).await.map_err(|_| still_there(members.len()))?;
        Ok(members.len())
    }

    /// Started by a run that allowed it, and left that run's session.
    fn is_spared(&self, process: &Stat, known: Option<(u32, u64)>) -> bool {
        let left = known.is_some_and(|(main, _)| process.session != main);
        left && mark_of(process.pid).is_some_and(|mark| mark.ends_with(BREAKAWAY_SUFFIX.as_bytes()))
    }

    /// `known` with its descendants, and all that carry the mark; not we ourselves nor those we descend from, which
    /// carry it when a service restarts its own guard.
    fn marked(&self, known: Option<(u32, u64)>) -> Vec<Stat> {
        let processes = procfs::all();
        let ours = ancestors(&processes);
        let root = known.filter(|&(pid, stamp)| processes.iter().any(|p| p.pid == pid && p.start == stamp));
        let mut found = procfs::with_descendants(&root.map_or(vec![], |(pid, _)| vec![pid]), &processes);
        for process in &processes {
            if process.alive && !found.contains(process) && self.is_marked(process.pid) {
                found.push(*process);
            }
        }
        found.retain(|p| p.alive && !ours.contains(&p.pid) && !self.is_spared(p, known));
        found
    }

    fn is_marked(&self, pid: u32) -> bool {
        mark_of(pid).is_some_and(|mark| is_mark(&mark, &self.mark))
    }

    /// Starts the program inside its tree. See [`crate::tree`] for what the child finds.
    ///
    /// **Call it from a thread that lives as long as the guard**: the parent-death signal is sent when the *thread*
    /// that forked ends (prctl(2)). It is lost when the program is set-user-ID; then the next guard ends it.
    pub fn spawn(&self, launch: &Launch<'_>) -> Result<(Tree, Output), SpawnError> {
        let strings = Strings::prepare(launch, &self.mark)?;
        let (stdout, childs_stdout) = pipe::pair().map_err(|source| SpawnError::Pipe { source })?;
        let (stderr, childs_stderr) = pipe::pair().map_err(|source| SpawnError::Pipe { source })?;
        let stdio = [self.null.as_fd(), childs_stdout.as_fd(), childs_stderr.as_fd()];
        let tree = self.spawn_tree(launch, &strings, stdio)?;
        Ok((tree, Output { stdout, stderr }))
    }

    fn spawn_tree(
        &self,
        launch: &Launch<'_>,
        strings: &Strings,
        stdio: [std::os::fd::BorrowedFd<'_>; 3],
    ) -> Result<Tree, SpawnError> {
        let mut held = self.held();
        let mut result = self.start(&held, strings, stdio);
        if let (Held::Cgroup(cgroup), Err(Refused { step: Step::Cgroup, .. })) = (&held, &result)
            && let Ok(anew) = cgroup.reopen()
        {
            // Somebody removed the empty group between two runs.
            held = Held::Cgroup(Arc::new(anew));
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held.clone();
            result = self.start(&held, strings, stdio);
        }
        let (pid, main) = result.map_err(|refused| explain(refused, launch))?;
        let mut tree =
            Tree { main, pid, stamp: 0, exit: None, held, mark: self.mark.clone(), breakaway: launch.breakaway };
        // Ours to reap, so it is still listed, dead or alive. Should even that fail, the tree is dropped, and so ended.
        tree.stamp =
            procfs::stat(pid).map_err(|source| SpawnError::Process { path: launch.program.to_owned(), source })?.start;
        Ok(tree)
    }

    fn start(
        &self,
        held: &Held,
        strings: &Strings,
        stdio: [std::os::fd::BorrowedFd<'_>; 3],
    ) -> Result<(u32, Pidfd), Refused> {
        let cgroup = match held {
            Held::Cgroup(cgroup) => Some(cgroup.target()),
            Held::Group => None,
        };
        let order = Order {
            program: &strings.program,
            args: &strings.args,
            env: &strings.env,
            directory: Some(&strings.directory),
            stdio,
            dies_with_us: true,
            cgroup,
        };
        let mut children = children::lock();
        let started = fork::start(&order)?;
        children.push(Child { pid: started.pid, mark: self.mark.clone() });
        Ok((started.pid, started.pidfd))
    }
}

/// What execve(2) wants, made before the fork.
struct Strings {
    program: CString,
    args: Vec<CString>,
    env: Vec<CString>,
    directory: CString,
}

impl Strings {
    fn prepare(launch: &Launch<'_>, mark: &str) -> Result<Strings, SpawnError> {
        let refuse = |reason: String| SpawnError::Argument { path: launch.program.to_owned(), reason };
        let text = |value: &OsStr, what: &str| {
            CString::new(value.as_bytes()).map_err(|_| refuse(format!("{what} has a NUL character inside")))
        };
        let program = text(launch.program.as_os_str(), "its path")?;
        let mut args = vec![program.clone()];
        for (number, arg) in (1..).zip(launch.args) {
            args.push(text(arg, &format!("argument {number}"))?);
        }
        let suffix = if launch.breakaway { BREAKAWAY_SUFFIX } else { "" };
        let marked = (OsString::from(MARK_VARIABLE), OsString::from(format!("{mark}{suffix}")));
        let mut env = Vec::with_capacity(launch.env.len() + 1);
        for (name, value) in launch.env.iter().filter(|(name, _)| name != MARK_VARIABLE).chain([&marked]) {
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return Err(refuse(format!("a variable can't be named {name:?}")));
            }
            let entry = [name.as_bytes(), b"=", value.as_bytes()].concat();
            env.push(text(OsStr::from_bytes(&entry), &format!("the variable {}", name.display()))?);
        }
        Ok(Strings { program, args, env, directory: text(launch.directory.as_os_str(), "its working directory")? })
    }
}

/// The kernel's number in a user's words.
fn explain(refused: Refused, launch: &Launch<'_>) -> SpawnError {
    let Refused { step, error } = refused;
    let path = launch.program.to_owned();
    let told = |kind: ErrorKind, text: &str| io::Error::new(kind, text.to_owned());
    match (step, error.raw_os_error()) {
        (Step::Directory, _) => SpawnError::Directory { path: launch.directory.to_owned(), source: error },
        (Step::Fork, Some(libc::EAGAIN)) => SpawnError::Process {
            path,
            source: told(error.kind(), "the limit of processes is reached (ulimit -u, pids.max, kernel.pid_max)"),
        },
        (Step::Fork | Step::Prepare, _) => SpawnError::Process { path, source: error },
        (Step::Cgroup, _) => {
            let source = io::Error::new(error.kind(), format!("its cgroup can't be joined: {error}"));
            SpawnError::Process { path, source }
        }
        (Step::Exec, Some(libc::E2BIG)) => SpawnError::Argument {
            path,
            reason: "its arguments and environment are too long together, or one of them exceeds 128 KiB".to_owned(),
        },
        (Step::Exec, Some(libc::EAGAIN | libc::ENOMEM | libc::ENFILE | libc::EMFILE)) => {
            SpawnError::Process { path, source: error }
        }
        (Step::Exec, number) => {
            let text = exec_text(launch.program, number);
            let source = text.map_or(error, |(kind, text)| told(kind, text));
            SpawnError::Program { path, source }
        }
    }
}

/// Better words than errno has, from looking at the file once more.
fn exec_text(program: &Path, number: Option<i32>) -> Option<(ErrorKind, &'static str)> {
    let found = std::fs::metadata(program);
    match number? {
        libc::ENOENT if found.is_ok() => Some((
            ErrorKind::NotFound,
            "the file is there, but not the interpreter its first line names, or its loader (built for another system?)",
        )),
        libc::ENOENT => Some((ErrorKind::NotFound, "there is no such file")),
        libc::EACCES if found.is_ok_and(|f| f.is_dir()) => Some((ErrorKind::IsADirectory, "it is a directory")),
        libc::EACCES => Some((ErrorKind::PermissionDenied, "no permission to execute it (chmod +x? a noexec mount?)")),
        libc::ENOEXEC => Some((
            ErrorKind::InvalidData,
            "it is no program for this system (a script needs a first line such as #!/bin/sh)",
        )),
        libc::ETXTBSY => Some((ErrorKind::ExecutableFileBusy, "it is being written at this moment")),
        _ => None,
    }
}

/// One run's whole process tree. Dropping it ends the tree.
#[derive(Debug)]
pub struct Tree {
    main: Pidfd,
    pid: u32,
    stamp: u64,
    /// Known once reaped; from then on `pid` may mean another process.
    exit: Option<Exit>,
    held: Held,
    mark: String,
    breakaway: bool,
}

impl Tree {
    /// The main process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells the main process from another with the same pid later: clock ticks from boot to its start
    /// (`/proc/PID/stat`, field 22).
    pub fn start_stamp(&self) -> u64 {
        self.stamp
    }

    /// The main process's end; the same answer when asked again. Cancel-safe.
    pub async fn exited(&mut self) -> Exit {
        loop {
            self.main.dead().await;
            self.collect();
            if let Some(exit) = self.exit {
                return exit;
            }
        }
    }

    /// Nothing of the tree lives any more, the main process included. Cancel-safe.
    pub async fn emptied(&mut self) {
        self.exited().await;
        match &self.held {
            Held::Cgroup(cgroup) if !self.breakaway => cgroup.emptied().await,
            Held::Cgroup(_) | Held::Group => {
                // Any of them: when it is gone we look again. Those that died meanwhile cost nothing.
                while let Some(one) = self.living().into_iter().find_map(|p| hold(&p)) {
                    one.dead().await;
                }
            }
        }
    }

    /// What [`Tree::emptied`] waits for, now.
    pub fn is_empty(&self) -> bool {
        if self.exit.is_none() && !self.main.is_dead() {
            return false;
        }
        match &self.held {
            Held::Cgroup(cgroup) if !self.breakaway => !cgroup.is_populated(),
            Held::Cgroup(_) | Held::Group => self.living().is_empty(),
        }
    }

    /// Sends SIGKILL to the whole tree and returns; [`Tree::emptied`] tells when it is done. May be repeated.
    pub fn kill(&self) -> io::Result<()> {
        match &self.held {
            Held::Cgroup(cgroup) if !self.breakaway => cgroup.kill(),
            Held::Cgroup(_) | Held::Group => {
                if self.exit.is_none() {
                    // The whole group at once, forks in progress included (kill(2) on a group is atomic to fork): what
                    // follows meets few moving targets. Not reaped yet, so the number is still its own.
                    self.signal_group(libc::SIGSTOP)?;
                }
                sweep(|| self.living()).map(drop)
            }
        }
    }

    /// Asks politely: a signal to the main process's group. Nothing is sent to a tree that is gone.
    pub fn ask(&self, method: Method) -> io::Result<()> {
        let number = match method {
            Method::Signal(number) => i32::from(number),
            Method::CtrlC => libc::SIGINT,
            Method::CtrlBreak | Method::CloseWindows | Method::QuitThreads => {
                let text = format!("{method} is a way of asking Windows programs only");
                return Err(io::Error::new(ErrorKind::Unsupported, text));
            }
        };
        if self.exit.is_none() {
            return self.signal_group(number);
        }
        // The main process is reaped: its number may be another's group by now. Its old companions get it one by one.
        for companion in self.living().into_iter().filter(|p| p.group == self.pid) {
            if let Some(held) = hold(&companion) {
                held.signal(number)?;
            }
        }
        Ok(())
    }

    /// All that live, in no order.
    pub fn members(&self) -> Vec<u32> {
        self.living().iter().map(|p| p.pid).collect()
    }

    /// Only while the main process is not reaped.
    fn signal_group(&self, number: i32) -> io::Result<()> {
        match signals::to_group(self.pid, number) {
            // A group of zombies alone.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }

    fn collect(&mut self) {
        if self.exit.is_some() {
            return;
        }
        self.exit = match waitid(WaitId::PidFd(self.main.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(status)) => Some(exit_of(&status)),
            Ok(None) | Err(rustix::io::Errno::INTR) => return,
            // ECHILD: reaped by somebody, against this module's rules. That it is gone is all that is known.
            Err(_) => Some(Exit::Signal(9)),
        };
        children::forget(self.pid);
    }

    fn living(&self) -> Vec<Stat> {
        let mut found = match &self.held {
            Held::Cgroup(cgroup) => stats_of(cgroup),
            Held::Group => self.descendants(),
        };
        found.retain(|p| p.alive && (!self.breakaway || p.session == self.pid));
        found
    }

    /// The main process, what was adopted from it, and all below.
    fn descendants(&self) -> Vec<Stat> {
        if procfs::have_children() == Some(false) {
            return Vec::new();
        }
        let processes = procfs::all();
        let own = std::process::id();
        let mains = children::lock().clone();
        let roots: Vec<u32> =
            processes.iter().filter(|p| p.parent == own && self.is_root(p, &mains)).map(|p| p.pid).collect();
        procfs::with_descendants(&roots, &processes)
    }

    /// Is this child of ours the root of a part of the tree? An adopted one says so by its session or its mark; one
    /// with neither is counted to us unless a tree with another mark could be where it comes from.
    fn is_root(&self, child: &Stat, mains: &[Child]) -> bool {
        if child.pid == self.pid && child.start == self.stamp {
            return true;
        }
        if mains.iter().any(|main| main.pid == child.pid) {
            return false;
        }
        if child.session == self.pid {
            return true;
        }
        match mark_of(child.pid) {
            Some(mark) => is_mark(&mark, &self.mark),
            None => mains.iter().all(|main| main.mark == self.mark),
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.is_empty() {
            // Nobody is left to be told of a failure; the next guard looks for leftovers.
            let _ = self.kill();
        }
        if self.exit.is_none() && self.main.is_dead_within(Duration::from_millis(DROP_MS_MAX)) {
            self.collect();
        }
        children::forget(self.pid); // else it is the reaper's
    }
}

/// A child's end, as waitid(2) tells it.
fn exit_of(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code.cast_unsigned()),
        (None, Some(number)) => Exit::Signal(u8::try_from(number).unwrap_or(0)),
        (None, None) => Exit::Signal(0), // stopped or continued: not waited for
    }
}

fn hold(process: &Stat) -> Option<Pidfd> {
    Pidfd::open_stamped(process.pid, process.start).ok().flatten()
}

fn stats_of(cgroup: &Cgroup) -> Vec<Stat> {
    cgroup.members().into_iter().filter_map(|pid| procfs::stat(pid).ok()).filter(|p| p.alive).collect()
}

fn mark_of(pid: u32) -> Option<Vec<u8>> {
    procfs::variable(pid, MARK_VARIABLE)
}

fn is_mark(value: &[u8], mark: &str) -> bool {
    value.strip_suffix(BREAKAWAY_SUFFIX.as_bytes()).unwrap_or(value) == mark.as_bytes()
}

/// We and those we descend from.
fn ancestors(processes: &[Stat]) -> Vec<u32> {
    let mut line = vec![std::process::id()];
    while let Some(process) = line.last().and_then(|pid| processes.iter().find(|p| p.pid == *pid)) {
        if line.contains(&process.parent) {
            break;
        }
        line.push(process.parent);
    }
    line
}

/// Sweeps until nothing is found, and counts.
async fn until_none(mut find: impl FnMut() -> Vec<Stat>, deadline: Instant) -> io::Result<usize> {
    let mut ended = 0;
    loop {
        let doomed = sweep(&mut find)?;
        if doomed.is_empty() {
            return Ok(ended);
        }
        ended += doomed.len();
        for each in &doomed {
            timeout_at(deadline, each.process.dead()).await.map_err(|_| still_there(doomed.len()))?;
        }
    }
}

fn still_there(count: usize) -> io::Error {
    let text = format!("cannot end what an earlier guard left: {count} processes do not die of SIGKILL");
    io::Error::new(ErrorKind::TimedOut, text)
}

/// Once, first thing in a guard: become the reaper of all descendants (prctl(2), `PR_SET_CHILD_SUBREAPER`), let SIGPIPE
/// be an error and SIGCHLD a signal whatever our parent chose, and close every inherited descriptor on exec.
pub fn prepare_guard() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    signals::set(libc::SIGPIPE, signals::Action::Ignore)?;
    signals::set(libc::SIGCHLD, signals::Action::Default)?; // ignored, it would make the kernel reap and lose exit codes
    signals::unblock_all()?; // a blocked mask is inherited, and would keep SIGTERM from us
    signals::close_on_exec_from(3);
    Ok(())
}

/// Windows only.
pub fn run_ask_helper(method: Method, _pids: &[u32]) -> io::Result<()> {
    Err(io::Error::new(ErrorKind::Unsupported, format!("{method} is a way of asking Windows programs only")))
}

/// Reaps what dies as our child and is no tree's main process: adopted orphans, detached processes. Never returns.
///
/// One per process, and then every child must be made by this crate: it would take the exit of a
/// [`std::process::Child`].
pub async fn reap_orphans() -> Infallible {
    /// Where the runtime can't catch SIGCHLD (it says why only at its own creation), zombies wait this long at most.
    const UNTOLD_MS: u64 = 1000;
    let mut deaths = signal(SignalKind::child());
    loop {
        reap_strangers();
        match &mut deaths {
            Ok(deaths) => {
                deaths.recv().await;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(UNTOLD_MS)).await,
        }
    }
}

/// All zombies that are nobody's. A peek shows one zombie, always the same until it is reaped; should that be a tree's
/// own (its owner will reap it), the others are found in `/proc`.
fn reap_strangers() {
    let mains = children::lock();
    let is_stranger = |pid: u32| mains.iter().all(|main| main.pid != pid);
    while let Some(pid) = signals::peek_dead_child() {
        if !is_stranger(pid) {
            let own = std::process::id();
            procfs::all()
                .iter()
                .filter(|p| p.parent == own && !p.alive && is_stranger(p.pid))
                .for_each(|p| signals::reap(p.pid));
            return;
        }
        signals::reap(pid);
    }
}
