//! A whole tree halted, and let go again.

use mainstay_os::tree::Exit;

use crate::stage::{LIMIT, Run, Stage, within};

/// Two that write, one of them in a session of its own.
async fn ticking(stage: &Stage) -> (Run, [String; 2]) {
    let paths = [stage.path("main"), stage.path("child")];
    let child = format!("tick {}", paths[1].replace('\\', "/"));
    let run = stage.start(&["fork-session", &child, "tick", &paths[0]]);
    grown(&paths, [0, 0]).await;
    (run, paths)
}

fn sizes(paths: &[String; 2]) -> [u64; 2] {
    paths.each_ref().map(|path| std::fs::metadata(path).map_or(0, |found| found.len()))
}

/// Waits until both have written more than this.
async fn grown(paths: &[String; 2], before: [u64; 2]) {
    within(LIMIT, "both write", async {
        while sizes(paths).iter().zip(before).any(|(now, before)| *now <= before) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_paused_tree_stands_still_until_it_is_resumed() {
    for stage in Stage::each() {
        let (run, paths) = ticking(&stage).await;
        for _ in 0..2 {
            run.tree.pause().unwrap();
            let before = sizes(&paths);
            // The time that a program takes from start to end is many ticks.
            assert_eq!(stage.start(&["sleep", "50ms"]).exited().await, Exit::Code(0));
            assert_eq!(sizes(&paths), before);
            assert!(!run.tree.is_empty());
            run.tree.resume().unwrap();
            grown(&paths, before).await;
        }
    }
}

#[tokio::test]
async fn a_paused_tree_can_be_killed() {
    for stage in Stage::each() {
        let (mut run, _paths) = ticking(&stage).await;
        run.tree.pause().unwrap();
        run.tree.kill().unwrap();
        run.exited().await;
        run.emptied().await;
    }
}

/// Nothing of a pause is inherited by the run that comes into the same place.
#[tokio::test]
async fn the_run_after_a_paused_one_runs() {
    for stage in Stage::each() {
        let (run, _paths) = ticking(&stage).await;
        run.tree.pause().unwrap();
        drop(run);
        assert_eq!(stage.start(&["exit", "42"]).exited().await, Exit::Code(42));
    }
}

#[tokio::test]
async fn pausing_or_resuming_what_does_not_need_it_is_harmless() {
    for stage in Stage::each() {
        let (mut run, paths) = ticking(&stage).await;
        run.tree.resume().unwrap();
        run.tree.pause().unwrap();
        run.tree.pause().unwrap();
        run.tree.resume().unwrap();
        grown(&paths, sizes(&paths)).await;
        run.tree.kill().unwrap();
        run.exited().await;
        run.emptied().await;
        run.tree.pause().unwrap();
        run.tree.resume().unwrap();
    }
}
