//! Which file a name means.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use mainstay_os::program::find;

use crate::stage::fixture;

fn env(path: &[&Path]) -> Vec<(OsString, OsString)> {
    vec![("PATH".into(), std::env::join_paths(path).unwrap()), ("PATHEXT".into(), ".COM;.EXE;.BAT;.CMD".into())]
}

/// A folder with a program `tool` in it.
fn folder_with_tool() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("tool{}", std::env::consts::EXE_SUFFIX);
    std::fs::copy(fixture(), folder.path().join(&name)).unwrap();
    (folder, name)
}

#[test]
fn an_absolute_path_is_taken_as_it_is() {
    let (folder, name) = folder_with_tool();
    let path = folder.path().join(name);
    assert_eq!(find(path.to_str().unwrap(), Path::new("elsewhere"), &env(&[])).unwrap(), path);
}

#[test]
fn a_path_with_a_separator_is_relative_to_the_directory() {
    let (folder, name) = folder_with_tool();
    let found = find(&format!("./{name}"), folder.path(), &env(&[])).unwrap();
    assert!(found.is_absolute() && found.starts_with(folder.path()), "{}", found.display());
    assert!(std::fs::metadata(found).unwrap().is_file());
}

#[test]
fn a_bare_name_is_searched_in_the_given_path() {
    let empty = tempfile::tempdir().unwrap();
    let (folder, name) = folder_with_tool();
    let found = find("tool", empty.path(), &env(&[empty.path(), folder.path()])).unwrap();
    let expected = folder.path().join(name);
    assert!(found.as_os_str().eq_ignore_ascii_case(&expected), "{} {}", found.display(), expected.display());
}

#[test]
fn a_bare_name_is_never_found_in_the_current_or_working_directory() {
    let (folder, name) = folder_with_tool();
    let elsewhere = tempfile::tempdir().unwrap();
    // An empty entry of PATH means the current directory to others.
    for path in [vec![elsewhere.path()], vec![Path::new(""), elsewhere.path()], vec![Path::new(".")]] {
        let error = find(&name, folder.path(), &env(&path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[test]
fn errors_say_what_was_looked_for_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let error = find("no-such-tool", folder.path(), &env(&[folder.path()])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    assert!(text.contains("no-such-tool") && text.contains(folder.path().to_str().unwrap()), "{text}");
    let missing = folder.path().join("missing");
    let error = find(missing.to_str().unwrap(), folder.path(), &env(&[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    assert!(find(folder.path().to_str().unwrap(), folder.path(), &env(&[])).is_err(), "a folder is no program");
}

#[cfg(unix)]
#[test]
fn a_file_without_the_right_to_execute_is_named_but_not_preferred() {
    let (good, _) = folder_with_tool();
    let bad = tempfile::tempdir().unwrap();
    std::fs::write(bad.path().join("tool"), "").unwrap();
    let found = find("tool", bad.path(), &env(&[bad.path(), good.path()])).unwrap();
    assert_eq!(found, good.path().join("tool"));
    let error = find("tool", bad.path(), &env(&[bad.path()])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}
