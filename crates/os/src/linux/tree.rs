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

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

use super::cgroup::{Cgroup, Lent};
use super::children::{self, Child, Kind};
use super::fork::{Started, Target};
use super::limits::Hits;
use super::pidfd::Pidfd;
use super::procfs::{self, Stat};
use super::sweep::{stop_all, sweep};
use super::{mark, signals};
use crate::resources::LimitHit;
use crate::tree::{Exit, Method, News};

pub use super::place::Place;
pub use super::reaper::{prepare_guard, reap_orphans};

/// How long a dropped tree waits for its processes to die of SIGKILL, so as to leave nothing to clean up.
const DROP_MS_MAX: u64 = 200;

/// How long a cgroup may take to freeze: a process in the middle of a system call comes to a halt at its end.
const FREEZE_MS_MAX: u64 = 2000;

/// What holds a tree together.
#[derive(Debug)]
pub(crate) enum Held {
    Cgroup(Lent),
    Group,
}

impl Held {
    pub(crate) fn target(&self) -> Option<Target<'_>> {
        match self {
            Held::Cgroup(lent) => Some(lent.target()),
            Held::Group => None,
        }
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
    /// The main process is one that we did not start: neither surely our child nor surely the first of its group.
    adopted: bool,
    /// The sessions of the main processes so far: the one we started made its own.
    sessions: Vec<u32>,
    /// Seen once: nothing of it can come back.
    gone: bool,
    held: Held,
    hits: Hits,
    mark: String,
    breakaway: bool,
}

impl Tree {
    /// Its main process was just started in `held`, and entered in the table of children.
    pub(crate) fn new(started: Started, held: Held, hits: Hits, mark: &str, breakaway: bool) -> io::Result<Tree> {
        let Started { pid, pidfd } = started;
        let mut tree = Tree {
            main: pidfd,
            pid,
            stamp: 0,
            exit: None,
            adopted: false,
            sessions: vec![pid],
            gone: false,
            held,
            hits,
            mark: mark.to_owned(),
            breakaway,
        };
        // Ours to reap, so it is still listed, dead or alive. Should even that fail, the tree is dropped, and so ended.
        tree.stamp = procfs::stat(pid)?.start;
        Ok(tree)
    }

    /// The main process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells the main process from another with the same pid later: clock ticks from boot to its start
    /// (`/proc/PID/stat`, field 22).
    pub fn start_stamp(&self) -> u64 {
        self.stamp
    }

    /// The main process's end; the same answer when asked again. Cancel-safe. `Exit::Signal(0)`: it has ended, and how can't be
    /// known, because it was adopted and another process than we was its parent to the end.
    pub async fn exited(&mut self) -> Exit {
        loop {
            self.main.dead().await;
            self.collect();
            if let Some(exit) = self.exit {
                return exit;
            }
        }
    }

    /// A limit of the run's resources was hit since the last time this was told, each kind at most once in 10 s; never where
    /// nothing is limited. What came before the call counts. Cancel-safe.
    pub async fn limit_hit(&mut self) -> LimitHit {
        self.hits.next().await
    }

    /// [`Tree::limit_hit`] or [`Tree::exited`], whichever comes first; of both at once the limit, which tells why. Cancel-safe.
    pub async fn news(&mut self) -> News {
        loop {
            if self.exit.is_none() {
                tokio::select! {
                    biased;
                    hit = self.hits.next() => return News::Limit(hit),
                    () = self.main.dead() => {}
                }
                // The kernel counts what it kills for before it kills, but tells of it up to 10 ms later.
                if let Some(hit) = self.hits.grown() {
                    return News::Limit(hit);
                }
                self.collect();
            }
            if let Some(exit) = self.exit {
                return News::Exited(exit);
            }
        }
    }

    /// Nothing of the tree lives any more, the main process included. Cancel-safe.
    pub async fn emptied(&mut self) {
        self.exited().await;
        if self.gone {
            return;
        }
        match &self.held {
            Held::Cgroup(lent) if !self.breakaway => lent.group().emptied().await,
            Held::Cgroup(_) | Held::Group => {
                // Any of them: when it is gone we look again. Those that died meanwhile cost nothing.
                while let Some(one) = self.living().into_iter().find_map(|p| hold(&p)) {
                    one.dead().await;
                }
            }
        }
        self.gone = true;
    }

