//! Keeping a process small: a machine may have hundreds of guards.

pub use crate::sys::memory::{give_back, stay_small};
