//! A guard's duties as a parent of strangers.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::children::{self, Kind};
use super::{procfs, signals};

/// Once, first thing in a guard (again is harmless): become the reaper of all descendants (prctl(2), `PR_SET_CHILD_SUBREAPER`), let SIGPIPE
/// be an error and SIGCHLD a signal whatever our parent chose, and close every inherited descriptor on exec.
pub fn prepare_guard() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    signals::ignore_sigpipe()?;
    signals::hear_sigchld()?;
    signals::unblock_all()?; // a blocked mask is inherited, and would keep SIGTERM from us
    signals::close_on_exec_from(3);
    Ok(())
}

/// Reaps what dies as our child and is no tree's main process: adopted orphans, detached processes. Never returns.
///
/// One per process, and then every child must be made by this crate: it would take the exit of a
/// [`std::process::Child`].
pub async fn reap_orphans() -> Infallible {
    /// Where the runtime can't catch SIGCHLD (it says why only at its own creation), zombies wait this long at most.
    const UNTOLD_MS: u64 = 1000;
    let mut deaths = signal(SignalKind::child());
    loop {
        reap_strangers();
        match &mut deaths {
            Ok(deaths) => {
                deaths.recv().await;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(UNTOLD_MS)).await,
        }
    }
}

/// All zombies that are nobody's. A peek shows one zombie, always the same until it is reaped; should that be a tree's
/// own (its owner will reap it), the others are found in `/proc`.
fn reap_strangers() {
    let mut children = children::lock();
    while let Some(pid) = signals::peek_dead_child() {
        let is_main = |pid: u32| children.iter().any(|c| c.pid == pid && c.kind != Kind::Detached);
        if is_main(pid) {
            let own = std::process::id();
            let mut dead = procfs::all();
            dead.retain(|p| p.parent == own && !p.alive && !is_main(p.pid));
            dead.iter().for_each(|p| signals::reap(p.pid));
            children.retain(|c| dead.iter().all(|p| p.pid != c.pid));
            return;
        }
        signals::reap(pid);
        children.retain(|c| c.pid != pid);
    }
}