    /// What [`Tree::emptied`] waits for, now.
    pub fn is_empty(&self) -> bool {
        if self.gone {
            return true;
        }
        if self.exit.is_none() && !self.main.is_dead() {
            return false;
        }
        match &self.held {
            Held::Cgroup(lent) if !self.breakaway => !lent.group().is_populated(),
            Held::Cgroup(_) | Held::Group => self.living().is_empty(),
        }
    }

    /// Sends SIGKILL to the whole tree and returns; [`Tree::emptied`] tells when it is done. May be repeated.
    pub fn kill(&self) -> io::Result<()> {
        match &self.held {
            Held::Cgroup(lent) if !self.breakaway => lent.group().kill(),
            Held::Cgroup(_) | Held::Group => {
                if self.exit.is_none() && !self.adopted {
                    // The whole group at once, forks in progress included (kill(2) on a group is atomic to fork): what
                    // follows meets few moving targets. Not reaped yet, so the number is still its own.
                    self.signal_group(libc::SIGSTOP)?;
                }
                sweep(|| self.living()).map(drop)
            }
        }
    }

    /// Halts the whole tree; none of its processes runs when this returns. Blocks, for a cgroup at most 2 s. Kill works on a
    /// halted tree, [`Tree::ask`] only after [`Tree::resume`]. Errors: it could not be halted, and goes on.
    pub fn pause(&self) -> io::Result<()> {
        let stopped = match &self.held {
            Held::Cgroup(lent) if !self.breakaway => lent.group().freeze(Duration::from_millis(FREEZE_MS_MAX)),
            Held::Cgroup(_) | Held::Group => match stop_all(|| self.living()) {
                (_, None) => Ok(()),
                (_, Some(error)) => self.resume().and(Err(error)),
            },
        };
        stopped.map_err(|error| io::Error::new(error.kind(), format!("cannot pause the program: {error}")))
    }

    /// Lets a halted tree go on. Harmless to one that is not.
    pub fn resume(&self) -> io::Result<()> {
        let resumed = match &self.held {
            Held::Cgroup(lent) if !self.breakaway => lent.group().thaw(),
            Held::Cgroup(_) | Held::Group => {
                let held = self.living().into_iter().filter_map(|p| hold(&p));
                held.map(|process| process.signal(libc::SIGCONT)).fold(Ok(()), Result::and)
            }
        };
        resumed.map_err(|error| io::Error::new(error.kind(), format!("cannot resume the program: {error}")))
    }

    /// Gives the tree another main process, for programs that put themselves into the background: from now on `pid`,
    /// `start_stamp`, `exited` and `ask` speak of it. Returns its pid.
    ///
    /// `pid`: this one; it must live and be of this tree, else `NotFound`. `None`: the only one that lives beside the main
    /// process of before; of several the oldest that leads a session, else the oldest. Never by parent pids, which an orphan has
    /// lost. With `breakaway` its session belongs to the tree from then on.
    ///
    /// An orphan becomes our child (we are its subreaper), so its exit code will be ours to read.
    pub fn adopt(&mut self, pid: Option<u32>) -> io::Result<u32> {
        let mut members = self.all_living();
        let chosen = match pid {
            Some(pid) => members.into_iter().find(|p| p.pid == pid).ok_or_else(|| not_a_member(pid)),
            None => {
                members.retain(|p| !self.leads(p) && self.is_counted(p));
                heir(members)
            }
        };
        let chosen = chosen?;
        if !self.leads(&chosen) {
            let held = self.take_over(&chosen)?;
            let _ = std::mem::replace(&mut self.main, held);
            children::forget(self.pid); // the reaper's from now on, should it not be reaped yet
            (self.pid, self.stamp, self.exit, self.adopted) = (chosen.pid, chosen.start, None, true);
            self.sessions.push(chosen.session);
        }
        Ok(self.pid)
    }

