//! Every sink against receivers: strict ones of ours, faulty ones, and (`receivers_`) real programs.
//!
//! What the receivers of ours expect is written down from the public protocol descriptions, not from the sinks.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic; clippy does not see that helpers beside a test are tests too"
)]

mod stand;

mod elasticsearch;
mod faults;
mod file;
mod fluentd;
mod loki;
mod lumberjack;
// The receivers are programs for Linux.
#[cfg(target_os = "linux")]
mod real;
mod s3;
mod secure;
mod syslog;
