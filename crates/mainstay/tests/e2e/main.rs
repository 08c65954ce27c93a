//! The real binary guarding real programs, on both systems under the same names.
//!
//! Every test owns a [`world::World`]: a home of its own, a `mainstay up` where it wants one, the command line, and the
//! certainty that nothing of it lives on. Everything waits for the thing itself with a deadline; nothing sleeps.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets a surprise has to fail at that line"
)]

mod cli;
mod control;
mod foreground;
mod guard;
mod launch;
mod logs;
mod ready;
mod restart;
#[cfg(windows)]
mod scm;
mod server;
mod spec;
mod state;
mod stop;
#[cfg(unix)]
mod systemd;
mod world;
