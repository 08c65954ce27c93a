//! How far each service's log is shipped to one sink: a file of lines that is only appended to, the last of a service's holds.
//!
//! What a dead process has written is there; of a power cut the last second may be missing or torn, and is sent again then.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use mainstay_logs::cursor::Position;
use mainstay_os::files;
use serde::{Deserialize, Serialize};

/// A longer file is written anew.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One sink's positions.
#[derive(Debug)]
pub(super) struct Positions {
    path: PathBuf,
    /// Closed while it is replaced: on Windows an open file is in the way.
    file: Option<File>,
    bytes: u64,
    known: BTreeMap<String, Position>,
}

#[derive(Serialize, Deserialize)]
struct Entry<'e> {
    service: std::borrow::Cow<'e, str>,
    #[serde(flatten)]
    position: Position,
}

impl Positions {
    /// Reads what is known.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let mut known = BTreeMap::new();
        for entry in
            bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Entry<'_>>(line).ok())
        {
            known.insert(entry.service.into_owned(), entry.position);
        }
        let mut file = files::open_append(path)?;
        if bytes.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self { path: path.to_owned(), file: Some(file), bytes: bytes.len() as u64, known })
    }

    /// Where to go on; at the beginning of a log that is new.
    pub(super) fn get(&self, service: &str) -> Position {
        self.known.get(service).cloned().unwrap_or_default()
    }

    /// Everything before this is shipped.
    pub(super) fn put(&mut self, service: &str, position: &Position) -> io::Result<()> {
        if self.known.get(service) == Some(position) {
            return Ok(());
        }
        self.known.insert(service.to_owned(), position.clone());
        let line = line(service, position)?;
        if self.bytes + line.len() as u64 > FILE_BYTES_MAX {
            return self.begin_anew();
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(files::open_append(&self.path)?),
        };
        file.write_all(&line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        let mut all = Vec::new();
        for (service, position) in &self.known {
            all.extend(line(service, position)?);
        }
        self.file = None;
        files::replace(&self.path, &all)?;
        // With very many services even the shortest file is long.
        self.bytes = (all.len() as u64).min(FILE_BYTES_MAX / 2);
        Ok(())
    }
}

fn line(service: &str, position: &Position) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Entry { service: service.into(), position: position.clone() })?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Position {
        Position { after: Some("20261123T050000.000000001Z".into()), offset, began: None }
    }

    #[test]
    fn the_last_position_holds_and_a_torn_line_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.positions");
        let mut positions = Positions::open(&path).unwrap();
        assert_eq!(positions.get("web"), Position::default());
        positions.put("web", &at(10)).unwrap();
        positions.put("web@2", &at(7)).unwrap();
        positions.put("web", &at(20)).unwrap();
        files::open_append(&path).unwrap().write_all(b"{\"service\":\"web\",\"off").unwrap();
        let mut positions = Positions::open(&path).unwrap();
        assert_eq!((positions.get("web"), positions.get("web@2")), (at(20), at(7)));
        positions.put("web", &at(30)).unwrap();
        assert_eq!(Positions::open(&path).unwrap().get("web"), at(30));
    }

    #[test]
    fn the_file_stays_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.positions");
        let mut positions = Positions::open(&path).unwrap();
        for offset in 0..20_000 {
            positions.put("web", &at(offset)).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() <= FILE_BYTES_MAX);
        assert_eq!(Positions::open(&path).unwrap().get("web"), at(19_999));
    }
}
