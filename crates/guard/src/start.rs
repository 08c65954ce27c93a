//! Everything between the start of the process and the loop, and what is left when the loop has ended.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::event::{Event, Order, Verb};
use mainstay_core::service::Service;
use mainstay_core::spec::StartMode;
use mainstay_os::control::Address;
use mainstay_os::files::{self, Lock};
use mainstay_os::owner::{Owner, Report};
use mainstay_os::tree::{self, Place};
use mainstay_os::{clock, oslog, process};
use mainstay_wire::memory::Memory;
use mainstay_wire::record::What;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::guard::{Guard, Parts};
use crate::journal::{Found, Journal};
use crate::output::Plane;
use crate::specs::SpecFile;
use crate::status::now;
use crate::{EXIT_GAVE_UP, OwnerKind, Setup, control, launch};

/// Questions of clients under way.
const QUESTIONS_MAX: usize = 64;
/// Between two attempts to begin.
const AGAIN: Duration = Duration::from_secs(1);
/// A lock whose holder is dead is tried again after this …
const LOCK_AGAIN: Duration = Duration::from_millis(5);
/// … so often.
const LOCK_TRIES_MAX: u32 = 200;
/// What the guard before us left must be gone by then.
const LEFTOVERS_LIMIT: Duration = Duration::from_secs(10);

/// Guards the service and tells the owner how it ended.
pub(crate) fn guarded(setup: Setup, owner: Owner) -> i32 {
    let name = setup.name.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serve(setup, owner))) {
        Ok(code) => code,
        Err(error) => {
            oslog::write(oslog::Level::Error, &name, &error.to_string());
            eprintln!("mainstay guard {name}: {error}");
            EXIT_GAVE_UP
        }
    }
}

