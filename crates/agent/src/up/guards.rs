//! The guards of one home: which there are, which must be.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::time::Duration;

use mainstay_os::process::{self, Watched};
use mainstay_os::{environment, files, manager};
use mainstay_wire::control::{Ask, Code};
use mainstay_wire::layout::{Layout, base_name};
use mainstay_wire::spec::{self, Platform};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::Setup;
use crate::client::{self, AskError};
use crate::order;
use crate::services::{self, Services};

/// A guard that lived shorter than this died at its start: after the second such death in a row the next start waits.
const STABLE_AFTER: Duration = Duration::from_secs(1);
/// The first such wait; it doubles.
const WAIT_FIRST: Duration = Duration::from_millis(250);
/// The longest.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A guard listens some milliseconds after its start; under a heavy load a second or two.
const LISTENS_AFTER_MAX: Duration = Duration::from_secs(30);
/// Until then it is tried again after this.
const LISTENS_LOOK: Duration = Duration::from_millis(10);

/// Guards told something at the same time.
const AT_ONCE_MAX: usize = 64;

/// How much patience a stop has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Hurry {
    /// Each guard waits for those that come after its service.
    InOrder,
    AllAtOnce,
    WithoutAsking,
}

impl Hurry {
    pub(super) fn more(self) -> Self {
        match self {
            Self::InOrder => Self::AllAtOnce,
            Self::AllAtOnce | Self::WithoutAsking => Self::WithoutAsking,
        }
    }

