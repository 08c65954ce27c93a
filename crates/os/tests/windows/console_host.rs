//! The host of a program's console is in the program's job, but it is no part of the program.

use mainstay_os::tree::{Exit, Method};

use crate::bed;

#[test]
fn a_halted_program_is_asked_ended_and_adopted_without_its_console_host() {
    bed::run(async {
        let mut running = bed::start(&["ctrl-c"]);
        assert_eq!(running.line().await, "ready");
        let pid = running.tree.pid();
        assert_eq!(running.tree.adopt(None).unwrap(), pid, "the oldest is the program itself");
        running.tree.pause().unwrap();
        running.tree.pause().unwrap();
        // The event is made in the console at once, and met when the program goes on.
        running.tree.ask(Method::CtrlC).unwrap();
        running.tree.resume().unwrap();
        running.tree.resume().unwrap();
        assert_eq!(running.rest().await.1, Exit::Code(1));
    });
}

#[test]
fn a_halted_tree_can_be_killed() {
    bed::run(async {
        let mut running = bed::start(&["ctrl-c"]);
        assert_eq!(running.line().await, "ready");
        running.tree.pause().unwrap();
        running.tree.kill().unwrap();
        running.tree.emptied().await;
        assert_eq!(running.tree.exited().await, Exit::Code(1));
        let missing = running.tree.adopt(None).unwrap_err();
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
        let own = std::process::id();
        let stranger = running.tree.adopt(Some(own)).unwrap_err();
        assert_eq!(stranger.to_string(), format!("process {own} is not part of this run"));
    });
}
