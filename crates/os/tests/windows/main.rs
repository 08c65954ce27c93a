//! What only Windows has, tried with real processes. The behaviours both systems share are in `tests/conformance`.

#![cfg(windows)]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod argv;
mod ask;
mod bed;
mod console_host;
mod exit_codes;
mod job;
mod launch;
mod resources;
