//! Reads a log from a position on, over every rotation, packing and restart of the reader.
//!
//! A file is known by the one set aside *before* it: that name never changes, whatever becomes of the file itself (it is written to, is
//! set aside, is packed). The time of its first entry tells whether it still is the same one: when it is not, retention was quicker than
//! the reader, or somebody removed files.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use mainstay_os::files::same_file;
use mainstay_wire::series::Series;
use serde::{Deserialize, Serialize};

use crate::entry::STAMP_BYTES;
use crate::files::{self, Aside, Source};

/// What is read at once, unless said otherwise.
pub const BLOCK_BYTES: usize = 256 << 10;

/// Not less: two of the longest entries.
const BLOCK_BYTES_MIN: usize = 64 << 10;

/// Rotations between two looks at one folder; more at once means that something else is wrong.
const TRIES_MAX: u32 = 100;

/// A place between two entries of a log; durable, and in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The time in the name of the file before the one it is in; none: it is in the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Arc<str>>,
    /// In plain bytes from the beginning of its file.
    pub offset: u64,
    /// The beginning of its file: the time of the first entry. None: nothing was in it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Arc<str>>,
}

/// Whole lines of one file.
#[derive(Debug)]
pub struct Block<'c> {
    /// They end with a line feed.
    pub bytes: &'c [u8],
    /// Where they begin.
    pub at: Position,
}

/// A place in a log, and what is read ahead of it.
#[derive(Debug)]
pub struct Cursor {
    series: Series,
    after: Option<Arc<str>>,
    open: Option<Open>,
    /// Where to go on in the next file that is opened.
    resume: Option<Position>,
    block_bytes: usize,
    buffer: Vec<u8>,
    /// Of the buffer: handed out by the last call.
    used: usize,
    has_gap: bool,
}

#[derive(Debug)]
struct Open {
    source: Source,
    /// Set aside: complete, and known by this name.
    time: Option<Arc<str>>,
    began: Option<Arc<str>>,
    /// Of the next byte that is read from it.
    offset: u64,
}

impl Cursor {
    /// At the oldest line there is.
    #[must_use]
    pub fn from_start(current: &Path) -> Self {
        Self::at(current, Position::default())
    }

    /// Where another cursor was.
    #[must_use]
    pub fn at(current: &Path, position: Position) -> Self {
        Self {
            series: Series::of(current),
            after: position.after.clone(),
            open: None,
            resume: Some(position),
            block_bytes: BLOCK_BYTES,
            buffer: Vec::new(),
            used: 0,
            has_gap: false,
        }
    }

    /// So much at once: where many logs are read together.
    #[must_use]
    pub fn reading(self, block_bytes: usize) -> Self {
        Self { block_bytes: block_bytes.max(BLOCK_BYTES_MIN), ..self }
    }

    /// What is read at once.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Behind the newest line.
    ///
    /// # Errors
    /// When the files can't be read.
    pub fn from_end(current: &Path) -> io::Result<Self> {
        let mut cursor = Self::at(current, Position { after: newest(&Series::of(current))?, ..Position::default() });
        if cursor.opened()?
            && let Some(open) = &mut cursor.open
            && let Source::Plain(file) = &mut open.source
        {
            open.offset = file.seek(SeekFrom::End(0))?;
        }
        Ok(cursor)
    }

