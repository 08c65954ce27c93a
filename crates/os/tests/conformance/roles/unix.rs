//! Roles for what only Linux has.

use std::path::{Path, PathBuf};

use mainstay_os::account::RunAs;
use mainstay_os::resources::{LimitHit, Priority, Resources, Rlimit, RlimitValue, check};
use mainstay_os::tree::{self, Containment, Exit, Launch, News, Place, SpawnError};

use super::say;
use crate::stage::{LIMIT, Run, Stage, new_mark, within, words};

/// A guard whose program runs as another user. Says the main process's pid and stamp, and waits.
pub(super) async fn guard_of_nobody() {
    // It is killed: a cgroup would stay.
    let stage = Stage::at(Place::claim_process_group(&new_mark()).unwrap());
    let nobody = RunAs { user: Some("nobody".to_owned()), ..RunAs::default() };
    let args = words(&["1000"]);
    let root = Path::new("/");
    let launch =
        Launch { program: "/bin/sleep".as_ref(), args: &args, directory: root, run_as: Some(&nobody), ..stage.plain() };
    let mut run = stage.launch(&launch).unwrap();
    say(&format!("{} {}", run.tree.pid(), run.tree.start_stamp()));
    run.exited().await;
}

/// This thread, which is the one that forks, is nobody from now on.
fn become_nobody() {
    use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    if rustix::process::geteuid().is_root() {
        let (user, group) = (Uid::from_raw(65_534), Gid::from_raw(65_534));
        set_thread_groups(&[group]).unwrap();
        set_thread_res_gid(group, group, group).unwrap();
        set_thread_res_uid(user, user, user).unwrap();
    }
}

/// A guard that is not root, and would be.
pub(super) async fn impostor() {
    let stage = Stage::at(Place::claim_process_group(&new_mark()).unwrap());
    become_nobody();
    let root = RunAs { user: Some("root".to_owned()), ..RunAs::default() };
    let attempt = Launch { program: "/bin/true".as_ref(), run_as: Some(&root), ..stage.plain() };
    match stage.place.spawn(&attempt) {
        Err(error @ SpawnError::Account { .. }) => say(&error.to_string()),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("nobody became root"),
    }
    // To stay who it is needs no right.
    let itself = RunAs { user: Some(mainstay_os::account::name()), ..RunAs::default() };
    let root = Path::new("/");
    let launch = Launch { program: "/bin/true".as_ref(), directory: root, run_as: Some(&itself), ..stage.plain() };
    assert_eq!(stage.launch(&launch).unwrap().exited().await, Exit::Code(0));
}

/// A guard that is not root, and would give more than it may.
pub(super) async fn unprivileged() {
    let stage = Stage::at(Place::claim_process_group(&new_mark()).unwrap());
    let hard = rustix::process::Rlimit { current: Some(10), maximum: Some(10) };
    rustix::process::setrlimit(rustix::process::Resource::Core, hard).unwrap();
    become_nobody();
    for resources in [
        Resources { priority: Some(Priority::High), ..Resources::default() },
        Resources { nice: Some(-1), ..Resources::default() },
        Resources { rlimits: vec![(Rlimit::Core, RlimitValue::At(11))], ..Resources::default() },
    ] {
        let [told] = check(&resources).try_into().unwrap();
        say(&told.reason);
        let attempt = Launch { program: "/bin/true".as_ref(), resources: &resources, ..stage.plain() };
        match stage.place.spawn(&attempt) {
            Err(error @ SpawnError::Resource { .. }) => say(&error.to_string()),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was given {resources:?}"),
        }
    }
}

/// Adopts daemons, each ending with a code of its own, while orphans are reaped.
pub(super) async fn adopter() {
    tree::prepare_guard().unwrap();
    let work = async {
        for round in 0..50 {
            for stage in Stage::each() {
                let gate = stage.path("gate");
                let mut run = stage.start(&["fork-session", &format!("wait-for {gate}; exit {round}")]);
                run.child().await;
                assert_eq!(run.exited().await, Exit::Code(0));
                run.tree.adopt(None).unwrap();
                std::fs::write(&gate, "").unwrap();
                assert_eq!(run.exited().await, Exit::Code(round));
            }
        }
    };
    tokio::select! {
        () = work => {}
        never = tree::reap_orphans() => match never {},
    }
}

