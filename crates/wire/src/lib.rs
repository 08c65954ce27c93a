//! Every serialized type: the spec file, the control protocol, records and status. What must stay compatible is this crate.
//!
//! The spec is read in two steps: text → [`toml`] values with positions → validated [`mainstay_core::spec::Spec`]. All problems are
//! reported together, each with its line, its column and what would be right. Everything else is JSON, one object a line.

#![forbid(unsafe_code)]

pub mod control;
pub mod expand;
pub mod layout;
pub mod level;
pub mod memory;
pub mod pattern;
pub mod record;
pub mod series;
pub mod sinks;
pub mod spec;
pub mod status;
pub mod stream;
pub mod units;
