//! Names are exact, case counts (environ(7)).

use std::ffi::{OsStr, OsString};

/// Whether two names mean one variable.
pub fn same_name(left: &OsStr, right: &OsStr) -> bool {
    left == right
}

/// `base` with `vars` laid over it: the later value of a name wins and keeps the place of the first.
pub fn merge(
    base: Vec<(OsString, OsString)>,
    vars: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let mut merged: Vec<(OsString, OsString)> = Vec::with_capacity(base.len());
    for (name, value) in base.into_iter().chain(vars) {
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => merged.push((name, value)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn later_wins_and_case_counts() {
        let pair = |n: &str, v: &str| (n.into(), v.into());
        let merged = merge(vec![pair("A", "1"), pair("a", "2"), pair("A", "3")], [pair("B", "4"), pair("a", "5")]);
        assert_eq!(merged, vec![pair("A", "3"), pair("a", "5"), pair("B", "4")]);
    }
}