/// In a machine with all controllers: each limit is kept and told of.
pub(super) async fn limited() {
    let stage = Stage::new();
    assert_eq!(stage.place.containment(), Containment::Cgroup);
    memory(&stage).await;
    processes(&stage).await;
    processor(&stage).await;
    halt(&stage).await;
    // A run after all these has none of their limits.
    let run = stage.start(&["forever"]);
    let group = group_of(run.tree.pid());
    for (file, text) in [("memory.max", "max"), ("pids.max", "max"), ("cpu.max", "max 100000"), ("cpu.weight", "100")] {
        assert_eq!(read(&group, file), text, "{file}");
    }
    say("nothing is inherited");
}

fn start(stage: &Stage, resources: &Resources, commands: &[&str]) -> Run {
    assert_eq!(check(resources), []);
    stage.launch(&Launch { args: &words(commands), resources, ..stage.plain() }).unwrap()
}

/// Where cgroup v2 is mounted in that machine.
fn group_of(pid: u32) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    Path::new("/sys/fs/cgroup").join(path)
}

fn read(group: &Path, file: &str) -> String {
    std::fs::read_to_string(group.join(file)).unwrap().trim_end().to_owned()
}

async fn memory(stage: &Stage) {
    let resources = Resources { memory_bytes: Some(48 << 20), ..Resources::default() };
    let mut run = start(stage, &resources, &["wait-for", &stage.path("leak"), "leak", "200", "forever"]);
    assert_eq!(read(&group_of(run.tree.pid()), "memory.max"), "50331648");
    {
        let mut early = std::pin::pin!(run.tree.news());
        tokio::select! {
            biased;
            news = &mut early => panic!("{news:?} before anything happened"),
            () = tokio::task::yield_now() => {}
        }
        std::fs::write(stage.path("leak"), "").unwrap();
        assert_eq!(within(LIMIT, "the limit is told", early).await, News::Limit(LimitHit::Memory));
    }
    assert_eq!(within(LIMIT, "the end is told", run.tree.news()).await, News::Exited(Exit::Signal(9)));
    run.emptied().await;
    say("memory is limited");
}

async fn processes(stage: &Stage) {
    let resources = Resources { processes: Some(10), ..Resources::default() };
    let mut run = start(stage, &resources, &["fork-many", "50", "forever"]);
    let line = run.stdout.line().await;
    let started: u32 = line.strip_prefix("forked ").unwrap().parse().unwrap();
    assert!((1..10).contains(&started), "{line}");
    assert_eq!(within(LIMIT, "the limit is told", run.tree.limit_hit()).await, LimitHit::Processes);
    run.tree.kill().unwrap();
    run.emptied().await;
    say("processes are limited");
}

async fn processor(stage: &Stage) {
    let resources = Resources { cpu_percent: Some(20), cpu_weight: Some(50), ..Resources::default() };
    let run = start(stage, &resources, &["spin"]);
    let group = group_of(run.tree.pid());
    assert_eq!((read(&group, "cpu.max"), read(&group, "cpu.weight")), ("20000 100000".to_owned(), "50".to_owned()));
    within(LIMIT, "it is held back", async {
        while read(&group, "cpu.stat").lines().any(|line| line == "nr_throttled 0") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    say("the processor is limited");
}

async fn halt(stage: &Stage) {
    let mut run = start(stage, &Resources { processes: Some(50), ..Resources::default() }, &["fork-many", "5", "spin"]);
    run.stdout.line().await;
    let group = group_of(run.tree.pid());
    run.tree.pause().unwrap();
    assert!(read(&group, "cgroup.events").contains("frozen 1"));
    run.tree.resume().unwrap();
    assert_eq!(read(&group, "cgroup.freeze"), "0");
    run.tree.pause().unwrap();
    run.tree.kill().unwrap();
    assert_eq!(run.exited().await, Exit::Signal(9));
    run.emptied().await;
    say("a frozen run is killed");
}
