//! Folders, files and locks.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use mainstay_os::files::{Lock, lock_note, make_dir, make_private_dir, open_append, open_read, replace, same_file};

use crate::stage::{Second, under_wine};

#[test]
fn folders_are_made_with_their_parents_and_may_exist() {
    let folder = tempfile::tempdir().unwrap();
    for (make, name) in [(make_dir as fn(&Path) -> std::io::Result<()>, "open"), (make_private_dir, "private")] {
        let deep = folder.path().join(name).join("b").join("c");
        make(&deep).unwrap();
        make(&deep).unwrap();
        assert!(deep.is_dir());
        std::fs::write(deep.join("file"), "").unwrap();
        assert!(make(&deep.join("file")).is_err(), "a file is no folder");
    }
}

#[cfg(unix)]
#[test]
fn a_private_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("a/private");
    make_private_dir(&private).unwrap();
    assert_eq!(std::fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
}

/// A reader beside it sees one version or the other, never a part, and never nothing.
#[test]
fn replacing_is_atomic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let versions = [vec![b'a'; 100_000], vec![b'b'; 30_000]];
    replace(&path, &versions[0]).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..200 {
                while let Err(error) = replace(&path, &versions[round % 2]) {
                    // Wine replaces no file that somebody has open: on a busy machine that may take more than one try.
                    assert!(under_wine() && error.kind() == ErrorKind::PermissionDenied, "{error}");
                }
            }
        });
        while !writer.is_finished() {
            let mut seen = Vec::new();
            open_read(&path).unwrap().read_to_end(&mut seen).unwrap();
            assert!(versions.contains(&seen), "{} bytes", seen.len());
            // The gap that Wine needs.
            (0..if under_wine() { 500 } else { 0 }).for_each(|_| std::thread::yield_now());
        }
    });
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["state.json"], "something was left behind");
}

#[test]
fn a_failed_replace_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    assert!(replace(&folder.path().join("no/such/folder/file"), b"x").is_err());
    let taken = folder.path().join("folder");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("inside"), "").unwrap();
    assert!(replace(&taken, b"x").is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, "a").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    replace(&path, b"b").unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_log_may_be_read_renamed_and_deleted_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
    let mut log = open_append(&path).unwrap();
    log.write_all(b"one\n").unwrap();
    assert!(same_file(&log, &path));
    let mut reader = open_read(&path).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    assert!(!same_file(&log, &path), "renamed");
    assert!(same_file(&log, &moved));
    log.write_all(b"two\n").unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\ntwo\n");

    let second = open_append(&path).unwrap();
    assert!(!same_file(&log, &path), "another file of that name");
    assert!(same_file(&second, &path));
    std::fs::remove_file(&path).unwrap();
    // Wine deletes it only when the last handle is closed, and lets others open it until then.
    assert!(under_wine() || !same_file(&second, &path), "deleted");
    let mut again = open_append(&moved).unwrap();
    again.write_all(b"three\n").unwrap();
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\nthree\n");
}

#[test]
fn a_lock_is_exclusive_and_its_note_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("payment.lock");
    assert_eq!(lock_note(&path).unwrap(), None, "no file");
    let lock = Lock::acquire(&path, "a rather long first note").unwrap().unwrap();
    assert!(Lock::acquire(&path, "second").unwrap().is_none());
    assert_eq!(lock_note(&path).unwrap().as_deref(), Some("a rather long first note"));
    drop(lock);
    assert_eq!(lock_note(&path).unwrap(), None, "released");
    let _lock = Lock::acquire(&path, "third").unwrap().unwrap();
    assert_eq!(lock_note(&path).unwrap().as_deref(), Some("third"));
}

#[tokio::test]
async fn a_lock_is_released_at_death() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("payment.lock");
    let mut holder = Second::start("lock_holder", &[path.to_str().unwrap(), "holder"]);
    assert_eq!(holder.line().await, "locked");
    assert!(Lock::acquire(&path, "us").unwrap().is_none());
    assert_eq!(lock_note(&path).unwrap().as_deref(), Some("holder"));
    holder.kill();
    assert_eq!(lock_note(&path).unwrap(), None);
    assert!(Lock::acquire(&path, "us").unwrap().is_some());
}

/// Asking who holds it must never make somebody who takes it fail.
#[test]
fn asking_for_the_note_disturbs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("payment.lock");
    drop(Lock::acquire(&path, "first").unwrap());
    std::thread::scope(|scope| {
        let taker = scope.spawn(|| {
            for _ in 0..500 {
                assert!(Lock::acquire(&path, "taker").unwrap().is_some(), "refused by who only asked");
            }
        });
        while !taker.is_finished() {
            lock_note(&path).unwrap();
        }
    });
}
