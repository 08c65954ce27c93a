//! The only crate that knows the operating system.
//!
//! # Theory of operation
//!
//! Every facility is one file here (the *facade*: shared types, the promise both systems keep) and one file of the same
//! name per system (`linux/NAME.rs`, `windows/NAME.rs`) that keeps it. Callers see the facade only: no `cfg`, no
//! Win32, libc or rustix type leaves this crate, and nothing above it needs `unsafe`. What a system can't do is
//! answered with [`std::io::ErrorKind::Unsupported`] and a text, never ignored.
//!
//! Everything asynchronous runs on a tokio *current-thread* runtime. A future that waits for the OS (a pidfd, a process's
//! handle, a pipe) sleeps in the kernel: nothing in this crate polls on a timer while all is well.
//!
//! The life of one program, as its guard sees it:
//!
//! 1. [`tree::prepare_guard`] once, then [`tree::Place::claim`]: the containment is chosen (Windows: job object; Linux:
//!    a cgroup v2 of the service's own, else its process group and the guard as subreaper).
//! 2. [`tree::Place::end_leftovers`]: whatever an earlier guard left is gone before anything new is started.
//! 3. [`tree::Place::spawn`]: the program is inside its tree from its first instruction; its output comes by
//!    [`pipe::Reader`].
//! 4. [`tree::Tree::exited`] tells of the main process, [`tree::Tree::emptied`] of the last descendant.
//! 5. [`tree::Tree::ask`] asks it to stop, [`tree::Tree::kill`] ends the whole tree at once; dropping the
//!    [`tree::Tree`] does too.
//!
//! Processes are never acted upon by a bare pid: a pid from a file is only used together with its
//! [`process::start_stamp`], and through a handle (pidfd, process handle) opened before the stamp is compared.

pub mod account;
pub mod clock;
pub mod control;
pub mod environment;
pub mod event;
pub mod files;
pub mod host;
pub mod manager;
pub mod memory;
pub mod oslog;
pub mod owner;
pub mod paths;
pub mod pipe;
pub mod ports;
pub mod power;
pub mod process;
pub mod program;
pub mod resources;
pub mod setup;
pub mod shutdown;
pub mod tree;

#[cfg(unix)]
mod linux;
#[cfg(unix)]
use linux as sys;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as sys;

/// The system this was built for: `"linux"` or `"windows"`.
pub const NAME: &str = sys::NAME;
