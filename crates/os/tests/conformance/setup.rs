//! The program's own file put in place, also while it runs.

use std::io::ErrorKind;

use mainstay_os::setup::{folder, remove_binary, replace_binary};
use mainstay_os::tree::Exit;

use crate::stage::{Stage, fixture, words};

#[tokio::test]
async fn a_binary_is_replaced_and_removed_while_it_runs() {
    let stage = Stage::new();
    let target = stage.folder.path().join("bin").join(format!("copy{}", std::env::consts::EXE_SUFFIX));
    replace_binary(&fixture(), &target).unwrap();
    let mut running = stage.try_start(&target, &words(&["print", "ready", "stdin", "forever"])).unwrap();
    assert_eq!(running.stdout.line().await, "ready");
    replace_binary(&fixture(), &target).unwrap();
    let mut second = stage.try_start(&target, &words(&["exit", "5"])).unwrap();
    assert_eq!(second.exited().await, Exit::Code(5));
    remove_binary(&target).unwrap();
    assert!(!target.exists());
    assert!(!running.tree.is_empty(), "the running one was ended");
    remove_binary(&target).unwrap(); // again: harmless
}

#[test]
fn what_is_not_there_is_not_copied() {
    let here = tempfile::tempdir().unwrap();
    let target = here.path().join("target");
    std::fs::write(&target, "old").unwrap();
    let error = replace_binary(&here.path().join("missing"), &target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with("cannot "), "{error}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "old");
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 1, "something was left beside it");
    assert!(folder().is_absolute());
}

#[cfg(unix)]
#[test]
fn everybody_may_execute_it_whatever_the_source_said() {
    use std::os::unix::fs::PermissionsExt;
    let here = tempfile::tempdir().unwrap();
    let (source, target) = (here.path().join("source"), here.path().join("target"));
    std::fs::write(&source, "bytes").unwrap();
    std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o600)).unwrap();
    replace_binary(&source, &target).unwrap();
    assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o7777, 0o755);
    replace_binary(&target, &target).unwrap(); // onto itself
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "bytes");
}
