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
use mainstay_guard::pack;
use mainstay_os::{process, tree};
use mainstay_wire::series::Packing;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    // The inner entry points skip the command line's set-up: a guard must be small and quick, and so must its helpers.
    match args.get(1).and_then(|arg| arg.to_str()) {
        Some("guard") if !args.iter().any(|arg| arg == "--help" || arg == "-h") => {
            cli::guard::main(args.get(2..).unwrap_or_default())
        }
        Some("__ask") => ask(args.get(2..).unwrap_or_default()),
        Some(pack::VERB) => pack_logs(args.get(2..).unwrap_or_default()),
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

/// `mainstay __pack zstd FILE…`: packs what was set aside of these logs, when nothing else wants the machine.
fn pack_logs(args: &[OsString]) -> ExitCode {
    let word = args.first().and_then(|word| word.to_str());
    let Some(packing) = Packing::ALL.into_iter().find(|packing| word == Some(packing.word())) else {
        return exit::USAGE.into();
    };
    let mut is_done = true;
    if let Err(error) = process::give_way() {
        eprintln!("cannot lower the priority: {error}");
    }
    for log in args.iter().skip(1) {
        if let Err(error) = mainstay_logs::pack::pack(log.as_ref(), packing) {
            eprintln!("cannot pack what was set aside of {}: {error}", log.display());
            is_done = false;
        }
    }
    if is_done { ExitCode::SUCCESS } else { exit::FAILED.into() }
}
