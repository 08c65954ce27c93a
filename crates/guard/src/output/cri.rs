//! Cuts a byte stream into CRI log lines: `2026-11-23T05:00:00.123456789Z stdout F text`.
//!
//! The format is that of Kubernetes' container runtimes (kubelet, `docs/design/kubelet-cri-logging`): time, stream, `F` for a full line
//! or `P` for a part of one that goes on in the next entry, text. Joining the parts gives back the exact bytes without their line feeds.

use jiff::Timestamp;
pub(crate) use mainstay_wire::stream::Stream;

/// A longer line is written in parts, so that memory stays bounded whatever is printed. The same limit as containerd's.
pub(crate) const PART_BYTES_MAX: usize = 16 << 10;

/// The time of entries as they have it; made once for all that was read together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp([u8; STAMP_BYTES]);

/// Nanoseconds always in nine digits, so that text order is time order.
const STAMP_BYTES: usize = "2026-11-23T05:00:00.123456789Z".len();

/// What an entry has before its text: time, stream, tag and the spaces between.
pub(crate) const HEAD_BYTES: usize = STAMP_BYTES + " stdout F ".len();

impl Stamp {
    pub(crate) fn at(now: Timestamp) -> Self {
        let mut stamp = [b'0'; STAMP_BYTES];
        // A clock before the year 0 or after 9999 would have another length.
        let text = format!("{now:.9}");
        if text.len() == STAMP_BYTES {
            stamp.copy_from_slice(text.as_bytes());
        }
        Self(stamp)
    }
}

/// One entry.
pub(crate) fn entry(stamp: Stamp, stream: Stream, tag: u8, parts: [&[u8]; 2], out: &mut Vec<u8>) {
    out.extend_from_slice(&stamp.0);
    out.push(b' ');
    out.extend_from_slice(stream.word().as_bytes());
    out.extend_from_slice(&[b' ', tag, b' ']);
    parts.into_iter().for_each(|part| out.extend_from_slice(part));
    out.push(b'\n');
}

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

    /// Appends the entries that `bytes` complete to `out`.
    pub(crate) fn cut(&mut self, stamp: Stamp, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(end);
            if self.pending.is_empty() && head.len() <= PART_BYTES_MAX {
                // Most lines come whole and are copied once.
                entry(stamp, self.stream, b'F', [head, b""], out);
            } else {
                let head = self.hold(stamp, head, out);
                self.emit(stamp, b'F', head, out);
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        let rest = self.hold(stamp, rest, out);
        self.pending.extend_from_slice(rest);
    }

    /// Writes what is held although its line is not finished: as `P` when more may come, as `F` when the stream has ended.
    pub(crate) fn flush(&mut self, stamp: Stamp, ended: bool, out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            self.emit(stamp, if ended { b'F' } else { b'P' }, b"", out);
        }
    }

    /// Something is held back that a reader would want to see.
    pub(crate) fn holds(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Writes parts until the rest fits behind what is pending; returns it.
    fn hold<'b>(&mut self, stamp: Stamp, mut bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        while self.pending.len() + bytes.len() > PART_BYTES_MAX {
            let (fits, rest) = bytes.split_at(PART_BYTES_MAX - self.pending.len());
            self.emit(stamp, b'P', fits, out);
            bytes = rest;
        }
        bytes
    }

    fn emit(&mut self, stamp: Stamp, tag: u8, more: &[u8], out: &mut Vec<u8>) {
        entry(stamp, self.stream, tag, [&self.pending, more], out);
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamp() -> Stamp {
        Stamp::at(Timestamp::UNIX_EPOCH)
    }

    fn entries(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut cutter, mut out) = (Cutter::new(Stream::Stdout), Vec::new());
        for chunk in chunks {
            cutter.cut(stamp(), chunk, &mut out);
        }
        cutter.flush(stamp(), true, &mut out);
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
            cutter.cut(stamp(), &[b'x'; 10_000], &mut out);
            assert!(cutter.pending.len() <= PART_BYTES_MAX);
        }
        assert!(out.starts_with(b"1970-01-01T00:00:00.000000000Z stderr P xxx"));
    }

    #[test]
    fn a_prompt_is_shown_as_a_part_and_its_line_goes_on() {
        let (mut cutter, mut out) = (Cutter::new(Stream::Stdout), Vec::new());
        cutter.cut(stamp(), b"password: ", &mut out);
        cutter.flush(stamp(), false, &mut out);
        cutter.cut(stamp(), b"ok\n", &mut out);
        assert_eq!(joined(&out), b"password: ok\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
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
