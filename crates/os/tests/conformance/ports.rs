//! Which ports a run listens on.

use mainstay_os::ports::listening;

use crate::stage::Stage;

async fn listener(stage: &Stage) -> (crate::stage::Run, u16) {
    let mut run = stage.start(&["listen", "0", "forever"]);
    let line = run.stdout.line().await;
    let port = line.strip_prefix("listening ").unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
    (run, port)
}

#[tokio::test]
async fn the_ports_of_these_processes_are_told_and_no_others() {
    let stage = Stage::new();
    let (first, first_port) = listener(&stage).await;
    let (second, second_port) = listener(&stage).await;
    assert_eq!(listening(&[first.tree.pid()]).unwrap(), [first_port]);
    let mut both = [first_port, second_port];
    both.sort_unstable();
    assert_eq!(listening(&[second.tree.pid(), first.tree.pid(), second.tree.pid()]).unwrap(), both);
}

#[tokio::test]
async fn who_listens_nowhere_or_is_gone_has_no_ports() {
    let stage = Stage::new();
    let mut silent = stage.start(&["print", "ready", "forever"]);
    silent.stdout.line().await;
    let mut gone = stage.start(&["exit", "0"]);
    gone.exited().await;
    gone.emptied().await;
    assert_eq!(listening(&[silent.tree.pid(), gone.tree.pid()]).unwrap(), []);
    assert_eq!(listening(&[]).unwrap(), []);
}
