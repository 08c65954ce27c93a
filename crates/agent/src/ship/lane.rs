//! One service's log on its way to one sink: read from a durable position on, cut into batches.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_logs::cursor::{Cursor, Position};
use mainstay_logs::entry;
use mainstay_logs::filter::Filter;
use mainstay_logs::lines::{Events, Line as Found, Place};
use mainstay_logs::search::Scanner;
use mainstay_logs::{cursor, files};
use mainstay_ship::{Batch, Line, Route};
use mainstay_wire::layout::Layout;
use mainstay_wire::series::Series;
use mainstay_wire::sinks::Batching;

use super::runs::Runs;

/// Blocks that are read in one turn although nobody wants their lines: a long log leaves others their turn.
const BLOCKS_MAX: usize = 16;

/// A line or event whose rest does not come is sent as it is after this.
const PATIENCE: Duration = Duration::from_secs(2);

/// A service's log and the lines of it that wait in memory.
#[derive(Debug)]
pub(super) struct Lane {
    service: Arc<str>,
    current: PathBuf,
    cursor: Cursor,
    scanner: Scanner,
    runs: Runs,
    /// Each with where it stands in the log.
    lines: VecDeque<(Position, Line)>,
    bytes: u64,
    /// Where to read from to get everything that is not in `lines` again.
    safe: Position,
    /// When the first of the lines was read.
    first_read: Option<Instant>,
    last_read: Instant,
}

impl Lane {
    pub(super) fn new(service: &str, layout: &Layout, from: Position, events: Events) -> Self {
        let current = layout.output(service);
        Self {
            service: service.into(),
            cursor: Cursor::at(&current, from.clone()).reading(0),
            current,
            scanner: Scanner::new(Filter::default(), events, true),
            runs: Runs::new(layout, service),
            lines: VecDeque::new(),
            bytes: 0,
            safe: from,
            first_read: None,
            last_read: Instant::now(),
        }
    }

