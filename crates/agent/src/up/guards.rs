//! The guards of one home: which there are, which must be.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::time::Duration;

use mainstay_os::process::{self, Watched};
use mainstay_os::{environment, files, manager};
use mainstay_wire::control::Ask;
use mainstay_wire::layout::Layout;
use mainstay_wire::spec::{self, Platform};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Setup;
use crate::client::{self, AskError};
use crate::services;

/// A guard that lived shorter than this died at its start: after the second such death in a row the next start waits.
const STABLE_AFTER: Duration = Duration::from_secs(1);
/// The first such wait; it doubles.
const WAIT_FIRST: Duration = Duration::from_millis(250);
/// The longest.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// How much patience a stop has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Hurry {
    OneByOne,
    AllAtOnce,
    WithoutAsking,
}

impl Hurry {
    pub(super) fn more(self) -> Self {
        match self {
            Self::OneByOne => Self::AllAtOnce,
            Self::AllAtOnce | Self::WithoutAsking => Self::WithoutAsking,
        }
    }
}

/// All guards of a home by the names of their services.
pub(super) struct Guards {
    setup: Setup,
    guards: BTreeMap<String, Guard>,
    /// Guards that ended, told by the tasks that watch them.
    deaths: JoinSet<String>,
    /// Services that somebody else guards.
    foreign: BTreeSet<String>,
}

struct Guard {
    /// The spec's text that the guard was last told of.
    text: String,
    stage: Stage,
    /// Before the next start, should it die at its start again.
    wait: Duration,
    /// It was told to end, with this much hurry.
    retiring: Option<Hurry>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Alive {
        since: Instant,
    },
    /// Nothing lives until the wait is over.
    Waiting,
}

impl Guards {
    pub(super) fn new(setup: Setup) -> Self {
        Self { setup, guards: BTreeMap::new(), deaths: JoinSet::new(), foreign: BTreeSet::new() }
    }

    pub(super) fn say(&self, line: &str) {
        (self.setup.print)(line);
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.guards.keys().map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.guards.is_empty()
    }

    /// The service whose guard ended; never, while all live.
    pub(super) async fn died(&mut self) -> String {
        while let Some(death) = self.deaths.join_next().await {
            if let Ok(name) = death {
                return name;
            }
        }
        pending().await
    }

    /// Makes the guards follow the folder of specs.
    pub(super) async fn rescan(&mut self) {
        let names = match services::names(&self.setup.layout) {
            Ok(names) => names,
            Err(error) => return self.say(&format!("cannot read {}: {error}", self.setup.layout.specs.display())),
        };
        let gone: Vec<String> =
            self.names().filter(|name| !names.iter().any(|n| n == name)).map(str::to_owned).collect();
        for name in gone {
            self.say(&format!("{name}: its spec was removed"));
            self.retire_one(&name, Hurry::OneByOne).await;
        }
        for name in names.iter().filter(|name| !self.foreign.contains(*name)).cloned().collect::<Vec<_>>() {
            self.follow(&name).await;
        }
    }

    /// A new spec gets a guard, a changed one is told to its guard.
    async fn follow(&mut self, name: &str) {
        let path = self.setup.layout.spec(name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return self.say(&format!("{name}: cannot read {}: {error}", path.display())),
        };
        if self.guards.get(name).is_some_and(|guard| guard.text == text) {
            return;
        }
        if let Err(problems) = spec::read(name, &text, Platform::named(mainstay_os::NAME)) {
            for problem in &problems.0 {
                self.say(&format!("{name}: {}:{problem}", path.display()));
            }
            // A living guard keeps its good spec and writes down why; a service without one waits for a better file.
            if let Some(guard) = self.guards.get_mut(name) {
                guard.text = text;
                drop(client::ask(&self.setup.layout, name, Ask::Reload { hold: false }).await);
            }
            return;
        }
        if let Some(guard) = self.guards.get_mut(name) {
            guard.text = text;
            if let Err(error) = client::ask(&self.setup.layout, name, Ask::Reload { hold: false }).await {
                self.say(&format!("{name}: {error}"));
            }
        } else if self.is_registered(name) {
            self.say(&format!("{name}: left alone, it is a service of the system"));
            self.foreign.insert(name.to_owned());
        } else {
            self.begin(name, text, Duration::ZERO);
        }
    }

    /// The system's own folders hold services that the OS's service manager guards.
    fn is_registered(&self, name: &str) -> bool {
        let manager = if self.setup.layout.home.is_none() { manager::detect() } else { None };
        manager.is_some_and(|manager| manager.state(name).is_ok_and(|state| state.is_some()))
    }

