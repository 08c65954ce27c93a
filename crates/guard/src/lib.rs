//! The guard: the small process that owns one service. It is its program's only parent, keeps its output and its journal, and carries
//! out what [`mainstay_core::service::Service`] decides.
//!
//! # Theory of operation
//!
//! One loop on one thread ([`guard`]): wait for the next thing that happened, hand it to the machine, carry out the effects. What takes
//! time answers with a later event: the program's end, a probe, a drained pipe. Output flows beside the loop on a thread of its own
//! ([`output`]). The journal ([`journal`]) is the only state; the next guard folds it into what it must know.

#![forbid(unsafe_code)]

mod control;
mod depend;
mod env;
mod guard;
mod help;
mod input;
mod journal;
mod launch;
mod output;
pub mod pack;
mod probe;
mod specs;
mod start;
mod status;
mod watch;

use std::io;

use mainstay_os::{memory, owner, tree};
use mainstay_wire::layout::Layout;

pub use journal::segments;
pub use launch::unsupported;

/// The guard's exit code when its service is over and a restart would not help: no owner may start it again by itself.
/// It is `EX_CONFIG` of sysexits.h, which systemd and we agree to leave alone.
pub const EXIT_GAVE_UP: i32 = 78;

/// What a guard is told when it is started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where everything lies.
    pub layout: Layout,
    /// The service.
    pub name: String,
    /// Who starts it.
    pub owner: OwnerKind,
}

/// Who starts and restarts a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKind {
    /// The Windows service manager.
    Scm,
    /// systemd.
    Systemd,
    /// `mainstay up`: the guard stays while its service is down or done.
    Up,
}

impl OwnerKind {
    /// The word on the guard's command line and in its status.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Scm => "scm",
            Self::Systemd => "systemd",
            Self::Up => "up",
        }
    }

    /// The kind that the word stands for.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Scm, Self::Systemd, Self::Up].into_iter().find(|kind| kind.word() == word)
    }
}

/// Guards the service until it is told to end; returns the exit code for the process. Call it first thing in `main`.
///
/// # Errors
/// When the guard can't even begin: it is somebody else's, its spec was never valid, its folders can't be used.
pub fn run(setup: Setup) -> io::Result<i32> {
    memory::stay_small();
    tree::prepare_guard()?;
    let name = setup.name.clone();
    owner::run(&name, setup.owner == OwnerKind::Scm, move |owner| start::guarded(setup, owner))
}
