//! Takes from a log the lines that are asked for.
//!
//! With a pattern alone, whole blocks are searched, and only where it matches are entries read: as fast as a search in plain text.

use std::io;
use std::path::Path;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::cursor::{Block, Cursor, Position};
use crate::entry::Entry;
use crate::files;
use crate::filter::Filter;
use crate::level;
use crate::lines::{Events, Line, Lines, Out, Place};
use mainstay_wire::series::Series;

/// Looked at first from the end of a plain file, then four times as much, and so on.
const TAIL_BYTES: u64 = 64 << 10;

/// What an unfinished line's entries have; also a program may print it, which costs nothing but time.
static PARTS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [&b" stdout P "[..], b" stderr P "].map(|part| Finder::new(part).into_owned()));

/// Filters the lines of one log.
#[derive(Debug)]
pub struct Scanner {
    filter: Filter,
    lines: Lines,
    wants_level: bool,
    unknown: u64,
    is_past: bool,
}

impl Scanner {
    /// With `shows_level` the level of every line is looked for.
    #[must_use]
    pub fn new(filter: Filter, events: Events, shows_level: bool) -> Self {
        let wants_level = shows_level || filter.level.is_some();
        Self { filter, lines: Lines::new(events, wants_level), wants_level, unknown: 0, is_past: false }
    }

    /// Lines without a level that a wish for one has left out.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// A line as late as `until` was seen: no later block has anything.
    #[must_use]
    pub fn is_past(&self) -> bool {
        self.is_past
    }

    /// Where to read from to get again what is held, and everything after `position`.
    #[must_use]
    pub fn safe(&self, position: Position) -> Position {
        self.lines.safe(position)
    }

    /// Drops what is held: reading goes on elsewhere.
    pub fn forget(&mut self) {
        self.lines.forget();
    }

    /// Takes whole lines of one file.
    pub fn block(&mut self, block: &Block<'_>, out: Out<'_>) {
        let has_parts = || PARTS.iter().any(|part| part.find(block.bytes).is_some());
        match self.filter.leaps() {
            Some(_) if self.lines.is_idle() && !has_parts() => self.leap(block, out),
            _ => self.each(block, out),
        }
    }

    /// Hands out what is held although it may go on.
    pub fn flush(&mut self, out: Out<'_>) {
        let Self { filter, lines, unknown, .. } = self;
        lines.flush(&mut |line, at| keep(filter, unknown, line, at, out));
    }

    fn each(&mut self, block: &Block<'_>, out: Out<'_>) {
        let Self { filter, lines, unknown, is_past, .. } = self;
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', block.bytes) {
            let at = Place { file: &block.at, offset: block.at.offset + from as u64 };
            if let Some(entry) = block.bytes.get(from..end).and_then(Entry::parse) {
                *is_past |= filter.until.is_some_and(|until| entry.stamp >= until);
                lines.take(&entry, at, &mut |line, at| keep(filter, unknown, line, at, out));
            }
            from = end + 1;
        }
    }

    fn leap(&mut self, block: &Block<'_>, out: Out<'_>) {
        let Some(regex) = self.filter.leaps() else { return };
        let bytes = block.bytes;
        let mut from = 0;
        // A match may be of the time or span two lines: the line where it begins is looked at, and then on from the next one.
        while let Some(found) = regex.find_at(bytes, from) {
            let start = bytes
                .get(from..found.start())
                .and_then(|before| memchr::memrchr(b'\n', before))
                .map_or(from, |at| from + at + 1);
            let rest = bytes.get(found.start()..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest).map_or(bytes.len(), |at| found.start() + at);
            if let Some(entry) = bytes.get(start..end).and_then(Entry::parse) {
                let text = entry.text.strip_suffix(b"\r").unwrap_or(entry.text);
                if self.filter.wants(&entry.stamp, entry.stream, text) {
                    // Its own: the lines before were not looked at.
                    let level = self.wants_level.then(|| level::of(text)).flatten();
                    let at = Place { file: &block.at, offset: block.at.offset + start as u64 };
                    out(Line { stamp: entry.stamp, stream: entry.stream, level, text }, at);
                }
                self.is_past |= self.filter.until.is_some_and(|until| entry.stamp >= until);
            }
            from = end + 1;
            if from >= bytes.len() {
                break;
            }
        }
    }
}

fn keep(filter: &Filter, unknown: &mut u64, line: Line<'_>, at: Place<'_>, out: Out<'_>) {
    if filter.wants_line(&line) {
        out(line, at);
    } else if filter.level.is_some() && line.level.is_none() && filter.wants(&line.stamp, line.stream, line.text) {
        *unknown += 1;
    }
}

