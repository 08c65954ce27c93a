//! The files that were set aside of one log: their names, and which of them stay.
//!
//! `output.log` → `output-20261123T050000.123456789Z.log`, packed with `.zst` or `.gz` behind it. Times are UTC and strictly increase, so
//! the order of names is that of the lines.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use mainstay_core::spec::Rotate;

const TIME_FORM: &str = "dddddddd_dddddd.dddddddddZ";

/// One file set aside, as it lies there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Aside {
    /// `20261123T050000.123456789Z`
    pub(super) time: String,
    pub(super) path: PathBuf,
    pub(super) is_packed: bool,
}

/// Those of `current`, oldest first.
pub(super) fn asides(current: &Path) -> io::Result<Vec<Aside>> {
    let (stem, extension) = parts(current);
    let Some(folder) = current.parent() else { return Ok(Vec::new()) };
    let mut asides: Vec<Aside> = std::fs::read_dir(folder)?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?;
            let plain = [".zst", ".gz"].into_iter().find_map(|suffix| name.strip_suffix(suffix));
            let time = time_in(plain.unwrap_or(name), &stem, &extension)?.to_owned();
            Some(Aside { time, is_packed: plain.is_some(), path })
        })
        .collect();
    asides.sort();
    Ok(asides)
}

/// The name of the file that is set aside now; later than any there is, whatever the clock says.
pub(super) fn aside(current: &Path, wall: Timestamp, last: Option<&str>) -> PathBuf {
    let (stem, extension) = parts(current);
    let form = |time: Timestamp| time.strftime("%Y%m%dT%H%M%S%.9fZ").to_string();
    let mut time = form(wall);
    if let Some(last) = last.filter(|last| *last >= time.as_str()) {
        let after = Timestamp::strptime("%Y%m%dT%H%M%S%.f%z", last.replace('Z', "+0000"));
        time = after.ok().and_then(|after| after.checked_add(jiff::Span::new().nanoseconds(1)).ok()).map_or(time, form);
    }
    current.with_file_name(format!("{stem}-{time}{extension}"))
}

/// Removes what the rule does not keep. Too many old files are no reason to lose new output: what can't be removed now is at the next look.
pub(super) fn remove_surplus(current: &Path, rotate: &Rotate, now: SystemTime) {
    let Ok(mut asides) = asides(current) else { return };
    asides.reverse(); // the newest first
    let (mut count, mut total, mut last) = (0, 0, String::new());
    for Aside { time, path, .. } in asides {
        let metadata = std::fs::metadata(&path);
        if last != time {
            count += 1;
            last = time;
        }
        total += metadata.as_ref().map_or(0, std::fs::Metadata::len);
        let age = metadata.and_then(|metadata| metadata.modified()).ok().and_then(|time| now.duration_since(time).ok());
        let is_old = rotate.keep_for.is_some_and(|limit| age.is_some_and(|age: Duration| age > limit));
        if count > rotate.keep || rotate.total_bytes.is_some_and(|limit| total > limit) || is_old {
            drop(std::fs::remove_file(path));
        }
    }
}

/// `false`: there is none.
pub(super) fn remove_oldest(current: &Path) -> bool {
    asides(current).is_ok_and(|asides| asides.first().is_some_and(|oldest| std::fs::remove_file(&oldest.path).is_ok()))
}

fn parts(path: &Path) -> (String, String) {
    let part = |os: Option<&std::ffi::OsStr>| os.map(|s| s.to_string_lossy().into_owned());
    let extension = part(path.extension()).map(|e| format!(".{e}")).unwrap_or_default();
    (part(path.file_stem()).unwrap_or_default(), extension)
}

/// Exactly the form that `aside` makes, so that nothing of the user's is ever removed.
fn time_in<'n>(name: &'n str, stem: &str, extension: &str) -> Option<&'n str> {
    let time = name.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(extension)?;
    let fits = |(c, form): (char, char)| match form {
        'd' => c.is_ascii_digit(),
        '_' => c == 'T',
        other => c == other,
    };
    (time.len() == TIME_FORM.len() && time.chars().zip(TIME_FORM.chars()).all(fits)).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "output-20261123T050000.000000001Z.log";
    const B: &str = "output-20261123T050000.000000002Z.log";
    const C: &str = "output-20261124T050000.000000000Z.log";

    fn folder(names: &[String]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), [b'x'; 100]).unwrap();
        }
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_we_named_is_ours() {
        let others = ["output-mine.log", "output-2026.log", "output.log", "other-20261123T050000.000000001Z.log"];
        let ours = [format!("{A}.zst"), B.to_owned(), format!("{C}.gz")];
        let all: Vec<String> = others.iter().map(|n| (*n).to_owned()).chain(ours.clone()).collect();
        let folder = folder(&all);
        let current = folder.path().join("output.log");
        let found: Vec<PathBuf> = asides(&current).unwrap().into_iter().map(|aside| aside.path).collect();
        assert_eq!(found, ours.map(|name| folder.path().join(name)));
        remove_surplus(&current, &Rotate { keep: 0, ..Rotate::default() }, SystemTime::now());
        let mut left = others.map(str::to_owned);
        left.sort();
        assert_eq!(names(folder.path()), left);
    }

    #[test]
    fn number_size_and_age_are_limits() {
        let all = [A.to_owned(), B.to_owned(), format!("{C}.zst")];
        let current = |folder: &tempfile::TempDir| folder.path().join("output.log");
        let now = SystemTime::now();
        for (rotate, left) in [
            (Rotate { keep: 2, ..Rotate::default() }, 2),
            (Rotate { total_bytes: Some(299), ..Rotate::default() }, 2),
            (Rotate { total_bytes: Some(99), ..Rotate::default() }, 0),
            (Rotate { keep_for: Some(Duration::from_secs(3600)), ..Rotate::default() }, 3),
        ] {
            let folder = folder(&all);
            remove_surplus(&current(&folder), &rotate, now);
            assert_eq!(names(folder.path()), all[all.len() - left..], "{rotate:?}");
        }
        let folder = folder(&all);
        let rotate = Rotate { keep_for: Some(Duration::from_secs(3600)), ..Rotate::default() };
        remove_surplus(&current(&folder), &rotate, now + Duration::from_secs(3700));
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn names_increase_whatever_the_clock_says() {
        let current = Path::new("/logs/output.log");
        let wall: Timestamp = "2026-11-23T05:00:00.5Z".parse().unwrap();
        let name = |last| aside(current, wall, last).file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name(None), "output-20261123T050000.500000000Z.log");
        assert_eq!(name(Some("20261123T050000.400000000Z")), "output-20261123T050000.500000000Z.log");
        assert_eq!(name(Some("20261123T050000.500000000Z")), "output-20261123T050000.500000001Z.log");
        assert_eq!(name(Some("20271231T235959.999999999Z")), "output-20280101T000000.000000000Z.log");
    }
}
