//! Environments as values.

use std::ffi::OsString;

use mainstay_os::environment::{inherited, merge};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(n, v)| (n.into(), v.into())).collect()
}

#[test]
fn later_values_win_and_order_is_kept() {
    let merged = merge(pairs(&[("A", "1"), ("B", "2")]), pairs(&[("C", "3"), ("A", "4"), ("A", "5")]));
    assert_eq!(merged, pairs(&[("A", "5"), ("B", "2"), ("C", "3")]));
}

#[test]
fn case_counts_only_where_the_system_says_so() {
    let merged = merge(pairs(&[("Path", "1")]), pairs(&[("PATH", "2")]));
    let values: Vec<&OsString> = merged.iter().map(|(_, value)| value).collect();
    if cfg!(windows) {
        assert_eq!(values, ["2"]);
    } else {
        assert_eq!(values, ["1", "2"]);
    }
}

#[test]
fn ours_can_be_inherited() {
    let path = inherited().into_iter().find(|(name, _)| name.eq_ignore_ascii_case("PATH"));
    assert_eq!(path.map(|(_, value)| value), std::env::var_os("PATH"));
}
