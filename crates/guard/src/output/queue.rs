//! Between the thread that reads pipes and the one that writes files: bounded, so that a slow disk costs memory no more than time.
//!
//! Each file has a lane of its own, so that one that can't be written holds no other up. Nothing here blocks but the writer, when it has
//! nothing to do.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mainstay_core::spec::{OnFull, Rotate};
use mainstay_wire::record::Missing;
use tokio::sync::{Notify, mpsc, oneshot};

use super::PlaneNews;
use super::cri::HEAD_BYTES;
use super::file::LogFile;
use super::filter::LeftOut;

/// What may wait for one file. Beyond, its `on-full` decides.
const LANE_BYTES_MAX: usize = 192 << 10;
/// What is written in one go.
pub(super) const BATCH_BYTES_MAX: usize = 64 << 10;
/// Buffers that are kept for the next batch.
const SPARE_MAX: usize = 1;

/// One thing for the writer to do with one file.
#[derive(Debug)]
pub(super) enum Item {
    Bytes(Vec<u8>),
    /// So much was left out here.
    Gap(LeftOut, Missing),
    /// Begin it anew if anything is in it.
    Rotate(Arc<Rotated>),
    /// The calendar wants it begun anew.
    Due,
    /// Begin it anew if it waits for that.
    Allow,
    /// Everything before is written, or can't be now.
    Mark(#[expect(dead_code, reason = "its drop is the news")] Arc<Done>),
}

/// Tells that the last holder is gone.
#[derive(Debug)]
pub(super) struct Done(Option<oneshot::Sender<()>>);

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            sender.send(()).ok();
        }
    }
}

/// Collects what came of a rotation of several files, and tells it when the last of them has been dealt with.
#[derive(Debug)]
pub(super) struct Rotated {
    outcomes: Mutex<Outcomes>,
    reply: Mutex<Option<oneshot::Sender<Outcomes>>>,
}

/// Of each file that was begun anew its old one, of each that could not be the reason.
pub(crate) type Outcomes = Vec<Result<PathBuf, String>>;

impl Rotated {
    pub(super) fn add(&self, outcome: Result<PathBuf, String>) {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    }
}

impl Drop for Rotated {
    fn drop(&mut self) {
        let reply = self.reply.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reply) = reply {
            let outcomes = self.outcomes.get_mut().unwrap_or_else(PoisonError::into_inner);
            drop(reply.send(std::mem::take(outcomes)));
        }
    }
}

/// A file and what waits for it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) path: Arc<Path>,
    /// Whole entries: what is left out can be said among them.
    pub(super) is_managed: bool,
    pub(super) items: VecDeque<Item>,
    /// Of all `Bytes` that wait.
    bytes: usize,
    /// Away while the writer has it.
    pub(super) file: Option<LogFile>,
    /// No output goes to it any more; it ends when it is empty.
    leaving: bool,
    /// It can't be written; the next try is then.
    pub(super) retry_at: Option<Instant>,
    /// When the writer last finished something of it, or it was empty.
    progress: Instant,
    /// The program has waited as long as it may; until there is room again it does not.
    gave_up: bool,
}

/// Shared by both threads.
#[derive(Debug)]
pub(super) struct State {
    pub(super) lanes: Vec<Lane>,
    pub(super) on_full: OnFull,
    /// The writer sleeps and must be woken.
    pub(super) idle: bool,
    has_writer: bool,
    /// Nobody will add anything.
    pub(super) closed: bool,
    pub(super) rotate: Rotate,
    /// A file that is full or due waits to be allowed.
    pub(super) asks: bool,
    /// The main process has ended: nobody waits for room any longer than this.
    hurry: Option<Instant>,
    spare: Vec<Vec<u8>>,
}

/// The queue's one state and its two bells.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// For the writer.
    pub(super) work: Condvar,
    /// For the readers: something was written.
    room: Notify,
    news: mpsc::Sender<PlaneNews>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in the writer loses a batch, not the guard.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer has done something for this file; what it used may be used again.
    pub(super) fn done(&self, state: &mut State, path: &Arc<Path>, buffer: Option<Vec<u8>>) {
        if let Some(lane) = state.lanes.iter_mut().find(|lane| lane.path == *path) {
            lane.progress = Instant::now();
            lane.gave_up &= lane.bytes >= LANE_BYTES_MAX / 2;
        }
        let fits = |buffer: &Vec<u8>| state.spare.len() < SPARE_MAX && buffer.capacity() <= BATCH_BYTES_MAX;
        if let Some(buffer) = buffer.filter(fits) {
            state.spare.push(buffer);
        }
        self.room.notify_waiters();
    }

    /// For the guard, which takes what it is told: its loop waits for nothing.
    pub(super) fn tell(&self, news: PlaneNews) {
        // Nobody listens only while the guard ends.
        drop(self.news.blocking_send(news));
    }
}

/// The readers' end.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) shared: Arc<Shared>,
}

