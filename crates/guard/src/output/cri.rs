//! Cuts a byte stream into CRI log lines: `2026-11-23T05:00:00.123456789Z stdout F text`.
//!
//! The format is that of Kubernetes' container runtimes (kubelet, `docs/design/kubelet-cri-logging`): time, stream, `F` for a full line
//! or `P` for a part of one that goes on in the next entry, text. Joining the parts gives back the exact bytes without their line feeds.

use jiff::Timestamp;

/// Which of the program's streams a byte came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A longer line is written in parts, so that memory stays bounded whatever is printed. The same limit as containerd's.
pub(crate) const PART_BYTES_MAX: usize = 16 << 10;

/// Cuts one stream. Holds at most the unfinished part of one line.
#[derive(Debug)]
pub(crate) struct Cutter {
    stream: Stream,
    pending: Vec<u8>,
}

impl Cutter {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// Appends the entries that `bytes` complete to `out` and passes each completed line or part to `line`.
    pub(crate) fn cut(&mut self, now: Timestamp, bytes: &[u8], out: &mut Vec<u8>, mut line: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            self.hold(now, head, out, &mut line);
            self.emit(now, b'F', out, &mut line);
            rest = tail.get(1..).unwrap_or_default();
        }
        self.hold(now, rest, out, &mut line);
    }

    /// Writes what is held although its line is not finished: as `P` when more may come, as `F` when the stream has ended.
    pub(crate) fn flush(&mut self, now: Timestamp, ended: bool, out: &mut Vec<u8>, mut line: impl FnMut(&[u8])) {
        if !self.pending.is_empty() {
            self.emit(now, if ended { b'F' } else { b'P' }, out, &mut line);
        }
    }

    /// Something is held back that a reader would want to see.
    pub(crate) fn holds(&self) -> bool {
        !self.pending.is_empty()
    }

    fn hold(&mut self, now: Timestamp, mut bytes: &[u8], out: &mut Vec<u8>, line: &mut impl FnMut(&[u8])) {
        while self.pending.len() + bytes.len() > PART_BYTES_MAX {
            let (fits, rest) = bytes.split_at(PART_BYTES_MAX - self.pending.len());
            self.pending.extend_from_slice(fits);
            self.emit(now, b'P', out, line);
            bytes = rest;
        }
        self.pending.extend_from_slice(bytes);
    }

    fn emit(&mut self, now: Timestamp, tag: u8, out: &mut Vec<u8>, line: &mut impl FnMut(&[u8])) {
        // Nanoseconds always in nine digits, so that text order is time order.
        out.extend_from_slice(format!("{now:.9} {} {} ", self.stream.word(), char::from(tag)).as_bytes());
        out.extend_from_slice(&self.pending);
        out.push(b'\n');
        line(&self.pending);
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut cutter, mut out) = (Cutter::new(Stream::Stdout), Vec::new());
        for chunk in chunks {
            cutter.cut(Timestamp::UNIX_EPOCH, chunk, &mut out, |_| {});
        }
        cutter.flush(Timestamp::UNIX_EPOCH, true, &mut out, |_| {});
        out
    }

    /// The bytes that a reader gets back: parts joined, each full line with its line feed.
    fn joined(out: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in out.split_inclusive(|byte| *byte == b'\n') {
            let mut fields = entry.splitn(4, |byte| *byte == b' ');
            let tag = fields.nth(2).unwrap();
            let text = fields.next().unwrap();
            bytes.extend_from_slice(if tag == b"F" { text } else { &text[..text.len() - 1] });
        }
        bytes
    }

    #[test]
    fn a_line_is_one_entry_however_it_arrives() {
        let whole = entries(&[b"one\ntwo\n"]);
        assert_eq!(
            whole,
            b"1970-01-01T00:00:00.000000000Z stdout F one\n1970-01-01T00:00:00.000000000Z stdout F two\n"
        );
        assert_eq!(entries(&[b"o", b"ne", b"\nt", b"wo\n"]), whole);
    }

    #[test]
    fn a_line_without_end_is_written_in_bounded_parts() {
        let (mut cutter, mut out) = (Cutter::new(Stream::Stderr), Vec::new());
        for _ in 0..100 {
            cutter.cut(Timestamp::UNIX_EPOCH, &[b'x'; 10_000], &mut out, |_| {});
            assert!(cutter.pending.len() <= PART_BYTES_MAX);
        }
        assert!(out.starts_with(b"1970-01-01T00:00:00.000000000Z stderr P xxx"));
    }

    #[test]
    fn a_prompt_is_shown_as_a_part_and_its_line_goes_on() {
        let (mut cutter, mut out) = (Cutter::new(Stream::Stdout), Vec::new());
        cutter.cut(Timestamp::UNIX_EPOCH, b"password: ", &mut out, |_| {});
        cutter.flush(Timestamp::UNIX_EPOCH, false, &mut out, |_| {});
        cutter.cut(Timestamp::UNIX_EPOCH, b"ok\n", &mut out, |_| {});
        assert_eq!(joined(&out), b"password: ok\n");
    }

    proptest! {
        #[test]
        fn every_byte_comes_back(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40_000), 0..6)) {
            let mut bytes = chunks.concat();
            let slices: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let back = joined(&entries(&slices));
            if !bytes.is_empty() && !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            prop_assert_eq!(back, bytes);
        }
    }
}
