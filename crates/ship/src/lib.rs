//! Sinks: what log lines become on their way to each kind of receiver.
//!
//! A [`Sink`] takes one [`Batch`] at a time and says what came of it. It keeps its connection and makes it anew when it must; it knows
//! nothing of files, positions and pauses between attempts: whoever calls it sends the same batch again after [`Outcome::Later`].
//! Every wait has a deadline, every answer a longest size, and no answer is believed that does not fit what was sent.

#![forbid(unsafe_code)]

mod elasticsearch;
mod file;
mod fluentd;
mod http;
mod identity;
mod json;
mod later;
mod line;
mod loki;
mod lumberjack;
mod name;
mod net;
mod pieces;
mod route;
mod s3;
mod sink;
mod syslog;
mod tls;

pub use line::{Batch, Line};
pub use mainstay_wire::sinks::Stream;
pub use route::Route;
pub use sink::{Outcome, Refused, Sink};
