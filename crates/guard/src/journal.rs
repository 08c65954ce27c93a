//! The journal: every record of one service, append-only, and the only state that a guard has.
//!
//! A record is written before anything that follows from it is done, so a killed guard loses nothing. It is also flushed to the disk
//! where a restart count depends on it, by a short-lived thread: only a machine that loses power can lose the very last of them.

mod sync;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mainstay_core::time::Now;
use mainstay_os::files;
use mainstay_wire::layout::Layout;
use mainstay_wire::memory::Memory;
use mainstay_wire::record::{Record, What};

use sync::Syncer;

/// A journal file is set aside at this size: a guard that starts reads at most one.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files set aside.
const FILES_MAX: usize = 8;
/// Records that wait in memory while the disk refuses them.
const UNSAVED_MAX: usize = 1_000;

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    service: String,
    file: Option<File>,
    size_bytes: u64,
    memory: Memory,
    unsaved: VecDeque<String>,
    sync_due: bool,
    syncer: Syncer,
}

/// What was found when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The last guard ended as it should.
    pub(crate) ended_well: bool,
    /// What could not be read was kept here.
    pub(crate) set_aside: Option<PathBuf>,
}

impl Journal {
    /// Opens the journal of `service`; one that can't be read is kept aside and begun anew with what could be.
    pub(crate) fn open(layout: &Layout, service: &str, now: Now) -> io::Result<(Self, Found)> {
        let path = layout.journal(service);
        files::make_private_dir(&layout.state_of(service))?;
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let read = Read::from(&bytes);
        let mut found = Found { ended_well: read.ended_well, set_aside: None };
        if read.corrupt {
            let aside = path.with_file_name(format!("journal-corrupt-{}.ndjson", read.memory.seq));
            std::fs::rename(&path, &aside)?;
            found.set_aside = Some(aside);
        } else if read.whole_bytes < bytes.len() {
            // The last write was torn off by a power loss: what was whole stays.
            File::options().write(true).open(&path)?.set_len(read.whole_bytes as u64)?;
        }
        let (service, unsaved, syncer) = (service.to_owned(), VecDeque::new(), Syncer::default());
        let mut journal =
            Self { path, service, file: None, size_bytes: 0, memory: read.memory, unsaved, sync_due: false, syncer };
        journal.size_bytes = std::fs::metadata(&journal.path).map(|meta| meta.len()).unwrap_or(0);
        if journal.size_bytes == 0 && journal.memory != Memory::default() {
            journal.append(now, What::Carried { memory: journal.memory.clone() });
        }
        Ok((journal, found))
    }

    /// The sum of all records.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Writes one record. It is never lost while the guard lives: what the disk refuses waits in memory.
    pub(crate) fn append(&mut self, now: Now, what: What) -> Record {
        if self.size_bytes > FILE_BYTES_MAX && !matches!(what, What::Carried { .. }) {
            self.begin_anew(now);
        }
        let sync = what.must_sync();
        let time = Timestamp::from_nanosecond(i128::from(now.wall.0)).unwrap_or(Timestamp::UNIX_EPOCH);
        let record = Record { seq: self.memory.seq + 1, time, mono: now.mono.0, service: self.service.clone(), what };
        self.memory.take(&record);
        self.memory.seq = record.seq;
        if self.unsaved.len() == UNSAVED_MAX {
            self.unsaved.pop_front();
        }
        self.unsaved.push_back(record.line());
        self.sync_due |= sync;
        // What fails stays in `unsaved`, and the loop tries again.
        drop(self.save());
        record
    }

    /// Begins to flush to the disk what must be on it. Called when the effects that could not wait are carried out.
    pub(crate) fn sync_behind(&mut self) {
        if std::mem::take(&mut self.sync_due)
            && let Some(file) = &self.file
        {
            self.syncer.sync(file);
        }
    }

    /// Tries again to write what the disk refused; `true`: nothing waits.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        while let Some(line) = self.unsaved.front() {
            let file = match &mut self.file {
                Some(file) => file,
                None => {
                    self.path.parent().map_or(Ok(()), files::make_private_dir)?;
                    self.size_bytes = cut_torn(&self.path, self.size_bytes)?;
                    self.file.insert(files::open_append(&self.path)?)
                }
            };
            if let Err(error) = file.write_all(line.as_bytes()) {
                self.file = None;
                return Err(error);
            }
            self.size_bytes += line.len() as u64;
            self.unsaved.pop_front();
        }
        Ok(())
    }

    /// Records wait for the disk.
    pub(crate) fn waits(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Everything is on the disk; for the end of the guard.
    pub(crate) fn finish(&mut self) {
        drop(self.save());
        if let Some(file) = &self.file {
            drop(file.sync_data());
        }
    }

    fn begin_anew(&mut self, now: Now) {
        self.file = None;
        let aside = self.path.with_file_name(format!("journal-{:012}.ndjson", self.memory.seq));
        if std::fs::rename(&self.path, aside).is_ok() {
            self.size_bytes = 0;
            self.append(now, What::Carried { memory: self.memory.clone() });
            remove_oldest(&self.path);
        }
    }
}

/// Takes away what a write left half done on a full disk: everything beyond the `whole` bytes. Returns the file's size.
fn cut_torn(path: &Path, whole: u64) -> io::Result<u64> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() > whole => {
            File::options().write(true).open(path)?.set_len(whole)?;
            Ok(whole)
        }
        // Somebody else's file by now, or none.
        Ok(meta) => Ok(meta.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The journal's files of a service, oldest first, the current one last.
pub fn segments(layout: &Layout, service: &str) -> Vec<PathBuf> {
    let current = layout.journal(service);
    let mut all = set_aside(&current);
    all.push(current);
    all
}

fn set_aside(current: &Path) -> Vec<PathBuf> {
    let entries = current.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let mut old: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    old.retain(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let digits = name.strip_prefix("journal-").and_then(|rest| rest.strip_suffix(".ndjson"));
        digits.is_some_and(|digits| digits.chars().all(|c| c.is_ascii_digit()))
    });
    old.sort();
    old
}

