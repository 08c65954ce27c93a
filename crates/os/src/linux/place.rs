//! Where a service's runs live, and the end of what an earlier guard left there.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::cgroup::{Cgroup, Freshness, Home, Lent};
use super::children::{self, Child, Kind};
use super::fork::{self, Order, Refused, Started, Step};
use super::identity::Identity;
use super::launch::{Strings, explain, no_group, no_resource};
use super::limits::{self, Hits};
use super::mark;
use super::pidfd::Pidfd;
use super::pipe::{self, RawWriter};
use super::procfs::{self, Stat};
use super::resources::Given;
use super::sweep::sweep;
use super::tree::{Held, Tree, stats_of};
use crate::tree::{Containment, Launch, Output, SpawnError, Stdin};

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
        let prepared = Prepared {
            strings: Strings::prepare(launch, &self.mark)?,
            given: Given::of(launch.resources).map_err(|refused| no_resource(refused, launch))?,
            identity: identity(launch)?,
        };
        let (childs_stdin, stdin) = self.stdin(launch.stdin)?;
        let (stdout, childs_stdout) = pipe::pair().map_err(|source| SpawnError::Pipe { source })?;
        let (stderr, childs_stderr) = pipe::pair().map_err(|source| SpawnError::Pipe { source })?;
        if let Some(identity) = &prepared.identity {
            // Programs open /dev/stdout anew, which is asked of the pipe's owner. Where we may not, it stays ours.
            for pipe in [&childs_stdout, &childs_stderr] {
                let _ = identity.own(pipe.as_fd());
            }
        }
        let childs_stdin = childs_stdin.as_ref().map_or(self.null.as_fd(), AsFd::as_fd);
        let stdio = [childs_stdin, childs_stdout.as_fd(), childs_stderr.as_fd()];
        let tree = self.spawn_tree(launch, &prepared, stdio)?;
        Ok((tree, Output { stdout, stderr, stdin }))
    }

    /// The child's end, where it is not the null device, and ours.
    fn stdin(&self, stdin: Stdin<'_>) -> Result<(Option<OwnedFd>, Option<RawWriter>), SpawnError> {
        match stdin {
            Stdin::Null => Ok((None, None)),
            Stdin::File(path) => match input_file(path) {
                Ok(file) => Ok((Some(file.into()), None)),
                Err(source) => Err(SpawnError::Stdin { path: path.to_owned(), source }),
            },
            Stdin::Pipe => {
                let (childs, ours) = pipe::input().map_err(|source| SpawnError::Pipe { source })?;
                Ok((Some(childs), Some(ours)))
            }
        }
    }

    fn spawn_tree(
        &self,
        launch: &Launch<'_>,
        prepared: &Prepared,
        stdio: [BorrowedFd<'_>; 3],
    ) -> Result<Tree, SpawnError> {
        let (mut held, mut hits) = self.lend(launch, Freshness::Any)?;
        let mut started = self.start(&held, prepared, stdio);
        if let Err(Refused { step: Step::Cgroup, .. }) = &started {
            (held, hits) = self.lend(launch, Freshness::New)?;
            started = self.start(&held, prepared, stdio);
        }
        let started = started.map_err(|refused| explain(refused, launch))?;
        Tree::new(started, held, hits, &self.mark, launch.breakaway)
            .map_err(|source| SpawnError::Process { path: launch.program.to_owned(), source })
    }

    /// What is to hold the run, with its limits.
    fn lend(&self, launch: &Launch<'_>, freshness: Freshness) -> Result<(Held, Hits), SpawnError> {
        let Some(home) = &self.home else {
            let refused = limits::refused_without_group(launch.resources);
            return refused.map_or(Ok((Held::Group, Hits::default())), |refused| Err(no_resource(refused, launch)));
        };
        let limited = limits::are_wanted(launch.resources);
        let freshness = if limited { Freshness::New } else { freshness };
        let lent = Lent::new(home, freshness).map_err(|error| no_group(error, launch))?;
        let hits = limits::set(lent.home(), lent.group(), launch.resources);
        let hits = hits.map_err(|refused| no_resource(refused, launch))?;
        Ok((Held::Cgroup(lent), hits))
    }

    fn start(&self, held: &Held, prepared: &Prepared, stdio: [BorrowedFd<'_>; 3]) -> Result<Started, Refused> {
        let strings = &prepared.strings;
        let order = Order {
            program: &strings.program,
            args: &strings.args,
            env: &strings.env,
            directory: Some(&strings.directory),
            stdio,
            dies_with_us: true,
            cgroup: held.target(),
            given: &prepared.given,
            identity: prepared.identity.as_ref(),
        };
        let mut children = children::lock();
        let started = fork::start(&order)?;
        children.push(Child { pid: started.pid, kind: Kind::Main { mark: self.mark.clone() } });
        Ok(started)
    }
}

/// All that a launch says, as the kernel wants it.
struct Prepared {
    strings: Strings,
    given: Given,
    identity: Option<Identity>,
}

fn identity(launch: &Launch<'_>) -> Result<Option<Identity>, SpawnError> {
    let account = |(user, source)| SpawnError::Account { path: launch.program.to_owned(), user, source };
    launch.run_as.map(|run_as| Identity::resolve(run_as).map_err(account)).transpose()
}

/// Opened without waiting: a named pipe may have no writer yet. The program reads it as usual.
fn input_file(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "it is a directory"));
    }
    rustix::io::ioctl_fionbio(&file, false)?;
    Ok(file)
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
