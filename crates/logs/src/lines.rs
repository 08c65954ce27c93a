//! Whole lines of entries: parts joined, and lines of one event put together where the spec wants it.

use mainstay_core::spec::Multiline;
use mainstay_wire::level::Level;
use regex::bytes::Regex;

use crate::cursor::Position;
use crate::entry::{Entry, Stamp, Stream};
use crate::level;

/// A longer line or event comes in pieces, so that memory stays bounded whatever is printed.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Lines of one event.
pub const EVENT_LINES_MAX: u32 = 1_000;

/// Which lines are one event.
#[derive(Debug, Clone, Default)]
pub enum Events {
    /// Each is one.
    #[default]
    Off,
    /// One that begins with white space belongs to the one before.
    Indented,
    /// One that matches begins an event.
    Start(Regex),
}

impl Events {
    /// As a spec wants it.
    #[must_use]
    pub fn of(multiline: &Multiline) -> Self {
        match multiline {
            Multiline::Off => Self::Off,
            Multiline::Indented => Self::Indented,
            // It was read as a pattern when the spec was.
            Multiline::Start(pattern) => Regex::new(pattern).map_or(Self::Off, Self::Start),
        }
    }
}

/// One line, or the lines of one event with line feeds between.
#[derive(Debug, Clone, Copy)]
pub struct Line<'b> {
    /// When its first byte was read.
    pub stamp: Stamp,
    /// Where it was printed.
    pub stream: Stream,
    /// Told from its text; of a line that goes on with another one, that one's.
    pub level: Option<Level>,
    /// The program's bytes, without the line's end.
    pub text: &'b [u8],
}

/// Where a line's first entry stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'b> {
    /// Somewhere in the file.
    pub(crate) file: &'b Position,
    /// In the file.
    pub(crate) offset: u64,
}

impl<'b> Place<'b> {
    fn of(at: &'b Position) -> Self {
        Self { file: at, offset: at.offset }
    }

    /// As a position of its own.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { offset: self.offset, ..self.file.clone() }
    }
}

/// Takes lines as they are found.
pub type Out<'o> = &'o mut dyn FnMut(Line<'_>, Place<'_>);

/// Makes lines of entries; holds at most [`LINE_BYTES_MAX`] of an unfinished one of each stream.
#[derive(Debug, Default)]
pub struct Lines {
    events: Events,
    wants_level: bool,
    of: [OfStream; 2],
}

#[derive(Debug, Default)]
struct OfStream {
    /// A line whose last part has not come.
    part: Option<Held>,
    /// An event that may go on.
    event: Option<Held>,
    level: Option<Level>,
}

#[derive(Debug)]
struct Held {
    stamp: Stamp,
    /// Of its first entry.
    at: Position,
    text: Vec<u8>,
    lines: u32,
}

impl Held {
    fn begin(stamp: Stamp, at: Place<'_>, text: &[u8]) -> Self {
        Self { stamp, at: at.position(), text: text.to_vec(), lines: 1 }
    }
}

impl Lines {
    /// Levels are looked for only if somebody wants them.
    #[must_use]
    pub fn new(events: Events, wants_level: bool) -> Self {
        Self { events, wants_level, of: Default::default() }
    }

    /// Nothing is held: lines that come whole can be taken without asking.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.events, Events::Off) && self.of.iter().all(|of| of.part.is_none() && of.event.is_none())
    }

    /// Where to read from to get again what is held, and everything after `position`.
    #[must_use]
    pub fn safe(&self, position: Position) -> Position {
        let held = self.of.iter().flat_map(|of| of.part.iter().chain(&of.event));
        held.map(|held| &held.at).min().filter(|at| **at < position).cloned().unwrap_or(position)
    }

    /// Takes an entry; lines that are finished by it go to `out`.
    pub(crate) fn take(&mut self, entry: &Entry<'_>, at: Place<'_>, out: Out<'_>) {
        let Self { events, wants_level, of } = self;
        let [stdout, stderr] = of;
        let of = if entry.stream == Stream::Stdout { stdout } else { stderr };
        let mut emit = Emit { events, wants_level: *wants_level, stream: entry.stream, out };
        if of.part.is_none() && !entry.is_part {
            emit.line(of, entry.stamp, at, entry.text);
            return;
        }
        let held = of.part.get_or_insert_with(|| Held::begin(entry.stamp, at, &[]));
        held.text.extend_from_slice(entry.text);
        if !entry.is_part || held.text.len() >= LINE_BYTES_MAX {
            let Some(Held { stamp, at, text, .. }) = of.part.take() else { return };
            emit.line(of, stamp, Place::of(&at), &text);
        }
    }

    /// Drops what is held.
    pub(crate) fn forget(&mut self) {
        self.of = Default::default();
    }

    /// Hands out what is held although it may go on: nothing more comes.
    pub fn flush(&mut self, out: Out<'_>) {
        let Self { events, wants_level, of } = self;
        for (of, stream) in of.iter_mut().zip([Stream::Stdout, Stream::Stderr]) {
            let mut emit = Emit { events, wants_level: *wants_level, stream, out };
            if let Some(Held { stamp, at, text, .. }) = of.part.take() {
                emit.line(of, stamp, Place::of(&at), &text);
            }
            emit.event(of);
        }
    }
}