    /// From now on the reaper leaves it to us.
    fn take_over(&self, process: &Stat) -> io::Result<Pidfd> {
        // Locked until it is entered: it could die, and be reaped, between the look and the entry.
        let mut children = children::lock();
        let held = hold(process).filter(|held| !held.is_dead()).ok_or_else(|| not_a_member(process.pid))?;
        children.push(Child { pid: process.pid, kind: Kind::Main { mark: self.mark.clone() } });
        Ok(held)
    }

    /// The main process itself, not one with its number.
    fn leads(&self, process: &Stat) -> bool {
        self.exit.is_none() && process.pid == self.pid && process.start == self.stamp
    }

    /// Asks politely: a signal to the main process's group, if it leads one, else to it alone. Nothing is sent to a tree that is
    /// gone.
    pub fn ask(&self, method: Method) -> io::Result<()> {
        let number = match method {
            Method::Signal(number) => i32::from(number),
            Method::CtrlC => libc::SIGINT,
            Method::CtrlBreak | Method::CloseWindows | Method::QuitThreads => {
                let text = format!("{method} is a way of asking Windows programs only");
                return Err(io::Error::new(ErrorKind::Unsupported, text));
            }
        };
        if self.exit.is_none() && !self.adopted {
            return self.signal_group(number);
        }
        // The main process may be reaped, and its number be another's group by now. Its companions get it one by one.
        let companions: Vec<Stat> = self.living().into_iter().filter(|p| p.group == self.pid).collect();
        if self.exit.is_none() && !companions.iter().any(|p| self.leads(p)) {
            self.main.signal(number)?;
        }
        companions.iter().filter_map(hold).try_for_each(|held| held.signal(number))
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
            // ECHILD: adopted, and another's child to its end. That it is gone is all that is known.
            Err(_) => Some(Exit::Signal(0)),
        };
        children::forget(self.pid);
    }

    fn living(&self) -> Vec<Stat> {
        let mut found = self.all_living();
        found.retain(|p| self.is_counted(p));
        found
    }

    /// With those that have broken away and can still be found.
    fn all_living(&self) -> Vec<Stat> {
        let mut found = match &self.held {
            Held::Cgroup(lent) => stats_of(lent.group()),
            Held::Group => self.descendants(),
        };
        found.retain(|p| p.alive);
        found
    }

    fn is_counted(&self, process: &Stat) -> bool {
        !self.breakaway || self.sessions.contains(&process.session)
    }

    /// The main process, what was adopted from it, and all below.
    fn descendants(&self) -> Vec<Stat> {
        if procfs::have_children() == Some(false) {
            return Vec::new();
        }
        // Locked while we look: a child that is just being made is in nobody's table, and has our environment.
        let made_here = children::lock();
        let processes = procfs::all();
        let own = std::process::id();
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
        if self.sessions.contains(&child.session) {
            return true;
        }
        match mark::of(child.pid) {
            Some(found) => mark::is(&found, &self.mark),
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
        if let Held::Cgroup(lent) = &self.held
            && !self.breakaway
        {
            lent.group().is_empty_within(limit); // so that the group can be used again, or removed
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

/// Who is the program after its first process has gone.
fn heir(mut members: Vec<Stat>) -> io::Result<Stat> {
    members.sort_unstable_by_key(|p| (p.session != p.pid, p.start, p.pid));
    let text = "nothing of this run lives that could be its main process";
    members.first().copied().ok_or_else(|| io::Error::new(ErrorKind::NotFound, text))
}

fn not_a_member(pid: u32) -> io::Error {
    io::Error::new(ErrorKind::NotFound, format!("process {pid} is not part of this run"))
}

fn hold(process: &Stat) -> Option<Pidfd> {
    Pidfd::open_stamped(process.pid, process.start).ok().flatten()
}

pub(crate) fn stats_of(cgroup: &Cgroup) -> Vec<Stat> {
    cgroup.members().into_iter().filter_map(|pid| procfs::stat(pid).ok()).filter(|p| p.alive).collect()
}

/// Windows only.
pub fn run_ask_helper(method: Method, _pids: &[u32]) -> io::Result<()> {
    Err(io::Error::new(ErrorKind::Unsupported, format!("{method} is a way of asking Windows programs only")))
}