    /// Takes a running guard over or starts one.
    fn begin(&mut self, name: &str, text: String, wait: Duration) {
        let watched = match running(&self.setup.layout, name) {
            Ok(Some(watched)) => {
                self.say(&format!("{name}: guard taken over (pid {})", watched.pid()));
                Ok(watched)
            }
            Ok(None) => self.spawn(name),
            Err(error) => Err(error),
        };
        match watched {
            Ok(mut watched) => {
                let (dying, stage) = (name.to_owned(), Stage::Alive { since: Instant::now() });
                self.deaths.spawn(async move {
                    watched.exited().await;
                    dying
                });
                self.guards.insert(name.to_owned(), Guard { text, stage, wait, retiring: None });
            }
            Err(error) => {
                self.say(&format!("{name}: cannot start its guard: {error}"));
                self.wait(name, text, wait.max(WAIT_FIRST));
            }
        }
    }

    /// Comes back to `revive` after `wait`.
    fn wait(&mut self, name: &str, text: String, wait: Duration) {
        let (waiting, again) = (name.to_owned(), Instant::now() + wait);
        self.deaths.spawn(async move {
            sleep_until(again).await;
            waiting
        });
        let next = (wait * 2).clamp(WAIT_FIRST, WAIT_MAX);
        self.guards.insert(name.to_owned(), Guard { text, stage: Stage::Waiting, wait: next, retiring: None });
    }

    fn spawn(&self, name: &str) -> io::Result<Watched> {
        let mut args: Vec<OsString> = vec!["guard".into(), name.into(), "--owner".into(), "up".into()];
        if let Some(home) = &self.setup.layout.home {
            args.extend(["--home".into(), home.into()]);
        }
        let (pid, stamp) = process::spawn_detached(&self.setup.binary, &args, &environment::inherited())?;
        // One that is gone already is told as a death at once.
        Watched::open(pid, stamp)?.ok_or_else(|| io::Error::other("it ended at once"))
    }

    /// A guard ended that should live: another takes its place at once, unless it keeps dying at its start.
    pub(super) async fn revive(&mut self, name: &str) {
        let Some(guard) = self.guards.remove(name) else { return };
        if guard.retiring.is_some() || !services::exists(&self.setup.layout, name) {
            return;
        }
        match guard.stage {
            Stage::Waiting => self.begin(name, guard.text, guard.wait),
            Stage::Alive { since } if since.elapsed() >= STABLE_AFTER => {
                self.say(&format!("{name}: its guard ended; a new one starts"));
                self.begin(name, guard.text, Duration::ZERO);
            }
            Stage::Alive { .. } => {
                self.say(&format!(
                    "{name}: its guard ended at its start; the next one starts in {} ms",
                    guard.wait.as_millis()
                ));
                self.wait(name, guard.text, guard.wait);
            }
        }
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.guards.remove(name);
    }

    /// Tells guards to end: the last one, or with more hurry all.
    pub(super) async fn retire(&mut self, hurry: Hurry) {
        let mut names: Vec<String> = self.names().map(str::to_owned).collect();
        names.reverse();
        let next = if hurry == Hurry::OneByOne { 1 } else { names.len() };
        for name in names.iter().take(next) {
            self.retire_one(name, hurry).await;
        }
    }

    async fn retire_one(&mut self, name: &str, hurry: Hurry) {
        let Some(guard) = self.guards.get_mut(name) else { return };
        let enough = guard.retiring.is_some_and(|told| told >= hurry.min_told());
        if enough {
            return;
        }
        guard.retiring = Some(hurry);
        let layout = self.setup.layout.clone();
        let mut told = client::ask(&layout, name, Ask::Retire).await;
        if hurry == Hurry::WithoutAsking && told.is_ok() {
            told = client::ask(&layout, name, Ask::Kill).await;
        }
        match told {
            // Not listening: it is on its way out or not there, which `died` tells.
            Ok(_) | Err(AskError::NotRunning(_)) => {}
            Err(error) => self.say(&format!("{name}: {error}")),
        }
    }
}

impl Hurry {
    /// A guard that was asked to end needs telling again only when nobody asks any more.
    fn min_told(self) -> Self {
        match self {
            Self::OneByOne | Self::AllAtOnce => Self::OneByOne,
            Self::WithoutAsking => Self::WithoutAsking,
        }
    }
}

/// The guard that holds the service's lock.
fn running(layout: &Layout, name: &str) -> io::Result<Option<Watched>> {
    let Some(note) = files::lock_note(&layout.lock(name))? else { return Ok(None) };
    let mut fields = note.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(stamp))) = (fields.next(), fields.next()) else {
        return Err(io::Error::other(format!("its lock is held by somebody unknown ({note:?})")));
    };
    Watched::open(u32::try_from(pid).unwrap_or(0), stamp)
}
