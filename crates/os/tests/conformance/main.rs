//! What both systems promise, proven on each: the same tests under the same names, one file per facility.
//!
//! The programs under test are `fixture-child` and, where a guard itself has to die or to be prepared in a way that
//! other tests must not share, this very binary in one of its `roles`. Everything waits for the event itself with a
//! deadline; nothing sleeps.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets a surprise has to fail at that line"
)]

mod adopt;
mod control;
mod detached;
mod environment;
mod files;
mod identity;
mod leftovers;
mod output;
mod pause;
mod ports;
mod program;
mod resources;
mod roles;
mod setup;
mod shutdown;
mod spawn;
mod spawn_errors;
mod stage;
mod stdin;
mod stop;
mod tree;

#[cfg(unix)]
mod account;
#[cfg(unix)]
mod reaper;
#[cfg(unix)]
mod systemd;
#[cfg(unix)]
mod vm;
