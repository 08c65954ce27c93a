//! How Linux keeps each facade's promise. Needs kernel 5.4 (waiting by pidfd); 5.14 makes the kill of a cgroup one call.

pub(crate) mod account;
mod cgroup;
mod children;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod environment;
pub(crate) mod event;
pub(crate) mod files;
mod fork;
pub(crate) mod host;
mod identity;
mod launch;
mod limits;
pub(crate) mod manager;
mod mark;
pub(crate) mod memory;
pub(crate) mod oslog;
pub(crate) mod owner;
pub(crate) mod paths;
mod pidfd;
pub(crate) mod pipe;
mod place;
pub(crate) mod ports;
pub(crate) mod power;
pub(crate) mod process;
mod procfs;
pub(crate) mod program;
mod readiness;
mod reaper;
pub(crate) mod resources;
pub(crate) mod setup;
pub(crate) mod shutdown;
mod signals;
mod sweep;
pub(crate) mod tree;

pub(crate) const NAME: &str = "linux";
