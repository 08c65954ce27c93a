//! `mainstay up`: guards of one home in the foreground, without the OS's service manager.
//!
//! It starts a guard for every spec, restarts a guard that dies, follows new, changed and removed specs, prints what the journals say,
//! and stops everything in reverse order. It holds no program itself: kill it, and the next `up` takes the running guards over.

mod guards;
mod news;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_os::files::{self, Lock};
use mainstay_os::{process, shutdown, tree};
use mainstay_wire::layout::Layout;
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::ship;
use guards::Guards;
use news::News;

/// A burst of changes of one file (editors write several times) is taken as one.
const SETTLE: Duration = Duration::from_millis(300);
/// The OS's watch can miss changes on network shares; so the folder is also read this often.
const RESCAN: Duration = Duration::from_secs(60);
/// Records come in bursts: those of one burst are read together.
const READ_AFTER: Duration = Duration::from_millis(20);
/// Changes under way; more of them are one rescan.
const CHANGES_MAX: usize = 256;

/// What `up` is told.
#[derive(Debug)]
pub struct Setup {
    /// Where everything lies.
    pub layout: Layout,
    /// The program that is started as `guard NAME …`.
    pub binary: PathBuf,
    /// Where lines for people go.
    pub print: fn(&str),
}

/// Something changed on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Specs,
    /// The journal of this service.
    Journal(String),
}

/// Guards the home until it is told to end.
///
/// # Errors
/// When another `up` has the home or its folders can't be used.
pub async fn run(setup: Setup) -> io::Result<()> {
    let layout = setup.layout.clone();
    for folder in [&layout.specs, &layout.state, &layout.run] {
        files::make_private_dir(folder)?;
    }
    let _lock = lock(&layout)?;
    let mut signals = shutdown::Signals::new()?;
    let (changes, mut changed) = mpsc::channel(CHANGES_MAX);
    let _watcher = watch(&layout, changes)?;
    let mut news = News::new(&layout, setup.print);
    let shipping = ship::Beside::begin(ship::Setup { layout: layout.clone(), print: setup.print })?;
    let mut guards = Guards::new(setup);
    guards.rescan().await;
    let mut rescan_at = Instant::now() + RESCAN;
    let mut unread: BTreeSet<String> = BTreeSet::new();
    let mut read_at: Option<Instant> = None;
    let mut reaper = std::pin::pin!(tree::reap_orphans());
    loop {
        tokio::select! {
            _ = signals.next() => break,
            name = guards.died() => guards.revive(&name).await,
            () = sleep_until(rescan_at) => {
                guards.rescan().await;
                // Whatever news the watch may have missed.
                unread.extend(guards.names().map(str::to_owned));
                read_at = read_at.or_else(|| Some(Instant::now() + READ_AFTER));
                rescan_at = Instant::now() + RESCAN;
            }
            Some(change) = changed.recv() => match change {
                Change::Specs => rescan_at = rescan_at.min(Instant::now() + SETTLE),
                Change::Journal(name) => {
                    unread.insert(name);
                    read_at = read_at.or_else(|| Some(Instant::now() + READ_AFTER));
                }
            },
            () = sleep_until(read_at.unwrap_or(rescan_at)), if read_at.is_some() => {
                read_at = None;
                news.print(std::mem::take(&mut unread).iter().map(String::as_str));
            }
            never = &mut reaper => match never {},
        }
    }
    stop_all(&mut guards, &mut signals, &mut news, reaper).await;
    // Last: the programs' last words go out too.
    shipping.end();
    Ok(())
}

/// All are told at once, and each guard waits for those that come after its service; a second signal: nobody waits; a third: without
/// asking.
async fn stop_all(
    guards: &mut Guards,
    signals: &mut shutdown::Signals,
    news: &mut News,
    mut reaper: std::pin::Pin<&mut impl Future<Output = std::convert::Infallible>>,
) {
    guards.say("stopping everything in reverse order; again: all at once; a third time: without asking");
    let mut hurry = guards::Hurry::InOrder;
    let names: Vec<String> = guards.names().map(str::to_owned).collect();
    loop {
        guards.retire(hurry).await;
        tokio::select! {
            name = guards.died() => guards.forget(&name),
            _ = signals.next() => hurry = hurry.more(),
            never = &mut reaper => match never {},
        }
        news.print(names.iter().map(String::as_str));
        if guards.is_empty() {
            return;
        }
    }
}

fn lock(layout: &Layout) -> io::Result<Lock> {
    let pid = std::process::id();
    let note = format!("{pid} {}", process::start_stamp(pid)?);
    match Lock::acquire(&layout.up_lock(), &note)? {
        Some(lock) => Ok(lock),
        None => {
            let holder = files::lock_note(&layout.up_lock())?.unwrap_or_default();
            let pid = holder.split(' ').next().unwrap_or("unknown").to_owned();
            Err(io::Error::other(format!("another `mainstay up` has this home (pid {pid})")))
        }
    }
}

fn watch(layout: &Layout, changes: mpsc::Sender<Change>) -> io::Result<notify::RecommendedWatcher> {
    let specs = layout.specs.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        // Reading is no change.
        if event.kind.is_access() {
            return;
        }
        for path in &event.paths {
            let change =
                if path.starts_with(&specs) { Some(Change::Specs) } else { journal_of(path).map(Change::Journal) };
            // A full queue: the next rescan reads everything.
            change.map(|change| changes.try_send(change).ok());
        }
    })
    .map_err(io::Error::other)?;
    watcher.watch(&layout.specs, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
    watcher.watch(&layout.state, RecursiveMode::Recursive).map_err(io::Error::other)?;
    Ok(watcher)
}

/// The service whose journal this file is.
fn journal_of(path: &Path) -> Option<String> {
    let is_journal = path.extension().is_some_and(|extension| extension == "ndjson");
    is_journal.then(|| path.parent()?.file_name()?.to_str().map(str::to_owned)).flatten()
}
