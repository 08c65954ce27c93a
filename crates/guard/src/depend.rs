//! Looks at the services that this one comes after: at their guards over the control channel, at others through the OS's service manager.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use mainstay_core::event::{Event, RunId, Sight};
use mainstay_core::spec::{After, Awaited, Kind};
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
                Some(os) => drop(self.watches.spawn(watch_managed(Managed::Foreign(os), name, seen))),
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
                .filter(|name| text(layout, name, "groups").is_some_and(|spec| spec.groups.contains(group)))
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
    let several =
        text(layout, name, "instances").filter(|spec| spec.instance.is_none()).and_then(|spec| spec.instances);
    match several {
        Some(instances) => (1..=instances.count).map(|number| format!("{name}@{number}")).collect(),
        // One with a bad spec may run all the same.
        None => vec![name.to_owned()],
    }
}

/// The spec of a service, if this word is in its text: to understand all of it takes a hundred times as long as to look.
fn text(layout: &Layout, name: &str, word: &str) -> Option<spec::Spec> {
    let text = std::fs::read_to_string(layout.spec(name)).ok().filter(|text| text.contains(word))?;
    spec::read(name, &text, Platform::named(mainstay_os::NAME)).ok()
}

/// Follows a guard for as long as it lives, and then the next one. One that lets nobody of our account in (Windows: two services under
/// virtual accounts of their own) is looked at through the service manager, which knows when it is up and no more.
async fn watch_guard(layout: Layout, own: String, name: String, seen: mpsc::Sender<Event>) {
    let address = Address::new(&layout.run, &layout.tag(), &name);
    let mut told = false;
    let mut wait = LOOK_FIRST;
    loop {
        match follow(&address, &own).await {
            Ok(mut guard) => {
                while let Ok(sight) = next(&mut guard).await {
                    wait = LOOK_FIRST;
                    told = true;
                    drop(seen.send(Event::Seen(name.clone(), Some(sight))).await);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let once = text(&layout, &name, "once").is_some_and(|spec| spec.kind == Kind::Once);
                return watch_managed(Managed::Ours { name: name.clone(), once }, name, seen).await;
            }
            Err(_) => {}
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

/// A service that is looked at through the service manager.
#[derive(Debug, Clone)]
enum Managed {
    /// By the manager's own name.
    Foreign(String),
    /// One of ours. Its guard says that the start is over when the program is up, or, of kind `once`, when its work is done.
    Ours { name: String, once: bool },
}

impl Managed {
    /// Asks the manager, which blocks for a moment. `None`: nothing can be said now.
    fn standing(&self) -> Option<Standing> {
        let Some(manager) = manager::detect() else { return self.of(None) };
        let state = match self {
            Self::Foreign(name) => manager.raw_state(name),
            Self::Ours { name, .. } => manager.state(name),
        };
        self.of(state.ok()?)
    }

    fn of(&self, state: Option<OsState>) -> Option<Standing> {
        match (state, self) {
            (Some(OsState::Running { .. }), Self::Ours { once: true, .. }) => Some(Standing::Done),
            (Some(OsState::Running { .. } | OsState::Paused), _) => Some(Standing::Ready),
            // Not there, or no manager at all: it will not come by itself.
            (Some(OsState::Failed), _) | (None, Self::Foreign(_)) => Some(Standing::Failed),
            (Some(_), _) => Some(Standing::Pending),
            (None, Self::Ours { .. }) => None,
        }
    }
}

async fn watch_managed(managed: Managed, name: String, seen: mpsc::Sender<Event>) {
    let mut told: Option<Option<Sight>> = None;
    loop {
        let asked = managed.clone();
        let standing = tokio::task::spawn_blocking(move || asked.standing()).await.ok().flatten();
        let sight = standing.map(|standing| Sight { standing, run: RunId(1) });
        if told != Some(sight) {
            told = Some(sight);
            drop(seen.send(Event::Seen(name.clone(), sight)).await);
        }
        sleep(OS_LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_manager_knows_is_how_far_a_service_has_come() {
        let foreign = Managed::Foreign("Tcpip".to_owned());
        let ours = |once| Managed::Ours { name: "db".to_owned(), once };
        let running = Some(OsState::Running { pid: 7 });
        let stopped = Some(OsState::Stopped { win32_exit: 0, specific_exit: 0 });
        assert_eq!(foreign.of(running), Some(Standing::Ready));
        assert_eq!(foreign.of(stopped), Some(Standing::Pending));
        assert_eq!(
            (foreign.of(None), foreign.of(Some(OsState::Failed))),
            (Some(Standing::Failed), Some(Standing::Failed))
        );
        assert_eq!((ours(false).of(running), ours(true).of(running)), (Some(Standing::Ready), Some(Standing::Done)));
        assert_eq!(ours(true).of(Some(OsState::StartPending)), Some(Standing::Pending));
        assert_eq!(ours(false).of(None), None);
    }
}
