//! The binary: command line, and the entry points of guard and agent.

mod cli;
mod exit;
mod failure;
mod glimpse;
mod home;
mod prompt;
mod systems;
mod term;
mod trial;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use mainstay_os::tree;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    // Two inner entry points skip the command line's set-up: a guard must be small and quick, and so must its helper.
    match args.get(1).and_then(|arg| arg.to_str()) {
        Some("guard") if !args.iter().any(|arg| arg == "--help" || arg == "-h") => {
            cli::guard::main(args.get(2..).unwrap_or_default())
        }
        Some("__ask") => ask(args.get(2..).unwrap_or_default()),
        _ => cli::main(cli::Cli::parse_from(args)),
    }
}

/// `mainstay __ask METHOD PID…`: what a guard on Windows has done by a helper, so that it never loads the window system itself.
fn ask(args: &[OsString]) -> ExitCode {
    let words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let method = match words.first() {
        Some(&"close-windows") => tree::Method::CloseWindows,
        Some(&"quit-threads") => tree::Method::QuitThreads,
        _ => return exit::USAGE.into(),
    };
    let pids: Vec<u32> = words.iter().skip(1).filter_map(|word| word.parse().ok()).collect();
    match tree::run_ask_helper(method, &pids) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            exit::FAILED.into()
        }
    }
}
