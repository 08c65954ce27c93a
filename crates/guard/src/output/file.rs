//! One log file: appended to, begun anew by size, and reopened by itself after whatever happened to it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use mainstay_core::spec::Rotate;
use mainstay_core::time::Mono;
use mainstay_os::files;

/// A broken file is tried again at the next write after this long; a healthy one is looked at as often, whether it is still the one that
/// its path leads to.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A file that output is appended to. A write never fails: what can't be written is counted.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    rotate: Rotate,
    open: Option<Open>,
    looked: Option<Mono>,
    lost_bytes: u64,
    trouble: Option<String>,
    /// The file that was put aside last, until somebody is told.
    rotated: Option<PathBuf>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size_bytes: u64,
}

/// News for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileNews {
    /// Output is being lost from now on.
    Broken(String),
    /// It is kept again; so many bytes were lost.
    Mended(String),
    /// It was begun anew; this is the old one.
    Rotated(PathBuf),
}

impl LogFile {
    pub(crate) fn new(path: PathBuf, rotate: Rotate) -> Self {
        Self { path, rotate, open: None, looked: None, lost_bytes: 0, trouble: None, rotated: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn set_rotate(&mut self, rotate: Rotate) {
        self.rotate = rotate;
    }

    /// The old file of a rotation that nobody was told of yet.
    pub(crate) fn take_rotated(&mut self) -> Option<PathBuf> {
        self.rotated.take()
    }

    /// Appends `bytes`, which end at a line's end wherever the caller knows lines.
    pub(crate) fn write(&mut self, now: Mono, wall: Timestamp, bytes: &[u8]) -> Option<FileNews> {
        match self.try_write(now, wall, bytes) {
            Ok(()) => self.mended(),
            Err(error) => {
                self.lost_bytes += bytes.len() as u64;
                self.open = None;
                self.broken(&error)
            }
        }
    }

    fn try_write(&mut self, now: Mono, wall: Timestamp, bytes: &[u8]) -> io::Result<()> {
        self.look(now)?;
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.size_bytes > 0 && open.size_bytes + bytes.len() as u64 > self.rotate.size_bytes)
        {
            self.begin_anew(wall)?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::at(&self.path)?),
        };
        if let Err(error) = open.file.write_all(bytes) {
            // A piece of it may be in the file: without it, the next line begins a line. Best effort on a broken disk.
            drop(open.file.set_len(open.size_bytes));
            return Err(error);
        }
        open.size_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Now and then: is the file still there? While it is broken: is it time for another try?
    fn look(&mut self, now: Mono) -> io::Result<()> {
        let due = self.looked.is_none_or(|looked| now.since(looked) >= LOOK_EVERY);
        if due {
            self.looked = Some(now);
            if self.open.as_ref().is_some_and(|open| !files::same_file(&open.file, &self.path)) {
                self.open = None;
            }
            return Ok(());
        }
        match &self.trouble {
            Some(trouble) => Err(io::Error::other(trouble.clone())),
            None => Ok(()),
        }
    }

    /// Renames the current file to one with its time in the name and removes the oldest beyond `keep`.
    fn begin_anew(&mut self, wall: Timestamp) -> io::Result<()> {
        self.open = None;
        let aside = self.aside(wall);
        std::fs::rename(&self.path, &aside)?;
        self.rotated = Some(aside);
        // Too many old files are no reason to lose new output: the next rotation tries again.
        drop(self.remove_oldest());
        Ok(())
    }

    /// `output.log` → `output-20261123T050000.123456789Z.log`: names sort by time, and no two rotations share one.
    fn aside(&self, wall: Timestamp) -> PathBuf {
        let (stem, extension) = self.name_parts();
        self.path.with_file_name(format!("{stem}-{}{extension}", wall.strftime("%Y%m%dT%H%M%S%.9fZ")))
    }

    fn name_parts(&self) -> (String, String) {
        let part = |os: Option<&std::ffi::OsStr>| os.map(|s| s.to_string_lossy().into_owned());
        let extension = part(self.path.extension()).map(|e| format!(".{e}")).unwrap_or_default();
        (part(self.path.file_stem()).unwrap_or_default(), extension)
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        let (stem, extension) = self.name_parts();
        let mut old: Vec<PathBuf> =
            std::fs::read_dir(folder)?.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
        old.retain(|path| path.file_name().is_some_and(|name| is_aside(&name.to_string_lossy(), &stem, &extension)));
        old.sort();
        let surplus = old.len().saturating_sub(self.rotate.keep as usize);
        old.iter().take(surplus).try_for_each(std::fs::remove_file)
    }

    fn broken(&mut self, error: &io::Error) -> Option<FileNews> {
        if self.trouble.is_some() {
            return None;
        }
        self.trouble = Some(error.to_string());
        Some(FileNews::Broken(format!(
            "cannot write to {}: {error}; the program goes on and its output is lost until this is mended",
            self.path.display()
        )))
    }

    fn mended(&mut self) -> Option<FileNews> {
        self.trouble.take()?;
        let lost = std::mem::take(&mut self.lost_bytes);
        Some(FileNews::Mended(format!("{} is written again; {lost} bytes of output were lost", self.path.display())))
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = match files::open_append(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), files::make_private_dir)?;
                files::open_append(path)?
            }
            other => other?,
        };
        let size_bytes = file.metadata()?.len();
        Ok(Self { file, size_bytes })
    }
}

