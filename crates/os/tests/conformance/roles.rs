//! Second processes of other tests: this binary, run again with the name of a role in its environment.

#[cfg(unix)]
use std::time::Duration;

use mainstay_os::tree::{self, Exit, Place};

#[cfg(unix)]
use crate::stage::words;
use crate::stage::{Stage, fixture};

#[cfg(unix)]
mod unix;

/// The variable that names the role.
pub(crate) const ROLE: &str = "MAINSTAY_TEST_ROLE";

/// The variable that carries a role's arguments, one a line.
pub(crate) const ARGS: &str = "MAINSTAY_TEST_ROLE_ARGS";

#[test]
fn a_second_process_plays_its_role_and_no_other() {
    match std::env::var(ROLE) {
        Ok(role) => assert!(play(&role), "nobody wrote the role {role}"),
        Err(_) => assert!(!play("nobody"), "a role was played that nobody wrote"),
    }
}

/// Plays a role to its end; `false`: there is none of this name.
fn play(role: &str) -> bool {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match role {
        "guard" => runtime().block_on(guard()),
        "starter" => starter(),
        "lock_holder" => lock_holder(),
        "reaper" => runtime().block_on(reaper()),
        "owned" => owned(),
        "signalled" => runtime().block_on(signalled()),
        #[cfg(unix)]
        "without_descriptors" => runtime().block_on(without_descriptors()),
        #[cfg(unix)]
        "without_processes" => runtime().block_on(without_processes()),
        #[cfg(unix)]
        "pid_reuse" => runtime().block_on(pid_reuse()),
        #[cfg(unix)]
        "delegated" => runtime().block_on(delegated()),
        #[cfg(unix)]
        "adopter" => runtime().block_on(unix::adopter()),
        #[cfg(unix)]
        "guard_of_nobody" => runtime().block_on(unix::guard_of_nobody()),
        #[cfg(unix)]
        "impostor" => runtime().block_on(unix::impostor()),
        #[cfg(unix)]
        "unprivileged" => runtime().block_on(unix::unprivileged()),
        #[cfg(unix)]
        "limited" => runtime().block_on(unix::limited()),
        _ => return false,
    }
    true
}

fn args() -> Vec<String> {
    std::env::var(ARGS).unwrap().lines().map(str::to_owned).collect()
}

/// To the first process; `@` tells it from what the test harness prints.
pub(crate) fn say(line: &str) {
    println!("@{line}");
}

fn claim(containment: &str, mark: &str) -> Place {
    match containment {
        #[cfg(unix)]
        "group" => Place::claim_process_group(mark).unwrap(),
        _ => Place::claim(mark).unwrap(),
    }
}

/// A guard with one run. Arguments: containment, mark, breakaway or not, then the fixture's commands. Says the main
/// process's pid and stamp, then every line the fixture prints.
async fn guard() {
    let args = args();
    let mut stage = Stage::at(claim(&args[0], &args[1]));
    stage.breakaway = args[2] == "breakaway";
    let commands: Vec<&str> = args[3..].iter().map(String::as_str).collect();
    let mut run = stage.start(&commands);
    say(&format!("{} {}", run.tree.pid(), run.tree.start_stamp()));
    loop {
        let line = run.stdout.line().await;
        say(&line);
    }
}

/// Starts the fixture detached, says its pid and stamp, and ends.
fn starter() {
    let args: Vec<_> = args().into_iter().map(Into::into).collect();
    let env = mainstay_os::environment::inherited();
    let (pid, stamp) = mainstay_os::process::spawn_detached(&fixture(), &args, &env).unwrap();
    say(&format!("{pid} {stamp}"));
}

/// Holds a lock until it is killed. Arguments: path, note.
fn lock_holder() {
    let args = args();
    let lock = mainstay_os::files::Lock::acquire(args[0].as_ref(), &args[1]).unwrap();
    say(if lock.is_some() { "locked" } else { "refused" });
    // Until the first process goes, which closes our stdin.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

/// Reaps while 2,000 orphans die and 100 children of its own end with codes of their own. Says how many zombies are
/// left.
async fn reaper() {
    tree::prepare_guard().unwrap();
    let work = async {
        let stage = Stage::new();
        let mut maker = stage.start(&["orphans", "2000"]);
        for round in 0..100 {
            let mut run = stage.start(&["exit", &round.to_string()]);
            assert_eq!(run.exited().await, Exit::Code(round));
        }
        assert_eq!(maker.stdout.line().await, "orphans 2000");
        assert_eq!(maker.exited().await, Exit::Code(0));
        maker.emptied().await;
        #[cfg(unix)]
        no_zombie_is_left().await;
    };
    tokio::select! {
        () = work => say("done"),
        never = tree::reap_orphans() => match never {},
    }
}

/// None that is older than a second.
#[cfg(unix)]
async fn no_zombie_is_left() {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    loop {
        let zombies = zombies();
        if zombies.is_empty() {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{} zombies, such as {:?}", zombies.len(), zombies.first());
        tokio::task::yield_now().await;
    }
}

#[cfg(unix)]
fn zombies() -> Vec<String> {
    let own = format!(" Z {} ", std::process::id());
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| stat.contains(&own))
        .collect()
}

/// Says what an owner asks of it. Nobody's guard: SIGTERM on Linux.
fn owned() {
    let code = mainstay_os::owner::run("test", false, |mut owner| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut request = std::pin::pin!(owner.request());
            // Polled once: from now on requests are caught.
            assert!(futures_ready(request.as_mut()).await.is_none());
            say("ready");
            say(&format!("{:?}", request.await));
        });
        7
    });
    assert_eq!(code.unwrap(), 7);
}

