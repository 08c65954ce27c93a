//! The candidates: each keeps a number of our reporting programs running, in a folder and in processes of its own.

mod layout;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::stopwatch::{SIGKILL, SIGTERM, Stopwatch};
use super::tools::{Tools, text};
use super::{Bench, procfs};
use crate::Failed;

pub(crate) use layout::Layout;

/// Programs must run this long after their keeper's start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A keeper must be gone this long after it was asked; then it is ended.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Who keeps programs running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// The floor: a C loop.
    Respawn,
    Mainstay,
    Runit,
    S6,
    Supervisord,
    Monit,
    Pm2,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Respawn => "bare C loop",
            Self::Mainstay => "mainstay",
            Self::Runit => "runit",
            Self::S6 => "s6",
            Self::Supervisord => "supervisord",
            Self::Monit => "monit",
            Self::Pm2 => "PM2",
        }
    }

    /// How it is set.
    pub(crate) fn how(self) -> &'static str {
        match self {
            Self::Respawn => "waitpid + posix_spawn",
            Self::Mainstay => "on = always, delay-max = 0s, quarantine = never",
            Self::Runit => "runsv; `run` is the program itself",
            Self::S6 => "s6-supervise; `run` is the program itself; ran > 1.2 s",
            Self::Supervisord => "startsecs = 0, autorestart = true",
            Self::Monit => "polls: set daemon 1",
            Self::Pm2 => "fork mode, no interpreter, min_uptime = 0",
        }
    }
}

/// One candidate with its programs running.
#[derive(Debug)]
pub(crate) struct Group {
    peer: Peer,
    layout: Layout,
    /// Our own children that keep the programs; PM2's daemon is none.
    keepers: Vec<Child>,
    /// The last pid of each program.
    programs: BTreeMap<String, u32>,
    /// As programs know the stopwatch.
    socket: String,
}

impl Group {
    /// Starts the candidate with `count` programs and waits until all run; the time until then in ms.
    pub(crate) fn start(bench: &mut Bench, peer: Peer, count: usize) -> Result<(Self, f64), Failed> {
        let socket = text(bench.stopwatch.socket());
        let folder = bench.folder(peer.name())?;
        let layout = Layout::make(&bench.tools, &folder, peer, &socket, count)?;
        let began = bench.stopwatch.now()?;
        let mut group = Self { peer, layout, keepers: Vec::new(), programs: BTreeMap::new(), socket };
        group.begin(&bench.tools)?;
        let until = began + u64::try_from(START_LIMIT.as_nanos())?;
        let mut last = began;
        while group.programs.len() < count {
            let now = bench.stopwatch.now()?;
            let heard = if now < until { bench.stopwatch.hear(Duration::from_nanos(until - now))? } else { None };
            let Some(heard) = heard else {
                let why = format!("only {} of {count} programs started", group.programs.len());
                group.stop(&mut bench.stopwatch)?;
                return Err(why.into());
            };
            if group.layout.programs.iter().any(|(id, _)| *id == heard.id) {
                // While the queue is full, reports come in any order.
                last = last.max(heard.at_ns);
                group.programs.insert(heard.id, heard.pid);
            }
        }
        Ok((group, super::stopwatch::ms(last - began)))
    }

    fn begin(&mut self, tools: &Tools) -> Result<(), Failed> {
        for command in self.layout.commands(tools)? {
            let mut command = command;
            let child = quiet(&mut command).spawn().map_err(|why| format!("cannot run {command:?}: {why}"))?;
            self.keepers.push(child);
        }
        Ok(())
    }

    /// Kills the `number`th program and times its successor.
    pub(crate) fn kill(&mut self, stopwatch: &mut Stopwatch, number: usize, limit: Duration) -> Result<f64, Failed> {
        let Some((id, _)) = self.layout.programs.get(number % self.layout.programs.len().max(1)) else {
            return Err("no program to kill".into());
        };
        let pid = self.programs.get(id).copied().unwrap_or(0);
        if !procfs::mentions(pid, &self.socket) {
            return Err(format!("program {id} ({pid}) is not running").into());
        }
        let Some((took, pid)) = stopwatch.kill(pid, id, limit)? else {
            return Err(format!("no successor within {} s", limit.as_secs()).into());
        };
        self.programs.insert(id.clone(), pid);
        Ok(took)
    }

    pub(crate) fn count(&self) -> usize {
        self.layout.programs.len()
    }

    /// The processes that guard: one for each program, or one for all.
    pub(crate) fn guards(&self, tools: &Tools) -> Result<Vec<u32>, Failed> {
        match self.peer {
            Peer::Mainstay => {
                let status = self.status(tools)?;
                let pids =
                    status.iter().filter_map(|s| s.get("guard_pid")?.as_u64()).filter_map(|p| u32::try_from(p).ok());
                Ok(pids.collect())
            }
            Peer::Pm2 => Ok(vec![std::fs::read_to_string(self.layout.folder.join("pm2.pid"))?.trim().parse()?]),
            Peer::Respawn | Peer::Runit | Peer::S6 | Peer::Supervisord | Peer::Monit => {
                Ok(self.keepers.iter().map(Child::id).collect())
            }
        }
    }

    /// `mainstay status --json` of all.
    pub(crate) fn status(&self, tools: &Tools) -> Result<Vec<Value>, Failed> {
        let output = Command::new(tools.mainstay()?)
            .args(["--home", &text(&self.layout.folder), "status", "--json"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Asks the candidate to end everything, and ends what is left.
    pub(crate) fn stop(mut self, stopwatch: &mut Stopwatch) -> Result<(), Failed> {
        if let Some(mut command) = self.layout.stop_command() {
            quiet(&mut command).status()?;
        } else {
            for keeper in &self.keepers {
                stopwatch.signal(keeper.id(), SIGTERM)?;
            }
        }
        let until = stopwatch.now()? + u64::try_from(STOP_LIMIT.as_nanos())?;
        while self.keepers.iter_mut().any(|keeper| matches!(keeper.try_wait(), Ok(None))) {
            if stopwatch.now()? > until {
                eprintln!("{} did not end when asked; killed", self.peer.name());
                break;
            }
            stopwatch.hear(Duration::from_millis(5))?;
        }
        self.end(stopwatch)
    }

    /// Without asking: keepers, then programs that outlived them, as those of monit do.
    fn end(&mut self, stopwatch: &mut Stopwatch) -> Result<(), Failed> {
        for keeper in &mut self.keepers {
            // Gone already is fine.
            drop(keeper.kill());
            drop(keeper.wait());
        }
        for &pid in self.programs.values() {
            if procfs::mentions(pid, &self.socket) {
                stopwatch.signal(pid, SIGKILL)?;
            }
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Of a bench that failed half-way; after `stop` nothing is left to end.
        for keeper in &mut self.keepers {
            drop(keeper.kill());
            drop(keeper.wait());
        }
    }
}

pub(crate) fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}
