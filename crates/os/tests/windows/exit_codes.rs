//! All 32 bits of an exit code, and 259 (STILL_ACTIVE) is one like any other.

use mainstay_os::tree::Exit;

use crate::bed;

#[test]
fn every_exit_code_is_told_as_it_is() {
    bed::run(async {
        for code in [0, 1, 42, 255, 256, 259, 0x7FFF_FFFF, 0xC000_0005, 0xC000_013A, u32::MAX] {
            let (_, exit) = bed::start(&["exit", &code.to_string()]).rest().await;
            assert_eq!(exit, Exit::Code(code));
        }
    });
}

#[test]
fn an_access_violation_ends_with_its_status() {
    bed::run(async {
        assert_eq!(bed::start(&["crash"]).rest().await.1, Exit::Code(0xC000_0005));
    });
}

#[test]
fn the_answer_is_the_same_when_asked_again() {
    bed::run(async {
        let mut running = bed::start(&["exit", "259"]);
        assert_eq!(running.tree.exited().await, Exit::Code(259));
        assert_eq!(running.tree.exited().await, Exit::Code(259));
        running.tree.emptied().await;
        assert!(running.tree.is_empty());
        assert_eq!(running.tree.members(), Vec::<u32>::new());
        running.tree.kill().unwrap();
    });
}