/// Exactly the form that `aside` makes, so that nothing of the user's is ever removed.
fn is_aside(name: &str, stem: &str, extension: &str) -> bool {
    let middle = name.strip_prefix(stem).and_then(|n| n.strip_prefix('-')).and_then(|n| n.strip_suffix(extension));
    middle.is_some_and(|time| {
        let pattern = "dddddddd_dddddd.dddddddddZ".replace('_', "T");
        time.len() == pattern.len()
            && time.chars().zip(pattern.chars()).all(|(c, p)| if p == 'd' { c.is_ascii_digit() } else { c == p })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROTATE: Rotate = Rotate { size_bytes: 10, keep: 2 };

    fn second(n: u64) -> (Mono, Timestamp) {
        (Mono(n * 1_000_000_000), Timestamp::from_second(i64::try_from(n).unwrap()).unwrap())
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_set_aside_and_only_keep_old_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("output-mine.log"), "not ours to remove").unwrap();
        let mut file = LogFile::new(folder.path().join("output.log"), ROTATE);
        for n in 1..=5 {
            let (mono, wall) = second(n);
            assert_eq!(file.write(mono, wall, b"12345678\n"), None);
        }
        assert_eq!(
            names(folder.path()),
            [
                "output-19700101T000004.000000000Z.log",
                "output-19700101T000005.000000000Z.log",
                "output-mine.log",
                "output.log"
            ]
        );
    }

    #[test]
    fn a_deleted_folder_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs").join("web").join("output.log");
        let mut file = LogFile::new(path.clone(), ROTATE);
        let (mono, wall) = second(1);
        assert_eq!(file.write(mono, wall, b"one\n"), None);
        drop(file.open.take()); // Windows keeps the folder of an open file
        std::fs::remove_dir_all(folder.path().join("logs")).unwrap();
        let (mono, wall) = second(3);
        assert_eq!(file.write(mono, wall, b"two\n"), None);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\n");
    }

    #[test]
    fn a_renamed_file_is_left_to_who_renamed_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output.log");
        let mut file = LogFile::new(path.clone(), ROTATE);
        let (mono, wall) = second(1);
        file.write(mono, wall, b"one\n");
        std::fs::rename(&path, folder.path().join("taken")).unwrap();
        let (mono, wall) = second(3);
        file.write(mono, wall, b"two\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\n");
        assert_eq!(std::fs::read_to_string(folder.path().join("taken")).unwrap(), "one\n");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_once_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output.log");
        std::fs::create_dir(&path).unwrap(); // a folder where the file should be: the same refusal on both systems, also for root
        let mut file = LogFile::new(path.clone(), ROTATE);
        let (mono, wall) = second(1);
        assert!(matches!(file.write(mono, wall, b"lost\n"), Some(FileNews::Broken(_))));
        assert_eq!(file.write(mono, wall, b"lost\n"), None);
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(file.write(mono, wall, b"too soon\n"), None);
        let (mono, wall) = second(3);
        let Some(FileNews::Mended(text)) = file.write(mono, wall, b"kept\n") else { panic!("it is mended") };
        assert!(text.contains("19 bytes"), "{text}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "kept\n");
    }
}
