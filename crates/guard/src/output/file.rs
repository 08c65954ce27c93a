//! One log file: appended to, begun anew by size, by the calendar or on demand, and reopened by itself after whatever happened to it.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mainstay_core::spec::Rotate;
use mainstay_core::time::Mono;
use mainstay_os::files;
use mainstay_wire::series::Series;

use super::{calendar, series};

/// A healthy file is looked at as often, whether it is still the one that its path leads to and its disk has room.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A file that could not be set aside is tried again after this.
const RETRY_EVERY: Duration = Duration::from_secs(2);

/// A file that output is appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    rotate: Rotate,
    open: Option<Open>,
    looked: Option<Mono>,
    /// It waits to be allowed before it is begun anew; on demand it does not.
    asks: bool,
    /// It has told that it waits.
    is_waiting: bool,
    /// When the calendar wants it begun anew.
    due: Option<Timestamp>,
    /// The newest time in the name of a file set aside, once it has been looked for.
    last: Option<String>,
    /// It could not be set aside (somebody holds it open in a way that forbids it): not tried again before this.
    stuck_until: Option<Mono>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size_bytes: u64,
}

/// What came of a file that was to be set aside.
#[derive(Debug)]
pub(super) enum Rotation {
    /// This is the old one.
    Begun(PathBuf),
    /// Why it could not be.
    Stuck(String),
    /// It is written on until it is allowed.
    Waits,
}

impl From<Result<PathBuf, String>> for Rotation {
    fn from(begun: Result<PathBuf, String>) -> Self {
        begun.map_or_else(Self::Stuck, Self::Begun)
    }
}

