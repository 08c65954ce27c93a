//! Processes that are not ours: watched and ended through a handle, told apart by pid *and* start stamp.

pub use crate::sys::process::{Watched, give_way, spawn_detached, start_stamp};
