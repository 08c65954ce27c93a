//! This machine's name, as others know it.

pub use crate::sys::host::name;
