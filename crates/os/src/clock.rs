//! Both clocks: one that only moves forward and counts suspend, and the one on the wall.

pub use crate::sys::clock::{boot_id, now};
