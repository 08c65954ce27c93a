//! Where a service's runs live, and the end of what an earlier guard left there.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::cgroup::{Cgroup, Freshness, Home, Lent};
use super::children::{self, Child, Kind};
use super::fork::{self, Order, Refused, Started, Step};
use super::launch::{Strings, explain, no_group};
use super::mark;
use super::pidfd::Pidfd;
use super::pipe;
use super::procfs::{self, Stat};
use super::sweep::sweep;
use super::tree::{Held, Tree, stats_of};
use crate::tree::{Containment, Launch, Output, SpawnError};

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
        if let Some(home) = &self.home {
            home.forget_spare();
        }
        timeout_at(deadline, cgroup.emptied()).await.map_err(|_| still_there(members.len()))?;
        Ok(members.len())
    }

    /// Started by a run that allowed it, and left that run's session.
    fn is_spared(&self, process: &Stat, known: Option<(u32, u64)>) -> bool {
        let left = known.is_some_and(|(main, _)| process.session != main);
        left && mark::may_break_away(process.pid)
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
        mark::of(pid).is_some_and(|found| mark::is(&found, &self.mark))
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
        stdio: [BorrowedFd<'_>; 3],
    ) -> Result<Tree, SpawnError> {
        let lend = |freshness| match &self.home {
            None => Ok(Held::Group),
            Some(home) => Lent::new(home, freshness).map(Held::Cgroup).map_err(|error| no_group(error, launch)),
        };
        let mut held = lend(Freshness::Any)?;
        let mut started = self.start(&held, strings, stdio);
        if let Err(Refused { step: Step::Cgroup, .. }) = &started {
            held = lend(Freshness::New)?;
            started = self.start(&held, strings, stdio);
        }
        let started = started.map_err(|refused| explain(refused, launch))?;
        Tree::new(started, held, &self.mark, launch.breakaway)
            .map_err(|source| SpawnError::Process { path: launch.program.to_owned(), source })
    }

    fn start(&self, held: &Held, strings: &Strings, stdio: [BorrowedFd<'_>; 3]) -> Result<Started, Refused> {
        let order = Order {
            program: &strings.program,
            args: &strings.args,
            env: &strings.env,
            directory: Some(&strings.directory),
            stdio,
            dies_with_us: true,
            cgroup: held.target(),
        };
        let mut children = children::lock();
        let started = fork::start(&order)?;
        children.push(Child { pid: started.pid, kind: Kind::Main { mark: self.mark.clone() } });
        Ok(started)
    }
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