impl Queue {
    pub(super) fn new(news: mpsc::Sender<PlaneNews>) -> Self {
        let state = State {
            lanes: Vec::new(),
            on_full: OnFull::Block(OnFull::WAIT),
            idle: false,
            has_writer: false,
            closed: false,
            rotate: Rotate::default(),
            asks: false,
            hurry: None,
            spare: Vec::new(),
        };
        let (state, work, room) = (Mutex::new(state), Condvar::new(), Notify::new());
        Self { shared: Arc::new(Shared { state, work, room, news }) }
    }

    /// Output goes to these files from now on. What waits for others is still written.
    pub(super) fn direct(&self, managed: Option<&Path>, others: &[&Path], rotate: Rotate, asks: bool, on_full: OnFull) {
        let mut state = self.shared.lock();
        let wanted = managed.map(|path| (path, true)).into_iter().chain(others.iter().map(|path| (*path, false)));
        let wanted: Vec<(&Path, bool)> = wanted.collect();
        for lane in &mut state.lanes {
            lane.leaving = !wanted.iter().any(|(path, _)| *path == &*lane.path);
        }
        for (path, is_managed) in wanted {
            if !state.lanes.iter().any(|lane| &*lane.path == path) {
                state.lanes.push(Lane::new(path, is_managed, rotate));
            }
        }
        (state.rotate, state.asks, state.on_full) = (rotate, asks, on_full);
        self.wake(state);
    }

    /// Whether the next output for this file is to be queued: waits for room as long as its rule lets it.
    pub(super) async fn room(&self, path: &Path) -> bool {
        let mut told = std::pin::pin!(self.shared.room.notified());
        loop {
            // Before the look, so that no news falls between.
            told.as_mut().enable();
            let until = {
                let mut state = self.shared.lock();
                let (on_full, hurry) = (state.on_full, state.hurry);
                let Some(lane) = state.lanes.iter_mut().find(|lane| &*lane.path == path) else { return true };
                if lane.bytes < LANE_BYTES_MAX {
                    return true;
                }
                match on_full {
                    OnFull::DropNew => return false,
                    OnFull::DropOldest => {
                        lane.drop_oldest();
                        return true;
                    }
                    OnFull::Block(_) if lane.gave_up => return false,
                    OnFull::Block(wait) => {
                        let until = lane.progress + wait;
                        let now = Instant::now();
                        if until <= now {
                            lane.gave_up = true;
                            return false;
                        }
                        match hurry {
                            Some(hurry) if hurry <= now => return false,
                            Some(hurry) => until.min(hurry),
                            None => until,
                        }
                    }
                }
            };
            tokio::select! {
                () = &mut told => told.set(self.shared.room.notified()),
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// Until then whoever waits for room may go on waiting; `None`: as long as the rule says.
    pub(super) fn hurry(&self, until: Option<tokio::time::Instant>) {
        self.shared.lock().hurry = until.map(tokio::time::Instant::into_std);
        self.shared.room.notify_waiters();
    }

    /// Adds output; the caller has seen to it that there is room.
    pub(super) fn push(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.shared.lock();
        let State { lanes, spare, .. } = &mut *state;
        let Some(lane) = lanes.iter_mut().find(|lane| &*lane.path == path) else { return };
        lane.begin();
        lane.bytes += bytes.len();
        match lane.items.back_mut() {
            Some(Item::Bytes(last)) if last.len() + bytes.len() <= BATCH_BYTES_MAX => append(last, bytes),
            _ => {
                let mut batch = spare.pop().unwrap_or_default();
                batch.clear();
                append(&mut batch, bytes);
                lane.items.push_back(Item::Bytes(batch));
            }
        }
        self.wake(state);
    }

    /// Adds a whole buffer without copying it and gives another back, with anything in it.
    pub(super) fn push_whole(&self, path: &Path, bytes: Vec<u8>) -> Vec<u8> {
        let mut state = self.shared.lock();
        let State { lanes, spare, .. } = &mut *state;
        let next = spare.pop().unwrap_or_default();
        let Some(lane) = lanes.iter_mut().find(|lane| &*lane.path == path) else { return next };
        lane.begin();
        lane.bytes += bytes.len();
        lane.items.push_back(Item::Bytes(bytes));
        self.wake(state);
        next
    }

    /// Says that something was left out here.
    pub(super) fn gap(&self, path: &Path, left_out: LeftOut, why: Missing) {
        let mut state = self.shared.lock();
        let Some(lane) = state.lanes.iter_mut().find(|lane| &*lane.path == path) else { return };
        match lane.items.back_mut() {
            Some(Item::Gap(gap, same)) if *same == why => gap.add(left_out),
            _ => lane.items.push_back(Item::Gap(left_out, why)),
        }
        self.wake(state);
    }

    /// Answered when everything that was added before is written, or can't be for now.
    pub(super) fn flush(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let done = Arc::new(Done(Some(sender)));
        let mut state = self.shared.lock();
        for lane in state.lanes.iter_mut().filter(|lane| lane.is_busy() && lane.retry_at.is_none()) {
            lane.items.push_back(Item::Mark(Arc::clone(&done)));
        }
        drop(done);
        self.wake(state);
        receiver
    }

    /// Begins every file anew that has anything in it.
    pub(super) fn rotate(&self) -> oneshot::Receiver<Outcomes> {
        let (sender, receiver) = oneshot::channel();
        let rotated = Arc::new(Rotated { outcomes: Mutex::default(), reply: Mutex::new(Some(sender)) });
        let mut state = self.shared.lock();
        for lane in state.lanes.iter_mut().filter(|lane| !lane.leaving) {
            lane.begin();
            lane.items.push_back(Item::Rotate(Arc::clone(&rotated)));
        }
        drop(rotated);
        self.wake(state);
        receiver
    }

    /// Begins those anew that wait to be allowed.
    pub(super) fn allow_rotation(&self) {
        let mut state = self.shared.lock();
        for lane in &mut state.lanes {
            lane.begin();
            lane.items.push_front(Item::Allow);
        }
        self.wake(state);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let has_work = state.lanes.iter().any(|lane| !lane.items.is_empty() || lane.leaving);
        if has_work && !std::mem::replace(&mut state.has_writer, true) {
            let shared = Arc::clone(&self.shared);
            // Without a thread nothing is written and the rules of a full disk hold; the next output tries again.
            state.has_writer =
                std::thread::Builder::new().name("logs".to_owned()).spawn(move || super::writer::run(&shared)).is_ok();
        }
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.shared.work.notify_one();
        }
    }
}

/// Grows a batch as a vector does while it is small, and to its full size at once in a flood: doubling would take half as much again.
fn append(batch: &mut Vec<u8>, bytes: &[u8]) {
    let length = batch.len() + bytes.len();
    if length > batch.capacity() && length > BATCH_BYTES_MAX / 8 {
        batch.reserve_exact(length.max(BATCH_BYTES_MAX) - batch.len());
    }
    batch.extend_from_slice(bytes);
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        self.wake(state);
    }
}

impl State {
    /// Whose turn it is: each lane that has something to do and is not in trouble, in turn.
    pub(super) fn next_lane(&mut self, now: Instant) -> Option<usize> {
        self.lanes.retain(|lane| !lane.leaving || lane.is_busy());
        let is_due = |lane: &Lane| !lane.items.is_empty() && lane.retry_at.is_none_or(|at| at <= now || self.closed);
        let index = self.lanes.iter().position(is_due)?;
        // The others are looked at before it has its next turn.
        let lane = self.lanes.remove(index);
        self.lanes.push(lane);
        Some(self.lanes.len() - 1)
    }
}

impl Lane {
    fn new(path: &Path, is_managed: bool, rotate: Rotate) -> Self {
        Self {
            path: Arc::from(path),
            is_managed,
            items: VecDeque::new(),
            bytes: 0,
            file: Some(LogFile::new(path.to_owned(), rotate)),
            leaving: false,
            retry_at: None,
            progress: Instant::now(),
            gave_up: false,
        }
    }

