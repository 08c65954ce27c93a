//! The plane's thread: one small task for each pipe, all writing through one [`Keeper`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use mainstay_core::event::RunId;
use mainstay_core::time::Mono;
use mainstay_os::pipe::{RawReader, Reader};
use mainstay_os::{clock, tree::Output};
use regex_lite::Regex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::{Instant, sleep_until};

use super::cri::{Cutter, Stream};
use super::file::{FileNews, LogFile};
use super::{Command, Destinations, PlaneNews, TAIL_LINE_BYTES_MAX, TAIL_LINES_MAX};

/// Each pipe waits with a buffer this small: a machine may have hundreds of guards whose programs are silent.
const WAIT_BYTES: usize = 2 << 10;
/// What does not fit is read in one go with this one, made when it is first needed. A pipe holds 64 KiB on both systems.
const READ_BYTES: usize = 64 << 10;
/// What a drain reads of one pipe at most: a grandchild that floods it can't hold the exit up.
const DRAIN_BYTES_MAX: usize = 1 << 20;
/// An unfinished line is shown after this long.
const PART_AFTER: Duration = Duration::from_millis(500);

/// Serves until the guard's end is dropped.
pub(super) async fn serve(mut commands: mpsc::Receiver<Command>, news: mpsc::Sender<PlaneNews>) {
    let local = LocalSet::new();
    let keeper = Rc::new(RefCell::new(Keeper::new(news)));
    local
        .run_until(async {
            let mut pumps: Vec<Pump> = Vec::new();
            while let Some(command) = commands.recv().await {
                match command {
                    Command::Begin { run, output, to, ready, ended } => {
                        // Helpers outlive a run.
                        pumps.iter().filter(|pump| pump.of_run).for_each(|pump| pump.task.abort());
                        pumps.retain(|pump| !pump.of_run && !pump.task.is_finished());
                        keeper.borrow_mut().begin(run, to, ready);
                        pumps.extend(Pump::pair(output, &keeper, Some(ended)));
                    }
                    Command::Prepare { to } => {
                        let mut keeper = keeper.borrow_mut();
                        if keeper.to.is_none() {
                            keeper.direct(to);
                        }
                    }
                    Command::Beside { output } => {
                        pumps.retain(|pump| !pump.task.is_finished());
                        pumps.extend(Pump::pair(output, &keeper, None));
                    }
                    Command::Watch { run, ready } => {
                        keeper.borrow_mut().ready = ready.map(|pattern| (run, pattern));
                    }
                    Command::Rotation(rotate) => {
                        keeper.borrow_mut().files.iter_mut().for_each(|file| file.set_rotate(rotate))
                    }
                    Command::Drain { reply } => {
                        drain(&pumps).await;
                        drop(reply.send(keeper.borrow().tail()));
                    }
                }
            }
        })
        .await;
}

/// Who wants the last lines when both pipes of a run have ended.
type Ended = Cell<Option<oneshot::Sender<Vec<String>>>>;

/// One pipe's task as the plane sees it.
struct Pump {
    drains: mpsc::Sender<oneshot::Sender<()>>,
    task: AbortHandle,
    of_run: bool,
}

impl Pump {
    fn pair(output: Output, keeper: &Rc<RefCell<Keeper>>, ended: Option<oneshot::Sender<Vec<String>>>) -> [Self; 2] {
        let of_run = ended.is_some();
        let ended = Rc::new(Cell::new(ended));
        let mut pumps = [
            Self::new(output.stdout, Stream::Stdout, keeper, Rc::clone(&ended)),
            Self::new(output.stderr, Stream::Stderr, keeper, ended),
        ];
        pumps.iter_mut().for_each(|pump| pump.of_run = of_run);
        pumps
    }

    fn new(raw: RawReader, stream: Stream, keeper: &Rc<RefCell<Keeper>>, ended: Rc<Ended>) -> Self {
        let (drains, requests) = mpsc::channel(1);
        let keeper = Rc::clone(keeper);
        let task = tokio::task::spawn_local(async move {
            // A pipe that can't be registered (no descriptors left) is closed: the program sees a broken pipe, not a hang.
            if let Ok(reader) = Reader::open(raw) {
                pump(reader, Cutter::new(stream), stream, Rc::clone(&keeper), requests).await;
            }
            // The second of the two; one that is aborted never comes here.
            if let Some(ended) = Rc::into_inner(ended).and_then(Cell::into_inner) {
                drop(ended.send(keeper.borrow().tail()));
            }
        });
        Self { drains, task: task.abort_handle(), of_run: false }
    }
}

async fn drain(pumps: &[Pump]) {
    for pump in pumps {
        let (done, drained) = oneshot::channel();
        // A pump that is gone has seen the end of its pipe.
        if pump.drains.send(done).await.is_ok() {
            drop(drained.await);
        }
    }
}

async fn pump(
    mut reader: Reader,
    mut cutter: Cutter,
    stream: Stream,
    keeper: Rc<RefCell<Keeper>>,
    mut drains: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut buffer = [0; WAIT_BYTES];
    let mut part_due: Option<Instant> = None;
    loop {
        tokio::select! {
            read = reader.read(&mut buffer) => match read {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    let mut keeper = keeper.borrow_mut();
                    keeper.keep(&mut cutter, stream, buffer.get(..count).unwrap_or_default());
                    if count == WAIT_BYTES {
                        keeper.read(&mut reader, &mut cutter, stream, READ_BYTES);
                    }
                }
            },
            Some(done) = drains.recv() => {
                let ended = keeper.borrow_mut().read(&mut reader, &mut cutter, stream, DRAIN_BYTES_MAX);
                keeper.borrow_mut().flush(&mut cutter, true);
                done.send(()).ok();
                if ended {
                    break;
                }
            }
            () = sleep_until(part_due.unwrap_or_else(Instant::now)), if part_due.is_some() => {
                keeper.borrow_mut().flush(&mut cutter, false);
            }
        }
        part_due = cutter.holds().then(|| part_due.unwrap_or_else(|| Instant::now() + PART_AFTER));
        news(&keeper).await;
    }
    keeper.borrow_mut().flush(&mut cutter, true);
    news(&keeper).await;
}

