//! The plane's reading thread: one small task for each pipe, all passing through one [`Keeper`] to one [`Queue`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use mainstay_os::pipe::{RawReader, Reader};
use mainstay_os::tree::Output;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::{Instant, sleep_until};

use super::cri::Stream;
use super::keeper::{Admitted, Keeper, Source};
use super::queue::Queue;
use super::{Command, PlaneNews};

/// Each pipe waits with a buffer this small: a machine may have hundreds of guards whose programs are silent.
const WAIT_BYTES: usize = 2 << 10;
/// What does not fit is read in one go with this one, made when it is first needed. A pipe holds as much on both systems …
const READ_BYTES: usize = 64 << 10;
/// … until it was full once: then it is made larger where the system can, and read in larger pieces.
const FLOOD_BYTES: usize = 64 << 10;
/// The size of a pipe that was full once.
const PIPE_BYTES: usize = 1 << 20;
/// What is cut and queued at once where lines are looked at: a line feed becomes an entry of 41 bytes.
const SLICE_BYTES: usize = 8 << 10;
/// What is read in one turn, so that the other pipe and orders have theirs.
const TURN_BYTES_MAX: usize = 256 << 10;
/// What a drain reads of one pipe at most: a grandchild that floods it can't hold the exit up.
const DRAIN_BYTES_MAX: usize = 2 << 20;
/// What is left in the pipes may wait so long for room in the queue; the guard waits a little longer.
const DRAIN_WAIT: Duration = Duration::from_millis(1500);
/// An unfinished line is shown after this long.
const PART_AFTER: Duration = Duration::from_millis(500);

/// Serves until the guard's end is dropped.
pub(super) async fn serve(mut commands: mpsc::Receiver<Command>, news: mpsc::Sender<PlaneNews>) {
    let local = LocalSet::new();
    let queue = Rc::new(Queue::new(news.clone()));
    let plane = Plane { keeper: Rc::new(RefCell::new(Keeper::new(Rc::clone(&queue)))), queue, news };
    local
        .run_until(async {
            let mut pumps: Vec<Pump> = Vec::new();
            while let Some(command) = commands.recv().await {
                match command {
                    Command::Begin { run, output, to, ready, ended } => {
                        // Helpers outlive a run.
                        pumps.iter().filter(|pump| pump.of_run).for_each(|pump| pump.task.abort());
                        pumps.retain(|pump| !pump.of_run && !pump.task.is_finished());
                        plane.queue.hurry(None);
                        plane.keeper.borrow_mut().begin(run, *to, ready);
                        pumps.extend(Pump::pair(output, &plane, Some(ended)));
                    }
                    Command::Prepare { to } => {
                        let mut keeper = plane.keeper.borrow_mut();
                        if !keeper.is_directed() {
                            keeper.direct(*to);
                        }
                    }
                    Command::Beside { output } => {
                        pumps.retain(|pump| !pump.task.is_finished());
                        pumps.extend(Pump::pair(output, &plane, None));
                    }
                    Command::Watch { run, ready } => plane.keeper.borrow_mut().watch(run, ready),
                    Command::Direct(to) => plane.keeper.borrow_mut().direct(*to),
                    Command::Rotate { reply } => {
                        let outcomes = plane.queue.rotate();
                        tokio::task::spawn_local(async move { drop(reply.send(outcomes.await.unwrap_or_default())) });
                    }
                    Command::AllowRotation => plane.queue.allow_rotation(),
                    Command::Drain { reply } => {
                        plane.queue.hurry(Some(Instant::now() + DRAIN_WAIT));
                        drain(&pumps).await;
                        drop(plane.queue.flush().await);
                        drop(reply.send(plane.keeper.borrow().tail()));
                    }
                }
            }
        })
        .await;
}

/// What all pumps share.
#[derive(Clone)]
struct Plane {
    keeper: Rc<RefCell<Keeper>>,
    queue: Rc<Queue>,
    news: mpsc::Sender<PlaneNews>,
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
    fn pair(output: Output, plane: &Plane, ended: Option<oneshot::Sender<Vec<String>>>) -> [Self; 2] {
        let of_run = ended.is_some();
        let ended = Rc::new(Cell::new(ended));
        let mut pumps = [
            Self::new(output.stdout, Stream::Stdout, plane, Rc::clone(&ended)),
            Self::new(output.stderr, Stream::Stderr, plane, ended),
        ];
        pumps.iter_mut().for_each(|pump| pump.of_run = of_run);
        pumps
    }