struct Emit<'e> {
    events: &'e Events,
    wants_level: bool,
    stream: Stream,
    out: Out<'e>,
}

impl Emit<'_> {
    fn line(&mut self, of: &mut OfStream, stamp: Stamp, at: Place<'_>, text: &[u8]) {
        // What programs write on Windows.
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let begins = match self.events {
            Events::Off => return self.out(of, stamp, at, text),
            Events::Indented => !text.first().is_some_and(u8::is_ascii_whitespace),
            Events::Start(regex) => regex.is_match(text),
        };
        let goes_on = |event: &Held| event.lines < EVENT_LINES_MAX && event.text.len() + text.len() < LINE_BYTES_MAX;
        match &mut of.event {
            Some(event) if !begins && goes_on(event) => {
                event.text.push(b'\n');
                event.text.extend_from_slice(text);
                event.lines += 1;
            }
            _ => {
                self.event(of);
                of.event = Some(Held::begin(stamp, at, text));
            }
        }
    }

    fn event(&mut self, of: &mut OfStream) {
        if let Some(event) = of.event.take() {
            self.out(of, event.stamp, Place::of(&event.at), &event.text);
        }
    }

    fn out(&mut self, of: &mut OfStream, stamp: Stamp, at: Place<'_>, text: &[u8]) {
        if self.wants_level {
            let own = level::of(text);
            if own.is_some() || !level::goes_on(text) {
                of.level = own;
            }
        }
        (self.out)(Line { stamp, stream: self.stream, level: of.level, text }, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stream: Stream, is_part: bool, text: &[u8]) -> Entry<'_> {
        Entry { stamp: *b"2026-11-23T05:00:00.123456789Z", stream, is_part, text }
    }

    fn texts(lines: &mut Lines, entries: &[Entry<'_>]) -> Vec<String> {
        let mut texts = Vec::new();
        let mut out = |line: Line<'_>, _: Place<'_>| {
            let level = line.level.map_or(String::new(), |level| format!("{} ", level.word()));
            texts.push(format!("{level}{}", String::from_utf8_lossy(line.text)));
        };
        for (n, entry) in entries.iter().enumerate() {
            lines.take(entry, Place { file: &Position::default(), offset: n as u64 }, &mut out);
        }
        texts
    }

    fn flushed(lines: &mut Lines) -> Vec<String> {
        let mut texts = Vec::new();
        lines.flush(&mut |line, _| texts.push(String::from_utf8_lossy(line.text).into_owned()));
        texts
    }

    #[test]
    fn parts_of_both_streams_are_joined() {
        use Stream::{Stderr, Stdout};
        let mut lines = Lines::default();
        let entries = [
            entry(Stdout, true, b"a"),
            entry(Stderr, true, b"x"),
            entry(Stdout, false, b"b\r"),
            entry(Stdout, false, b"c"),
        ];
        assert_eq!(texts(&mut lines, &entries), ["ab", "c"]);
        let end = Position { offset: 4, ..Position::default() };
        assert_eq!(lines.safe(end.clone()).offset, 1, "the part of stderr would be read again");
        assert!(!lines.is_idle());
        assert_eq!(flushed(&mut lines), ["x"]);
        assert_eq!(lines.safe(end.clone()), end);
    }

    #[test]
    fn an_endless_line_comes_in_pieces() {
        let part = vec![b'a'; 16 << 10];
        let entries = vec![entry(Stream::Stdout, true, &part); 65];
        let texts = texts(&mut Lines::default(), &entries);
        assert_eq!(texts.iter().map(String::len).collect::<Vec<_>>(), [LINE_BYTES_MAX]);
    }

    #[test]
    fn lines_of_one_event_are_one() {
        let trace = ["java.lang.X: no", "\tat a", "\tat b", "next"].map(str::as_bytes);
        let entries = trace.map(|text| entry(Stream::Stderr, false, text));
        let mut lines = Lines::new(Events::Indented, false);
        assert_eq!(texts(&mut lines, &entries), ["java.lang.X: no\n\tat a\n\tat b"]);
        assert_eq!(flushed(&mut lines), ["next"]);
        let mut lines = Lines::new(Events::Start(Regex::new("^next|^java").unwrap()), false);
        assert_eq!(texts(&mut lines, &entries), ["java.lang.X: no\n\tat a\n\tat b"]);
        let many = vec![entry(Stream::Stderr, false, b" x"); 1500];
        assert_eq!(texts(&mut Lines::new(Events::Indented, false), &many).len(), 1, "an event is bounded");
    }

    #[test]
    fn what_goes_on_has_the_level_of_what_it_goes_on_with() {
        let entries =
            ["ERROR no", "  at a", "free", "WARN w", ""].map(|text| entry(Stream::Stdout, false, text.as_bytes()));
        assert_eq!(
            texts(&mut Lines::new(Events::Off, true), &entries),
            ["error ERROR no", "error   at a", "free", "warn WARN w", "warn "]
        );
    }
}
