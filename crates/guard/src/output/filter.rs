//! What happens to output before anything of it is written: secrets are taken out, too many lines are left out.
//!
//! Only a service that asks for one of these pays for it: then lines are put together first, each at most [`WINDOW_BYTES_MAX`] long.

use std::time::Duration;

use mainstay_core::spec::RateLimit;
use mainstay_core::time::Mono;
use regex_lite::Regex;

/// A line without end is searched in windows of this length, and what is written of each is half of it: a secret shorter than that
/// is found wherever it begins.
pub(super) const WINDOW_BYTES_MAX: usize = 32 << 10;
/// What stands where a secret was.
const STARS: &str = "***";

/// What is asked of a service's lines.
#[derive(Debug, Default)]
pub(super) struct Filter {
    redact: Vec<Regex>,
    bucket: Option<Bucket>,
    /// Left out since somebody was told.
    left_out: LeftOut,
}

/// Lines that were not written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

impl LeftOut {
    pub(super) fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.bytes += other.bytes;
    }
}

/// The unfinished line of one stream.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    bytes: Vec<u8>,
    /// Its first part was left out, so the rest is too.
    left_out: bool,
    /// A part of it is written already.
    begun: bool,
}

impl Filter {
    /// Patterns that are none were refused with the spec; those are skipped.
    pub(super) fn new(redact: &[String], limit: Option<RateLimit>) -> Self {
        Self {
            redact: redact.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect(),
            bucket: limit.map(Bucket::new),
            left_out: LeftOut::default(),
        }
    }

    /// Nothing is asked: bytes may pass as they are.
    pub(super) fn is_idle(&self) -> bool {
        self.redact.is_empty() && self.bucket.is_none()
    }

    /// What was left out before a line that was not, once.
    pub(super) fn take_left_out(&mut self) -> LeftOut {
        std::mem::take(&mut self.left_out)
    }

    /// Puts lines together and appends what may be written.
    pub(super) fn pass(&mut self, now: Mono, line: &mut Unfinished, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut rest = piece;
            while !rest.is_empty() {
                let room = WINDOW_BYTES_MAX - line.bytes.len().min(WINDOW_BYTES_MAX);
                let (fits, more) = rest.split_at(rest.len().min(room));
                line.bytes.extend_from_slice(fits);
                rest = more;
                if line.bytes.ends_with(b"\n") {
                    self.finish(now, line, out);
                } else if line.bytes.len() >= WINDOW_BYTES_MAX {
                    self.half(now, line, out);
                }
            }
        }
    }

    /// The stream has ended, or will not go on for now: its unfinished line is written as it is.
    pub(super) fn flush(&mut self, now: Mono, line: &mut Unfinished, out: &mut Vec<u8>) {
        if !line.bytes.is_empty() {
            self.finish(now, line, out);
        }
        *line = Unfinished::default();
    }

    /// Patterns look for secrets: then an unfinished line may hold the beginning of one and is held back.
    pub(super) fn holds_back(&self) -> bool {
        !self.redact.is_empty()
    }

    fn finish(&mut self, now: Mono, line: &mut Unfinished, out: &mut Vec<u8>) {
        if self.admits(now, line) {
            self.redact(&mut line.bytes);
            out.extend_from_slice(&line.bytes);
        } else {
            self.left_out.add(LeftOut { lines: 1, bytes: line.bytes.len() as u64 });
        }
        line.bytes.clear();
        (line.left_out, line.begun) = (false, false);
    }

    /// The first half of a window; the second stays to be looked at with what follows.
    fn half(&mut self, now: Mono, line: &mut Unfinished, out: &mut Vec<u8>) {
        let admitted = self.admits(now, line);
        self.redact(&mut line.bytes);
        let rest = line.bytes.split_off(line.bytes.len().min(WINDOW_BYTES_MAX / 2));
        if admitted {
            out.extend_from_slice(&line.bytes);
        } else {
            self.left_out.bytes += line.bytes.len() as u64;
        }
        line.bytes = rest;
    }

    /// One token for a whole line, however many parts it has.
    fn admits(&mut self, now: Mono, line: &mut Unfinished) -> bool {
        if !line.begun && !line.left_out {
            line.left_out = self.bucket.as_mut().is_some_and(|bucket| !bucket.take(now));
            line.begun = !line.left_out;
        }
        !line.left_out
    }

    fn redact(&self, line: &mut Vec<u8>) {
        for pattern in &self.redact {
            // What is no UTF-8 is looked at with marks in its place; it stays exact where nothing is found.
            let text = String::from_utf8_lossy(line);
            if pattern.is_match(&text) {
                let end = if text.ends_with('\n') { "\n" } else { "" };
                let whole = text.strip_suffix('\n').unwrap_or(&text);
                *line = (pattern.replace_all(whole, STARS).into_owned() + end).into_bytes();
            }
        }
    }
}

