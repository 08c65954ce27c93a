//! Looks for the line that makes a run ready.

use mainstay_core::event::RunId;
use regex_lite::Regex;

use super::cri::{PART_BYTES_MAX, Stream};

/// A pattern and the unfinished line of each stream.
#[derive(Debug)]
pub(super) struct Watch {
    run: RunId,
    pattern: Regex,
    open: [Vec<u8>; 2],
}

impl Watch {
    pub(super) fn new(run: RunId, pattern: Regex) -> Self {
        Self { run, pattern, open: [Vec::new(), Vec::new()] }
    }

    /// The run that is ready, if one of the lines that end here says so; of a longer line the first 16 KiB are looked at.
    pub(super) fn look(&mut self, stream: Stream, bytes: &[u8]) -> Option<RunId> {
        let [out, err] = &mut self.open;
        let open = match stream {
            Stream::Stdout => out,
            Stream::Stderr => err,
        };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = PART_BYTES_MAX.saturating_sub(open.len());
            open.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
            if piece.ends_with(b"\n") {
                let line = std::mem::take(open);
                let text = String::from_utf8_lossy(&line);
                if self.pattern.is_match(text.trim_end_matches(['\n', '\r'])) {
                    return Some(self.run);
                }
            }
        }
        None
    }

    /// An unfinished line counts when its stream ends or nothing more of it comes.
    pub(super) fn look_at_unfinished(&self) -> Option<RunId> {
        let matches = |line: &Vec<u8>| !line.is_empty() && self.pattern.is_match(&String::from_utf8_lossy(line));
        self.open.iter().any(matches).then_some(self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_however_it_arrives_and_streams_are_apart() {
        let mut watch = Watch::new(RunId(7), Regex::new("^listening$").unwrap());
        assert_eq!(watch.look(Stream::Stdout, b"listen"), None);
        assert_eq!(watch.look(Stream::Stderr, b"ing\n"), None);
        assert_eq!(watch.look(Stream::Stdout, b"ing\r\n"), Some(RunId(7)));
        assert_eq!(watch.look(Stream::Stdout, b"not listening\n"), None);
        assert_eq!(watch.look(Stream::Stderr, b"listening"), None);
        assert_eq!(watch.look_at_unfinished(), Some(RunId(7)));
    }
}
