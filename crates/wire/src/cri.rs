//! One entry of a managed log: `2026-11-23T05:00:00.123456789Z stdout F text`.

use jiff::Timestamp;

/// A parsed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was read from the program.
    pub time: Timestamp,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Its line goes on in the next entry of the stream.
    pub partial: bool,
    /// The exact bytes, without the line feed.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// Reads one line without its line feed; `None` for what is no entry.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |byte| *byte == b' ');
        let mut word = || std::str::from_utf8(fields.next()?).ok();
        let time = word()?.parse().ok()?;
        let stream = word().filter(|stream| matches!(*stream, "stdout" | "stderr"))?.to_owned();
        let partial = match word()? {
            "P" => true,
            "F" => false,
            _ => return None,
        };
        Some(Self { time, stream, partial, bytes: fields.next()?.to_vec() })
    }

    /// For people and JSON: what is no UTF-8 is replaced, a carriage return at the end is left out.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim_end_matches('\r').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_to_the_byte() {
        let entry = Entry::parse(b"2026-11-23T05:00:00.123456789Z stdout F two  words \xff\r").unwrap();
        assert_eq!(
            (entry.stream.as_str(), entry.partial, entry.bytes.as_slice()),
            ("stdout", false, &b"two  words \xff\r"[..])
        );
        assert_eq!(entry.text(), "two  words \u{fffd}");
        assert!(Entry::parse(b"2026-11-23T05:00:00Z stderr P ").unwrap().bytes.is_empty());
        for bad in [
            "",
            "x stdout F a",
            "2026-11-23T05:00:00Z stdin F a",
            "2026-11-23T05:00:00Z stdout X a",
            "2026-11-23T05:00:00Z stdout F",
        ] {
            assert_eq!(Entry::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
