//! Lines that a receiver will never take: kept for people, one JSON object a line.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use mainstay_os::files;
use mainstay_ship::{Line, Refused};
use mainstay_wire::level::Level;
use serde_json::json;

/// A longer file is set aside; one old file is kept.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// One sink's dead letters.
#[derive(Debug)]
pub(super) struct Letters {
    path: Option<PathBuf>,
}

impl Letters {
    /// `None`: they are only counted.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path }
    }

    /// Keeps what was refused of these lines.
    pub(super) fn keep(&self, lines: &[Line], refused: &[Refused]) -> io::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| !refused.is_empty()) else { return Ok(()) };
        let now = Timestamp::now();
        let mut bytes = Vec::new();
        for Refused { index, reason } in refused {
            let Some(line) = lines.get(*index) else { continue };
            let letter = json!({
                "refused": now, "reason": reason, "time": line.time, "service": &*line.service, "stream": line.stream,
                "level": line.level.map(Level::word), "run": line.run, "line": String::from_utf8_lossy(&line.text),
            });
            bytes.extend(serde_json::to_vec(&letter)?);
            bytes.push(b'\n');
        }
        path.parent().map_or(Ok(()), files::make_private_dir)?;
        let length = match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            other => other?.len(),
        };
        if length > 0 && length + bytes.len() as u64 > FILE_BYTES_MAX {
            std::fs::rename(path, path.with_extension("old.ndjson"))?;
        }
        files::open_append(path)?.write_all(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use mainstay_wire::sinks::Stream;

    use super::*;

    #[test]
    fn what_was_refused_is_kept_with_its_reason_and_the_file_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letters").join("main.ndjson");
        let line = |text: &[u8]| Line {
            time: Timestamp::UNIX_EPOCH,
            service: "web".into(),
            stream: Stream::Stdout,
            level: None,
            run: None,
            text: text.to_vec(),
        };
        let refused = [Refused { index: 1, reason: "too old".to_owned() }];
        let letters = Letters::new(Some(path.clone()));
        letters.keep(&[line(b"good"), line(b"bad \xff")], &refused).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let letter: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&letter["reason"], &letter["line"]), (&json!("too old"), &json!("bad \u{fffd}")));
        assert!(!text.contains("good"));
        for _ in 0..5 {
            letters.keep(&[line(b""), line(&[b'x'; 7 << 20])], &refused).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() <= FILE_BYTES_MAX);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
        Letters::new(None).keep(&[line(b"")], &refused).unwrap();
    }
}
