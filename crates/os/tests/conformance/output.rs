//! A program's output: all of it, and no waiting for who keeps it open.

use mainstay_os::pipe::Reader;
use mainstay_os::tree::{Exit, Launch};

use crate::stage::{LIMIT, Stage, within, words};

#[tokio::test]
async fn both_streams_arrive_whole() {
    let stage = Stage::new();
    let mut run = stage.start(&["flood", "50000", "stderr", "a complaint"]);
    let printed = run.stdout.rest().await;
    assert_eq!(printed.lines().count(), 50_000);
    assert!(printed.lines().last().unwrap().starts_with("line 000049999 "));
    assert_eq!(run.stderr.rest().await.trim_end(), "a complaint");
    assert_eq!(run.exited().await, Exit::Code(0));
}

#[tokio::test]
async fn output_without_a_newline_arrives_whole() {
    let stage = Stage::new();
    let mut run = stage.start(&["flood-bytes", "1000000"]);
    let printed = run.stdout.rest().await;
    assert!(printed.len() == 1_000_000 && printed.bytes().all(|b| b == b'x'));
}

#[tokio::test]
async fn last_words_are_there_once_it_has_exited() {
    let stage = Stage::new();
    for round in 0..20 {
        let words = format!("last words {round}");
        let mut run = stage.start(&["print", &words, "stderr", &words, "exit", "3"]);
        assert_eq!(run.exited().await, Exit::Code(3));
        assert_eq!(run.stdout.now().0.trim_end(), words);
        assert_eq!(run.stderr.now().0.trim_end(), words);
    }
}

/// Hard case 5.
#[tokio::test]
async fn a_grandchild_that_holds_stdout_blocks_nobody() {
    for stage in Stage::each() {
        let mut run = stage.start(&["print", "hello", "hold-stdout", "exit", "9"]);
        assert_eq!(run.exited().await, Exit::Code(9));
        let (text, ended) = run.stdout.now();
        assert!(text.starts_with("hello"), "{text:?}");
        assert!(!ended, "somebody still holds it");
        run.tree.kill().unwrap();
        run.emptied().await;
        assert_eq!(run.stdout.rest().await, "");
        assert_eq!(run.stdout.now(), (String::new(), true));
    }
}

#[test]
fn output_may_be_opened_on_another_threads_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async {
        let stage = Stage::new();
        let args = words(&["print", "from afar"]);
        let launch = Launch { args: &args, ..stage.plain() };
        let (mut tree, output) = stage.place.spawn(&launch).unwrap();
        let reading = std::thread::spawn(move || {
            runtime().block_on(async {
                let mut reader = Reader::open(output.stdout).unwrap();
                let mut text = Vec::new();
                let mut buffer = [0; 64];
                loop {
                    match within(LIMIT, "output comes", reader.read(&mut buffer)).await.unwrap() {
                        0 => return String::from_utf8(text).unwrap(),
                        read => text.extend_from_slice(&buffer[..read]),
                    }
                }
            })
        });
        assert_eq!(within(LIMIT, "it ends", tree.exited()).await, Exit::Code(0));
        assert_eq!(reading.join().unwrap().trim_end(), "from afar");
    });
}
