//! What is done with what the program prints: filtered, shown to whoever waits for a line, cut into entries, queued for its files.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use mainstay_core::event::RunId;
use mainstay_core::time::Mono;
use mainstay_os::clock;
use mainstay_wire::record::Missing;
use regex_lite::Regex;

use super::cri::{Cutter, Stamp, Stream};
use super::filter::{Filter, LeftOut, Unfinished};
use super::queue::{self, Queue};
use super::ready::Watch;
use super::tail::Tail;
use super::{Destinations, PlaneNews};

/// One pipe's place in its line.
#[derive(Debug)]
pub(super) struct Source {
    stream: Stream,
    cutter: Cutter,
    unfinished: Unfinished,
}

impl Source {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, cutter: Cutter::new(stream), unfinished: Unfinished::default() }
    }

    /// Something is held back that a reader would want to see.
    pub(super) fn holds(&self) -> bool {
        self.cutter.holds()
    }
}

/// The files of one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub(super) managed: Option<Arc<Path>>,
    pub(super) raw: Option<Arc<Path>>,
}

/// Which of the files have room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted {
    pub(super) managed: bool,
    pub(super) raw: bool,
}

/// One for all pipes of a guard.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) pending: Vec<PlaneNews>,
    queue: Rc<Queue>,
    to: Option<Destinations>,
    stdout: Files,
    stderr: Files,
    filter: Filter,
    ready: Option<Watch>,
    tail: Tail,
    entries: Vec<u8>,
    passed: Vec<u8>,
    /// For reads that do not fit a pump's own.
    pub(super) buffer: Vec<u8>,
}