async fn serve(setup: Setup, mut owner: Owner) -> io::Result<i32> {
    owner.report(Report::Starting, LEFTOVERS_LIMIT, "starting");
    let mut told = String::new();
    let (parts, lock) = loop {
        match begin(&setup).await {
            Ok(begun) => break begun,
            Err(Hindrance::Lasting(error)) => {
                owner.report(Report::Stopped { exit: None, failed: true }, Duration::ZERO, &error.to_string());
                return Err(error);
            }
            Err(Hindrance::Passing(error)) => {
                let text = format!("cannot begin yet, trying again: {error}");
                if text != told {
                    // Once for each reason, however long it lasts.
                    oslog::write(oslog::Level::Warning, &setup.name, &text);
                    told.clone_from(&text);
                }
                owner.report(Report::Starting, LEFTOVERS_LIMIT, &text);
                owner.pulse();
                tokio::select! {
                    _ = owner.request() => {
                        owner.report(Report::Stopped { exit: None, failed: false }, Duration::ZERO, "ended");
                        return Ok(0);
                    }
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
    };
    let first = parts.first;
    let mut guard = Guard::new(setup, owner, parts);
    guard.first_order(first);
    let code = guard.watch().await;
    drop(lock);
    Ok(code)
}

/// Why a guard can't begin.
enum Hindrance {
    /// Somebody else guards the service, or its spec was never good: a person must act.
    Lasting(io::Error),
    /// A full disk, a folder in the way, no descriptors, a leftover that will not die: it may be over at the next try.
    Passing(io::Error),
}

impl From<io::Error> for Hindrance {
    fn from(error: io::Error) -> Self {
        Self::Passing(error)
    }
}

/// Takes the service over: its lock, its journal, its spec, what a dead guard left.
async fn begin(setup: &Setup) -> Result<(Parts, Lock), Hindrance> {
    let (layout, name) = (&setup.layout, setup.name.as_str());
    files::make_private_dir(&layout.run)?;
    // What programs print may be as secret as what they are told. A folder that can't be made now is made with its first file.
    drop(files::make_private_dir(&layout.logs_of(name)));
    let lock = lock(setup).await?;
    let (mut journal, found) = Journal::open(layout, name, now())?;
    let (spec_file, spec, problems) = SpecFile::open(layout, name).map_err(Hindrance::Lasting)?;
    let place = Place::claim(&layout.mark(name))?;
    let known = journal.memory().program.map(|program| (program.pid, program.stamp));
    let mut ended = place.end_leftovers(known, LEFTOVERS_LIMIT).await?;
    for role in launch::helper_roles(&spec) {
        let place = Place::claim(&launch::helper_mark(layout, name, role))?;
        ended += place.end_leftovers(None, LEFTOVERS_LIMIT).await?;
    }
    let boot = clock::boot_id();
    let first = first(setup, journal.memory(), &found, &boot);
    let containment = place.containment().to_string();
    let (version, pid) = (env!("CARGO_PKG_VERSION").to_owned(), std::process::id());
    journal.append(now(), What::GuardStarted { version, pid, boot, containment: containment.clone(), ended });
    if let Some(aside) = &found.set_aside {
        let what = format!("the journal could not be read as a whole; it is kept as {}", aside.display());
        journal.append(now(), What::Fault { what });
    }
    if let Some(problems) = &problems {
        let problems = problems.0.iter().map(ToString::to_string).collect();
        journal.append(now(), What::SpecRefused { problems });
    }
    let listener = control::listen(&Address::new(&layout.run, &layout.tag(), name))?;
    let (sender, questions) = mpsc::channel(QUESTIONS_MAX);
    let mut background = JoinSet::new();
    let left = Arc::new(Notify::new());
    background.spawn(control::serve(listener, sender, Arc::clone(&left)));
    background.spawn(async {
        tree::reap_orphans().await;
    });
    let (plane, plane_news) = Plane::start()?;
    let history = journal.memory().history(now(), spec.restart.stable_after);
    let service = Service::new(spec, history, fastrand::u64(..), now());
    let parts = Parts {
        service,
        spec_file,
        journal,
        place,
        containment,
        plane,
        plane_news,
        questions,
        left,
        background,
        first,
    };
    Ok((parts, lock))
}

async fn lock(setup: &Setup) -> Result<Lock, Hindrance> {
    let path = setup.layout.lock(&setup.name);
    let pid = std::process::id();
    let note = format!("{pid} {}", process::start_stamp(pid)?);
    for _ in 0..LOCK_TRIES_MAX {
        if let Some(lock) = Lock::acquire(&path, &note)? {
            return Ok(lock);
        }
        let holder = files::lock_note(&path)?.unwrap_or_default();
        if lives(&holder)? {
            let pid = holder.split(' ').next().unwrap_or("unknown");
            let text = format!("cannot guard {}: another guard has it (pid {pid})", setup.name);
            return Err(Hindrance::Lasting(io::Error::other(text)));
        }
        // A guard that was killed while it started its program: until that is executed, it holds what its guard held.
        tokio::time::sleep(LOCK_AGAIN).await;
    }
    Err(Hindrance::Passing(io::Error::other(format!("a dead guard's lock of {} is still held", setup.name))))
}

/// Whether the guard that wrote this note into its lock lives. One that can't be told from others is left alone.
fn lives(note: &str) -> io::Result<bool> {
    let mut fields = note.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(stamp))) = (fields.next(), fields.next()) else { return Ok(true) };
    Ok(process::Watched::open(u32::try_from(pid).unwrap_or(0), stamp)?.is_some())
}

/// What the first order shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// The owner wants it up: a fresh start.
    Start,
    /// The guard before us died; its service goes on where it was.
    Resume,
    /// It is down and stays so.
    Nothing,
}

fn first(setup: &Setup, memory: &Memory, found: &Found, boot: &str) -> First {
    let died = !found.ended_well && memory.boot == boot && memory.seq > 0;
    match (died, memory.wanted, setup.owner) {
        (true, Some(false), OwnerKind::Up) => First::Nothing,
        (true, ..) => First::Resume,
        (false, ..) => First::Start,
    }
}

impl Guard {
    /// Starts the service as its owner and its spec want it.
    fn first_order(&mut self, first: First) {
        let by_itself = match self.service.spec().start {
            StartMode::Auto | StartMode::Delayed => true,
            StartMode::Manual | StartMode::Disabled => self.owner_kind != OwnerKind::Up,
        };
        let by = match (first, self.owner_kind) {
            (First::Nothing, _) => return,
            (First::Resume, _) => return self.handle(Event::Resume),
            (First::Start, _) if !by_itself => return,
            (First::Start, OwnerKind::Up) => "mainstay up",
            (First::Start, OwnerKind::Scm) => "the Windows service manager",
            (First::Start, OwnerKind::Systemd) => "systemd",
        };
        self.handle_order(Order { verb: Verb::Start, by: by.to_owned() });
    }
}
