//! Lines as MessagePack entries, written into one buffer that is used again.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use rmp::encode::{ValueWriteError, write_array_len, write_bin, write_ext_meta, write_map_len, write_str, write_uint};

use crate::line::Line;

/// A buffer larger than this is given back after it was used.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// The longest bytes that an `EventTime` has: seconds and nanoseconds, 32 bits each.
const EVENT_TIME_BYTES: u32 = 8;

/// Makes frames.
pub(super) struct Encoder {
    /// `host` and the sink's own fields, written down once.
    fixed: Vec<u8>,
    fixed_len: u32,
    entries: Vec<u8>,
    frame: Vec<u8>,
}

type Written<T> = Result<T, ValueWriteError>;

impl Encoder {
    pub(super) fn new(host: &str, fields: &[(String, String)]) -> Self {
        let mut fixed = Vec::new();
        let pairs = std::iter::once(("host", host)).chain(fields.iter().map(|(name, text)| (&**name, &**text)));
        let mut fixed_len = 0;
        for (name, text) in pairs {
            // A `Vec` takes everything.
            if write_str(&mut fixed, name).and_then(|()| write_str(&mut fixed, text)).is_ok() {
                fixed_len += 1;
            }
        }
        Self { fixed, fixed_len, entries: Vec::new(), frame: Vec::new() }
    }

    /// `[tag, entries, {"size": …, "chunk": id, "compressed": "gzip"}]`.
    pub(super) fn frame<'l>(
        &mut self,
        tag: &str,
        id: &str,
        lines: impl Iterator<Item = &'l Line>,
        gzip: bool,
    ) -> Result<&[u8], std::io::Error> {
        self.entries.clear();
        let mut size = 0_u64;
        for line in lines {
            self.entry(line).map_err(std::io::Error::from)?;
            size += 1;
        }
        self.frame.clear();
        let frame = &mut self.frame;
        write_array_len(frame, 3).map_err(std::io::Error::from)?;
        write_str(frame, tag).map_err(std::io::Error::from)?;
        if gzip {
            let mut encoder = GzEncoder::new(Vec::with_capacity(self.entries.len() / 4), Compression::fast());
            encoder.write_all(&self.entries)?;
            write_bin(frame, &encoder.finish()?).map_err(std::io::Error::from)?;
        } else {
            write_bin(frame, &self.entries).map_err(std::io::Error::from)?;
        }
        options(frame, id, size, gzip).map_err(std::io::Error::from)?;
        Ok(frame)
    }

    /// `[EventTime, record]`.
    fn entry(&mut self, line: &Line) -> Written<()> {
        let entries = &mut self.entries;
        write_array_len(entries, 2)?;
        write_ext_meta(entries, EVENT_TIME_BYTES, 0)?;
        // The format ends in 2106 and begins in 1970; what is outside stands at the nearer end.
        let seconds = line.time.as_second().clamp(0, i64::from(u32::MAX));
        entries.extend_from_slice(&u32::try_from(seconds).unwrap_or(u32::MAX).to_be_bytes());
        entries.extend_from_slice(&u32::try_from(line.time.subsec_nanosecond()).unwrap_or(0).to_be_bytes());
        let own = 3 + u32::from(line.level.is_some()) + u32::from(line.run.is_some());
        write_map_len(entries, own + self.fixed_len)?;
        write_str(entries, "message")?;
        match std::str::from_utf8(&line.text) {
            Ok(text) => write_str(entries, text)?,
            // Byte for byte: the format has a type for what is no text.
            Err(_) => write_bin(entries, &line.text)?,
        }
        write_str(entries, "service")?;
        write_str(entries, &line.service)?;
        write_str(entries, "stream")?;
        write_str(entries, line.stream.word())?;
        if let Some(level) = line.level {
            write_str(entries, "level")?;
            write_str(entries, level.word())?;
        }
        if let Some(run) = line.run {
            write_str(entries, "run")?;
            write_uint(entries, run)?;
        }
        entries.extend_from_slice(&self.fixed);
        Ok(())
    }

    /// Gives large buffers back.
    pub(super) fn shrink(&mut self) {
        self.entries.clear();
        self.frame.clear();
        self.entries.shrink_to(KEPT_BYTES_MAX);
        self.frame.shrink_to(KEPT_BYTES_MAX);
    }
}

fn options(frame: &mut Vec<u8>, id: &str, size: u64, gzip: bool) -> Written<()> {
    write_map_len(frame, 2 + u32::from(gzip))?;
    write_str(frame, "size")?;
    write_uint(frame, size)?;
    write_str(frame, "chunk")?;
    write_str(frame, id)?;
    if gzip {
        write_str(frame, "compressed")?;
        write_str(frame, "gzip")?;
    }
    Ok(())
}