    /// The length of the file it is in, if that is plain and there.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn plain_bytes(&mut self) -> io::Result<Option<u64>> {
        self.opened()?;
        let file = self.open.as_ref().and_then(|open| open.source.plain());
        file.map(|file| file.metadata().map(|metadata| metadata.len())).transpose()
    }

    /// Lines are missing before what comes now: told once.
    pub fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.has_gap)
    }

    /// Behind the last block that was handed out.
    #[must_use]
    pub fn position(&self) -> Position {
        match (&self.open, &self.resume) {
            (None, Some(resume)) => resume.clone(),
            (None, None) => Position { after: self.after.clone(), ..Position::default() },
            (Some(open), _) => {
                let ahead = self.buffer.len().saturating_sub(self.used) as u64;
                Position {
                    after: self.after.clone(),
                    began: open.began.clone(),
                    offset: open.offset.saturating_sub(ahead),
                }
            }
        }
    }

    /// The next whole lines; `None`: there are no more now.
    ///
    /// # Errors
    /// When a file can't be read. The next call tries again, from the same place.
    pub fn next_block(&mut self) -> io::Result<Option<Block<'_>>> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let from = self.position();
        let end = match self.ahead() {
            Ok(Some(end)) => end,
            Ok(None) => {
                if self.buffer.is_empty() {
                    // Many logs are read and few of them have anything new.
                    self.buffer = Vec::new();
                }
                return Ok(None);
            }
            Err(error) => {
                self.go_back(from);
                return Err(error);
            }
        };
        let at = self.position();
        self.used = end;
        Ok(self.buffer.get(..end).map(|bytes| Block { bytes, at }))
    }

    /// Reads until there is a whole line; where the last one ends.
    fn ahead(&mut self) -> io::Result<Option<usize>> {
        loop {
            if !self.opened()? || !self.fill()? {
                return Ok(None);
            }
            if let Some(end) = memchr::memrchr(b'\n', &self.buffer) {
                return Ok(Some(end + 1));
            }
            if self.buffer.len() >= self.block_bytes {
                // No entry is so long: not ours, whoever wrote it.
                self.buffer.clear();
            }
        }
    }

    /// Forgets what was read and not handed out, to read it again.
    fn go_back(&mut self, to: Position) {
        self.buffer.clear();
        self.open = None;
        self.after = to.after.clone();
        self.resume = Some(to);
    }

    /// Reads something behind what is there; `false`: nothing has come.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(open) = &mut self.open else { return Ok(true) };
        let before = self.buffer.len();
        let room = self.block_bytes.saturating_sub(before).max(1) as u64;
        let read = match read_all(&mut open.source, room, &mut self.buffer) {
            Ok(read) => read,
            // What can't be unpacked never will be: its lines are lost, those of later files are not.
            Err(_) if open.source.plain().is_none() => {
                self.buffer.truncate(before);
                self.has_gap = true;
                0
            }
            Err(error) => return Err(error),
        };
        if open.time.is_some() {
            open.offset += read as u64;
            if read == 0 {
                // A line that nobody ended: its guard was killed while it wrote.
                self.buffer.clear();
                self.after = open.time.take();
                self.open = None;
            }
            return Ok(true);
        }
        if read == 0 {
            return self.at_end();
        }
        // It may have been emptied while we read, when it is set aside by copying: names first.
        if let Some(aside) = next_aside(&self.series, self.after.as_deref())? {
            if open.source.plain().is_some_and(|file| same_file(file, &aside.path)) {
                open.time = Some(aside.time.into());
            } else {
                self.buffer.truncate(before);
                return self.go_on_in(&aside).map(|()| true);
            }
        }
        if let Some(open) = &mut self.open {
            open.offset += read as u64;
            if open.began.is_none() && open.offset == read as u64 {
                open.began = began(&self.buffer);
            }
        }
        Ok(true)
    }

    /// The current file has no more: is it still the current one?
    fn at_end(&mut self) -> io::Result<bool> {
        let Some(open) = &mut self.open else { return Ok(true) };
        let Some(file) = open.source.plain() else { return Ok(false) };
        let is_current = same_file(file, self.series.current());
        let is_shorter = file.metadata()?.len() < open.offset;
        if is_current && !is_shorter {
            return Ok(false);
        }
        if let Some(aside) = next_aside(&self.series, self.after.as_deref())? {
            if same_file(file, &aside.path) {
                open.time = Some(aside.time.into());
                return Ok(true);
            }
            return self.go_on_in(&aside).map(|()| true);
        }
        // Emptied or removed by somebody. What was written in between is lost, what is read is not.
        self.buffer.clear();
        self.has_gap |= is_shorter;
        self.open = None;
        Ok(is_shorter || self.series.current().exists())
    }

    /// The file it was in lies there now.
    fn go_on_in(&mut self, aside: &Aside) -> io::Result<()> {
        // What is ahead in the buffer was read before and is right.
        let Some(reached) = self.open.as_ref().map(|open| open.offset) else { return Ok(()) };
        match open_aside(aside)? {
            Some(mut open) => {
                self.has_gap |= !skip(&mut open, reached)?;
                self.open = Some(open);
            }
            // Packed or removed at this moment.
            None => self.go_back(self.position()),
        }
        Ok(())
    }

    /// `false`: there is no file yet.
    fn opened(&mut self) -> io::Result<bool> {
        for _ in 0..TRIES_MAX {
            if self.open.is_some() {
                return Ok(true);
            }
            let opened = match next_aside(&self.series, self.after.as_deref())? {
                Some(aside) => match open_aside(&aside)? {
                    Some(open) => open,
                    // Packed or removed at this moment.
                    None => continue,
                },
                None => {
                    let source = match Source::open(self.series.current(), None) {
                        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                        other => other?,
                    };
                    if next_aside(&self.series, self.after.as_deref())?.is_some() {
                        continue;
                    }
                    let began = peek(&source)?;
                    Open { source, time: None, began, offset: 0 }
                }
            };
            self.take(opened)?;
        }
        Err(io::Error::other("the log is set aside faster than it can be opened"))
    }

    fn take(&mut self, mut open: Open) -> io::Result<()> {
        if let Some(resume) = self.resume.take() {
            let is_same = resume.began.is_none() || open.began.is_none() || resume.began == open.began;
            let reaches =
                open.source.plain().map(File::metadata).transpose()?.is_none_or(|file| file.len() >= resume.offset);
            if is_same && reaches {
                self.has_gap |= !skip(&mut open, resume.offset)?;
            } else {
                self.has_gap = true;
            }
        }
        self.open = Some(open);
        Ok(())
    }
}

