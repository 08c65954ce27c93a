//! Where output goes, and what is kept of it.

use std::time::Duration;

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Keep CRI-format lines of both streams under the logs folder.
    pub managed: bool,
    /// A file for the exact bytes of standard output.
    pub stdout: Option<String>,
    /// A file for the exact bytes of standard error; may be the same file.
    pub stderr: Option<String>,
    /// What a living run can be told anew.
    pub keeping: Keeping,
    /// How readers put lines together that belong together; files have them as they came.
    pub multiline: Multiline,
}

/// What is done to output on its way, and how its files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// What happens when it can't be written as fast as it comes.
    pub on_full: OnFull,
    /// Regular expressions; what matches is replaced before anything is written.
    pub redact: Vec<String>,
    /// More lines than this are dropped and counted.
    pub rate_limit: Option<RateLimit>,
    /// When a file is begun anew, and which old ones stay.
    pub rotate: Rotate,
}

/// What happens to output that can't be written: a full or slow disk, a lost folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// The program waits in its print calls for room, at most so long in each trouble; then the newest output is dropped.
    Block(Duration),
    /// The oldest that waits is dropped, and where the disk is full the oldest file set aside is removed.
    DropOldest,
    /// What comes is dropped.
    DropNew,
}

/// So many lines in so long, both streams together; what was not used may be used at once later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Lines, and the most at once.
    pub lines: u32,
    /// In this time.
    pub per: Duration,
}

/// When a file is set aside and begun anew, and which old ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotate {
    /// When it would become longer than this.
    pub size_bytes: u64,
    /// And at these times.
    pub every: Option<Every>,
    /// And before each run, so that a file has the output of one run.
    pub at_start: bool,
    /// The full file is copied and emptied instead of renamed, for programs that hold it open.
    pub copy: bool,
    /// How an old file is packed.
    pub compress: Compress,
    /// Old files of one log.
    pub keep: u32,
    /// An old file stays at most so long.
    pub keep_for: Option<Duration>,
    /// Bytes of all old files of one log, as they lie on the disk.
    pub total_bytes: Option<u64>,
    /// Bytes that stay free on the disk: old files are removed for it, and without any nothing is written.
    pub keep_free_bytes: Option<u64>,
}

/// The calendar's times at which a file is begun anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    /// How often.
    pub period: Period,
    /// Minutes after midnight; for an hour: after the full hour.
    pub minute: u16,
    /// By UTC; else by the machine's time zone.
    pub utc: bool,
}

/// A period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week; begins on this day, 1 is Monday.
    Week(u8),
}

/// How an old file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// Not at all.
    None,
    /// Zstandard, RFC 8878.
    Zstd,
    /// gzip, RFC 1952.
    Gzip,
}

/// Which lines are one event for readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Multiline {
    /// Each is one.
    Off,
    /// A line that begins with white space belongs to the one before: stack traces.
    Indented,
    /// A line that matches this regular expression begins an event; others belong to the one before.
    Start(String),
}

/// Without a setting.
impl Default for Log {
    fn default() -> Self {
        Self { managed: true, stdout: None, stderr: None, keeping: Keeping::default(), multiline: Multiline::Off }
    }
}

/// Without a setting.
impl Default for Keeping {
    fn default() -> Self {
        let on_full = OnFull::Block(OnFull::WAIT);
        Self { on_full, redact: Vec::new(), rate_limit: None, rotate: Rotate::default() }
    }
}

impl OnFull {
    /// A program waits so long for a disk that takes nothing, without a setting.
    pub const WAIT: Duration = Duration::from_secs(10);
}

/// Without a setting.
impl Default for Rotate {
    fn default() -> Self {
        Self {
            size_bytes: 64 << 20,
            every: None,
            at_start: false,
            copy: false,
            compress: Compress::None,
            keep: 14,
            keep_for: None,
            total_bytes: None,
            keep_free_bytes: None,
        }
    }
}
