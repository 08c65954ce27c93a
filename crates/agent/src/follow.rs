//! Reads what is appended to a file, over rotations: journals and logs alike.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use mainstay_os::files;

/// What one call reads at most, so that a flood leaves room for other files.
const CHUNK_BYTES_MAX: u64 = 1 << 20;

/// A place in a file that grows.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    partial: Vec<u8>,
}

impl Follower {
    /// Follows `path` from its beginning; the file may not exist yet.
    #[must_use]
    pub fn from_start(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, partial: Vec::new() }
    }

    /// Follows `path` from its present end.
    #[must_use]
    pub fn from_end(path: &Path) -> Self {
        let mut follower = Self::from_start(path);
        if let Ok(mut file) = files::open_read(path)
            && file.seek(SeekFrom::End(0)).is_ok()
        {
            follower.file = Some(file);
        }
        follower
    }

    /// The whole lines that have come since the last call, without their line feeds.
    ///
    /// # Errors
    /// When the file can't be read; one that is not there yet has no lines.
    pub fn lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        loop {
            let file = match &mut self.file {
                Some(file) => file,
                None => match files::open_read(&self.path) {
                    Ok(file) => self.file.insert(file),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(lines),
                    Err(error) => return Err(error),
                },
            };
            // Looked at before reading: what was replaced by now is complete.
            let replaced = !files::same_file(file, &self.path);
            let read = file.take(CHUNK_BYTES_MAX).read_to_end(&mut self.partial)?;
            lines.extend(whole_lines(&mut self.partial));
            if !replaced || read as u64 == CHUNK_BYTES_MAX {
                return Ok(lines);
            }
            // Without one, between two files: the next call looks again.
            let Some(next) = successor(file, &self.path)? else { return Ok(lines) };
            self.file = Some(next);
            self.partial.clear();
        }
    }
}

/// The file that was begun when `file` was set aside: by now it may have been set aside too, as `STEM-…EXTENSION`.
fn successor(file: &File, path: &Path) -> io::Result<Option<File>> {
    // Opened first: if nothing was set aside after `file` even later, this one is what followed it.
    let current = match files::open_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other?),
    };
    let aside = set_aside(path);
    // One that somebody has deleted or taken elsewhere has nothing between itself and the current one.
    let Some(place) = aside.iter().position(|aside| files::same_file(file, aside)) else { return Ok(current) };
    match aside.get(place + 1) {
        Some(next) => files::open_read(next).map(Some),
        None => Ok(current),
    }
}

/// The files set aside of `path`, oldest first: their names sort by time.
pub(crate) fn set_aside(path: &Path) -> Vec<PathBuf> {
    let part =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
    let (stem, extension) = (part(path.file_stem()) + "-", part(path.extension()));
    let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let mut aside: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    aside.retain(|path| part(path.file_stem()).starts_with(&stem) && part(path.extension()) == extension);
    aside.sort();
    aside
}

fn whole_lines(partial: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let Some(end) = partial.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let rest = partial.split_off(end + 1);
    let whole = std::mem::replace(partial, rest);
    whole
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .take(whole.iter().filter(|byte| **byte == b'\n').count())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(lines: io::Result<Vec<Vec<u8>>>) -> Vec<String> {
        lines.unwrap().into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn lines_come_whole_and_over_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut follower = Follower::from_start(&path);
        assert_eq!(text(follower.lines()), [""; 0]);
        let mut file = files::open_append(&path).unwrap();
        file.write_all(b"one\n\ntw").unwrap();
        assert_eq!(text(follower.lines()), ["one", ""]);
        file.write_all(b"o\nlast\n").unwrap();
        drop(file);
        std::fs::rename(&path, folder.path().join("x-1.log")).unwrap();
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(text(follower.lines()), ["two", "last", "new"]);
        for n in 2..5 {
            std::fs::rename(&path, folder.path().join(format!("x-{n}.log"))).unwrap();
            std::fs::write(&path, format!("{n}\n")).unwrap();
        }
        assert_eq!(text(follower.lines()), ["2", "3", "4"], "several rotations between two looks");
        let mut end = Follower::from_end(&path);
        files::open_append(&path).unwrap().write_all(b"more\n").unwrap();
        assert_eq!(text(end.lines()), ["more"]);
    }
}
