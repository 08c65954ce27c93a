//! Environment blocks: names are compared without case, and the block is sorted by name.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::OsStrExt;

use windows_sys::Win32::Globalization::{CSTR_EQUAL, CSTR_LESS_THAN, CompareStringOrdinal};

/// Whether two names mean one variable.
pub fn same_name(left: &OsStr, right: &OsStr) -> bool {
    compare(left, right) == Ordering::Equal
}

/// `base` with `vars` on top: the later value wins, one entry a name however it is spelled. The hidden `=C:` entries
/// (each drive's current directory) are kept.
pub fn merge(
    base: Vec<(OsString, OsString)>,
    vars: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let mut merged: Vec<(OsString, OsString)> = Vec::with_capacity(base.len());
    for (name, value) in base.into_iter().chain(vars) {
        match merged.iter_mut().find(|(known, _)| compare(known, &name) == Ordering::Equal) {
            Some(entry) => *entry = (name, value),
            None => merged.push((name, value)),
        }
    }
    merged
}

/// The value of a variable, its name spelled in any case.
pub(super) fn get<'a>(env: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    env.iter().rev().find(|(known, _)| compare(known, OsStr::new(name)) == Ordering::Equal).map(|(_, v)| v.as_os_str())
}

/// The block CreateProcessW takes: `NAME=value` strings "sorted alphabetically by name […] case-insensitive, Unicode
/// order, without regard to locale", each with a NUL, and one more NUL (Microsoft: "Changing Environment Variables").
/// Refuses names and values that can't be passed, with a text.
pub(super) fn block(mut env: Vec<(OsString, OsString)>) -> Result<Vec<u16>, String> {
    env.sort_by(|(left, _), (right, _)| compare(left, right));
    let mut block = Vec::new();
    for (name, value) in &env {
        let start = block.len();
        block.extend(name.encode_wide());
        // A leading `=` belongs to the name (`=C:`).
        if block.len() == start || block.iter().skip(start + 1).any(|&unit| unit == u16::from(b'=')) {
            return Err(format!("{name:?} can't be the name of an environment variable"));
        }
        block.push(u16::from(b'='));
        block.extend(value.encode_wide());
        if block.iter().skip(start).any(|&unit| unit == 0) {
            return Err(format!("the environment variable {name:?} has a NUL character"));
        }
        block.push(0);
    }
    if env.is_empty() {
        block.push(0);
    }
    block.push(0);
    Ok(block)
}

/// The system's own way of comparing such names (Microsoft: "CompareStringOrdinal function").
fn compare(left: &OsStr, right: &OsStr) -> Ordering {
    let left: Vec<u16> = left.encode_wide().collect();
    let right: Vec<u16> = right.encode_wide().collect();
    let (Ok(left_length), Ok(right_length)) = (i32::try_from(left.len()), i32::try_from(right.len())) else {
        return left.cmp(&right);
    };
    // SAFETY: both pointers are valid for the lengths given.
    match unsafe { CompareStringOrdinal(left.as_ptr(), left_length, right.as_ptr(), right_length, 1) } {
        CSTR_EQUAL => Ordering::Equal,
        CSTR_LESS_THAN => Ordering::Less,
        _ => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(entries: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        entries.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn names_are_one_whatever_their_case() {
        let merged = merge(pairs(&[("Path", "a"), ("=C:", r"C:\x"), ("Ä", "1")]), pairs(&[("PATH", "b"), ("ä", "2")]));
        assert_eq!(merged, pairs(&[("PATH", "b"), ("=C:", r"C:\x"), ("ä", "2")]));
        assert_eq!(get(&merged, "path"), Some(OsStr::new("b")));
    }

    #[test]
    fn a_block_is_sorted_without_case_and_ends_with_two_nuls() {
        let text = |env| String::from_utf16(&block(env).unwrap()).unwrap();
        assert_eq!(text(pairs(&[("b", "2"), ("_", "3"), ("A", "1"), ("=C:", "C:")])), "=C:=C:\0A=1\0b=2\0_=3\0\0");
        assert_eq!(text(pairs(&[])), "\0\0");
    }

    #[test]
    fn a_name_or_value_that_cannot_be_passed_is_refused() {
        assert!(block(pairs(&[("a=b", "")])).unwrap_err().contains("a=b"));
        assert!(block(pairs(&[("", "x")])).is_err());
        assert!(block(pairs(&[("a", "x\0y")])).unwrap_err().contains("NUL"));
    }
}
