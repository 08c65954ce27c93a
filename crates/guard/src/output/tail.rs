//! The last lines of a run, for its exit record: kept as bytes, made lines of only when somebody asks.

use std::collections::VecDeque;

use super::cri::Stream;
use super::{TAIL_LINE_BYTES_MAX, TAIL_LINES_MAX};

/// What the lines can take at most, and what there is of them: of anything longer the beginning is missing.
const BYTES_MAX: usize = TAIL_LINES_MAX * TAIL_LINE_BYTES_MAX;

/// The end of what a run printed.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    /// How the bytes came: stream and length, oldest first.
    pieces: VecDeque<(Stream, usize)>,
}

impl Tail {
    pub(super) fn clear(&mut self) {
        // Of a run that printed nothing more than a word, most guards keep nothing.
        *self = Self::default();
    }

    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let bytes = bytes.get(bytes.len().saturating_sub(BYTES_MAX)..).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        self.forget((self.bytes.len() + bytes.len()).saturating_sub(BYTES_MAX));
        self.bytes.extend(bytes);
        match self.pieces.back_mut() {
            Some((last, length)) if *last == stream => *length += bytes.len(),
            _ => self.pieces.push_back((stream, bytes.len())),
        }
    }

    fn forget(&mut self, mut surplus: usize) {
        self.bytes.drain(..surplus);
        while let Some((_, length)) = self.pieces.front_mut() {
            if *length > surplus {
                *length -= surplus;
                return;
            }
            surplus -= *length;
            self.pieces.pop_front();
        }
    }

    /// In the order of their ends.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut open: [(Stream, Vec<u8>); 2] = [(Stream::Stdout, Vec::new()), (Stream::Stderr, Vec::new())];
        let mut bytes = self.bytes.iter().copied();
        for (stream, length) in &self.pieces {
            for byte in bytes.by_ref().take(*length) {
                let Some((_, line)) = open.iter_mut().find(|(of, _)| of == stream) else { continue };
                match byte {
                    b'\n' => lines.push(std::mem::take(line)),
                    _ => line.push(byte),
                }
            }
        }
        lines.extend(open.into_iter().map(|(_, line)| line).filter(|line| !line.is_empty()));
        let last = lines.split_off(lines.len().saturating_sub(TAIL_LINES_MAX));
        last.iter().map(|line| text(line)).collect()
    }
}

fn text(line: &[u8]) -> String {
    let short = line.get(..line.len().min(TAIL_LINE_BYTES_MAX)).unwrap_or_default();
    String::from_utf8_lossy(short).trim_end_matches('\r').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_lines_of_both_streams_come_in_the_order_of_their_ends() {
        let mut tail = Tail::default();
        tail.push(Stream::Stdout, b"one\ntw");
        tail.push(Stream::Stderr, b"bad\r\n");
        tail.push(Stream::Stdout, b"o\n");
        tail.push(Stream::Stdout, b"unfinished");
        assert_eq!(tail.lines(), ["one", "bad", "two", "unfinished"]);
        tail.clear();
        assert_eq!(tail.lines(), [""; 0]);
    }

    #[test]
    fn there_are_so_many_and_each_has_a_limit() {
        let mut tail = Tail::default();
        for n in 0..100 {
            tail.push(Stream::Stdout, format!("line {n}\n").as_bytes());
        }
        assert_eq!((tail.lines().len(), tail.lines()[0].as_str()), (TAIL_LINES_MAX, "line 80"));
        tail.push(Stream::Stderr, &[b'x'; 10_000]);
        assert_eq!(tail.lines().last().unwrap().len(), TAIL_LINE_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_the_pieces_are_the_bytes(
            pushes in proptest::collection::vec((any::<bool>(), 0..60_000usize), 0..20),
        ) {
            let mut tail = Tail::default();
            for (out, length) in pushes {
                tail.push(if out { Stream::Stdout } else { Stream::Stderr }, &vec![b'a'; length]);
                prop_assert!(tail.bytes.len() <= BYTES_MAX);
                prop_assert_eq!(tail.pieces.iter().map(|(_, length)| length).sum::<usize>(), tail.bytes.len());
            }
        }
    }
}
