//! The files that were set aside of one log, and which of them stay.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mainstay_core::spec::Rotate;
use mainstay_wire::series::Series;

/// One file set aside, as it lies there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Aside {
    /// `20261123T050000.123456789Z`
    pub(super) time: String,
    pub(super) path: PathBuf,
}

/// Those of `current`, oldest first.
pub(super) fn asides(current: &Path) -> io::Result<Vec<Aside>> {
    let series = Series::of(current);
    let Some(folder) = current.parent() else { return Ok(Vec::new()) };
    let mut asides: Vec<Aside> = std::fs::read_dir(folder)?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let (time, _) = series.time_in(path.file_name()?.to_str()?)?;
            Some(Aside { time: time.to_owned(), path })
        })
        .collect();
    asides.sort();
    Ok(asides)
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
}