fn remove_oldest(current: &Path) {
    let old = set_aside(current);
    let surplus = old.len().saturating_sub(FILES_MAX);
    for path in old.iter().take(surplus) {
        // One that stays is removed the next time.
        drop(std::fs::remove_file(path));
    }
}

/// What one journal file says.
#[derive(Default)]
struct Read {
    memory: Memory,
    ended_well: bool,
    corrupt: bool,
    whole_bytes: usize,
}

impl From<&[u8]> for Read {
    fn from(bytes: &[u8]) -> Self {
        let mut read = Self::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                break;
            }
            read.whole_bytes += line.len();
            match std::str::from_utf8(line).ok().and_then(Record::parse) {
                Some(record) => {
                    read.ended_well = matches!(record.what, What::GuardEnded);
                    read.memory.take(&record);
                }
                None => read.corrupt = true,
            }
        }
        read
    }
}

impl From<&Vec<u8>> for Read {
    fn from(bytes: &Vec<u8>) -> Self {
        Self::from(bytes.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use mainstay_core::time::{Mono, Wall};

    use super::*;

    fn now() -> Now {
        Now { mono: Mono(5_000_000_000), wall: Wall(1_800_000_000_000_000_000) }
    }

    fn starting(run: u64) -> What {
        What::Starting { run, restarts: 0, failures: 0 }
    }

    fn home() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::home(folder.path());
        (folder, layout)
    }

    #[test]
    fn what_was_written_is_remembered() {
        let (_folder, layout) = home();
        let (mut journal, _) = Journal::open(&layout, "web", now()).unwrap();
        journal.append(now(), starting(7));
        drop(journal);
        let (mut journal, found) = Journal::open(&layout, "web", now()).unwrap();
        assert_eq!((journal.memory().last_run, found.ended_well), (7, false));
        journal.append(now(), What::GuardEnded);
        let (journal, found) = Journal::open(&layout, "web", now()).unwrap();
        assert_eq!((journal.memory().seq, found.ended_well), (2, true));
    }

    #[test]
    fn a_torn_last_line_is_cut_off() {
        let (_folder, layout) = home();
        let (mut journal, _) = Journal::open(&layout, "web", now()).unwrap();
        journal.append(now(), starting(7));
        let path = layout.journal("web");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"seq\":2,\"ti"].concat()).unwrap();
        let (journal, found) = Journal::open(&layout, "web", now()).unwrap();
        assert_eq!((journal.memory().last_run, found.set_aside), (7, None));
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_corrupt_journal_is_kept_aside_and_what_can_be_read_goes_on() {
        let (_folder, layout) = home();
        let (mut journal, _) = Journal::open(&layout, "web", now()).unwrap();
        journal.append(now(), starting(7));
        let path = layout.journal("web");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [b"\0\0\xff garbage\n", &whole[..]].concat()).unwrap();
        let (journal, found) = Journal::open(&layout, "web", now()).unwrap();
        let aside = found.set_aside.expect("kept aside");
        assert!(std::fs::read(aside).unwrap().ends_with(&whole));
        assert_eq!(
            (journal.memory().last_run, journal.memory().seq),
            (7, 2),
            "the new file begins with what was known"
        );
        let (journal, found) = Journal::open(&layout, "web", now()).unwrap();
        assert_eq!((journal.memory().last_run, found.set_aside), (7, None));
    }

    #[test]
    fn a_long_journal_stays_in_bounds_and_forgets_nothing_it_needs() {
        let (_folder, layout) = home();
        let (mut journal, _) = Journal::open(&layout, "web", now()).unwrap();
        journal.append(now(), starting(7));
        let filler = || What::Fault { what: "x".repeat(100_000) };
        for _ in 0..150 {
            journal.append(now(), filler());
        }
        let files = segments(&layout, "web");
        assert_eq!(files.len(), FILES_MAX + 1);
        let (again, _) = Journal::open(&layout, "web", now()).unwrap();
        assert_eq!(again.memory(), journal.memory());
    }

    #[test]
    fn a_record_that_was_half_written_is_written_whole() {
        let (_folder, layout) = home();
        let (mut journal, _) = Journal::open(&layout, "web", now()).unwrap();
        journal.append(now(), starting(7));
        let path = layout.journal("web");
        // As a full disk does it: the file has a piece of the line, the journal an error.
        File::options().append(true).open(&path).unwrap().write_all(b"{\"seq\":2,\"ti").unwrap();
        journal.file = None;
        journal.append(now(), starting(8));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().all(|line| Record::parse(line).is_some()), "{text}");
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn records_wait_in_memory_while_the_disk_refuses_them() {
        let (_folder, layout) = home();
        let (mut journal, _) = Journal::open(&layout, "web", now()).unwrap();
        std::fs::create_dir(layout.journal("web")).unwrap(); // in the way: refused on both systems, also for root
        journal.append(now(), starting(7));
        assert!(journal.waits());
        std::fs::remove_dir(layout.journal("web")).unwrap();
        journal.save().unwrap();
        let (journal, _) = Journal::open(&layout, "web", now()).unwrap();
        assert_eq!(journal.memory().last_run, 7);
    }
}
