//! Ending many processes that no cgroup holds together, so that none slips through while it is done.

use std::io;

use super::pidfd::Pidfd;
use super::procfs::Stat;

/// A round stops everything it finds, and what is stopped can't fork: each round faces only what was born during the
/// one before. More rounds than this are needed by fork bombs alone; what is found until then is killed, and the
/// caller looks again.
const ROUNDS_MAX: usize = 64;

/// One process that was sent SIGKILL, held so that its death can be awaited.
#[derive(Debug)]
pub(crate) struct Doomed {
    pub(crate) pid: u32,
    start: u64,
    pub(crate) process: Pidfd,
}

/// SIGSTOP to whatever `find` finds, again until it finds nothing new, then SIGKILL to all of it. Each is held by a
/// pidfd whose start stamp was compared, so a reused pid is never hit. The first refusal (another account's process)
/// is returned after everything else was done.
pub(crate) fn sweep(find: impl FnMut() -> Vec<Stat>) -> io::Result<Vec<Doomed>> {
    let (doomed, mut refused) = stop_all(find);
    for each in &doomed {
        refused = refused.or(each.process.signal(libc::SIGKILL).err());
    }
    refused.map_or(Ok(doomed), Err)
}

/// The first half of [`sweep`]: all of it stands still then, but for what came in more rounds than there are.
pub(crate) fn stop_all(mut find: impl FnMut() -> Vec<Stat>) -> (Vec<Doomed>, Option<io::Error>) {
    let mut doomed: Vec<Doomed> = Vec::new();
    let mut refused = None;
    for _ in 0..ROUNDS_MAX {
        let before = doomed.len();
        for found in find().into_iter().filter(|p| p.alive) {
            if doomed.iter().any(|d| d.pid == found.pid && d.start == found.start) {
                continue;
            }
            match Pidfd::open_stamped(found.pid, found.start) {
                Ok(Some(process)) => {
                    refused = refused.or(process.signal(libc::SIGSTOP).err());
                    doomed.push(Doomed { pid: found.pid, start: found.start, process });
                }
                Ok(None) => {}
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if doomed.len() == before {
            break;
        }
    }
    (doomed, refused)
}