/// Both clocks and the zone that the calendar's times are of.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    pub(super) mono: Mono,
    pub(super) wall: Timestamp,
    pub(super) zone: TimeZone,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, rotate: Rotate) -> Self {
        Self {
            path,
            rotate,
            open: None,
            looked: None,
            asks: false,
            is_waiting: false,
            due: None,
            last: None,
            stuck_until: None,
        }
    }

    pub(super) fn set_rotate(&mut self, clock: &Clock, rotate: Rotate, asks: bool) {
        self.asks = asks;
        self.is_waiting &= asks;
        if self.rotate == rotate {
            return;
        }
        self.rotate = rotate;
        self.due = self.open.as_ref().and_then(|_| self.next_due(clock, clock.wall));
        series::remove_surplus(&self.path, &rotate, SystemTime::now());
    }

    /// When it is to be begun anew although nothing is written.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.due.filter(|_| !self.is_waiting && self.open.as_ref().is_some_and(|open| open.size_bytes > 0))
    }

    /// Appends as much as it can, beginning anew where it must; old files go to `rotated`. Returns how many bytes are written.
    pub(super) fn write(
        &mut self,
        clock: &Clock,
        bytes: &[u8],
        rotated: &mut Vec<Rotation>,
    ) -> (usize, io::Result<()>) {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.write_some(clock, rest, rotated) {
                Ok(count) => written += count,
                Err(error) => {
                    self.open = None;
                    return (written, Err(error));
                }
            }
        }
        (written, Ok(()))
    }

    fn write_some(&mut self, clock: &Clock, bytes: &[u8], rotated: &mut Vec<Rotation>) -> io::Result<usize> {
        self.look(clock.mono)?;
        let may_rotate = self.stuck_until.is_none_or(|until| until <= clock.mono);
        if may_rotate && self.opened(clock)?.size_bytes > 0 && self.due.is_some_and(|due| due <= clock.wall) {
            self.ask_to_begin_anew(clock, rotated);
        }
        let size_bytes = self.opened(clock)?.size_bytes;
        let mut count = fit(bytes, self.rotate.size_bytes.saturating_sub(size_bytes), size_bytes == 0);
        if count == 0 {
            if may_rotate && self.ask_to_begin_anew(clock, rotated) {
                return Ok(0);
            }
            // Too long is better than lost.
            count = bytes.len();
        }
        let open = self.opened(clock)?;
        if let Err(error) = open.file.write_all(bytes.get(..count).unwrap_or_default()) {
            // A piece of it may be in the file: without it, the next try writes nothing twice. Best effort on a broken disk.
            drop(open.file.set_len(open.size_bytes));
            return Err(error);
        }
        open.size_bytes += count as u64;
        Ok(count)
    }

    /// If it must, it tells that it waits, once, and is written on.
    fn ask_to_begin_anew(&mut self, clock: &Clock, rotated: &mut Vec<Rotation>) -> bool {
        if !self.asks {
            return self.try_begin_anew(clock, rotated);
        }
        if !std::mem::replace(&mut self.is_waiting, true) {
            rotated.push(Rotation::Waits);
        }
        false
    }

    /// A file that can't be set aside now is written on and tried again later; that is told once.
    fn try_begin_anew(&mut self, clock: &Clock, rotated: &mut Vec<Rotation>) -> bool {
        let begun = self.begin_anew(clock);
        let is_news = begun.is_ok() || self.stuck_until.is_none();
        self.stuck_until = begun.is_err().then(|| clock.mono.after(RETRY_EVERY));
        let is_begun = begun.is_ok();
        if is_news {
            let why = |error| {
                format!("cannot set {} aside: {error}; it is written on and this tried again", self.path.display())
            };
            rotated.push(begun.map_err(why).into());
        }
        is_begun
    }

    /// The calendar's order.
    pub(super) fn rotate_due(&mut self, clock: &Clock) -> Option<Rotation> {
        if !self.asks {
            return self.rotate_now(clock).map(Rotation::from);
        }
        (!std::mem::replace(&mut self.is_waiting, true)).then_some(Rotation::Waits)
    }

    /// What waited to be allowed is.
    pub(super) fn rotate_allowed(&mut self, clock: &Clock) -> Option<Rotation> {
        if !std::mem::take(&mut self.is_waiting) {
            return None;
        }
        self.rotate_now(clock).map(Rotation::from)
    }

    /// Begins it anew if it has anything; the old one.
    pub(super) fn rotate_now(&mut self, clock: &Clock) -> Option<Result<PathBuf, String>> {
        self.is_waiting = false;
        let rotated = self.rotate_if_any(clock);
        if rotated.is_err() {
            // Also the calendar tries again.
            self.due = self.due.and_then(|_| clock.wall.checked_add(RETRY_EVERY).ok());
        }
        rotated.map_err(|error| format!("cannot begin {} anew: {error}", self.path.display())).transpose()
    }

    fn rotate_if_any(&mut self, clock: &Clock) -> io::Result<Option<PathBuf>> {
        if self.open.as_ref().is_some_and(|open| !files::same_file(&open.file, &self.path)) {
            self.open = None;
        }
        // What is not there is not made for this.
        if self.open.is_none() && !self.path.exists() {
            return Ok(None);
        }
        if self.opened(clock)?.size_bytes == 0 { Ok(None) } else { self.begin_anew(clock).map(Some) }
    }

    fn opened(&mut self, clock: &Clock) -> io::Result<&mut Open> {
        if self.open.is_none() {
            let (open, modified) = Open::at(&self.path)?;
            // What was written before the last of the calendar's times belongs to a file of its own.
            let from = if open.size_bytes > 0 { modified.unwrap_or(clock.wall) } else { clock.wall };
            self.due = self.next_due(clock, from);
            return Ok(self.open.insert(open));
        }
        self.open.as_mut().ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    }

    fn next_due(&self, clock: &Clock, after: Timestamp) -> Option<Timestamp> {
        self.rotate.every.and_then(|every| calendar::next(every, &clock.zone, after))
    }

    /// Now and then: is the file still there, and is enough of its disk free?
    fn look(&mut self, now: Mono) -> io::Result<()> {
        if self.looked.is_some_and(|looked| now.since(looked) < LOOK_EVERY) {
            return Ok(());
        }
        if self.open.as_ref().is_some_and(|open| !files::same_file(&open.file, &self.path)) {
            self.open = None;
        }
        self.free_enough()?;
        // Only what was good may rest.
        self.looked = Some(now);
        Ok(())
    }

    fn free_enough(&self) -> io::Result<()> {
        let (Some(wanted), Some(folder)) = (self.rotate.keep_free_bytes, self.path.parent()) else { return Ok(()) };
        // Where it can't be told, nothing is kept free.
        while let Ok(free) = files::free_bytes(folder)
            && free < wanted
        {
            if !series::remove_oldest(&self.path) {
                let text = format!("only {free} bytes are free on its disk, `log.rotate.keep-free` is {wanted}");
                return Err(io::Error::new(ErrorKind::StorageFull, text));
            }
        }
        Ok(())
    }

    /// Sets the current file aside under the time of now.
    fn begin_anew(&mut self, clock: &Clock) -> io::Result<PathBuf> {
        if self.last.is_none() {
            self.last = series::asides(&self.path)?.pop().map(|aside| aside.time);
        }
        let aside = Series::of(&self.path).aside(clock.wall, self.last.as_deref());
        if self.rotate.copy {
            copy_and_empty(&self.path, &aside)?;
            self.open = None;
        } else {
            self.open = None;
            std::fs::rename(&self.path, &aside)?;
        }
        self.last = series::asides(&self.path).ok().and_then(|mut asides| asides.pop()).map(|aside| aside.time);
        series::remove_surplus(&self.path, &self.rotate, SystemTime::now());
        Ok(aside)
    }
}

