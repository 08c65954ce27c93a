//! A process that outlives who started it.

use mainstay_os::process::{Watched, start_stamp};

use crate::stage::{LIMIT, Second, watch, within};

#[tokio::test]
async fn a_detached_process_outlives_its_starter() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let (gate, done) = (path("gate"), path("done"));
    let mut starter = Second::start("starter", &["wait-for", &gate, "touch", &done]);
    let line = starter.line().await;
    let (pid, stamp) = line.split_once(' ').unwrap();
    let (pid, stamp) = (pid.parse().unwrap(), stamp.parse().unwrap());
    assert!(starter.passed().await);
    let mut detached = Watched::open(pid, stamp).unwrap().expect("it died with its starter");
    assert_eq!(start_stamp(pid).unwrap(), stamp);
    std::fs::write(&gate, "").unwrap();
    within(LIMIT, "it ends", detached.exited()).await;
    assert!(folder.path().join("done").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_detached_process_has_a_session_and_nothing_of_ours() {
    use std::os::fd::AsRawFd;
    let env = mainstay_os::environment::inherited();
    let secret = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&secret, rustix::io::FdFlags::empty()).unwrap();
    let args = crate::stage::words(&["forever"]);
    let (pid, _) = mainstay_os::process::spawn_detached(&crate::stage::fixture(), &args, &env).unwrap();
    let mut detached = watch(pid);
    let open = |number: i32| std::fs::read_link(format!("/proc/{pid}/fd/{number}")).ok();
    for number in 0..3 {
        assert_eq!(open(number).as_deref(), Some("/dev/null".as_ref()));
    }
    assert_eq!(open(secret.as_raw_fd()), None);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session = stat.rsplit_once(')').unwrap().1.split(' ').nth(4).unwrap();
    assert_eq!(session, pid.to_string());
    detached.kill().unwrap();
    within(LIMIT, "it ends", detached.exited()).await;
}

#[cfg(windows)]
#[tokio::test]
async fn a_detached_process_can_be_killed() {
    let env = mainstay_os::environment::inherited();
    let args = crate::stage::words(&["forever"]);
    let (pid, _) = mainstay_os::process::spawn_detached(&crate::stage::fixture(), &args, &env).unwrap();
    let mut detached = watch(pid);
    detached.kill().unwrap();
    within(LIMIT, "it ends", detached.exited()).await;
}
