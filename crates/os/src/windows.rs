//! Windows: Win32 by `windows-sys`, one file per facility of the same name as its facade; `win32` and `wait` hold the
//! small safe pieces they share.
//!
//! Oldest version: Windows 10 and Server 2016, because Rust's own standard library needs them. The guard must stay
//! small, so nothing here may import user32, gdi32, shell32, ole32 or crypt32: the helper process of
//! [`tree::run_ask_helper`] loads user32 at run time, for itself alone.

#![expect(unsafe_code, reason = "this module is where Win32 is called; every block says why it is sound")]

pub(crate) mod account;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod manager;
pub(crate) mod memory;
pub(crate) mod oslog;
pub(crate) mod owner;
pub(crate) mod paths;
pub(crate) mod pipe;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod shutdown;
pub(crate) mod tree;

mod ask_helper;
mod command_line;
mod console;
mod create;
mod job;
mod registry;
mod security;
mod wait;
mod win32;

pub(crate) const NAME: &str = "windows";
