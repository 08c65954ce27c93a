//! Reads and packs what guards keep of their programs' output.
//!
//! A guard appends CRI entries to `output.log`, sets it aside now and then, and has what is set aside packed. Everybody who reads these
//! files (`mainstay logs`, the shipping of the agent) does it here: [`files`] finds and opens them, [`cursor`] reads on from a durable
//! [`cursor::Position`] over every rotation, [`lines`] makes whole lines of entries, [`search`] takes those that are asked for.
//!
//! Memory is bounded by constants, whatever lies in the files.

#![forbid(unsafe_code)]

pub mod cursor;
pub mod entry;
pub mod files;
pub mod filter;
pub mod level;
pub mod lines;
pub mod pack;
pub mod search;
