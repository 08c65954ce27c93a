//! Programs that put themselves into the background: another process is the main one from then on.

use std::io::ErrorKind;

use mainstay_os::process::start_stamp;
use mainstay_os::tree::Exit;

#[cfg(unix)]
use crate::stage::Second;
use crate::stage::{LIMIT, Stage, within};

#[tokio::test]
async fn what_is_left_becomes_the_main_process() {
    for stage in Stage::each() {
        let gate = stage.path("gate").replace('\\', "/");
        let mut run = stage.start(&["fork-session", &format!("wait-for {gate}; exit 7")]);
        let mut daemon = run.child().await;
        assert_eq!(run.exited().await, Exit::Code(0));
        assert_eq!(run.tree.adopt(None).unwrap(), daemon.pid());
        assert_eq!(run.tree.pid(), daemon.pid());
        assert_eq!(run.tree.start_stamp(), start_stamp(daemon.pid()).unwrap());
        assert!(!run.tree.is_empty());
        std::fs::write(&gate, "").unwrap();
        assert_eq!(run.exited().await, Exit::Code(7));
        assert_eq!(run.exited().await, Exit::Code(7), "asked again");
        within(LIMIT, "the daemon ends", daemon.exited()).await;
        run.emptied().await;
    }
}

#[tokio::test]
async fn the_process_that_is_named_is_adopted_and_no_stranger() {
    for stage in Stage::each() {
        let gate = stage.path("gate").replace('\\', "/");
        let later = format!("wait-for {gate}; exit 9");
        let mut run = stage.start(&["fork-session", "forever", "fork-session", &later, "fork-session", "forever"]);
        run.child().await;
        let named = run.child().await;
        run.child().await;
        assert_eq!(run.exited().await, Exit::Code(0));
        let other = stage.start(&["forever"]);
        for stranger in [std::process::id(), other.tree.pid(), u32::MAX >> 1] {
            let error = run.tree.adopt(Some(stranger)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert_eq!(error.to_string(), format!("process {stranger} is not part of this run"));
        }
        assert_eq!(run.tree.adopt(Some(named.pid())).unwrap(), named.pid());
        std::fs::write(&gate, "").unwrap();
        assert_eq!(run.exited().await, Exit::Code(9));
        assert!(!run.tree.is_empty(), "the others live");
        run.tree.kill().unwrap();
        run.emptied().await;
    }
}

#[tokio::test]
async fn where_nothing_is_left_nothing_is_adopted() {
    for stage in Stage::each() {
        let mut run = stage.start(&["exit", "0"]);
        run.exited().await;
        run.emptied().await;
        assert_eq!(run.tree.adopt(None).unwrap_err().kind(), ErrorKind::NotFound);
        let gone = run.tree.pid();
        assert_eq!(run.tree.adopt(Some(gone)).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(run.exited().await, Exit::Code(0), "what was known stays");
    }
}

#[tokio::test]
async fn an_adopted_tree_is_killed_and_dropped_as_any_other() {
    for stage in Stage::each() {
        for dropped in [false, true] {
            let mut run = stage.start(&["fork-session", "fork-session forever; forever"]);
            let mut daemon = run.child().await;
            run.exited().await;
            run.tree.adopt(Some(daemon.pid())).unwrap();
            if dropped {
                drop(run);
            } else {
                run.tree.kill().unwrap();
                run.exited().await;
                run.emptied().await;
            }
            within(LIMIT, "the daemon ends", daemon.exited()).await;
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn of_several_the_one_that_leads_a_session_is_the_daemon() {
    for stage in Stage::each() {
        let mut run =
            stage.start(&["fork", "forever", "fork-session", "print hidden; forever", "fork-session", "forever"]);
        run.child().await;
        let daemon = run.child().await;
        run.child().await;
        run.exited().await;
        wait_for_session_of(daemon.pid()).await;
        assert_eq!(run.tree.adopt(None).unwrap(), daemon.pid());
    }
}

/// The fixture makes its session itself, a moment after its pid was told.
#[cfg(unix)]
async fn wait_for_session_of(pid: u32) {
    let number = rustix::process::Pid::from_raw(pid.cast_signed());
    within(LIMIT, "it leads a session", async {
        while rustix::process::getsid(number).ok() != number {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The daemon leads its own group and hears it; a companion that is in no group of its own is not mistaken for its.
#[cfg(unix)]
#[tokio::test]
async fn an_adopted_process_is_asked_whether_it_leads_a_group_or_not() {
    use mainstay_os::tree::Method;
    for stage in Stage::each() {
        let ready = stage.path("ready");
        let daemon = format!("on-stop 'exit 3'; touch {ready}; forever");
        for fork in ["fork-session", "fork"] {
            let mut run = stage.start(&[fork, &daemon]);
            let child = run.child().await;
            run.exited().await;
            within(LIMIT, "it can be asked", async {
                while !std::path::Path::new(&ready).exists() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            std::fs::remove_file(&ready).unwrap();
            assert_eq!(run.tree.adopt(None).unwrap(), child.pid());
            run.tree.ask(Method::Signal(15)).unwrap();
            assert_eq!(run.exited().await, Exit::Code(3));
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_reaper_leaves_an_adopted_process_to_its_tree() {
    assert!(Second::start("adopter", &[]).passed().await);
}

/// Its parent lives, and is asked by the kernel, not we.
#[cfg(unix)]
#[tokio::test]
async fn how_anothers_child_ended_is_not_made_up() {
    for stage in Stage::each() {
        let gate = stage.path("gate");
        let mut run = stage.start(&["fork-session", &format!("wait-for {gate}; exit 7"), "forever"]);
        let child = run.child().await;
        run.tree.adopt(Some(child.pid())).unwrap();
        std::fs::write(&gate, "").unwrap();
        assert_eq!(run.exited().await, Exit::Signal(0));
    }
}
