//! The tree as a whole: killed as one, empty only when the last of it is gone.

use std::time::{Duration, Instant};

use mainstay_os::process::{Watched, start_stamp};
use mainstay_os::tree::{Containment, Exit, Tree};

use crate::stage::{LIMIT, Stage, watch, within};

#[cfg(unix)]
const KILLED: Exit = Exit::Signal(9);
#[cfg(windows)]
const KILLED: Exit = Exit::Code(1);

#[tokio::test]
async fn the_strongest_containment_is_chosen() {
    let found = Stage::new().place.containment();
    if cfg!(windows) {
        assert_eq!(found, Containment::Job);
    } else if is_root_with_cgroups() {
        assert_eq!(found, Containment::Cgroup);
    } else {
        assert_ne!(found, Containment::Job);
    }
}

fn is_root_with_cgroups() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mainstay_os::account::is_privileged() && mounts.lines().any(|m| m.contains(" cgroup2 rw"))
}

#[tokio::test]
async fn a_kill_ends_the_whole_tree() {
    for stage in Stage::each() {
        let grandchild = stage.path("grandchild");
        let deep = format!("fork-session 'fork-session \"pidfile {grandchild}; forever\"; forever'; forever");
        let mut run = stage.start(&["fork", &deep, "fork-session", "forever", "wait-for", &grandchild, "forever"]);
        let mut near = run.child().await;
        let mut deep_child = run.child().await; // announced by the forked one, or by the main: either order
        let mut third = run.child().await;
        let mut far = grandchild_at(&grandchild).await;
        assert!(run.tree.members().len() >= 5, "{:?}", run.tree.members());
        assert!(!run.tree.is_empty());

        run.tree.kill().unwrap();
        assert_eq!(run.exited().await, KILLED);
        run.emptied().await;
        assert!(run.tree.is_empty());
        assert_eq!(run.tree.members(), []);
        for process in [&mut near, &mut deep_child, &mut third, &mut far] {
            within(LIMIT, "a member of the killed tree ends", process.exited()).await;
        }
        run.tree.kill().unwrap(); // again: harmless
    }
}