    fn ask(self) -> Ask {
        Ask::Retire { in_order: self == Self::InOrder }
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
    /// Complaints about the order of services that were told already.
    told: BTreeSet<String>,
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

/// One process for ever: pid and start stamp.
type Process = (u32, u64);

#[derive(Debug, Clone, Copy)]
enum Stage {
    Alive {
        since: Instant,
        process: Process,
    },
    /// Nothing lives until the wait is over.
    Waiting,
}

impl Guards {
    pub(super) fn new(setup: Setup) -> Self {
        Self { setup, guards: BTreeMap::new(), deaths: JoinSet::new(), foreign: BTreeSet::new(), told: BTreeSet::new() }
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
        let services = match Services::read(&self.setup.layout) {
            Ok(services) => services,
            Err(error) => return self.say(&format!("cannot read {}: {error}", self.setup.layout.specs.display())),
        };
        let ring = self.rings(&services);
        let names = services.names();
        let wanted: BTreeSet<&String> = names.iter().collect();
        // A bad spec takes nothing away.
        let is_told = |name: &str| services.text(name).is_none() || services.spec(name).is_some();
        let surplus = self.guards.keys().filter(|name| !wanted.contains(name) && is_told(name));
        let mut surplus: Vec<String> = surplus.cloned().collect();
        services::sort(&mut surplus);
        // The highest numbers first.
        for name in surplus.iter().rev() {
            self.dismiss(&services, name).await;
        }
        for name in &names {
            if self.foreign.contains(name) {
                continue;
            }
            self.follow(&services, name, ring.contains(base_name(name).0)).await;
        }
    }

    /// Services that wait for each other: a person is told once.
    fn rings(&mut self, services: &Services) -> BTreeSet<String> {
        let rings = order::rings(services);
        let texts: BTreeSet<String> = rings.iter().map(|ring| order::ring_text(ring)).collect();
        for text in texts.difference(&self.told) {
            self.say(text);
        }
        self.told = texts;
        rings.into_iter().flatten().collect()
    }

    /// A service that is there no more.
    async fn dismiss(&mut self, services: &Services, name: &str) {
        let told = self.guards.get(name).is_some_and(|guard| guard.retiring.is_some());
        if told {
            return;
        }
        let base = base_name(name).0;
        match (services.text(base).is_some(), services.count(base)) {
            (false, _) => self.say(&format!("{name}: its spec was removed")),
            (true, None) => self.say(&format!("{name}: {base} has no instances any more")),
            (true, Some(count)) => self.say(&format!("{name}: {base} has {count} {} now", instances(count))),
        }
        self.retire_one(name, Hurry::AllAtOnce).await;
    }

    /// A new spec gets a guard, a changed one is told to its guard.
    async fn follow(&mut self, services: &Services, name: &str, in_ring: bool) {
        let path = self.setup.layout.spec(name);
        let Some(text) = services.text(name).map(str::to_owned) else { return };
        if let Some(error) = std::fs::read_to_string(&path).err().filter(|_| text.is_empty()) {
            return self.say(&format!("{name}: cannot read {}: {error}", path.display()));
        }
        let known = self.guards.get(name).map(|guard| guard.text == text);
        // A guard that lives goes on with what it has: with a ring it could not start again.
        if known == Some(true) || in_ring || (known.is_none() && self.must_wait(services, name)) {
            return;
        }
        if let Err(problems) = spec::read(name, &text, Platform::named(mainstay_os::NAME)) {
            // Once for all instances.
            for problem in problems.0.iter().filter(|_| base_name(name).1.unwrap_or(1) == 1) {
                self.say(&format!("{name}: {}:{problem}", path.display()));
            }
        } else if known.is_none() {
            return self.welcome(name, text);
        }
        // A living guard keeps its good spec and writes down why; a service without one waits for a better file.
        if let Some(guard) = self.guards.get_mut(name) {
            guard.text = text;
            match client::ask(&self.setup.layout, name, Ask::Apply { hold: false }).await {
                Ok(_) => {}
                // What is wrong with the spec was told above.
                Err(AskError::Refused(refusal)) if refusal.code == Code::Spec => {}
                Err(error) => self.say(&format!("{name}: {error}")),
            }
        }
    }

    /// A service without a guard of ours.
    fn welcome(&mut self, name: &str, text: String) {
        if self.is_registered(name) {
            self.say(&format!("{name}: left alone, it is a service of the system"));
            self.foreign.insert(name.to_owned());
        } else {
            self.begin(name, text, Duration::ZERO);
        }
    }

    /// `web` and its instances are never there together: they would fight for the same files and ports.
    fn must_wait(&self, services: &Services, name: &str) -> bool {
        let (base, number) = base_name(name);
        let other_kind = |known: &str| {
            let (known_base, known_number) = base_name(known);
            known_base == base && known_number.is_some() != number.is_some()
        };
        services.text(base).is_some() && self.names().any(other_kind)
    }

    /// The system's own folders hold services that the OS's service manager guards.
    fn is_registered(&self, name: &str) -> bool {
        let manager = if self.setup.layout.home.is_none() { manager::detect() } else { None };
        manager.is_some_and(|manager| manager.state(name).is_ok_and(|state| state.is_some()))
    }

    /// Takes a running guard over or starts one.
    fn begin(&mut self, name: &str, text: String, wait: Duration) {
        let watched = match running(&self.setup.layout, name) {
            Ok(Some((watched, process))) => {
                self.say(&format!("{name}: guard taken over (pid {})", watched.pid()));
                Ok((watched, process))
            }
            Ok(None) => self.spawn(name),
            Err(error) => Err(error),
        };
        match watched {
            Ok((mut watched, process)) => {
                let (dying, stage) = (name.to_owned(), Stage::Alive { since: Instant::now(), process });
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

    fn spawn(&self, name: &str) -> io::Result<(Watched, Process)> {
        let mut args: Vec<OsString> = vec!["guard".into(), name.into(), "--owner".into(), "up".into()];
        if let Some(home) = &self.setup.layout.home {
            args.extend(["--home".into(), home.into()]);
        }
        let (pid, stamp) = process::spawn_detached(&self.setup.binary, &args, &environment::inherited())?;
        // One that is gone already is told as a death at once.
        let watched = Watched::open(pid, stamp)?.ok_or_else(|| io::Error::other("it ended at once"))?;
        Ok((watched, (pid, stamp)))
    }

    /// A guard ended that should live: another takes its place at once, unless it keeps dying at its start.
    pub(super) async fn revive(&mut self, name: &str) {
        let Some(guard) = self.guards.remove(name) else { return };
        if !services::exists(&self.setup.layout, name) {
            return;
        }
        if guard.retiring.is_some() {
            // What takes its place may have waited for its end.
            return self.rescan().await;
        }
        match guard.stage {
            Stage::Waiting => self.begin(name, guard.text, guard.wait),
            Stage::Alive { since, .. } if since.elapsed() >= STABLE_AFTER => {
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

    /// Tells all guards to end, side by side: one that hangs must not hold up the others.
    pub(super) async fn retire(&mut self, hurry: Hurry) {
        let mut told: JoinSet<Option<String>> = JoinSet::new();
        let layout = self.setup.layout.clone();
        for (name, guard) in &mut self.guards {
            if guard.is_told(hurry) {
                continue;
            }
            guard.retiring = Some(hurry);
            if told.len() >= AT_ONCE_MAX {
                complain(self.setup.print, told.join_next().await);
            }
            let (layout, name, process) = (layout.clone(), name.clone(), guard.process());
            told.spawn(async move { tell(&layout, &name, process, hurry).await });
        }
        while let Some(complaint) = told.join_next().await {
            complain(self.setup.print, Some(complaint));
        }
    }

    async fn retire_one(&mut self, name: &str, hurry: Hurry) {
        let Some(guard) = self.guards.get_mut(name) else { return };
        if guard.is_told(hurry) {
            return;
        }
        guard.retiring = Some(hurry);
        let process = guard.process();
        if let Some(complaint) = tell(&self.setup.layout, name, process, hurry).await {
            self.say(&complaint);
        }
    }
}

impl Guard {
    fn process(&self) -> Option<Process> {
        match self.stage {
            Stage::Alive { process, .. } => Some(process),
            Stage::Waiting => None,
        }
    }

    /// It knows already, with as much hurry.
    fn is_told(&self, hurry: Hurry) -> bool {
        self.retiring.is_some_and(|told| told >= hurry)
    }
}

/// Tells one guard to end; answers with a complaint if it can't be told.
async fn tell(layout: &Layout, name: &str, process: Option<Process>, hurry: Hurry) -> Option<String> {
    let mut told = client::ask(layout, name, hurry.ask()).await;
    // One that has just been started does not listen yet; without the order it would live for ever.
    let until = Instant::now() + LISTENS_AFTER_MAX;
    while matches!(told, Err(AskError::NotRunning(_))) && lives(process) && Instant::now() < until {
        sleep_until(Instant::now() + LISTENS_LOOK).await;
        told = client::ask(layout, name, hurry.ask()).await;
    }
    if hurry == Hurry::WithoutAsking && told.is_ok() {
        told = client::ask(layout, name, Ask::Kill).await;
    }
    match told {
        // Not listening: it is on its way out or not there, which `died` tells.
        Ok(_) | Err(AskError::NotRunning(_)) => None,
        Err(error) => Some(format!("{name}: {error}")),
    }
}

fn lives(process: Option<Process>) -> bool {
    process.is_some_and(|(pid, stamp)| matches!(Watched::open(pid, stamp), Ok(Some(_))))
}

fn complain(print: fn(&str), told: Option<Result<Option<String>, JoinError>>) {
    if let Some(Ok(Some(complaint))) = told {
        print(&complaint);
    }
}

fn instances(count: u32) -> &'static str {
    if count == 1 { "instance" } else { "instances" }
}

/// The guard that holds the service's lock.
fn running(layout: &Layout, name: &str) -> io::Result<Option<(Watched, Process)>> {
    let Some(note) = files::lock_note(&layout.lock(name))? else { return Ok(None) };
    let mut fields = note.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(stamp))) = (fields.next(), fields.next()) else {
        return Err(io::Error::other(format!("its lock is held by somebody unknown ({note:?})")));
    };
    let pid = u32::try_from(pid).unwrap_or(0);
    Ok(Watched::open(pid, stamp)?.map(|watched| (watched, (pid, stamp))))
}