/// Where the first file begins that may have lines as late as `since`.
///
/// # Errors
/// When the folder can't be read.
pub fn start(current: &Path, since: Option<jiff::Timestamp>) -> io::Result<Position> {
    let Some(since) = since.map(Series::time) else { return Ok(Position::default()) };
    // Its name is later than all its lines.
    let asides = files::asides(&Series::of(current))?.into_iter();
    let before = asides.take_while(|aside| aside.time < since).last();
    Ok(Position { after: before.map(|aside| aside.time.into()), ..Position::default() })
}

/// Where to begin so that at least the last `wanted` lines come, and how many come then. Not before `from`.
///
/// # Errors
/// When a file can't be read.
pub fn tail(
    current: &Path,
    from: &Position,
    wanted: u64,
    scanner: &dyn Fn() -> Scanner,
) -> io::Result<(Position, u64)> {
    let asides = files::asides(&Series::of(current))?;
    let mut starts: Vec<Position> = vec![from.clone()];
    let later =
        asides.into_iter().filter(|aside| from.after.as_deref().is_none_or(|after| aside.time.as_str() > after));
    starts.extend(later.map(|aside| Position { after: Some(aside.time.into()), ..Position::default() }));
    let mut found = 0;
    while let Some(start) = starts.pop() {
        let length = Cursor::at(current, start.clone()).plain_bytes()?;
        let mut chunk = TAIL_BYTES;
        loop {
            let skipped = length.map_or(0, |length| length.saturating_sub(chunk));
            let offset = start.offset.max(skipped);
            let is_whole = offset == start.offset;
            let (at, count) = count(current, Position { offset, ..start.clone() }, !is_whole, scanner)?;
            if found + count >= wanted || (is_whole && starts.is_empty()) {
                return Ok((at, found + count));
            }
            if is_whole {
                found += count;
                break;
            }
            chunk = chunk.saturating_mul(4);
        }
    }
    Ok((from.clone(), found))
}