    fn new(raw: RawReader, stream: Stream, plane: &Plane, ended: Rc<Ended>) -> Self {
        let (drains, requests) = mpsc::channel(1);
        let plane = plane.clone();
        let task = tokio::task::spawn_local(async move {
            // A pipe that can't be registered (no descriptors left) is closed: the program sees a broken pipe, not a hang.
            if let Ok(reader) = Reader::open(raw) {
                Pipe { reader, source: Source::new(stream), stream, plane: plane.clone(), is_wide: false }
                    .pump(requests)
                    .await;
            }
            // The second of the two; one that is aborted never comes here.
            if let Some(ended) = Rc::into_inner(ended).and_then(Cell::into_inner) {
                drop(plane.queue.flush().await);
                let tail = plane.keeper.borrow().tail();
                drop(ended.send(tail));
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

/// One pipe and what becomes of its bytes.
struct Pipe {
    reader: Reader,
    source: Source,
    stream: Stream,
    plane: Plane,
    is_wide: bool,
}

impl Pipe {
    async fn pump(mut self, mut drains: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut buffer = [0; WAIT_BYTES];
        let mut part_due: Option<Instant> = None;
        loop {
            tokio::select! {
                read = self.reader.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(count) => {
                        self.take(buffer.get(..count).unwrap_or_default()).await;
                        if count == WAIT_BYTES && self.read(TURN_BYTES_MAX).await {
                            break;
                        }
                    }
                },
                Some(done) = drains.recv() => {
                    let ended = self.read(DRAIN_BYTES_MAX).await;
                    self.flush(true).await;
                    done.send(()).ok();
                    if ended {
                        break;
                    }
                }
                () = sleep_until(part_due.unwrap_or_else(Instant::now)), if part_due.is_some() => {
                    self.flush(false).await;
                }
            }
            part_due = self.source.holds().then(|| part_due.unwrap_or_else(|| Instant::now() + PART_AFTER));
            self.tell().await;
        }
        self.flush(true).await;
        self.tell().await;
    }

    /// Reads what is there now, but at most about `limit` bytes; `true`: the pipe has ended.
    async fn read(&mut self, limit: usize) -> bool {
        let mut buffer = std::mem::take(&mut self.plane.keeper.borrow_mut().buffer);
        let mut total = 0;
        let mut ended = false;
        while total < limit && !ended {
            buffer.resize(if self.is_wide { FLOOD_BYTES } else { READ_BYTES }, 0);
            match self.reader.try_read(&mut buffer) {
                Ok(0) => ended = true,
                Ok(count) => {
                    total += count;
                    if count == READ_BYTES && !self.is_wide {
                        self.is_wide = true;
                        self.reader.widen(PIPE_BYTES);
                    }
                    buffer.truncate(count);
                    let is_plain = self.plane.keeper.borrow().is_plain(self.stream);
                    if is_plain && count >= READ_BYTES {
                        let admitted = self.room().await;
                        buffer = self.plane.keeper.borrow_mut().keep_whole(&self.source, buffer, admitted);
                    } else {
                        self.take(&buffer).await;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => ended = true,
            }
        }
        if buffer.capacity() <= FLOOD_BYTES {
            self.plane.keeper.borrow_mut().buffer = buffer;
        }
        ended
    }

    async fn take(&mut self, bytes: &[u8]) {
        let step = if self.plane.keeper.borrow().is_plain(self.stream) { FLOOD_BYTES } else { SLICE_BYTES };
        for slice in bytes.chunks(step) {
            let admitted = self.room().await;
            self.plane.keeper.borrow_mut().keep(&mut self.source, slice, admitted);
        }
    }

    async fn flush(&mut self, ended: bool) {
        let admitted = self.room().await;
        self.plane.keeper.borrow_mut().flush(&mut self.source, ended, admitted);
    }

    /// Waits until the files have room, or may be left out.
    async fn room(&self) -> Admitted {
        let files = self.plane.keeper.borrow().files(self.stream).clone();
        let mut admitted = Admitted { managed: false, raw: false };
        if let Some(path) = files.managed {
            admitted.managed = self.plane.queue.room(&path).await;
        }
        if let Some(path) = files.raw {
            admitted.raw = self.plane.queue.room(&path).await;
        }
        admitted
    }

    /// Passes on what the keeper has to tell, outside of any borrow.
    async fn tell(&self) {
        let pending = std::mem::take(&mut self.plane.keeper.borrow_mut().pending);
        for item in pending {
            // Nobody listens only while the guard ends.
            drop(self.plane.news.send(item).await);
        }
    }
}
