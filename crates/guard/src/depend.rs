//! Looks at the services that this one comes after: at their guards over the control channel, at others through the OS's service manager.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use mainstay_core::event::{Event, RunId, Sight};
use mainstay_core::spec::{After, Awaited};
use mainstay_core::status::Standing;
use mainstay_os::control::{self, Address};
use mainstay_os::manager::{self, OsState};
use mainstay_wire::control::{Answer, Ask, Reply, Request, VERSION};
use mainstay_wire::layout::Layout;
use mainstay_wire::spec::{self, Platform};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A guard that is not there is looked for again after this, then after half as long again …
const LOOK_FIRST: Duration = Duration::from_millis(10);
/// … up to this.
const LOOK_MAX: Duration = Duration::from_millis(500);
/// A service of the OS is looked at this often: its manager tells nobody.
const OS_LOOK: Duration = Duration::from_millis(500);
/// Sights under way; a watch that finds no room waits.
const SEEN_MAX: usize = 64;
/// The longest answer that is read.
const REPLY_BYTES_MAX: u64 = 1 << 20;

/// The watch over what must be there. Dropping it ends it; so does another.
#[derive(Debug)]
pub(crate) struct Dependencies {
    events: mpsc::Receiver<Event>,
    watches: JoinSet<()>,
}

impl Dependencies {
    /// Nothing is watched.
    pub(crate) fn new() -> Self {
        Self { events: mpsc::channel(SEEN_MAX).1, watches: JoinSet::new() }
    }

    /// The next thing that was seen; never, while nothing is watched.
    pub(crate) async fn next(&mut self) -> Event {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// Watches these instead of what was watched; answers with what they stand for.
    pub(crate) fn watch(&mut self, layout: &Layout, own_name: &str, after: &[After]) -> Event {
        self.watches = JoinSet::new();
        // What the watch before still had to say is nobody's business any more.
        let (seen, events) = mpsc::channel(SEEN_MAX);
        self.events = events;
        let mut list: Vec<(usize, String)> = Vec::new();
        for (index, after) in after.iter().enumerate() {
            list.extend(stands_for(layout, own_name, &after.what).into_iter().map(|name| (index, name)));
        }
        let names: BTreeSet<&String> = list.iter().map(|(_, name)| name).collect();
        for name in names {
            let (layout, seen, name, own) = (layout.clone(), seen.clone(), name.clone(), own_name.to_owned());
            match name.strip_prefix("os:").map(str::to_owned) {
                Some(os) => drop(self.watches.spawn(watch_os(os, name, seen))),
                None => drop(self.watches.spawn(watch_guard(layout, own, name, seen))),
            }
        }
        Event::Awaiting(list)
    }
}

/// The services that an entry of `after` means.
fn stands_for(layout: &Layout, own_name: &str, what: &Awaited) -> Vec<String> {
    match what {
        Awaited::Service(name, _) => instances(layout, name),
        Awaited::Group(group, _) => {
            let all = std::fs::read_dir(&layout.specs).into_iter().flatten().flatten();
            let names = all.filter_map(|entry| Layout::service_of(&entry.path()));
            let mut members: Vec<String> = names
                .filter(|name| text(layout, name).is_some_and(|spec| spec.groups.contains(group)))
                .flat_map(|name| instances(layout, &name))
                .filter(|name| name != own_name)
                .collect();
            members.sort();
            members
        }
        Awaited::Os(name) => vec![format!("os:{name}")],
        Awaited::OsGroup(_) => Vec::new(),
    }
}

/// The service itself, or all instances of it; none when it has no spec.
fn instances(layout: &Layout, name: &str) -> Vec<String> {
    if !layout.spec(name).exists() {
        return Vec::new();
    }
    // One instance may be meant alone.
    let several = text(layout, name).filter(|spec| spec.instance.is_none()).and_then(|spec| spec.instances);
    match several {
        Some(instances) => (1..=instances.count).map(|number| format!("{name}@{number}")).collect(),
        // One with a bad spec may run all the same.
        None => vec![name.to_owned()],
    }
}

fn text(layout: &Layout, name: &str) -> Option<spec::Spec> {
    let text = std::fs::read_to_string(layout.spec(name)).ok()?;
    spec::read(name, &text, Platform::named(mainstay_os::NAME)).ok()
}

/// Follows a guard for as long as it lives, and then the next one.
async fn watch_guard(layout: Layout, own: String, name: String, seen: mpsc::Sender<Event>) {
    let address = Address::new(&layout.run, &layout.tag(), &name);
    let mut told = false;
    let mut wait = LOOK_FIRST;
    loop {
        if let Ok(mut guard) = follow(&address, &own).await {
            while let Ok(sight) = next(&mut guard).await {
                wait = LOOK_FIRST;
                told = true;
                drop(seen.send(Event::Seen(name.clone(), Some(sight))).await);
            }
        }
        if told || wait == LOOK_FIRST {
            told = false;
            drop(seen.send(Event::Seen(name.clone(), None)).await);
        }
        sleep(wait).await;
        wait = (wait * 3 / 2).min(LOOK_MAX);
    }
}

async fn follow(address: &Address, own: &str) -> io::Result<BufReader<control::Stream>> {
    let mut stream = BufReader::new(control::connect(address).await?);
    let ask = Ask::Follow { dependent: Some(own.to_owned()) };
    stream.write_all(Request { v: VERSION, id: 1, ask }.line().as_bytes()).await?;
    stream.flush().await?;
    Ok(stream)
}

async fn next(guard: &mut BufReader<control::Stream>) -> io::Result<Sight> {
    let mut line = Vec::new();
    guard.take(REPLY_BYTES_MAX).read_until(b'\n', &mut line).await?;
    let reply: Reply = serde_json::from_slice(&line).map_err(io::Error::other)?;
    match reply.answer {
        Answer::Ok(status) => Ok(Sight { standing: status.standing.into(), run: RunId(status.run) }),
        Answer::Error(refusal) => Err(io::Error::other(refusal.message)),
    }
}

async fn watch_os(os: String, name: String, seen: mpsc::Sender<Event>) {
    let mut told: Option<Option<Sight>> = None;
    loop {
        // Asking the manager blocks for a moment; the loop must not.
        let asked = os.clone();
        let state =
            tokio::task::spawn_blocking(move || manager::detect().map(|manager| manager.raw_state(&asked))).await;
        let standing = match state {
            Ok(Some(Ok(Some(OsState::Running { .. })))) => Some(Standing::Ready),
            Ok(Some(Ok(Some(OsState::Failed)))) => Some(Standing::Failed),
            Ok(Some(Ok(Some(_)))) => Some(Standing::Pending),
            // Not there, or no manager at all: it will not come by itself.
            Ok(Some(Ok(None)) | None) => Some(Standing::Failed),
            Ok(Some(Err(_))) | Err(_) => None,
        };
        let sight = standing.map(|standing| Sight { standing, run: RunId(1) });
        if told != Some(sight) {
            told = Some(sight);
            drop(seen.send(Event::Seen(name.clone(), sight)).await);
        }
        sleep(OS_LOOK).await;
    }
}
