//! One entry of a log file, borrowed from the block it lies in: `2026-11-23T05:00:00.123456789Z stdout F text`.

use jiff::Timestamp;
pub use mainstay_wire::stream::Stream;

/// A time as it stands in entries: always as long, so that the order of texts is that of times.
pub type Stamp = [u8; STAMP_BYTES];

/// `2026-11-23T05:00:00.123456789Z`
pub const STAMP_BYTES: usize = 30;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'b> {
    /// When it was read from the program.
    pub stamp: Stamp,
    /// Where it was written.
    pub stream: Stream,
    /// Its line goes on in the stream's next entry.
    pub is_part: bool,
    /// The program's bytes, without the line feed.
    pub text: &'b [u8],
}

impl<'b> Entry<'b> {
    /// Reads one line without its line feed; `None` for what is no entry.
    #[must_use]
    pub fn parse(line: &'b [u8]) -> Option<Self> {
        let (stamp, rest) = line.split_first_chunk::<STAMP_BYTES>()?;
        // Looked at by place and not parsed: this runs for every line there is.
        let is_stamp = matches!(stamp, [_, _, _, _, b'-', _, _, b'-', _, _, b'T', .., b'Z']);
        let (stream, rest) = match rest.split_first_chunk::<8>()? {
            (b" stdout ", rest) => (Stream::Stdout, rest),
            (b" stderr ", rest) => (Stream::Stderr, rest),
            _ => return None,
        };
        let (is_part, text) = match rest.split_first_chunk::<2>()? {
            (b"F ", text) => (false, text),
            (b"P ", text) => (true, text),
            _ => return None,
        };
        is_stamp.then_some(Self { stamp: *stamp, stream, is_part, text })
    }
}

/// The stamp of a time. One outside of the years 0 to 9999 is the nearest that can be written.
#[must_use]
pub fn stamp(time: Timestamp) -> Stamp {
    let text = format!("{time:.9}");
    let nearest = if time < Timestamp::UNIX_EPOCH {
        b"0000-01-01T00:00:00.000000000Z"
    } else {
        b"9999-12-31T23:59:59.999999999Z"
    };
    text.as_bytes().try_into().unwrap_or(*nearest)
}

/// The time of a stamp; `None` when its digits are no time.
#[must_use]
pub fn time(stamp: &Stamp) -> Option<Timestamp> {
    std::str::from_utf8(stamp).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_to_the_byte() {
        let entry = Entry::parse(b"2026-11-23T05:00:00.123456789Z stdout F two  words \xff\r").unwrap();
        assert_eq!((entry.stream, entry.is_part, entry.text), (Stream::Stdout, false, &b"two  words \xff\r"[..]));
        assert_eq!(time(&entry.stamp).unwrap().to_string(), "2026-11-23T05:00:00.123456789Z");
        assert_eq!(stamp(time(&entry.stamp).unwrap()), entry.stamp);
        let empty = Entry::parse(b"2026-11-23T05:00:00.000000000Z stderr P ").unwrap();
        assert!(empty.is_part && empty.text.is_empty());
        for bad in [
            "",
            "2026-11-23T05:00:00Z stdout F a",
            "2026-11-23T05:00:00.123456789Z stdin F a",
            "2026-11-23T05:00:00.123456789Z stdout X a",
            "2026-11-23T05:00:00.123456789Z stdout F",
            "x026-11-23 05:00:00.123456789Z stdout F a",
        ] {
            assert_eq!(Entry::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