/// How many of these bytes go into a file that has room for so many: whole lines if it can be; everything, if even one line is more than a
/// file's size and the file is empty.
fn fit(bytes: &[u8], room: u64, is_empty: bool) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if bytes.len() <= room {
        return bytes.len();
    }
    let whole = bytes.get(..room).and_then(|fits| memchr::memrchr(b'\n', fits)).map_or(0, |end| end + 1);
    match whole {
        0 if is_empty => memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1),
        whole => whole,
    }
}

/// A reader that looks while it happens sees the lines once in the current file or once in the other: the copy has its name only when it
/// is whole, and readers look at names first.
fn copy_and_empty(path: &Path, aside: &Path) -> io::Result<()> {
    let mut part = aside.as_os_str().to_owned();
    part.push(".part");
    let copied = std::fs::copy(path, &part).and_then(|_| std::fs::rename(&part, aside));
    if let Err(error) = copied {
        drop(std::fs::remove_file(&part));
        return Err(error);
    }
    std::fs::OpenOptions::new().write(true).open(path)?.set_len(0)
}

impl Open {
    /// And when it was last written.
    fn at(path: &Path) -> io::Result<(Self, Option<Timestamp>)> {
        let file = match files::open_append(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), files::make_private_dir)?;
                files::open_append(path)?
            }
            other => other?,
        };
        let metadata = file.metadata()?;
        let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        Ok((Self { file, size_bytes: metadata.len() }, modified))
    }
}

#[cfg(test)]
mod tests {
    use mainstay_core::spec::{Every, Period};

    use super::*;

    fn clock(second: u64) -> Clock {
        Clock {
            mono: Mono(second * 1_000_000_000),
            wall: Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
            zone: TimeZone::UTC,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write(file: &mut LogFile, second: u64, bytes: &[u8]) -> Vec<PathBuf> {
        let mut rotated = Vec::new();
        let (written, result) = file.write(&clock(second), bytes, &mut rotated);
        result.unwrap();
        assert_eq!(written, bytes.len());
        let old = |rotation| match rotation {
            Rotation::Begun(old) => old,
            other => panic!("{other:?}"),
        };
        rotated.into_iter().map(old).collect()
    }

    #[test]
    fn a_full_file_is_set_aside_and_only_keep_old_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("output-mine.log"), "not ours to remove").unwrap();
        let rotate = Rotate { size_bytes: 10, keep: 2, ..Rotate::default() };
        let mut file = LogFile::new(folder.path().join("output.log"), rotate);
        for n in 1..=5 {
            write(&mut file, n, b"12345678\n");
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
    fn much_at_once_is_cut_at_ends_of_lines_and_no_file_is_too_long() {
        let folder = tempfile::tempdir().unwrap();
        for copy in [false, true] {
            let path = folder.path().join(if copy { "copied.log" } else { "renamed.log" });
            let rotate = Rotate { size_bytes: 100, keep: 1000, copy, ..Rotate::default() };
            let mut file = LogFile::new(path.clone(), rotate);
            let text: Vec<u8> = (0..200).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
            let mut files = write(&mut file, 1, &text);
            assert!(files.len() > 10);
            files.push(path);
            let contents: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
            assert!(contents.iter().all(|one| one.len() <= 100 && one.ends_with(b"\n")));
            assert_eq!(contents.concat(), text);
        }
    }

    #[test]
    fn a_line_longer_than_a_file_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let rotate = Rotate { size_bytes: 10, keep: 9, ..Rotate::default() };
        let mut file = LogFile::new(folder.path().join("x.log"), rotate);
        let rotated = write(&mut file, 1, b"short\na line longer than that\nshort\n");
        let sizes: Vec<u64> = rotated.iter().map(|path| std::fs::metadata(path).unwrap().len()).collect();
        assert_eq!(sizes, [6, 24]);
    }

    #[test]
    fn the_calendar_begins_a_file_anew_once_and_an_old_one_at_its_first_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let rotate = Rotate { every: Some(Every { period: Period::Day, minute: 60, utc: true }), ..Rotate::default() };
        let mut file = LogFile::new(path.clone(), rotate);
        let day = 86_400;
        assert_eq!(file.due(), None, "an empty file is not set aside");
        assert!(write(&mut file, 10 * day, b"night\n").is_empty());
        assert_eq!(file.due().map(Timestamp::as_second), Some(10 * 86_400 + 3600));
        assert_eq!(write(&mut file, 10 * day + 3600, b"morning\n").len(), 1);
        assert!(write(&mut file, 10 * day + 3601, b"morning\n").is_empty());
        assert_eq!(write(&mut file, 13 * day, b"days later\n").len(), 1);
        // By a guard that was not there when the time came.
        let yesterday = SystemTime::UNIX_EPOCH + Duration::from_secs(19 * day);
        File::options().write(true).open(&path).unwrap().set_modified(yesterday).unwrap();
        let mut file = LogFile::new(path, rotate);
        assert_eq!(write(&mut file, 20 * day, b"new\n").len(), 1);
    }