/// Its pid, once its file is there.
async fn grandchild_at(pidfile: &str) -> Watched {
    within(LIMIT, "the grandchild runs", async {
        loop {
            if let Some(pid) = std::fs::read_to_string(pidfile).ok().and_then(|text| text.parse().ok()) {
                return watch(pid);
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Windows: the host of its console may be a member too.
fn assert_only_member(tree: &Tree, pid: u32) {
    let members = tree.members();
    assert!(members.contains(&pid) && (cfg!(windows) || members.len() == 1), "{members:?}");
}

/// Hard case 1: the main process starts another one and ends with 0 at once.
#[tokio::test]
async fn a_grandchild_that_outlives_main_is_seen_and_killed() {
    for stage in Stage::each() {
        let gate = stage.path("gate");
        let commands = format!("wait-for {gate}");
        let mut run = stage.start(&["fork-session", &commands]);
        let mut grandchild = run.child().await;
        assert_eq!(run.exited().await, Exit::Code(0));
        assert!(!run.tree.is_empty());
        assert_only_member(&run.tree, grandchild.pid());
        {
            let mut emptied = std::pin::pin!(run.tree.emptied());
            tokio::select! {
                biased;
                () = &mut emptied => panic!("a member lives, yet the tree is called empty"),
                () = tokio::task::yield_now() => {}
            }
            std::fs::write(&gate, "").unwrap(); // now it ends by itself
            within(LIMIT, "the tree is empty", emptied).await;
        }
        within(LIMIT, "the grandchild ends", grandchild.exited()).await;

        let mut run = stage.start(&["fork-session", "forever"]);
        let mut grandchild = run.child().await;
        assert_eq!(run.exited().await, Exit::Code(0));
        run.tree.kill().unwrap();
        run.emptied().await;
        within(LIMIT, "the grandchild ends", grandchild.exited()).await;
    }
}

/// Hard case 2: leaves are respawned while the tree is killed. One bounded kill, however many there are.
#[tokio::test]
async fn a_respawning_tree_is_killed_at_once() {
    for stage in Stage::each() {
        let mut run = stage.start(&["ignore-stop", "fork-bomb-respawn", "20"]);
        within(LIMIT, "the tree grows", async {
            while run.tree.members().len() < 41 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let started = Instant::now();
        run.tree.kill().unwrap();
        run.emptied().await;
        let took = started.elapsed();
        assert_eq!(run.exited().await, KILLED);
        assert!(run.tree.is_empty());
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[tokio::test]
async fn dropping_a_tree_ends_it() {
    for stage in Stage::each() {
        let mut run = stage.start(&["fork-session", "forever", "forever"]);
        let mut grandchild = run.child().await;
        let mut main = watch(run.tree.pid());
        drop(run);
        within(LIMIT, "the main process ends", main.exited()).await;
        within(LIMIT, "the grandchild ends", grandchild.exited()).await;
    }
}

#[tokio::test]
async fn one_place_serves_run_after_run() {
    for stage in Stage::each() {
        let mut stamps = Vec::new();
        for round in 0..20 {
            let mut run = stage.start(&["exit", &round.to_string()]);
            stamps.push((run.tree.pid(), run.tree.start_stamp()));
            assert_eq!(run.exited().await, Exit::Code(round));
            run.emptied().await;
        }
        stamps.dedup();
        assert_eq!(stamps.len(), 20);
    }
}

/// Linux since 6.14 kills at birth what is cloned into a cgroup that was killed before.
#[tokio::test]
async fn a_place_can_be_used_again_after_a_kill() {
    for stage in Stage::each() {
        for _ in 0..5 {
            let mut run = stage.start(&["forever"]);
            run.tree.kill().unwrap();
            assert_eq!(run.exited().await, KILLED);
            run.emptied().await;
            let mut next = stage.start(&["exit", "42"]);
            assert_eq!(next.exited().await, Exit::Code(42));
        }
    }
}

/// A check beside the program: ending one leaves the other alone.
#[tokio::test]
async fn two_runs_side_by_side_are_ended_one_by_one() {
    for stage in Stage::each() {
        let mut first = stage.start(&["forever"]);
        let mut second = stage.start(&["fork", "forever", "forever"]);
        let mut child = second.child().await;
        second.tree.kill().unwrap();
        second.emptied().await;
        within(LIMIT, "the child ends", child.exited()).await;
        assert_only_member(&first.tree, first.tree.pid());
        drop(second);
        assert!(!first.tree.is_empty());
        first.tree.kill().unwrap();
        first.emptied().await;
    }
}

#[tokio::test]
async fn a_child_that_may_break_away_survives() {
    for mut stage in Stage::each() {
        stage.breakaway = true;
        let pidfile = stage.path("updater");
        let mut run = stage.start(&["updater", &pidfile, "fork", "forever", "forever"]);
        let mut updater = run.child().await;
        let mut ordinary = run.child().await;
        grandchild_at(&pidfile).await;
        assert!(!run.tree.members().contains(&updater.pid()));
        run.tree.kill().unwrap();
        run.emptied().await;
        within(LIMIT, "the ordinary child ends", ordinary.exited()).await;
        let stamp = start_stamp(updater.pid()).unwrap();
        drop(run);
        // It may go on after the next run's kill, too.
        let run = stage.start(&["forever"]);
        drop(run);
        assert!(Watched::open(updater.pid(), stamp).unwrap().is_some(), "the updater was killed");
        updater.kill().unwrap();
        within(LIMIT, "the updater ends", updater.exited()).await;
    }
}

#[tokio::test]
async fn exited_and_emptied_may_be_cancelled() {
    let stage = Stage::new();
    let gate = stage.path("gate");
    let mut run = stage.start(&["wait-for", &gate, "exit", "42"]);
    for _ in 0..100 {
        tokio::select! {
            biased;
            exit = run.tree.exited() => panic!("{exit:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    std::fs::write(&gate, "").unwrap();
    assert_eq!(run.exited().await, Exit::Code(42));
    run.emptied().await;
}
