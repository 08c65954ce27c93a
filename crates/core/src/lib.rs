//! Every decision of mainstay lives here, as pure functions of facts and the time.
//!
//! # Theory of operation
//!
//! A shell feeds [`event::Event`]s with the [`time::Now`] at which it saw them into [`service::Service::handle`] and carries out the
//! [`event::Effect`]s that come back. It sends [`event::Event::Deadline`] when the time named by `Service::deadline` has come.
//! There is no other way in or out: no clock, no I/O, no chance that the caller did not pass as a seed.

// A new state, event or verb must be answered everywhere it is matched.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]
#![forbid(unsafe_code)]

pub mod event;
pub mod exit;
pub mod graph;
pub mod ladder;
pub mod quarantine;
pub mod restart;
pub mod service;
pub mod signal;
pub mod spec;
pub mod status;
pub mod time;
