//! Named events: how some Windows programs are told to read their configuration again.

pub use crate::sys::event::signal;