/// Says each signal or console event that would end it.
async fn signalled() {
    let mut signals = mainstay_os::shutdown::Signals::new().unwrap();
    say("ready");
    loop {
        say(&format!("{:?}", signals.next().await));
    }
}

/// The future's result if it has one already.
async fn futures_ready<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

/// Runs out of descriptors, as far as to fail at each step of a start, and recovers.
#[cfg(unix)]
async fn without_descriptors() {
    use mainstay_os::tree::SpawnError;
    let stage = Stage::new();
    let limit = rustix::process::Rlimit { current: Some(256), maximum: Some(256) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    let attempt = || stage.try_start(&fixture(), &words(&["exit", "3"]));
    let mut refusals = Vec::new();
    let mut run = loop {
        match attempt() {
            Ok(run) => break run,
            Err(SpawnError::Pipe { source }) => refusals.push(("pipe", source.raw_os_error())),
            Err(SpawnError::Process { source, .. }) => refusals.push(("process", source.raw_os_error())),
            Err(other) => panic!("{other}"),
        }
        taken.pop().unwrap();
    };
    assert_eq!(run.exited().await, Exit::Code(3));
    assert!(refusals.iter().all(|(_, number)| *number == Some(libc::EMFILE)), "{refusals:?}");
    for kind in ["pipe", "process"] {
        assert!(refusals.iter().any(|(refused, _)| *refused == kind), "{refusals:?}");
    }
    say("done");
}

/// An account that may have no more processes.
#[cfg(unix)]
async fn without_processes() {
    let stage = Stage::at(Place::claim_process_group("none").unwrap());
    let limit = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Nproc, limit).unwrap();
    if rustix::process::geteuid().is_root() {
        // Root has no such limit. This thread alone changes: it is the one that forks.
        let nobody = rustix::thread::Uid::from_raw(65_534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
    }
    match stage.try_start(&fixture(), &words(&["exit", "3"])) {
        Err(error) => say(&error.to_string()),
        Ok(_) => panic!("a process was made beyond the limit"),
    }
}

/// Alone in a pid namespace: makes another process get the pid of one that died, and shows that it is left alone.
#[cfg(unix)]
async fn pid_reuse() {
    use mainstay_os::process::{Watched, spawn_detached};
    assert_eq!(std::process::id(), 1, "run it by unshare --pid --fork --mount-proc");
    let env = mainstay_os::environment::inherited();
    let (pid, stamp) = spawn_detached(&fixture(), &words(&["sleep", "50ms"]), &env).unwrap();
    let mut first = Watched::open(pid, stamp).unwrap().unwrap();
    first.exited().await;
    // Reaped, so that its number is free.
    let number = rustix::process::Pid::from_raw(pid.cast_signed());
    rustix::process::waitpid(number, rustix::process::WaitOptions::empty()).unwrap().unwrap();
    std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
    let (reused, other_stamp) = spawn_detached(&fixture(), &words(&["forever"]), &env).unwrap();
    assert_eq!(reused, pid, "the pid was not reused");

    assert_ne!(stamp, other_stamp);
    assert!(Watched::open(pid, stamp).unwrap().is_none());
    let place = Place::claim_process_group("reuse").unwrap();
    assert_eq!(place.end_leftovers(Some((pid, stamp)), Duration::from_secs(5)).await.unwrap(), 0);
    first.kill().unwrap(); // the one that is gone
    assert!(Watched::open(reused, other_stamp).unwrap().is_some(), "a stranger was killed");
    say("done");
}

/// A guard in the cgroup that is its argument. Says the main process's pid and waits.
#[cfg(unix)]
async fn delegated() {
    std::fs::write(std::path::Path::new(&args()[0]).join("cgroup.procs"), "0").unwrap();
    let mut run = Stage::new().start(&["forever"]);
    say(&run.tree.pid().to_string());
    run.exited().await;
}
