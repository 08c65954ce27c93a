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
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout_at};

use super::cgroup::{Cgroup, Home};
use super::children::{self, Child, Kind};
use super::fork::{self, Order, Refused, Step};
use super::pidfd::Pidfd;
use super::procfs::{self, Stat};
use super::sweep::sweep;
use super::{pipe, signals};
use crate::tree::{Containment, Exit, Launch, MARK_VARIABLE, Method, Output, SpawnError};

/// Behind the mark of a run whose descendants may leave it.
const BREAKAWAY_SUFFIX: &str = "/breakaway";

/// How long a dropped tree waits for its processes to die of SIGKILL, so as to leave nothing to clean up.
const DROP_MS_MAX: u64 = 200;

/// Where a service's runs live: made once by its guard, while it holds the service's lock.
///
/// Each run gets a cgroup of its own there. Without cgroups, runs that live *side by side* in one place (a check beside
/// the program) share what double-forked away from them into sessions of their own: give them places of their own.
#[derive(Debug)]
pub struct Place {
    mark: String,
    /// `None`: the process group has to do.
    home: Option<Arc<Home>>,
    /// Opened once: a new run needs no descriptor for its stdin.
    null: File,
}

impl Place {
    /// A cgroup where we may have one, else the process group. `mark`: short ASCII, unique to this service on this
    /// machine and stable. Errors: no `/dev/null`.
    pub fn claim(mark: &str) -> io::Result<Place> {
        // Whatever the reason against it, that is a choice and no failure: `containment` tells.
        Place::new(mark, Home::claim(mark).ok())
    }

    /// What [`Place::claim`] falls back to; for tests, and for who must not touch cgroups.
    pub fn claim_process_group(mark: &str) -> io::Result<Place> {
        Place::new(mark, None)
    }

    fn new(mark: &str, home: Option<Home>) -> io::Result<Place> {
        let null = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(|error| io::Error::new(error.kind(), format!("cannot open /dev/null: {error}")))?;
        Ok(Place { mark: mark.to_owned(), home: home.map(Arc::new), null })
    }

    /// How processes are held together here.
    pub fn containment(&self) -> Containment {
        if self.home.is_some() { Containment::Cgroup } else { Containment::ProcessGroup }
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
        if let Some(home) = &self.home {
            ended += self.end_members(home.group(), known, deadline).await?;
            let known_lives = match known {
                Some((pid, stamp)) => Pidfd::open_stamped(pid, stamp)?.is_some_and(|held| !held.is_dead()),
                None => false,
            };
            if home.is_stable() && !known_lives {
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
        let held = match &self.home {
            None => Held::Group,
            Some(home) => {
                let run = home.new_run().map_err(|source| {
                    // EMFILE says enough by itself.
                    let source = match source.kind() {
                        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::AlreadyExists => {
                            io::Error::new(source.kind(), format!("no cgroup for it: {source}"))
                        }
                        _ => source,
                    };
                    SpawnError::Process { path: launch.program.to_owned(), source }
                })?;
                Held::Cgroup { run, home: Arc::clone(home) }
            }
        };
        let (pid, main) = self.start(&held, strings, stdio).map_err(|refused| explain(refused, launch))?;
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
            Held::Cgroup { run, home } => Some(home.target(run)),
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
        children.push(Child { pid: started.pid, kind: Kind::Main { mark: self.mark.clone() } });
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

#[derive(Debug)]
enum Held {
    Cgroup {
        /// First, so that it is removed before the home it lies in.
        run: Cgroup,
        home: Arc<Home>,
    },
    Group,
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
            Held::Cgroup { run, .. } if !self.breakaway => run.emptied().await,
            Held::Cgroup { .. } | Held::Group => {
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
            Held::Cgroup { run, .. } if !self.breakaway => !run.is_populated(),
            Held::Cgroup { .. } | Held::Group => self.living().is_empty(),
        }
    }

    /// Sends SIGKILL to the whole tree and returns; [`Tree::emptied`] tells when it is done. May be repeated.
    pub fn kill(&self) -> io::Result<()> {
        match &self.held {
            Held::Cgroup { run, .. } if !self.breakaway => run.kill(),
            Held::Cgroup { .. } | Held::Group => {
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
            Held::Cgroup { run, .. } => stats_of(run),
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
        let made_here = children::lock().clone();
        let session = processes.iter().find(|p| p.pid == own).map_or(0, |p| p.session);
        let may_be_adopted = |p: &Stat| p.parent == own && p.session != session;
        let roots: Vec<u32> =
            processes.iter().filter(|p| may_be_adopted(p) && self.is_root(p, &made_here)).map(|p| p.pid).collect();
        procfs::with_descendants(&roots, &processes)
    }

    /// Is this child the root of a part of the tree? It is not in our own session: no descendant of a main process,
    /// which leads another one, can be. An adopted one tells by its session or its mark; one with neither is counted
    /// to us unless a tree with another mark could be where it comes from.
    fn is_root(&self, child: &Stat, made_here: &[Child]) -> bool {
        if child.pid == self.pid && child.start == self.stamp {
            return true;
        }
        if made_here.iter().any(|known| known.pid == child.pid) {
            return false;
        }
        if child.session == self.pid {
            return true;
        }
        match mark_of(child.pid) {
            Some(mark) => is_mark(&mark, &self.mark),
            None => !made_here.iter().any(|known| matches!(&known.kind, Kind::Main { mark } if *mark != self.mark)),
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.is_empty() {
            // Nobody is left to be told of a failure; the next guard looks for leftovers.
            let _ = self.kill();
        }
        let limit = Duration::from_millis(DROP_MS_MAX);
        if let Held::Cgroup { run, .. } = &self.held
            && !self.breakaway
        {
            run.is_empty_within(limit); // so that its folder can be removed; else the next claim does
        }
        if self.exit.is_none() && self.main.is_dead_within(limit) {
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

/// Once, first thing in a guard (again is harmless): become the reaper of all descendants (prctl(2), `PR_SET_CHILD_SUBREAPER`), let SIGPIPE
/// be an error and SIGCHLD a signal whatever our parent chose, and close every inherited descriptor on exec.
pub fn prepare_guard() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    signals::ignore_sigpipe()?;
    signals::hear_sigchld()?;
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
    let mut children = children::lock();
    while let Some(pid) = signals::peek_dead_child() {
        let is_main = |pid: u32| children.iter().any(|c| c.pid == pid && c.kind != Kind::Detached);
        if is_main(pid) {
            let own = std::process::id();
            let mut dead = procfs::all();
            dead.retain(|p| p.parent == own && !p.alive && !is_main(p.pid));
            dead.iter().for_each(|p| signals::reap(p.pid));
            children.retain(|c| dead.iter().all(|p| p.pid != c.pid));
            return;
        }
        signals::reap(pid);
        children.retain(|c| c.pid != pid);
    }
}
