//! Which file a program's name means.

pub use crate::sys::program::find;
