//! What a program reads.

use std::io::ErrorKind;

use mainstay_os::tree::{Exit, Launch, SpawnError, Stdin};

use crate::stage::{LIMIT, Run, Stage, within, words};

fn start(stage: &Stage, stdin: Stdin<'_>, commands: &[&str]) -> Result<Run, SpawnError> {
    stage.launch(&Launch { args: &words(commands), stdin, ..stage.plain() })
}

#[tokio::test]
async fn a_file_is_read_from_its_beginning_at_every_start() {
    let stage = Stage::new();
    let path = stage.path("input");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    for _ in 0..2 {
        let mut run = start(&stage, Stdin::File(path.as_ref()), &["stdin-lines"]).unwrap();
        assert_eq!(run.finish().await.lines().collect::<Vec<_>>(), ["one", "two"]);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_or_none_is_refused() {
    let stage = Stage::new();
    let folder = stage.folder.path();
    for path in [folder.join("missing"), folder.to_owned()] {
        match start(&stage, Stdin::File(&path), &["exit", "0"]) {
            Err(error @ SpawnError::Stdin { .. }) => {
                let text = format!("cannot use {} as standard input: ", path.display());
                assert!(error.to_string().starts_with(&text), "{error}");
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{} was read", path.display()),
        }
    }
}

#[tokio::test]
async fn what_is_written_arrives_line_by_line_and_ends_with_its_writer() {
    for stage in Stage::each() {
        let mut run = start(&stage, Stdin::Pipe, &["stdin-lines", "exit", "4"]).unwrap();
        let mut stdin = run.stdin.take().unwrap();
        for line in ["hello", "ä字😀", ""] {
            within(LIMIT, "it is written", stdin.write_all(format!("{line}\n").as_bytes())).await.unwrap();
            assert_eq!(run.stdout.line().await, line);
        }
        drop(stdin);
        assert_eq!(run.exited().await, Exit::Code(4));
    }
}

/// More than any pipe holds: the writer waits for the reader and nobody else does.
#[tokio::test]
async fn a_writer_waits_until_it_is_read() {
    let stage = Stage::new();
    let mut run = start(&stage, Stdin::Pipe, &["stdin"]).unwrap();
    let mut stdin = run.stdin.take().unwrap();
    within(LIMIT, "all of it is taken", stdin.write_all(&vec![b'x'; 1 << 20])).await.unwrap();
    drop(stdin);
    assert_eq!(run.finish().await.trim_end(), "stdin closed after 1048576 bytes");
}

#[tokio::test]
async fn writing_to_who_reads_no_more_is_an_error_and_no_death() {
    let stage = Stage::new();
    let mut run = start(&stage, Stdin::Pipe, &["exit", "0"]).unwrap();
    let mut stdin = run.stdin.take().unwrap();
    run.exited().await;
    let error = within(LIMIT, "it is refused", stdin.write_all(&vec![b'x'; 1 << 20])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

/// No other program may hold our end: the input would never be at its end.
#[tokio::test]
async fn another_program_does_not_keep_the_input_open() {
    let stage = Stage::new();
    let mut run = start(&stage, Stdin::Pipe, &["stdin"]).unwrap();
    let _other = stage.start(&["forever"]);
    drop(run.stdin.take());
    assert_eq!(run.finish().await.trim_end(), "stdin closed after 0 bytes");
}

/// A guard must not wait for whoever may write there some day.
#[cfg(unix)]
#[tokio::test]
async fn a_named_pipe_without_a_writer_holds_nobody_up() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let stage = Stage::new();
    let path = stage.path("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let mut run = start(&stage, Stdin::File(path.as_ref()), &["exit", "0"]).unwrap();
    assert_eq!(run.exited().await, Exit::Code(0));
}
