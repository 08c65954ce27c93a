//! The lines of one service that are asked for, in order.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use mainstay_logs::cursor::{BLOCK_BYTES, Cursor};
use mainstay_logs::entry::{Stamp, Stream};
use mainstay_logs::filter::Filter;
use mainstay_logs::lines::{Events, Line, Place};
use mainstay_logs::search::{self, Scanner};
use mainstay_wire::level::Level;

use super::Failed;

/// What all services together are read ahead.
const AHEAD_BYTES: usize = 16 << 20;

/// Taken at one look.
const BLOCKS_MAX: usize = 16;

/// A line of its own.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) stamp: Stamp,
    stream: Stream,
    level: Option<Level>,
    text: Vec<u8>,
}

impl Kept {
    fn new(line: Line<'_>) -> Self {
        Self { stamp: line.stamp, stream: line.stream, level: line.level, text: line.text.to_vec() }
    }

    pub(super) fn line(&self) -> Line<'_> {
        Line { stamp: self.stamp, stream: self.stream, level: self.level, text: &self.text }
    }
}

/// One service's log, read from wherever it is.
#[derive(Debug)]
pub(super) struct Reading {
    name: String,
    current: PathBuf,
    filter: Filter,
    events: Events,
    cursor: Cursor,
    scanner: Scanner,
    ready: VecDeque<Kept>,
    has_ended: bool,
    /// Looks in a row that found nothing new.
    idle: u32,
}

impl Reading {
    /// Of one of so many that are read at once.
    pub(super) fn new(name: &str, current: &Path, filter: Filter, events: Events, count: usize) -> Self {
        let since = filter.since.as_ref().and_then(mainstay_logs::entry::time);
        // Where the folder can't be read, the first block says so.
        let start = search::start(current, since).unwrap_or_default();
        let scanner = Scanner::new(filter.clone(), events.clone(), true);
        let ahead = (AHEAD_BYTES / count.max(1)).min(BLOCK_BYTES);
        Self {
            name: name.to_owned(),
            current: current.to_owned(),
            filter,
            events,
            cursor: Cursor::at(current, start).reading(ahead),
            scanner,
            ready: VecDeque::new(),
            has_ended: false,
            idle: 0,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Lines without a level that were left out.
    pub(super) fn unknown(&self) -> u64 {
        self.scanner.unknown()
    }

    pub(super) fn take_gap(&mut self) -> bool {
        self.cursor.take_gap()
    }

    /// Goes to where at least so many lines come, and says how many come.
    pub(super) fn begin_at_last(&mut self, lines: u64) -> Result<u64, Failed> {
        let scanner = || Scanner::new(self.filter.clone(), self.events.clone(), false);
        let from = self.cursor.position();
        let (at, found) = search::tail(&self.current, &from, lines, &scanner).map_err(failed(&self.name))?;
        let ahead = self.cursor.block_bytes();
        self.cursor = Cursor::at(&self.current, at).reading(ahead);
        Ok(found)
    }

    /// All lines up to the end, without keeping any.
    pub(super) fn each(&mut self, out: &mut dyn FnMut(Line<'_>) -> io::Result<()>) -> Result<(), Failed> {
        let mut shown = Ok(());
        let mut take = |line: Line<'_>, _: Place<'_>| {
            if shown.is_ok() {
                shown = out(line);
            }
        };
        while let Some(block) = self.cursor.next_block().map_err(failed(&self.name))? {
            self.scanner.block(&block, &mut take);
            if self.scanner.is_past() {
                break;
            }
        }
        self.scanner.flush(&mut take);
        shown.map_err(Failed::Shown)
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Kept>, Failed> {
        while self.ready.is_empty() && !self.has_ended {
            let ready = &mut self.ready;
            let mut take = |line: Line<'_>, _: Place<'_>| ready.push_back(Kept::new(line));
            match self.cursor.next_block().map_err(failed(&self.name))? {
                Some(block) => self.scanner.block(&block, &mut take),
                None => self.has_ended = true,
            }
            self.has_ended |= self.scanner.is_past();
            if self.has_ended {
                self.scanner.flush(&mut take);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// What has come since; a line that is not finished after so many looks too.
    pub(super) fn new_lines(&mut self, patience: u32) -> Result<Vec<Kept>, Failed> {
        let mut lines = Vec::new();
        let mut take = |line: Line<'_>, _: Place<'_>| lines.push(Kept::new(line));
        self.idle += 1;
        // A flood in one log leaves the others their turn.
        for _ in 0..BLOCKS_MAX {
            let Some(block) = self.cursor.next_block().map_err(failed(&self.name))? else { break };
            self.scanner.block(&block, &mut take);
            self.idle = 0;
        }
        if self.idle == patience {
            self.scanner.flush(&mut take);
        }
        Ok(lines)
    }
}

fn failed(name: &str) -> impl FnOnce(io::Error) -> Failed {
    let name = name.to_owned();
    move |error| Failed::Read { name, error }
}
