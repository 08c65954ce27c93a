//! Which TCP ports processes listen on: for people who set a readiness check up.
//!
//! Linux: `/proc/net/tcp`, `tcp6` and the sockets in `/proc/PID/fd`. Windows: `GetExtendedTcpTable` with owner pids.

pub use crate::sys::ports::listening;
