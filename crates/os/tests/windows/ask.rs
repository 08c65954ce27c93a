//! Asking a program to stop by Ctrl-C, in a console it does not share with us. WM_CLOSE and WM_QUIT: `scm_desktop`.

use mainstay_os::clock;
use mainstay_os::tree::{Exit, Method};

use crate::bed;

#[test]
fn ctrl_c_reaches_the_program_exactly_once_within_100_ms_and_its_last_words_are_kept() {
    bed::run(async {
        let mut running = bed::start(&["ctrl-c"]);
        assert_eq!(running.line().await, "ready");
        let asked = clock::now().0;
        running.tree.ask(Method::CtrlC).unwrap();
        let event = running.line().await;
        let came: u64 = event.strip_prefix("event 0 at ").expect(&event).parse().unwrap();
        let milliseconds = (came - asked) / 1_000_000;
        println!("Ctrl-C came after {:.3} ms", (came - asked) as f64 / 1e6);
        assert!(milliseconds < 100, "{milliseconds} ms");
        let (said, exit) = running.rest().await;
        assert_eq!(exit, Exit::Code(1), "it counts how many came");
        assert_eq!(said.lines().count(), 2000);
        assert!(said.ends_with("good-bye 1999\n"), "{}", &said[said.len() - 40..]);
    });
}

#[test]
fn ctrl_c_to_one_program_does_not_reach_another_nor_us() {
    bed::run(async {
        let mut other = bed::start(&["ctrl-c"]);
        assert_eq!(other.line().await, "ready");
        for _ in 0..5 {
            let mut running = bed::start(&["ctrl-c"]);
            assert_eq!(running.line().await, "ready");
            running.tree.ask(Method::CtrlC).unwrap();
            assert_eq!(running.rest().await.1, Exit::Code(1));
        }
        other.tree.ask(Method::CtrlC).unwrap();
        assert_eq!(other.rest().await.1, Exit::Code(1));
    });
}

#[test]
fn a_signal_is_refused_in_words() {
    bed::run(async {
        let running = bed::start(&["ctrl-c"]);
        let refused = running.tree.ask(Method::Signal(15)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
        assert_eq!(refused.to_string(), "cannot send signal 15: Windows has no signals");
    });
}