    fn is_busy(&self) -> bool {
        !self.items.is_empty() || self.file.is_none()
    }

    /// Time counts from the first thing that waits.
    pub(super) fn begin(&mut self) {
        if self.items.is_empty() && self.file.is_some() {
            self.progress = Instant::now();
        }
    }

    /// Takes the next thing to do.
    pub(super) fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        if let Item::Bytes(bytes) = &item {
            self.bytes -= bytes.len();
        }
        Some(item)
    }

    /// Gives back what could not be done.
    pub(super) fn give_back(&mut self, item: Item) {
        if let Item::Bytes(bytes) = &item {
            self.bytes += bytes.len();
        }
        self.items.push_front(item);
    }

    /// Nobody waits for what can't be written now.
    pub(super) fn excuse_waiters(&mut self, why: &str) {
        self.items.retain(|item| match item {
            Item::Mark(_) => false,
            Item::Rotate(rotated) => {
                rotated.add(Err(format!("cannot begin {} anew: {why}", self.path.display())));
                false
            }
            Item::Bytes(_) | Item::Gap(..) | Item::Due | Item::Allow => true,
        });
    }

    fn drop_oldest(&mut self) {
        let mut dropped = LeftOut::default();
        while self.bytes > LANE_BYTES_MAX / 2 {
            let Some(index) = self.items.iter().position(|item| matches!(item, Item::Bytes(_))) else { break };
            let Some(Item::Bytes(bytes)) = self.items.remove(index) else { break };
            self.bytes -= bytes.len();
            dropped.add(size_of(&bytes, self.is_managed));
        }
        match self.items.front_mut() {
            Some(Item::Gap(gap, Missing::Full)) => gap.add(dropped),
            _ => self.items.push_front(Item::Gap(dropped, Missing::Full)),
        }
    }
}

/// How much output these bytes are: of entries, the text alone.
pub(super) fn size_of(bytes: &[u8], is_managed: bool) -> LeftOut {
    let lines = memchr::memchr_iter(b'\n', bytes).count();
    let heads = if is_managed { lines * HEAD_BYTES } else { 0 };
    LeftOut { lines: lines as u64, bytes: bytes.len().saturating_sub(heads) as u64 }
}