    /// Reads until a batch is full, nothing more is there now, or it was much for one turn; `true`: there may be more. `ends`: whatever is held is finished.
    pub(super) fn fill(&mut self, route: &Route, batching: &Batching, now: Instant, ends: bool) -> io::Result<bool> {
        for _ in 0..BLOCKS_MAX {
            if self.is_full(batching) {
                break;
            }
            let Self { service, cursor, scanner, runs, lines, bytes, .. } = self;
            let block = cursor.next_block()?;
            if block.is_some() {
                // What it has was printed by runs that are in the journal by now.
                runs.refresh();
            }
            let mut take = |found: Found<'_>, place: Place<'_>| {
                let Some(mut line) = line(service, &found).filter(|line| route.takes(line)) else { return };
                line.run = runs.of(line.time);
                *bytes += line.text.len() as u64;
                lines.push_back((place.position(), line));
            };
            let is_end = block.is_none();
            if let Some(block) = block {
                scanner.block(&block, &mut take);
                self.last_read = now;
            } else if ends || now.duration_since(self.last_read) >= PATIENCE {
                scanner.flush(&mut take);
            }
            self.safe = self.scanner.safe(self.cursor.position());
            if self.first_read.is_none() && !self.lines.is_empty() {
                self.first_read = Some(now);
            }
            if is_end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn is_full(&self, batching: &Batching) -> bool {
        self.bytes >= batching.bytes || self.lines.len() >= batching.lines as usize
    }

    /// Something is to be sent now. `hurry`: whatever there is.
    pub(super) fn is_due(&self, batching: &Batching, now: Instant, hurry: bool) -> bool {
        let is_old = self.first_read.is_some_and(|read| now.duration_since(read) >= batching.age);
        !self.lines.is_empty() && (hurry || is_old || self.is_full(batching))
    }

    /// The text of the lines in memory.
    pub(super) fn held_bytes(&self) -> u64 {
        self.bytes
    }

    /// The oldest line in memory.
    pub(super) fn oldest(&self) -> Option<jiff::Timestamp> {
        self.lines.front().map(|(_, line)| line.time)
    }

    /// The first lines, at most as many as a batch may have and at least one. They stay until [`Lane::delivered`].
    pub(super) fn batch(&mut self, batching: &Batching) -> Option<Batch> {
        let (mut bytes, mut count) = (0, 0_usize);
        for (_, line) in self.lines.iter().take(batching.lines.max(1) as usize) {
            bytes += line.text.len() as u64;
            if count > 0 && bytes > batching.bytes {
                break;
            }
            count += 1;
        }
        let (first, last) = (self.lines.front()?, self.lines.get(count.checked_sub(1)?)?);
        // The same lines from the same places have the same name, also after a restart.
        let name = |(position, line): &(Position, Line)| format!("{}:{}", line.time, position.offset);
        let id = format!("{} {} {} {count}", self.service, name(first), name(last));
        Some(Batch { id, lines: self.lines.iter().take(count).map(|(_, line)| line.clone()).collect() })
    }

    /// The first lines have arrived; from where to read on if we died now.
    pub(super) fn delivered(&mut self, count: usize) -> Position {
        for (_, line) in self.lines.drain(..count.min(self.lines.len())) {
            self.bytes = self.bytes.saturating_sub(line.text.len() as u64);
        }
        self.first_read = (!self.lines.is_empty()).then(Instant::now);
        self.position()
    }

    /// From where to read on if we died now.
    pub(super) fn position(&self) -> Position {
        // A line that came in parts may stand before one that was finished earlier.
        let waiting = self.lines.iter().map(|(position, _)| position);
        waiting.chain([&self.safe]).min().cloned().unwrap_or_default()
    }

    /// Lines are missing because their file was removed before it was read: told once.
    pub(super) fn take_gap(&mut self) -> bool {
        self.cursor.take_gap()
    }

    /// Bytes of files behind the position; of packed ones as they lie there.
    pub(super) fn waiting_bytes(&self) -> io::Result<u64> {
        Ok(self.waiting()?.iter().map(|(_, bytes)| bytes).sum())
    }

    /// Gives up the oldest so that at most `spool` bytes wait; how many were given up.
    pub(super) fn give_up(&mut self, spool: u64) -> io::Result<u64> {
        let files = self.waiting()?;
        let waiting: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        let excess = waiting.saturating_sub(spool);
        if excess == 0 {
            return Ok(0);
        }
        let (mut left, mut goal) = (excess, self.position());
        for (start, bytes) in files {
            goal = start;
            if left < bytes {
                // In the middle of a line what is left of it is no entry, and left out.
                goal.offset += left;
                break;
            }
            goal.offset += bytes;
            left -= bytes;
        }
        self.cursor = Cursor::at(&self.current, goal.clone()).reading(0);
        self.scanner.forget();
        (self.lines, self.bytes, self.first_read, self.safe) = (VecDeque::new(), 0, None, goal);
        Ok(excess)
    }

    /// The files from the position on: where to begin in each, and how many bytes it has behind that.
    fn waiting(&self) -> io::Result<Vec<(Position, u64)>> {
        let position = self.position();
        let series = Series::of(&self.current);
        let mut files = Vec::new();
        let mut start = position.clone();
        let later = |aside: &files::Aside| position.after.as_deref().is_none_or(|after| aside.time.as_str() > after);
        for aside in files::asides(&series)?.into_iter().filter(later) {
            let length = std::fs::metadata(&aside.path).map_or(0, |metadata| metadata.len());
            files.push((start.clone(), length.saturating_sub(start.offset)));
            start = cursor::Position { after: Some(aside.time.into()), ..Position::default() };
        }
        let length = std::fs::metadata(series.current()).map_or(0, |metadata| metadata.len());
        files.push((start.clone(), length.saturating_sub(start.offset)));
        Ok(files)
    }
}

fn line(service: &Arc<str>, found: &Found<'_>) -> Option<Line> {
    Some(Line {
        // What has no time that can be read is no entry that a guard wrote.
        time: entry::time(&found.stamp)?,
        service: service.clone(),
        stream: found.stream,
        level: found.level,
        run: None,
        text: found.text.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use mainstay_wire::sinks;
    use mainstay_wire::spec::Platform;

    use super::*;

    const NOW: &str = "2026-11-23T05:00:00.000000000Z";

    /// A lane over this log, and what it is filled by.
    fn lane(text: &str, rest: &str) -> (tempfile::TempDir, Lane, Route, Batching) {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::home(home.path());
        std::fs::create_dir_all(layout.logs_of("web")).unwrap();
        std::fs::write(layout.output("web"), text).unwrap();
        let config = format!("[sinks.a]\ntype = 'stdout'\n{rest}");
        let config = sinks::read(&config, Platform::Linux, std::path::Path::new("/")).unwrap().remove(0);
        let lane = Lane::new("web", &layout, Position::default(), Events::Off);
        (home, lane, Route::new(&config.route).unwrap(), config.batch)
    }

    #[test]
    fn a_long_log_that_nobody_wants_is_read_in_turns() {
        let text = format!("{NOW} stdout F a line that is left out\n").repeat(60_000);
        let (_home, mut lane, route, batching) = lane(&text, "except = ['left out']");
        let mut turns = 1;
        while lane.fill(&route, &batching, Instant::now(), false).unwrap() {
            turns += 1;
        }
        assert!(turns > 3, "{turns} turns");
        assert!(!lane.is_due(&batching, Instant::now(), true));
        assert_eq!((lane.position().offset, lane.waiting_bytes().unwrap()), (text.len() as u64, 0));
    }

    #[test]
    fn what_was_not_sent_is_read_again_also_when_it_came_in_parts() {
        let text = format!("{NOW} stdout P a\n{NOW} stderr F one\n{NOW} stderr F two\n{NOW} stdout F b\n");
        let (_home, mut lane, route, batching) = lane(&text, "batch-lines = 1");
        while lane.fill(&route, &batching, Instant::now(), false).unwrap() && !lane.is_full(&batching) {}
        let texts = |batch: &Batch| batch.lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>();
        let first = lane.batch(&batching).unwrap();
        assert_eq!(texts(&first), [b"one"]);
        assert_eq!(lane.batch(&batching).unwrap().id, first.id, "the same lines have the same name");
        assert_eq!(lane.delivered(1).offset, 0, "the part before it is not sent");
        assert_eq!(texts(&lane.batch(&batching).unwrap()), [b"two"]);
        assert_eq!(lane.delivered(1).offset, 0);
        assert_eq!(texts(&lane.batch(&batching).unwrap()), [b"ab"]);
        assert_eq!(lane.delivered(1).offset, text.len() as u64);
    }

    #[test]
    fn what_is_given_up_is_the_oldest() {
        let text: String = (0..1000).map(|n| format!("{NOW} stdout F line {n:03}\n")).collect();
        let (_home, mut lane, route, batching) = lane(&text, "");
        let given_up = lane.give_up(1000).unwrap();
        assert_eq!(given_up, text.len() as u64 - 1000);
        while lane.fill(&route, &batching, Instant::now(), false).unwrap() {}
        let batch = lane.batch(&batching).unwrap();
        assert_eq!(batch.lines.last().unwrap().text, b"line 999");
        assert!((10..=20).contains(&batch.lines.len()), "{} lines", batch.lines.len());
        assert!(!lane.take_gap());
    }
}