/// The lines of one file behind a position; inside of a line, what is left of it does not count.
fn count(current: &Path, at: Position, inside: bool, scanner: &dyn Fn() -> Scanner) -> io::Result<(Position, u64)> {
    let (mut cursor, mut scanner) = (Cursor::at(current, at.clone()), scanner());
    let (mut count, mut first) = (0, None);
    let mut out = |_: Line<'_>, _: Place<'_>| count += 1;
    while let Some(mut block) = cursor.next_block()? {
        if block.at.after != at.after {
            break;
        }
        if first.is_none() && inside {
            let skipped = memchr::memchr(b'\n', block.bytes).map_or(block.bytes.len(), |end| end + 1);
            block.bytes = block.bytes.get(skipped..).unwrap_or_default();
            block.at.offset += skipped as u64;
        }
        first.get_or_insert_with(|| block.at.clone());
        scanner.block(&block, &mut out);
        if scanner.is_past() {
            break;
        }
    }
    scanner.flush(&mut out);
    Ok((first.unwrap_or(at), count))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use proptest::prelude::*;
    use proptest::proptest;

    use super::*;
    use crate::entry::{Stream, stamp};
    use crate::filter::Pattern;
    use crate::pack::pack;
    use mainstay_wire::level::Level;
    use mainstay_wire::series::Packing;

    /// Some files, the last one the current; the numbers are the seconds of the entries.
    fn log(files: &[&[(u32, &str, &str)]]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let current = folder.path().join("output.log");
        for (n, file) in files.iter().enumerate() {
            let lines =
                file.iter().map(|(at, head, text)| format!("2026-11-23T05:00:{at:02}.000000000Z {head} {text}\n"));
            let last = file.last().map_or(0, |(at, _, _)| at + 1);
            let path = if n + 1 == files.len() {
                current.clone()
            } else {
                folder.path().join(format!("output-20261123T0500{last:02}.000000000Z.log"))
            };
            fs::write(path, lines.collect::<String>()).unwrap();
        }
        (folder, current)
    }

    fn texts(current: &Path, from: Position, mut scanner: Scanner) -> Vec<String> {
        let mut texts = Vec::new();
        let mut out = |line: Line<'_>, _: Place<'_>| texts.push(String::from_utf8_lossy(line.text).into_owned());
        let mut cursor = Cursor::at(current, from);
        while let Some(block) = cursor.next_block().unwrap() {
            scanner.block(&block, &mut out);
        }
        scanner.flush(&mut out);
        texts
    }

    fn scanner(filter: Filter) -> Scanner {
        Scanner::new(filter, Events::Off, false)
    }

    fn grep(text: &str) -> Filter {
        Filter { pattern: Some(Pattern::new(text, false).unwrap()), ..Filter::default() }
    }

    fn at(second: u32) -> jiff::Timestamp {
        format!("2026-11-23T05:00:{second:02}Z").parse().unwrap()
    }

    #[test]
    fn lines_are_found_by_what_they_are() {
        let files: [&[_]; 2] = [
            &[(1, "stdout F", "ERROR stdout F one"), (2, "stderr P", "two "), (2, "stderr F", "halves")],
            &[(3, "stdout F", "  at three"), (4, "stdout F", "INFO four\r"), (5, "stderr F", "free")],
        ];
        let (_folder, current) = log(&files);
        let found = |filter| texts(&current, Position::default(), scanner(filter));
        assert_eq!(found(Filter::default()), ["ERROR stdout F one", "two halves", "  at three", "INFO four", "free"]);
        assert_eq!(found(grep("stdout")), ["ERROR stdout F one"], "not what stands before the text");
        assert_eq!(found(grep("^free$")), ["free"]);
        assert_eq!(found(grep("o h")), ["two halves"], "over the border of parts");
        assert_eq!(found(grep("four$")), ["INFO four"]);
        assert_eq!(found(grep("e\\s+[a-z]")), [""; 0]);
        assert_eq!(found(Filter { stream: Some(Stream::Stderr), ..grep("f|v") }), ["two halves", "free"]);
        assert_eq!(
            found(Filter { level: Some(Level::Error), ..Filter::default() }),
            ["ERROR stdout F one", "  at three"]
        );
        let between = Filter { since: Some(stamp(at(2))), until: Some(stamp(at(4))), ..Filter::default() };
        assert_eq!(found(between), ["two halves", "  at three"]);
        let mut leveled = scanner(Filter { level: Some(Level::Fatal), ..Filter::default() });
        let mut cursor = Cursor::from_start(&current);
        while let Some(block) = cursor.next_block().unwrap() {
            leveled.block(&block, &mut |_, _| {});
        }
        assert_eq!(leveled.unknown(), 2);
    }

    #[test]
    fn files_before_the_time_are_not_read() {
        let (_folder, current) = log(&[&[(1, "stdout F", "a")], &[(5, "stdout F", "b")], &[(9, "stdout F", "c")]]);
        let from = |second| texts(&current, start(&current, Some(at(second))).unwrap(), scanner(Filter::default()));
        assert_eq!(from(1), ["a", "b", "c"]);
        assert_eq!(from(3), ["b", "c"]);
        assert_eq!(from(7), ["c"]);
    }

    #[test]
    fn a_pattern_that_can_not_be_is_told() {
        assert!(Pattern::new("(", false).unwrap_err().starts_with("cannot read the pattern: "));
        assert!(!Pattern::new("^x", false).unwrap().is_local);
        assert!(!Pattern::new("x*", false).unwrap().is_local);
        assert!(Pattern::new("a.*b", true).unwrap().is_local);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_search_in_blocks_finds_what_a_search_in_lines_finds(
            lines in proptest::collection::vec(("[FP]", "(stdout|stderr)", "[ab \\r]{0,6}"), 0..200),
            pattern in proptest::sample::select(vec!["a", "b", "ab", "a b", "[^b]a", "\\s", "b+a", "F", ":", "a[^x]*b"]),
        ) {
            let text: String = lines.iter()
                .map(|(tag, stream, text)| format!("2026-11-23T05:00:00.000000000Z {stream} {tag} {text}\n")).collect();
            let found = |is_local| {
                let mut pattern = Pattern::new(pattern, false).unwrap();
                pattern.is_local = is_local;
                let mut scanner = scanner(Filter { pattern: Some(pattern), ..Filter::default() });
                let mut texts = Vec::new();
                scanner.block(&Block { bytes: text.as_bytes(), at: Position::default() }, &mut |line, _| texts.push(line.text.to_vec()));
                texts
            };
            prop_assert_eq!(found(true), found(false));
        }

        #[test]
        fn the_last_lines_are_those_that_come_last(
            sizes in proptest::collection::vec(0u32..3000, 1..5), wanted in 0u64..5000, packed: bool, only_odd: bool,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let current = folder.path().join("output.log");
            let mut all = Vec::new();
            for (n, size) in sizes.iter().enumerate() {
                let lines: Vec<String> = (0..*size).map(|line| format!("file {n} {}", line * 7919)).collect();
                let text: String = lines.iter().map(|line| format!("2026-11-23T05:00:00.000000000Z stdout F {line}\n")).collect();
                let path = folder.path().join(format!("output-20261123T050000.00000000{n}Z.log"));
                fs::write(if n + 1 == sizes.len() { &current } else { &path }, text).unwrap();
                all.extend(lines);
            }
            if packed {
                pack(&current, Packing::Zstd).unwrap();
            }
            let filter = if only_odd { grep("[13579]$") } else { Filter::default() };
            if only_odd {
                all.retain(|line| line.ends_with(['1', '3', '5', '7', '9']));
            }
            let (at, found) = tail(&current, &Position::default(), wanted, &|| scanner(filter.clone())).unwrap();
            let texts = texts(&current, at, scanner(filter));
            prop_assert_eq!(texts.len() as u64, found);
            prop_assert!(found >= wanted.min(all.len() as u64));
            prop_assert_eq!(&texts[..], &all[all.len() - texts.len()..]);
        }
    }
}
