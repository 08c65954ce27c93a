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

mod account;
mod cli;
mod control;
mod edit;
mod environment;
mod foreground;
mod guard;
mod hooks;
mod init;
mod instances;
mod keeping;
mod kinds;
mod launch;
mod logs;
mod order;
mod reading;
mod ready;
mod receiver;
mod reload;
mod resources;
mod restart;
#[cfg(windows)]
mod scm;
mod self_install;
mod server;
mod shipping;
mod spec;
mod state;
mod stdin;
mod stop;
#[cfg(unix)]
mod systemd;
mod updater;
mod watch;
mod world;
