//! The data plane: reads what the program prints and keeps it, on threads of its own, so that a slow disk delays no decision.
//!
//! One thread reads pipes (`pump.rs`) and decides what is to be written (`keeper.rs`); another, begun with the first output, writes
//! files (`writer.rs`). Between them is a queue (`queue.rs`) with a limit; when it is full, `log.on-full` decides.
//!
//! Bytes never pass through the machine. The guard hands over each run's pipes with [`Plane::begin`], and when the main process has
//! ended it asks [`Plane::drain`] for the last words: what the program wrote before its end is in the files before its exit record.

mod calendar;
mod cri;
mod file;
mod filter;
mod keeper;
mod pump;
mod queue;
mod ready;
mod series;
mod tail;
mod writer;

use std::cell::RefCell;
use std::path::PathBuf;
use std::{io, thread};

use mainstay_core::event::RunId;
use mainstay_core::spec::Keeping;
use mainstay_os::tree::Output;
use mainstay_wire::record::Missing;
use regex_lite::Regex;
use tokio::sync::{mpsc, oneshot};

pub(crate) use queue::Outcomes;

/// Commands under way; the guard sends at most a few a run.
const COMMANDS_MAX: usize = 16;
/// News under way; the plane waits when the guard is that far behind.
const NEWS_MAX: usize = 64;
/// The last lines that an exit record shows.
pub(crate) const TAIL_LINES_MAX: usize = 20;
/// Of each of them.
pub(crate) const TAIL_LINE_BYTES_MAX: usize = 2 << 10;

/// The guard's end of the data plane.
#[derive(Debug)]
pub(crate) struct Plane {
    commands: mpsc::Sender<Command>,
    /// The last lines of the run: told without being asked when both its pipes have ended.
    ended: RefCell<Option<oneshot::Receiver<Vec<String>>>>,
}

/// Where a run's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destinations {
    /// CRI lines of both streams.
    pub(crate) managed: Option<PathBuf>,
    /// The exact bytes of standard output.
    pub(crate) stdout: Option<PathBuf>,
    /// The exact bytes of standard error; may be the same file.
    pub(crate) stderr: Option<PathBuf>,
    /// For all of them.
    pub(crate) keeping: Keeping,
    /// A file that is full or due is written on until [`Plane::allow_rotation`].
    pub(crate) asks: bool,
}

/// What the plane tells.
#[derive(Debug)]
pub(crate) enum PlaneNews {
    /// The line that makes a run ready was printed.
    Ready(RunId),
    /// Something happened to a file.
    File(FileNews),
}

/// News of a log file, for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileNews {
    /// It can't be written, or not be set aside.
    Broken(String),
    /// It is written again.
    Mended(String),
    /// It is to be begun anew, which waits to be allowed.
    Due { current: PathBuf },
    /// It was begun anew.
    Rotated { current: PathBuf, old: PathBuf },
    /// Something is missing from it.
    LeftOut { path: PathBuf, lines: u64, bytes: u64, why: Missing },
}

#[derive(Debug)]
enum Command {
    Begin {
        run: RunId,
        output: Output,
        to: Box<Destinations>,
        ready: Option<Regex>,
        ended: oneshot::Sender<Vec<String>>,
    },
    Prepare {
        to: Box<Destinations>,
    },
    Beside {
        output: Output,
    },
    Watch {
        run: RunId,
        ready: Option<Regex>,
    },
    Direct(Box<Destinations>),
    Rotate {
        reply: oneshot::Sender<Outcomes>,
    },
    AllowRotation,
    Drain {
        reply: oneshot::Sender<Vec<String>>,
    },
}

impl Plane {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<(Self, mpsc::Receiver<PlaneNews>)> {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let (news, news_receiver) = mpsc::channel(NEWS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = move || runtime.block_on(pump::serve(receiver, news));
        thread::Builder::new().name("output".to_owned()).spawn(body)?;
        Ok((Self { commands, ended: RefCell::default() }, news_receiver))
    }

    /// Reads this run's output from now on, and that of no run before it.
    pub(crate) fn begin(&self, run: RunId, output: Output, to: Destinations, ready: Option<Regex>) {
        let (ended, receiver) = oneshot::channel();
        *self.ended.borrow_mut() = Some(receiver);
        self.send(Command::Begin { run, output, to: Box::new(to), ready, ended });
    }

    /// Where output goes before there is a run: a hook may come first.
    pub(crate) fn prepare(&self, to: Destinations) {
        self.send(Command::Prepare { to: Box::new(to) });
    }

    /// Reads the output of something that helps the service: a hook, a stop command.
    pub(crate) fn beside(&self, output: Output) {
        // What a helper prints counts too: then the plane must be asked.
        *self.ended.borrow_mut() = None;
        self.send(Command::Beside { output });
    }

    /// Looks for another line that makes this run ready.
    pub(crate) fn watch(&self, run: RunId, ready: Option<Regex>) {
        self.send(Command::Watch { run, ready });
    }

    /// Keeps the output of what runs by another rule.
    pub(crate) fn direct(&self, to: Destinations) {
        self.send(Command::Direct(Box::new(to)));
    }

    /// Begins all files anew that have anything in them; answers when it is done.
    pub(crate) fn rotate(&self) -> oneshot::Receiver<Outcomes> {
        let (reply, receiver) = oneshot::channel();
        self.send(Command::Rotate { reply });
        receiver
    }

    /// The files that were told to be due are begun anew now.
    pub(crate) fn allow_rotation(&self) {
        self.send(Command::AllowRotation);
    }

    /// Everything that was in the pipes is in the files; answers with the last lines.
    pub(crate) fn drain(&self) -> oneshot::Receiver<Vec<String>> {
        let (reply, receiver) = oneshot::channel();
        // A dying process closes its pipes before its end is told, so mostly all is written by now: then nobody has to be
        // woken and waited for.
        if let Some(Ok(tail)) = self.ended.borrow_mut().take().map(|mut ended| ended.try_recv()) {
            drop(reply.send(tail));
            return receiver;
        }
        self.send(Command::Drain { reply });
        receiver
    }

    fn send(&self, command: Command) {
        // The queue is full only when the plane hangs in a write for several runs; then output is lost, never the run.
        // A dropped `Drain` closes its channel, which the guard takes as drained.
        drop(self.commands.try_send(command));
    }
}
