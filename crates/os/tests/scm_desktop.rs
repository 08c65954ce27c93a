//! Asking windows and message loops to end, through the guard's helper process.
//!
//! The names begin with `scm` so that under Wine each test gets a machine of its own (see `scripts/wine/msw`): these let
//! Wine have windows without a display, for good.

#![cfg(windows)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const TESTBED: &str = env!("CARGO_BIN_EXE_os-testbed");

/// Under Wine without a display windows need its "null" driver, chosen before the first program that shows any. With
/// windows, a crash anywhere on that machine would wait for an answer to a dialog, so that is switched off as well.
fn let_wine_have_windows() {
    if std::env::var_os("WINEPREFIX").is_some() {
        for (key, name, value) in [
            (r"HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug", "Auto", "1"),
            (r"HKCU\Software\Wine\Drivers", "Graphics", "null"),
        ] {
            let done = Command::new("reg").args(["add", key, "/v", name, "/d", value, "/f"]).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        }
    }
}

/// How the program ended. The helper is the guard's own program, so here it is the test program that is the guard.
fn asked_by_a_guard(mode: &[&str], method: &str) -> String {
    let_wine_have_windows();
    let mut guard = Command::new(TESTBED)
        .args(["hold", method, TESTBED])
        .args(mode)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said: Vec<String> = BufReader::new(guard.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    guard.wait().unwrap();
    said.last().cloned().unwrap_or_default()
}

#[test]
fn scm_desktop_wm_quit_reaches_a_thread_without_a_window() {
    assert_eq!(asked_by_a_guard(&["message-loop"], "quit-threads"), "Code(40)");
}

#[test]
fn scm_desktop_wm_close_reaches_every_window() {
    assert_eq!(asked_by_a_guard(&["windows", "2"], "close-windows"), "Code(41)");
}
