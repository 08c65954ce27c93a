//! Asking a program to stop.

use std::io::ErrorKind;

use mainstay_os::tree::{Exit, Method};

use crate::stage::{Stage, under_wine};

/// The polite ways this system has, and what the program hears.
fn ways() -> &'static [(Method, &'static str)] {
    if under_wine() {
        // It loses Ctrl-Break.
        &[(Method::CtrlC, "CTRL_C_EVENT")]
    } else if cfg!(windows) {
        &[(Method::CtrlC, "CTRL_C_EVENT"), (Method::CtrlBreak, "CTRL_BREAK_EVENT")]
    } else {
        &[(Method::CtrlC, "SIGINT"), (Method::Signal(15), "SIGTERM"), (Method::Signal(1), "SIGHUP")]
    }
}

#[tokio::test]
async fn one_ask_is_one_event() {
    for stage in Stage::each() {
        for (method, name) in ways() {
            let mut run = stage.start(&["report-stops", "print", "ready", "forever"]);
            assert_eq!(run.stdout.line().await, "ready");
            run.tree.ask(*method).unwrap();
            assert_eq!(run.stdout.line().await, format!("stop {name}"));
            // A second one follows the first: had that come twice, it would be seen here.
            run.tree.ask(*method).unwrap();
            assert_eq!(run.stdout.line().await, format!("stop {name}"));
            run.tree.kill().unwrap();
            run.emptied().await;
            assert_eq!(run.stdout.rest().await, "");
        }
    }
}

/// On Windows a program gets its console some milliseconds after it exists.
#[tokio::test]
async fn a_program_that_was_just_started_can_be_asked() {
    for stage in Stage::each() {
        for _ in 0..10 {
            let mut run = stage.start(&["forever"]);
            run.tree.ask(Method::CtrlC).unwrap();
            if under_wine() {
                // It may lose an event that comes before the program's first instruction; that it can be asked is what counts.
                run.tree.kill().unwrap();
                run.exited().await;
                continue;
            }
            let interrupted = if cfg!(windows) { Exit::Code(0xC000_013A) } else { Exit::Signal(2) };
            assert_eq!(run.exited().await, interrupted);
        }
    }
}

#[tokio::test]
async fn what_is_printed_while_stopping_is_kept() {
    let stage = Stage::new();
    let goodbye = "flood 1000; stderr bye; exit 7";
    let mut run = stage.start(&["on-stop", goodbye, "print", "ready", "forever"]);
    assert_eq!(run.stdout.line().await, "ready");
    run.tree.ask(Method::CtrlC).unwrap();
    let printed = run.stdout.rest().await;
    assert_eq!(printed.lines().count(), 1000);
    assert_eq!(run.stderr.line().await, "bye");
    assert_eq!(run.exited().await, Exit::Code(7));
}

#[tokio::test]
async fn a_program_that_ignores_it_is_left_to_the_kill() {
    let stage = Stage::new();
    let mut run = stage.start(&["ignore-stop", "print", "ready", "stdin", "print", "still here", "forever"]);
    assert_eq!(run.stdout.line().await, "ready");
    run.tree.ask(Method::CtrlC).unwrap();
    assert_eq!(run.stdout.line().await, "stdin closed after 0 bytes");
    assert_eq!(run.stdout.line().await, "still here");
    assert!(!run.tree.is_empty());
    run.tree.kill().unwrap();
    run.emptied().await;
}

#[tokio::test]
async fn asking_what_is_gone_is_harmless() {
    for stage in Stage::each() {
        let mut run = stage.start(&["exit", "0"]);
        run.exited().await;
        run.emptied().await;
        run.tree.ask(Method::CtrlC).unwrap();
    }
}

/// The others of the group still hear it when the main process is gone.
#[cfg(unix)]
#[tokio::test]
async fn companions_are_asked_after_the_main_process_is_gone() {
    for stage in Stage::each() {
        let mut run = stage.start(&["fork", "report-stops; print ready; forever"]);
        let line = run.stdout.line().await;
        let other = run.stdout.line().await;
        assert!([&line, &other].contains(&&"ready".to_owned()), "{line} {other}");
        assert_eq!(run.exited().await, Exit::Code(0));
        run.tree.ask(Method::Signal(15)).unwrap();
        assert_eq!(run.stdout.line().await, "stop SIGTERM");
    }
}

#[tokio::test]
async fn what_this_system_does_not_have_is_refused() {
    let stage = Stage::new();
    let run = stage.start(&["forever"]);
    let foreign: &[Method] = if cfg!(windows) {
        &[Method::Signal(15)]
    } else {
        &[Method::CtrlBreak, Method::CloseWindows, Method::QuitThreads]
    };
    for method in foreign {
        let error = run.tree.ask(*method).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{method}");
        assert!(!error.to_string().is_empty());
    }
}