/// So many lines at once, refilled evenly.
#[derive(Debug)]
struct Bucket {
    limit: RateLimit,
    /// Lines that may pass now, in billionths: what a nanosecond refills is less than a line.
    level: u128,
    filled: Option<Mono>,
}

impl Bucket {
    const LINE: u128 = 1_000_000_000;

    fn new(limit: RateLimit) -> Self {
        Self { limit, level: u128::from(limit.lines) * Self::LINE, filled: None }
    }

    fn take(&mut self, now: Mono) -> bool {
        let passed = self.filled.map_or(Duration::ZERO, |filled| now.since(filled));
        self.filled = Some(now);
        let refill = passed.as_nanos() * u128::from(self.limit.lines) * Self::LINE / self.limit.per.as_nanos().max(1);
        self.level = (self.level + refill).min(u128::from(self.limit.lines) * Self::LINE);
        let enough = self.level >= Self::LINE;
        if enough {
            self.level -= Self::LINE;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Mono = Mono(0);

    fn passed(filter: &mut Filter, chunks: &[&[u8]]) -> String {
        let (mut line, mut out) = (Unfinished::default(), Vec::new());
        for chunk in chunks {
            filter.pass(START, &mut line, chunk, &mut out);
        }
        filter.flush(START, &mut line, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn secrets_are_replaced_wherever_they_are_cut() {
        let redact = [r"password=\S+".to_owned(), r"\b\d{16}\b".to_owned()];
        let mut filter = Filter::new(&redact, None);
        assert_eq!(passed(&mut filter, &[b"a password=hun", b"ter2 b\nc\n"]), "a *** b\nc\n");
        assert_eq!(passed(&mut filter, &[b"card 1234567812345678\n"]), "card ***\n");
        assert_eq!(passed(&mut filter, &[b"no end password=x"]), "no end ***");
        // In a line without end, at the edge of what is written and of what is looked at.
        for before in [WINDOW_BYTES_MAX / 2 - 4, WINDOW_BYTES_MAX - 4] {
            let text = format!("{} password=hunter2 {}\n", "x".repeat(before), "y".repeat(40_000));
            let out = passed(&mut filter, &[text.as_bytes()]);
            assert!(out.contains("***") && !out.contains("hunter2"), "{before}");
        }
    }

    #[test]
    fn too_many_lines_are_left_out_and_counted() {
        let limit = RateLimit { lines: 2, per: Duration::from_secs(1) };
        let mut filter = Filter::new(&[], Some(limit));
        let (mut line, mut out) = (Unfinished::default(), Vec::new());
        filter.pass(START, &mut line, b"1\n2\n3\n4\n", &mut out);
        assert_eq!(out, b"1\n2\n");
        assert_eq!(filter.take_left_out(), LeftOut { lines: 2, bytes: 4 });
        filter.pass(Mono(500_000_000), &mut line, b"5\n6\n", &mut out);
        assert_eq!(out, b"1\n2\n5\n", "half a second is one line");
        filter.pass(Mono(3_600_000_000_000), &mut line, b"7\n8\n9\n", &mut out);
        assert_eq!(out, b"1\n2\n5\n7\n8\n", "an hour is no more than the limit");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_has_no_secret_passes_unchanged(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20_000), 0..8)) {
            let mut filter = Filter::new(&["never in here: \\d{40}".to_owned()], None);
            let (mut line, mut out) = (Unfinished::default(), Vec::new());
            for chunk in &chunks {
                filter.pass(START, &mut line, chunk, &mut out);
                prop_assert!(line.bytes.len() <= WINDOW_BYTES_MAX);
            }
            filter.flush(START, &mut line, &mut out);
            prop_assert_eq!(out, chunks.concat());
        }
    }
}
