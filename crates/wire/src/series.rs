//! The names of the files of one log: a promise to scripts, to whoever reads logs, and to the next version.
//!
//! `output.log` is written to; what was set aside is `output-20261123T050000.123456789Z.log`, packed with `.zst` or `.gz` behind it. Times
//! are UTC and strictly increase, so the order of names is that of the lines.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// `d` a digit, `_` the letter T, the rest itself.
const TIME_FORM: &str = "dddddddd_dddddd.dddddddddZ";

/// How a file that was set aside is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packing {
    /// Zstandard (RFC 8878), `.zst`.
    Zstd,
    /// gzip (RFC 1952), `.gz`.
    Gzip,
}

impl Packing {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Zstd, Self::Gzip];

    /// The end of its files' names.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// Its word in a spec.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

/// The names of one log's files.
#[derive(Debug, Clone)]
pub struct Series {
    current: PathBuf,
    stem: String,
    extension: String,
}

impl Series {
    /// That whose current file is `current`.
    #[must_use]
    pub fn of(current: &Path) -> Self {
        let part = |os: Option<&std::ffi::OsStr>| os.map(|s| s.to_string_lossy().into_owned());
        let extension = part(current.extension()).map(|e| format!(".{e}")).unwrap_or_default();
        Self { current: current.to_owned(), stem: part(current.file_stem()).unwrap_or_default(), extension }
    }

    /// The file that is written to.
    #[must_use]
    pub fn current(&self) -> &Path {
        &self.current
    }

    /// The time in the name of a file set aside, and how it is packed. Exactly the names that [`Series::aside`] makes: nothing of the
    /// user's is ever taken for one.
    #[must_use]
    pub fn time_in<'n>(&self, name: &'n str) -> Option<(&'n str, Option<Packing>)> {
        let packing = Packing::ALL.into_iter().find(|packing| name.ends_with(packing.suffix()));
        let plain = packing.and_then(|packing| name.strip_suffix(packing.suffix())).unwrap_or(name);
        let time = plain.strip_prefix(self.stem.as_str())?.strip_prefix('-')?.strip_suffix(self.extension.as_str())?;
        let fits = |(c, form): (char, char)| match form {
            'd' => c.is_ascii_digit(),
            '_' => c == 'T',
            other => c == other,
        };
        let is_time = time.len() == TIME_FORM.len() && time.chars().zip(TIME_FORM.chars()).all(fits);
        is_time.then_some((time, packing))
    }

    /// The file that is set aside at `wall`; later than `last`, the newest there is, whatever the clock says.
    #[must_use]
    pub fn aside(&self, wall: Timestamp, last: Option<&str>) -> PathBuf {
        let mut time = Self::time(wall);
        if let Some(last) = last.filter(|last| *last >= time.as_str()) {
            let after = Timestamp::strptime("%Y%m%dT%H%M%S%.f%z", last.replace('Z', "+0000"));
            let next = after.ok().and_then(|after| after.checked_add(jiff::Span::new().nanoseconds(1)).ok());
            time = next.map_or(time, Self::time);
        }
        self.current.with_file_name(format!("{}-{time}{}", self.stem, self.extension))
    }

    /// A time as it stands in names.
    #[must_use]
    pub fn time(time: Timestamp) -> String {
        time.strftime("%Y%m%dT%H%M%S%.9fZ").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_named_is_ours() {
        let series = Series::of(Path::new("/logs/output.log"));
        const TIME: &str = "20261123T050000.000000001Z";
        for (name, packing) in [("", None), (".zst", Some(Packing::Zstd)), (".gz", Some(Packing::Gzip))] {
            assert_eq!(series.time_in(&format!("output-{TIME}.log{name}")), Some((TIME, packing)));
        }
        let others = [
            "output-mine.log",
            "output-2026.log",
            "output.log",
            "other-20261123T050000.000000001Z.log",
            "output-20261123T050000.000000001Z.log.part",
            "output-20261123T050000.000000001Z.log.zst.part",
            "output-20261123X050000.000000001Z.log",
        ];
        assert!(others.iter().all(|name| series.time_in(name).is_none()));
    }

    #[test]
    fn names_increase_whatever_the_clock_says() {
        let series = Series::of(Path::new("/logs/output.log"));
        let wall: Timestamp = "2026-11-23T05:00:00.5Z".parse().unwrap();
        let name = |last| series.aside(wall, last).file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name(None), "output-20261123T050000.500000000Z.log");
        assert_eq!(name(Some("20261123T050000.400000000Z")), "output-20261123T050000.500000000Z.log");
        assert_eq!(name(Some("20261123T050000.500000000Z")), "output-20261123T050000.500000001Z.log");
        assert_eq!(name(Some("20271231T235959.999999999Z")), "output-20280101T000000.000000000Z.log");
    }
}
