//! Windows: Win32 by `windows-sys`, one file per facility of the same name as its facade; `win32` and `wait` hold the
//! small safe pieces they share.
//!
//! Oldest version: Windows 10 and Server 2016, because Rust's own standard library needs them. The guard must stay
//! small, so nothing here may import user32, gdi32, shell32, ole32 or crypt32. What is wanted of user32, powrprof, iphlpapi
//! and bcrypt is loaded at run time ([`library`]), by the process that needs it: the helper of [`tree::run_ask_helper`], the
//! command line, a guard that is no service.

#![expect(unsafe_code, reason = "this module is where Win32 is called; every block says why it is sound")]

pub(crate) mod account;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod environment;
pub(crate) mod event;
pub(crate) mod files;
pub(crate) mod host;
pub(crate) mod manager;
pub(crate) mod memory;
pub(crate) mod oslog;
pub(crate) mod owner;
pub(crate) mod paths;
pub(crate) mod pipe;
pub(crate) mod ports;
pub(crate) mod power;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod resources;
pub(crate) mod setup;
pub(crate) mod shutdown;
pub(crate) mod tree;

mod ask_helper;
mod command_line;
mod console;
mod create;
mod job;
mod library;
mod limits;
mod ntdll;
mod pause;
mod registry;
mod security;
mod service_config;
mod wait;
mod win32;

pub(crate) const NAME: &str = "windows";
