//! Which run of a service printed a line: the last that was started before the line was read.

use std::collections::VecDeque;
use std::path::PathBuf;

use jiff::Timestamp;
use mainstay_wire::layout::Layout;
use mainstay_wire::record::{Record, What};

use crate::follow::{Follower, set_aside};

/// Starts that are remembered; of lines before them the run is not known.
const STARTS_MAX: usize = 10_000;

/// The starts of one service, as its journal has them.
#[derive(Debug)]
pub(super) struct Runs {
    journal: Follower,
    /// Files of the journal that were set aside and not read yet, the newest last: most are never needed.
    older: Vec<PathBuf>,
    starts: VecDeque<(Timestamp, u64)>,
}

impl Runs {
    pub(super) fn new(layout: &Layout, service: &str) -> Self {
        let current = layout.journal(service);
        let mut older = set_aside(&current);
        // What a damaged one had is in the one that follows it.
        older.retain(|path| {
            path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with("journal-corrupt-"))
        });
        Self { older, journal: Follower::from_start(&current), starts: VecDeque::new() }
    }

    /// Takes in what the journal has by now.
    pub(super) fn refresh(&mut self) {
        // A journal that can't be read tells no runs; the lines go out all the same.
        for line in self.journal.lines().unwrap_or_default() {
            self.starts.extend(start(&line));
        }
        self.starts.drain(..self.starts.len().saturating_sub(STARTS_MAX));
    }

    /// The run that printed what was read at `time`.
    pub(super) fn of(&mut self, time: Timestamp) -> Option<u64> {
        while self.starts.front().is_none_or(|(first, _)| *first > time)
            && self.starts.len() < STARTS_MAX
            && let Some(older) = self.older.pop()
        {
            let text = std::fs::read(older).unwrap_or_default();
            let starts: Vec<_> = text.split(|byte| *byte == b'\n').filter_map(start).collect();
            starts.into_iter().rev().for_each(|start| self.starts.push_front(start));
        }
        let after = self.starts.partition_point(|(began, _)| *began <= time);
        self.starts.get(after.checked_sub(1)?).map(|(_, run)| *run)
    }
}

fn start(line: &[u8]) -> Option<(Timestamp, u64)> {
    // Looked for first: most records are others.
    memchr::memmem::find(line, b"\"starting\"")?;
    let record = Record::parse(std::str::from_utf8(line).ok()?)?;
    match record.what {
        What::Starting { run, .. } => Some((record.time, run)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_of_the_last_run_that_began_before() {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::home(home.path());
        std::fs::create_dir_all(layout.state_of("web")).unwrap();
        let time = |second: i64| Timestamp::from_second(second).unwrap();
        let starting = |run: u64, second: i64| {
            let what = What::Starting { run, restarts: 0, failures: 0 };
            Record { seq: run, time: time(second), mono: 0, service: "web".to_owned(), what }.line()
        };
        std::fs::write(layout.state_of("web").join("journal-00000001.ndjson"), starting(1, 10) + &starting(2, 20))
            .unwrap();
        std::fs::write(layout.state_of("web").join("journal-corrupt-1.ndjson"), starting(9, 1)).unwrap();
        std::fs::write(layout.journal("web"), starting(3, 30)).unwrap();
        let mut runs = Runs::new(&layout, "web");
        runs.refresh();
        assert_eq!(runs.of(time(35)), Some(3));
        assert_eq!(runs.older.len(), 1, "older files are read only when they are needed");
        assert_eq!(
            [5, 10, 19, 20, 29, 30].map(|second| runs.of(time(second))),
            [None, Some(1), Some(1), Some(2), Some(2), Some(3)]
        );
        use std::io::Write;
        mainstay_os::files::open_append(&layout.journal("web")).unwrap().write_all(starting(4, 40).as_bytes()).unwrap();
        runs.refresh();
        assert_eq!(runs.of(time(41)), Some(4));
        assert_eq!(Runs::new(&layout, "nobody").of(time(1)), None);
    }
}
