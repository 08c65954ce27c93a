//! Developer commands, run as `cargo xtask COMMAND`.

mod bench;
mod diagram;
mod generate;
mod reference;
mod simulate;
mod tidy;
mod workspace;

use std::process::ExitCode;

/// What went wrong, for the person at the terminal.
type Failed = Box<dyn std::error::Error>;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy                                       checks every rule of the house that is no lint
  gen [--check]                              writes every generated file, or says which is out of date
  sim [--seeds N] [--steps M] [--first S]    lives through N simulated worlds (default 1000, of 2000 events, from seed 0)
  sim --replay FILE                          lives through the lines of a failure again
  bench [NAME…] [--quick] [--json FILE]      mainstay beside its peers; prints tables and which bounds are met (docs/benchmarks.md)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["tidy"] => tidy::run(),
        ["gen", options @ ..] => generate::run(options),
        ["sim", options @ ..] => simulate::run(options),
        ["bench", options @ ..] => bench::run(options),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [] => Err(USAGE.into()),
        [unknown, ..] => Err(format!("cannot run {unknown:?}: no such command, or an option too many\n{USAGE}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