    #[test]
    fn on_demand_only_what_has_anything_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut file = LogFile::new(path.clone(), Rotate::default());
        assert!(file.rotate_now(&clock(1)).is_none());
        assert!(!path.exists());
        std::fs::write(&path, "from before\n").unwrap();
        assert!(file.rotate_now(&clock(1)).unwrap().is_ok());
        assert!(file.rotate_now(&clock(1)).is_none());
    }

    #[test]
    fn one_that_asks_is_written_on_until_it_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let rotate = Rotate {
            size_bytes: 10,
            every: Some(Every { period: Period::Day, minute: 0, utc: true }),
            ..Rotate::default()
        };
        let mut file = LogFile::new(folder.path().join("x.log"), rotate);
        file.set_rotate(&clock(1), rotate, true);
        let mut told = Vec::new();
        for _ in 0..3 {
            file.write(&clock(1), b"12345678\n", &mut told).1.unwrap();
        }
        assert!(matches!(told[..], [Rotation::Waits]), "told once: {told:?}");
        assert_eq!(names(folder.path()), ["x.log"]);
        assert_eq!(file.due(), None, "the calendar need not wake for it");
        assert!(matches!(file.rotate_allowed(&clock(2)), Some(Rotation::Begun(_))));
        assert!(file.rotate_allowed(&clock(2)).is_none());
        assert_eq!(std::fs::read(folder.path().join("x-19700101T000002.000000000Z.log")).unwrap().len(), 27);
        file.write(&clock(3), b"1\n", &mut told).1.unwrap();
        assert!(matches!(file.rotate_due(&clock(100_000)), Some(Rotation::Waits)));
        assert!(file.rotate_due(&clock(100_000)).is_none());
        assert!(file.rotate_now(&clock(100_001)).unwrap().is_ok(), "who orders it has asked already");
        assert!(file.rotate_allowed(&clock(100_002)).is_none());
    }

    #[test]
    fn a_deleted_folder_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs").join("output.log");
        let mut file = LogFile::new(path.clone(), Rotate::default());
        write(&mut file, 1, b"one\n");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        write(&mut file, 3, b"two\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\n");
    }

    #[test]
    fn a_disk_with_too_little_room_is_full_when_no_old_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let old = folder.path().join("x-19700101T000004.000000000Z.log");
        std::fs::write(&old, "old").unwrap();
        let rotate = Rotate { keep_free_bytes: Some(u64::MAX), ..Rotate::default() };
        let mut file = LogFile::new(path, rotate);
        let (written, result) = file.write(&clock(1), b"new\n", &mut Vec::new());
        assert_eq!((written, result.unwrap_err().kind()), (0, ErrorKind::StorageFull));
        assert!(!old.exists(), "an old file goes first");
    }
}
