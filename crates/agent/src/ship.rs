//! Ships log lines: from the files that guards keep to the sinks of `agent.toml`.
//!
//! The log files are the spool. For each sink and service there is a durable position; it moves on when the receiver has acknowledged
//! what lies before it, so whatever dies at whatever moment, no line is lost, and at most one batch is sent again. A receiver that is
//! down, slow or full costs the guarded program nothing: nobody but the guard writes its files, and nobody else is waited for.
//!
//! One task a sink ([`worker`]); it reads the services one after the other ([`lane`]), so that a flood in one leaves the others their
//! turn, and holds a bounded number of lines whatever waits.

mod lane;
mod letters;
mod meter;
mod pause;
mod positions;
mod runs;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use mainstay_os::files::{self, Lock};
use mainstay_os::process;
use mainstay_wire::layout::Layout;
use mainstay_wire::sinks::{self, Sink};
use mainstay_wire::spec::{Platform, Problems};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use worker::Worker;

/// Between two looks at `agent.toml`.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What shipping is told.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where everything lies.
    pub layout: Layout,
    /// Where lines for people go.
    pub print: fn(&str),
}

/// Why `agent.toml` can't be used.
#[derive(Debug)]
pub enum Trouble {
    /// It can't be read.
    Unread(io::Error),
    /// What is wrong in it; and its text, to show where.
    Wrong {
        /// Everything at once.
        problems: Problems,
        /// The whole file.
        text: String,
    },
}

/// Reads the sinks of a home; without a file there are none.
///
/// # Errors
/// When the file can't be read, or something is wrong in it.
pub fn read(layout: &Layout) -> Result<Vec<Sink>, Trouble> {
    let path = layout.agent();
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Trouble::Unread)?,
    };
    let folder = path.parent().unwrap_or(&path);
    sinks::read(&text, Platform::named(mainstay_os::NAME), folder).map_err(|problems| Trouble::Wrong { problems, text })
}

/// Takes the right to ship the logs of a home. Who holds it, is told in the error.
///
/// # Errors
/// Another process has it, or the folders can't be used.
pub fn lock(layout: &Layout) -> io::Result<Lock> {
    files::make_private_dir(&layout.run)?;
    let pid = std::process::id();
    match Lock::acquire(&layout.agent_lock(), &format!("{pid} {}", process::start_stamp(pid)?))? {
        Some(lock) => Ok(lock),
        None => {
            let holder = files::lock_note(&layout.agent_lock())?.unwrap_or_default();
            let pid = holder.split(' ').next().unwrap_or("unknown").to_owned();
            Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                format!("the logs of this home are shipped already (pid {pid})"),
            ))
        }
    }
}

/// Somebody ships the logs of this home.
#[must_use]
pub fn is_on(layout: &Layout) -> bool {
    files::lock_note(&layout.agent_lock()).ok().flatten().is_some()
}

/// Ships until it is told to end; then what is there now goes out, if the receivers take it in time.
pub async fn run(setup: Setup, _lock: Lock, mut end: watch::Receiver<bool>) {
    let mut fleet = Fleet { setup, file: None, workers: BTreeMap::new(), told: String::new(), end: end.clone() };
    loop {
        fleet.look().await;
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = end.wait_for(|end| *end) => break,
        }
    }
    for (_, member) in fleet.workers {
        drop(member.task.await);
    }
}

/// The workers, as `agent.toml` has them.
struct Fleet {
    setup: Setup,
    /// When the file that is in force was written; `None`: there was none.
    file: Option<SystemTime>,
    workers: BTreeMap<String, Member>,
    /// Why a worker could not be made: told once, tried again with every look.
    told: String,
    end: watch::Receiver<bool>,
}

struct Member {
    config: Arc<Sink>,
    stop: watch::Sender<bool>,
    task: Task<()>,
}

impl Fleet {
    async fn look(&mut self) {
        let written = std::fs::metadata(self.setup.layout.agent()).and_then(|metadata| metadata.modified()).ok();
        if written == self.file {
            return;
        }
        self.file = written;
        match read(&self.setup.layout) {
            Ok(sinks) => self.follow(sinks).await,
            Err(trouble) => {
                let why = match trouble {
                    Trouble::Unread(error) => error.to_string(),
                    Trouble::Wrong { problems, .. } => problems.to_string().trim_end().replace('\n', "; "),
                };
                let kept = if self.workers.is_empty() { "nothing is shipped" } else { "the sinks stay as they were" };
                (self.setup.print)(&format!("cannot use {}: {why}; {kept}", self.setup.layout.agent().display()));
            }
        }
    }

    /// Ends what is not wanted any more or is wanted otherwise, and begins what is new.
    async fn follow(&mut self, sinks: Vec<Sink>) {
        let names: Vec<String> = self.workers.keys().cloned().collect();
        for name in names {
            let wanted = sinks.iter().find(|sink| sink.name == name);
            if self.workers.get(&name).is_some_and(|member| wanted != Some(&*member.config))
                && let Some(member) = self.workers.remove(&name)
            {
                member.stop.send_replace(true);
                drop(member.task.await);
                if wanted.is_none() {
                    drop(std::fs::remove_file(self.setup.layout.sink_status(&name)));
                }
            }
        }
        for sink in sinks {
            if self.workers.contains_key(&sink.name) {
                continue;
            }
            let (name, config) = (sink.name.clone(), Arc::new(sink));
            let (stop, stopped) = watch::channel(false);
            match Worker::new(&self.setup, &config, stopped, self.end.clone()) {
                Ok(worker) => {
                    let task = tokio::spawn(worker.run());
                    self.workers.insert(name, Member { config, stop, task });
                }
                Err(error) => {
                    let text = format!("cannot ship to {name}: {error}");
                    if self.told != text {
                        (self.setup.print)(&text);
                        self.told = text;
                    }
                    // Tried again with the next look.
                    self.file = None;
                }
            }
        }
    }
}

/// Shipping on a thread of its own, beside something else.
#[derive(Debug)]
pub struct Beside {
    end: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Beside {
    /// Begins it. While another process ships this home's logs, this one waits for its turn.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn begin(setup: Setup) -> io::Result<Self> {
        let (end, ended) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = move || runtime.block_on(in_turn(setup, ended));
        let thread = std::thread::Builder::new().name("shipping".to_owned()).spawn(body)?;
        Ok(Self { end, thread })
    }

    /// Sends what is there and ends.
    pub fn end(self) {
        self.end.send_replace(true);
        drop(self.thread.join());
    }
}

async fn in_turn(setup: Setup, mut end: watch::Receiver<bool>) {
    loop {
        // Without sinks there is nothing to hold a lock for.
        if setup.layout.agent().exists()
            && let Ok(lock) = lock(&setup.layout)
        {
            return run(setup, lock, end).await;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = end.wait_for(|end| *end) => return,
        }
    }
}