/// The time of the newest file set aside.
fn newest(series: &Series) -> io::Result<Option<Arc<str>>> {
    Ok(files::asides(series)?.pop().map(|aside| aside.time.into()))
}

fn next_aside(series: &Series, after: Option<&str>) -> io::Result<Option<Aside>> {
    let mut asides = files::asides(series)?.into_iter();
    Ok(asides.find(|aside| after.is_none_or(|after| aside.time.as_str() > after)))
}

/// `None`: it is not there any more.
fn open_aside(aside: &Aside) -> io::Result<Option<Open>> {
    let open = |path: &Path| Source::open(path, aside.packing);
    let (source, began) = match open(&aside.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(source) if aside.packing.is_none() => {
            let began = peek(&source)?;
            (source, began)
        }
        // A packed stream can't go back: its beginning is read from another one.
        Ok(mut source) => {
            let mut start = Vec::new();
            // What can't be unpacked is told when it is read.
            drop(read_all(&mut source, STAMP_BYTES as u64, &mut start));
            match open(&aside.path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                other => (other?, began(&start)),
            }
        }
    };
    Ok(Some(Open { source, time: Some(aside.time.as_str().into()), began, offset: 0 }))
}

/// The beginning of a plain file, which stays at its beginning.
fn peek(source: &Source) -> io::Result<Option<Arc<str>>> {
    let Some(mut file) = source.plain() else { return Ok(None) };
    let mut start = Vec::new();
    read_all(&mut file, STAMP_BYTES as u64, &mut start)?;
    file.rewind()?;
    Ok(began(&start))
}

fn began(bytes: &[u8]) -> Option<Arc<str>> {
    bytes.get(..STAMP_BYTES).map(|start| String::from_utf8_lossy(start).into())
}