/// Passes on what the keeper has to tell, outside of any borrow.
async fn news(keeper: &Rc<RefCell<Keeper>>) {
    let (sender, pending) = {
        let mut keeper = keeper.borrow_mut();
        if keeper.pending.is_empty() {
            return;
        }
        (keeper.news.clone(), std::mem::take(&mut keeper.pending))
    };
    for item in pending {
        // Nobody listens only while the guard ends.
        drop(sender.send(item).await);
    }
}

/// Writes to every destination and remembers the last lines.
struct Keeper {
    news: mpsc::Sender<PlaneNews>,
    pending: Vec<PlaneNews>,
    to: Option<Destinations>,
    files: Vec<LogFile>,
    ready: Option<(RunId, Regex)>,
    tail: VecDeque<String>,
    entries: Vec<u8>,
    buffer: Vec<u8>,
}

impl Keeper {
    fn new(news: mpsc::Sender<PlaneNews>) -> Self {
        let (pending, files, tail) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { news, pending, to: None, files, ready: None, tail, entries: Vec::new(), buffer: Vec::new() }
    }

    fn begin(&mut self, run: RunId, to: Destinations, ready: Option<Regex>) {
        self.direct(to);
        self.ready = ready.map(|pattern| (run, pattern));
        self.tail.clear();
    }

    fn direct(&mut self, to: Destinations) {
        let paths: Vec<PathBuf> = [&to.managed, &to.stdout, &to.stderr].into_iter().flatten().cloned().collect();
        self.files.retain(|file| paths.iter().any(|path| path == file.path()));
        for path in paths {
            if !self.files.iter().any(|file| file.path() == path) {
                self.files.push(LogFile::new(path, to.rotate));
            }
        }
        self.files.iter_mut().for_each(|file| file.set_rotate(to.rotate));
        self.to = Some(to);
    }

    fn keep(&mut self, cutter: &mut Cutter, stream: Stream, bytes: &[u8]) {
        let raw = self.to.as_ref().and_then(|to| match stream {
            Stream::Stdout => to.stdout.clone(),
            Stream::Stderr => to.stderr.clone(),
        });
        if let Some(path) = raw {
            self.write(&path, bytes);
        }
        self.lines(|now, out, line| cutter.cut(now, bytes, out, line));
    }

    /// Reads what is there now, but at most about `limit` bytes; `true`: the pipe has ended.
    fn read(&mut self, reader: &mut Reader, cutter: &mut Cutter, stream: Stream, limit: usize) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(buffer.len().max(WAIT_BYTES), 0);
        let mut total = 0;
        let mut ended = false;
        while total < limit && !ended {
            match reader.try_read(&mut buffer) {
                Ok(0) => ended = true,
                Ok(count) => {
                    total += count;
                    self.keep(cutter, stream, buffer.get(..count).unwrap_or_default());
                    if count == buffer.len() {
                        buffer.resize(READ_BYTES, 0);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => ended = true,
            }
        }
        self.buffer = buffer;
        ended
    }

    fn flush(&mut self, cutter: &mut Cutter, ended: bool) {
        self.lines(|now, out, line| cutter.flush(now, ended, out, line));
    }

    /// Lets `cut` make entries and lines, then writes the entries and looks at the lines.
    fn lines(&mut self, cut: impl FnOnce(Timestamp, &mut Vec<u8>, &mut dyn FnMut(&[u8]))) {
        let mut entries = std::mem::take(&mut self.entries);
        let (tail, ready, pending) = (&mut self.tail, &mut self.ready, &mut self.pending);
        cut(wall(), &mut entries, &mut |line| {
            remember(tail, line);
            let matched = ready.as_ref().is_some_and(|(_, pattern)| pattern.is_match(&String::from_utf8_lossy(line)));
            if matched && let Some((run, _)) = ready.take() {
                pending.push(PlaneNews::Ready(run));
            }
        });
        let managed = self.to.as_ref().and_then(|to| to.managed.clone());
        if let Some(path) = managed
            && !entries.is_empty()
        {
            self.write(&path, &entries);
        }
        entries.clear();
        self.entries = entries;
    }

    fn write(&mut self, path: &std::path::Path, bytes: &[u8]) {
        let now = Mono(clock::now().0);
        let Some(file) = self.files.iter_mut().find(|file| file.path() == path) else { return };
        let news = file.write(now, wall(), bytes);
        let rotated = file.take_rotated().map(FileNews::Rotated);
        self.pending.extend(rotated.into_iter().chain(news).map(PlaneNews::File));
    }

    /// The last lines of the run. They stay until the next run begins: who is told unasked may be asking already.
    fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }
}

fn remember(tail: &mut VecDeque<String>, line: &[u8]) {
    if tail.len() == TAIL_LINES_MAX {
        tail.pop_front();
    }
    let short = line.get(..line.len().min(TAIL_LINE_BYTES_MAX)).unwrap_or_default();
    tail.push_back(String::from_utf8_lossy(short).trim_end_matches('\r').to_owned());
}

fn wall() -> Timestamp {
    Timestamp::from_nanosecond(i128::from(clock::now().1)).unwrap_or(Timestamp::UNIX_EPOCH)
}