impl Keeper {
    pub(super) fn new(queue: Rc<Queue>) -> Self {
        Self {
            pending: Vec::new(),
            queue,
            to: None,
            stdout: Files::default(),
            stderr: Files::default(),
            filter: Filter::default(),
            ready: None,
            tail: Tail::default(),
            entries: Vec::new(),
            passed: Vec::new(),
            buffer: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, run: RunId, to: Destinations, ready: Option<Regex>) {
        let at_start = to.keeping.rotate.at_start;
        self.direct(to);
        if at_start {
            // What comes of it is told as every rotation is.
            drop(self.queue.rotate());
        }
        self.watch(run, ready);
        self.tail.clear();
    }

    pub(super) fn watch(&mut self, run: RunId, ready: Option<Regex>) {
        self.ready = ready.map(|pattern| Watch::new(run, pattern));
    }

    pub(super) fn is_directed(&self) -> bool {
        self.to.is_some()
    }

    pub(super) fn direct(&mut self, to: Destinations) {
        if self.to.as_ref() == Some(&to) {
            return;
        }
        let file = |path: &Option<std::path::PathBuf>| path.as_deref().map(Arc::from);
        let managed: Option<Arc<Path>> = file(&to.managed);
        self.stdout = Files { managed: managed.clone(), raw: file(&to.stdout) };
        self.stderr = Files { managed, raw: file(&to.stderr) };
        let raws: Vec<&Path> =
            [&to.stdout, &to.stderr].into_iter().flatten().map(std::path::PathBuf::as_path).collect();
        self.queue.direct(to.managed.as_deref(), &raws, to.keeping.rotate, to.asks, to.keeping.on_full);
        if self.to.as_ref().is_none_or(|old| {
            old.keeping.redact != to.keeping.redact || old.keeping.rate_limit != to.keeping.rate_limit
        }) {
            self.filter = Filter::new(&to.keeping.redact, to.keeping.rate_limit);
        }
        self.to = Some(to);
    }

    pub(super) fn files(&self, stream: Stream) -> &Files {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    /// Nobody looks at lines: bytes may pass in buffers, as they are.
    pub(super) fn is_plain(&self, stream: Stream) -> bool {
        self.files(stream).managed.is_none() && self.filter.is_idle() && self.ready.is_none()
    }

    /// A whole buffer to its one file; an empty one comes back.
    pub(super) fn keep_whole(&mut self, source: &Source, bytes: Vec<u8>, admitted: Admitted) -> Vec<u8> {
        self.tail.push(source.stream, &bytes);
        let Some(raw) = self.files(source.stream).raw.clone() else { return bytes };
        if admitted.raw {
            return self.queue.push_whole(&raw, bytes);
        }
        self.queue.gap(&raw, queue::size_of(&bytes, false), Missing::Full);
        bytes
    }

    pub(super) fn keep(&mut self, source: &mut Source, bytes: &[u8], admitted: Admitted) {
        let (mono, wall) = now();
        if let Some(run) = self.ready.as_mut().and_then(|watch| watch.look(source.stream, bytes)) {
            self.ready = None;
            self.pending.push(PlaneNews::Ready(run));
        }
        if self.filter.is_idle() {
            self.put(source, wall, bytes, admitted, None);
            return;
        }
        let mut passed = std::mem::take(&mut self.passed);
        self.filter.pass(mono, &mut source.unfinished, bytes, &mut passed);
        self.put_passed(source, wall, passed, admitted, None);
    }

    /// What is held although its line is not finished: shown when more may come, written when the stream has ended.
    pub(super) fn flush(&mut self, source: &mut Source, ended: bool, admitted: Admitted) {
        let (mono, wall) = now();
        if let Some(run) = self.ready.as_ref().and_then(Watch::look_at_unfinished) {
            self.ready = None;
            self.pending.push(PlaneNews::Ready(run));
        }
        let mut passed = std::mem::take(&mut self.passed);
        if ended || !self.filter.holds_back() {
            self.filter.flush(mono, &mut source.unfinished, &mut passed);
        }
        self.put_passed(source, wall, passed, admitted, Some(ended));
    }

    fn put_passed(
        &mut self,
        source: &mut Source,
        wall: Timestamp,
        mut passed: Vec<u8>,
        admitted: Admitted,
        flush: Option<bool>,
    ) {
        let left_out = self.filter.take_left_out();
        if left_out != LeftOut::default() {
            let Files { managed, raw } = self.files(source.stream).clone();
            if let Some(path) = managed.or(raw) {
                self.queue.gap(&path, left_out, Missing::RateLimit);
            }
        }
        self.put(source, wall, &passed, admitted, flush);
        passed.clear();
        self.passed = passed;
    }

    fn put(&mut self, source: &mut Source, wall: Timestamp, bytes: &[u8], admitted: Admitted, flush: Option<bool>) {
        self.tail.push(source.stream, bytes);
        let Files { managed, raw } = self.files(source.stream).clone();
        if let Some(raw) = raw.filter(|_| !bytes.is_empty()) {
            self.queue_or_leave_out(&raw, bytes, admitted.raw, false);
        }
        let Some(managed) = managed else { return };
        let mut entries = std::mem::take(&mut self.entries);
        let stamp = Stamp::at(wall);
        source.cutter.cut(stamp, bytes, &mut entries);
        if let Some(ended) = flush {
            source.cutter.flush(stamp, ended, &mut entries);
        }
        if !entries.is_empty() {
            self.queue_or_leave_out(&managed, &entries, admitted.managed, true);
        }
        entries.clear();
        self.entries = entries;
    }

    fn queue_or_leave_out(&self, path: &Path, bytes: &[u8], admitted: bool, is_managed: bool) {
        if admitted {
            self.queue.push(path, bytes);
        } else {
            self.queue.gap(path, queue::size_of(bytes, is_managed), Missing::Full);
        }
    }

    /// The last lines of the run. They stay until the next run begins: who is told unasked may be asking already.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.lines()
    }
}

fn now() -> (Mono, Timestamp) {
    let (mono, wall) = clock::now();
    (Mono(mono), Timestamp::from_nanosecond(i128::from(wall)).unwrap_or(Timestamp::UNIX_EPOCH))
}
