//! The death of a guard: no orphan, no second run.

use std::time::Duration;

use mainstay_os::process::Watched;
use mainstay_os::tree::Place;

use crate::stage::{LIMIT, Second, Stage, fixture, lives, new_mark, watch, within, words};

/// Each containment's name for the role `guard`, and how the next guard claims.
fn containments() -> &'static [&'static str] {
    if cfg!(windows) { &["best"] } else { &["best", "group"] }
}

fn claim(containment: &str, mark: &str) -> Place {
    match containment {
        #[cfg(unix)]
        "group" => Place::claim_process_group(mark).unwrap(),
        _ => Place::claim(mark).unwrap(),
    }
}

/// The role says "PID STAMP".
async fn main_of(guard: &mut Second) -> (u32, u64) {
    let line = guard.line().await;
    let (pid, stamp) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
    (pid.parse().unwrap(), stamp.parse().unwrap())
}

async fn child_of(guard: &mut Second) -> Watched {
    let line = guard.line().await;
    watch(line.strip_prefix("child ").unwrap_or_else(|| panic!("{line:?}")).parse().unwrap())
}

/// On Windows the kernel ends a job with its guard, and nothing tells who was in it: its last members may be gone a
/// moment after the answer.
const BEFORE_THE_ANSWER: Duration = if cfg!(windows) { LIMIT } else { Duration::ZERO };

/// Hard case 6: the guard is killed while its program has children, some in sessions of their own.
#[tokio::test]
async fn leftovers_of_a_killed_guard_are_ended() {
    for containment in containments() {
        let mark = new_mark();
        let commands = ["fork", "forever", "fork-session", "fork-session forever; forever", "forever"];
        let args: Vec<&str> = [containment, &*mark, "stay"].into_iter().chain(commands).collect();
        let mut guard = Second::start("guard", &args);
        let known = main_of(&mut guard).await;
        let mut main = Watched::open(known.0, known.1).unwrap().unwrap();
        let mut children = [child_of(&mut guard).await, child_of(&mut guard).await];
        guard.kill();

        // By the parent-death signal or with the job: the next guard may be long in coming.
        within(LIMIT, "the program dies with its guard", main.exited()).await;
        let next = claim(containment, &mark);
        let ended = within(LIMIT, "leftovers end", next.end_leftovers(Some(known), LIMIT)).await.unwrap();
        for child in &mut children {
            within(BEFORE_THE_ANSWER, "a child was ended before the answer", child.exited()).await;
        }
        if cfg!(unix) {
            assert!(ended >= 2, "{containment}: {ended}");
        }
        assert_eq!(next.end_leftovers(Some(known), LIMIT).await.unwrap(), 0, "{containment}: again");
    }
}

/// The guard's state is lost as well: found by its mark alone.
#[tokio::test]
async fn leftovers_are_found_without_a_known_process() {
    for containment in containments() {
        let mark = new_mark();
        let mut guard = Second::start("guard", &[containment, &mark, "stay", "fork-session", "forever", "forever"]);
        main_of(&mut guard).await;
        let mut child = child_of(&mut guard).await;
        guard.kill();
        let next = claim(containment, &mark);
        within(LIMIT, "leftovers end", next.end_leftovers(None, LIMIT)).await.unwrap();
        within(BEFORE_THE_ANSWER, "the child was ended", child.exited()).await;
    }
}

/// A guard that may use a cgroup follows one that might not, and the other way round.
#[cfg(unix)]
#[tokio::test]
async fn leftovers_are_found_across_containments() {
    for (before, after) in [("group", "best"), ("best", "group")] {
        let mark = new_mark();
        let mut guard = Second::start("guard", &[before, &mark, "stay", "fork-session", "forever", "forever"]);
        let known = main_of(&mut guard).await;
        let mut child = child_of(&mut guard).await;
        guard.kill();
        let next = claim(after, &mark);
        within(LIMIT, "leftovers end", next.end_leftovers(Some(known), LIMIT)).await.unwrap();
        if after == "group" {
            within(BEFORE_THE_ANSWER, "the child was ended", child.exited()).await;
        }
        // A stable cgroup takes itself for the only place to look in; who looks by the mark finds the rest.
        let last = Place::claim_process_group(&mark).unwrap();
        last.end_leftovers(None, LIMIT).await.unwrap();
        within(BEFORE_THE_ANSWER, "the child was ended", child.exited()).await;
        drop(claim("best", &mark)); // takes the group away
    }
}

#[tokio::test]
async fn who_broke_away_is_no_leftover() {
    for containment in containments() {
        let mark = new_mark();
        let folder = tempfile::tempdir().unwrap();
        let pidfile = folder.path().join("updater").into_os_string().into_string().unwrap();
        let commands = ["updater", &pidfile, "fork", "forever", "wait-for", &pidfile, "print", "away", "forever"];
        let args: Vec<&str> = [containment, &*mark, "breakaway"].into_iter().chain(commands).collect();
        let mut guard = Second::start("guard", &args);
        let known = main_of(&mut guard).await;
        let mut updater = child_of(&mut guard).await;
        let mut ordinary = child_of(&mut guard).await;
        assert_eq!(guard.line().await, "away");
        let stamp = mainstay_os::process::start_stamp(updater.pid()).unwrap();
        guard.kill();
        let next = claim(containment, &mark);
        within(LIMIT, "leftovers end", next.end_leftovers(Some(known), LIMIT)).await.unwrap();
        within(LIMIT, "the ordinary child ends", ordinary.exited()).await;
        assert!(lives(updater.pid(), stamp), "{containment}: the updater was ended");
        updater.kill().unwrap();
        within(LIMIT, "the updater ends", updater.exited()).await;
    }
}

#[tokio::test]
async fn strangers_are_no_leftovers() {
    for containment in containments() {
        let other = Stage::at(claim(containment, &new_mark()));
        let run = other.start(&["forever"]);
        let (pid, stamp) = (run.tree.pid(), run.tree.start_stamp());
        let next = claim(containment, &new_mark());
        // A known pid that is another process's by now.
        let ended = next.end_leftovers(Some((pid, stamp + 1)), LIMIT).await.unwrap();
        assert_eq!(ended, 0, "{containment}");
        assert!(lives(pid, stamp), "{containment}");
    }
}

/// A known process that is in no tree: ended by pid and stamp.
#[tokio::test]
async fn a_known_process_is_ended_wherever_it_is() {
    let env = mainstay_os::environment::inherited();
    for containment in containments() {
        let (pid, stamp) = mainstay_os::process::spawn_detached(&fixture(), &words(&["forever"]), &env).unwrap();
        let mut watched = Watched::open(pid, stamp).unwrap().unwrap();
        let place = claim(containment, &new_mark());
        place.end_leftovers(Some((pid, stamp)), LIMIT).await.unwrap();
        within(LIMIT, "it ends", watched.exited()).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_cgroup_is_removed_with_its_place() {
    let mark = new_mark();
    let stage = Stage::at(Place::claim(&mark).unwrap());
    let listed = || {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let point =
            mounts.lines().find(|m| m.contains(" cgroup2 ")).and_then(|m| m.split(' ').nth(1)).map(str::to_owned);
        point.is_some_and(|point| std::path::Path::new(&point).join(format!("mainstay-{mark}")).exists())
    };
    let used = listed();
    let run = stage.start(&["fork-session", "forever", "forever"]);
    drop(run);
    drop(stage);
    assert!(!listed());
    if mainstay_os::account::is_privileged() {
        assert!(used, "root gets a cgroup at the mount's root, or this test proves nothing");
    }
}
