//! Who we are: the account this process runs as.

pub use crate::sys::account::{is_privileged, name};
