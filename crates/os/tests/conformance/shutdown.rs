//! Being asked to end ourselves.

#[cfg(unix)]
use crate::stage::Second;

#[cfg(unix)]
fn send(second: &Second, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(second.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn each_signal_is_told() {
    use rustix::process::Signal;
    let mut second = Second::start("signalled", &[]);
    assert_eq!(second.line().await, "ready");
    for (signal, told) in [(Signal::INT, "Interrupt"), (Signal::TERM, "Terminate"), (Signal::HUP, "Terminate")] {
        send(&second, signal);
        assert_eq!(second.line().await, told);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_owners_request_reaches_the_guard() {
    let mut second = Second::start("owned", &[]);
    assert_eq!(second.line().await, "ready");
    send(&second, rustix::process::Signal::TERM);
    assert_eq!(second.line().await, "Stop");
    assert!(second.passed().await);
}

#[tokio::test]
async fn signals_can_be_caught() {
    let mut signals = mainstay_os::shutdown::Signals::new().unwrap();
    tokio::select! {
        biased;
        kind = signals.next() => panic!("{kind:?} out of nowhere"),
        () = tokio::task::yield_now() => {}
    }
}