/// `false`: it can't be unpacked so far, and nothing comes of it.
fn skip(open: &mut Open, bytes: u64) -> io::Result<bool> {
    match &mut open.source {
        Source::Plain(file) => open.offset = file.seek(SeekFrom::Start(bytes))?,
        Source::Packed(reader) => match io::copy(&mut reader.take(bytes), &mut io::sink()) {
            Ok(skipped) => open.offset = skipped,
            Err(_) => {
                open.source = Source::Packed(Box::new(io::empty()));
                return Ok(false);
            }
        },
    }
    Ok(true)
}

fn read_all(source: &mut impl Read, bytes: u64, into: &mut Vec<u8>) -> io::Result<usize> {
    source.take(bytes).read_to_end(into)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;

    use proptest::prelude::*;
    use proptest::proptest;

    use super::*;
    use crate::pack::pack;
    use mainstay_wire::series::Packing;

    /// A log as a guard keeps it.
    struct Log {
        folder: tempfile::TempDir,
        lines: u64,
        rotations: u32,
    }

    impl Log {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), lines: 0, rotations: 0 }
        }

        fn current(&self) -> PathBuf {
            self.folder.path().join("output.log")
        }

        fn write(&mut self, count: u64) {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(self.current()).unwrap();
            for _ in 0..count {
                let n = self.lines;
                writeln!(file, "2026-11-23T05:00:00.{n:09}Z stdout F line {n}").unwrap();
                self.lines += 1;
            }
        }

        fn aside(&mut self) -> PathBuf {
            self.rotations += 1;
            self.folder.path().join(format!("output-20261123T050000.{:09}Z.log", self.rotations))
        }

        fn rotate(&mut self, copy: bool) {
            if !self.current().exists() {
                return;
            }
            let aside = self.aside();
            if copy {
                fs::copy(self.current(), aside).unwrap();
                fs::OpenOptions::new().write(true).open(self.current()).unwrap().set_len(0).unwrap();
            } else {
                fs::rename(self.current(), aside).unwrap();
            }
        }
    }

    /// The numbers of the lines that come; only so many blocks.
    fn numbers(cursor: &mut Cursor, blocks: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        for _ in 0..blocks {
            let Some(block) = cursor.next_block().unwrap() else { break };
            let text = std::str::from_utf8(block.bytes).unwrap();
            numbers.extend(text.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()));
        }
        numbers
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64),
        Rotate { copy: bool },
        Pack(Packing),
        Read(usize),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4000u64).prop_map(Step::Write),
            any::<bool>().prop_map(|copy| Step::Rotate { copy }),
            prop_oneof![Just(Packing::Zstd), Just(Packing::Gzip)].prop_map(Step::Pack),
            (0..3usize).prop_map(Step::Read),
            Just(Step::Restart),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if mainstay_os::NAME == "windows" { 4 } else { 32 }))]

        #[test]
        fn every_line_comes_once_and_in_order_whatever_happens(steps in proptest::collection::vec(step(), 1..40)) {
            let mut log = Log::new();
            let mut cursor = Cursor::from_start(&log.current()).reading(0);
            let mut seen = Vec::new();
            for step in steps {
                match step {
                    Step::Write(count) => log.write(count),
                    Step::Rotate { copy } => log.rotate(copy),
                    Step::Pack(packing) => pack(&log.current(), packing).unwrap(),
                    Step::Read(blocks) => seen.extend(numbers(&mut cursor, blocks)),
                    Step::Restart => {
                        let text = serde_json::to_string(&cursor.position()).unwrap();
                        cursor = Cursor::at(&log.current(), serde_json::from_str(&text).unwrap()).reading(0);
                    }
                }
            }
            seen.extend(numbers(&mut cursor, usize::MAX));
            prop_assert!(seen.iter().copied().eq(0..log.lines), "of {} lines came {seen:?}", log.lines);
            prop_assert!(!cursor.take_gap());
        }
    }

    #[test]
    fn what_was_removed_before_it_was_read_is_a_gap() {
        let mut log = Log::new();
        log.write(10);
        let mut cursor = Cursor::from_start(&log.current());
        assert_eq!(numbers(&mut cursor, 1).len(), 10);
        let position = cursor.position();
        drop(cursor); // on Windows an open file that is removed keeps its name
        log.write(5);
        log.rotate(false);
        log.write(3);
        log.rotate(false);
        fs::remove_file(log.folder.path().join("output-20261123T050000.000000001Z.log")).unwrap();
        let mut cursor = Cursor::at(&log.current(), position);
        assert_eq!(numbers(&mut cursor, 9), [15, 16, 17]);
        assert!(cursor.take_gap());
        assert!(!cursor.take_gap(), "told once");
    }

    #[test]
    fn what_can_not_be_unpacked_is_a_gap_and_the_rest_comes() {
        let mut log = Log::new();
        for _ in 0..3 {
            log.write(10);
            log.rotate(false);
        }
        pack(&log.current(), Packing::Zstd).unwrap();
        let second = log.folder.path().join("output-20261123T050000.000000002Z.log.zst");
        let packed = fs::read(&second).unwrap();
        fs::write(&second, [&packed[..20], b"not what was there, for a while, and more of it"].concat()).unwrap();
        let mut cursor = Cursor::from_start(&log.current());
        assert_eq!(numbers(&mut cursor, 99), (0..10).chain(20..30).collect::<Vec<u64>>());
        assert!(cursor.take_gap());
    }

    #[test]
    fn after_a_failure_it_goes_on_where_it_was() {
        let mut log = Log::new();
        log.write(3);
        let mut cursor = Cursor::from_start(&log.current());
        assert_eq!(numbers(&mut cursor, 9), [0, 1, 2]);
        // A folder in the place of the file that comes next can be opened and not be read, or not even be opened.
        let aside = log.aside();
        fs::rename(log.current(), &aside).unwrap();
        fs::create_dir(log.current()).unwrap();
        assert!(cursor.next_block().is_err());
        assert!(cursor.next_block().is_err());
        fs::remove_dir(log.current()).unwrap();
        log.write(2);
        assert_eq!(numbers(&mut cursor, 9), [3, 4]);
        assert!(!cursor.take_gap());
    }

    #[test]
    fn a_log_that_somebody_emptied_or_removed_goes_on() {
        let mut log = Log::new();
        log.write(10);
        let mut cursor = Cursor::from_start(&log.current());
        assert_eq!(numbers(&mut cursor, 9).len(), 10);
        fs::File::create(log.current()).unwrap();
        log.write(2);
        assert_eq!(numbers(&mut cursor, 9), [10, 11]);
        assert!(cursor.take_gap());
        fs::remove_file(log.current()).unwrap();
        assert!(numbers(&mut cursor, 9).is_empty());
        log.write(2);
        assert_eq!(numbers(&mut cursor, 9), [12, 13]);
        assert!(!cursor.take_gap());
    }

    #[test]
    fn from_the_end_only_what_is_new_comes() {
        let mut log = Log::new();
        assert!(numbers(&mut Cursor::from_end(&log.current()).unwrap(), 9).is_empty());
        log.write(3);
        log.rotate(false);
        log.write(3);
        let mut cursor = Cursor::from_end(&log.current()).unwrap();
        assert!(numbers(&mut cursor, 9).is_empty());
        log.write(1);
        log.rotate(false);
        log.write(1);
        assert_eq!(numbers(&mut cursor, 9), [6, 7]);
    }

    #[test]
    fn lines_that_are_no_entries_and_endless_ones_do_no_harm() {
        let log = Log::new();
        fs::write(log.current(), [vec![b'x'; 1 << 20], b"\nline 0\nline 1".to_vec()].concat()).unwrap();
        let mut cursor = Cursor::from_start(&log.current());
        let mut bytes = Vec::new();
        while let Some(block) = cursor.next_block().unwrap() {
            bytes.extend_from_slice(block.bytes);
        }
        assert!(bytes.ends_with(b"\nline 0\n"), "an unfinished line is none yet");
        assert!(bytes.len() < 1 << 20);
    }
}
