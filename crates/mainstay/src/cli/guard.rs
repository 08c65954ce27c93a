//! `mainstay guard NAME --owner scm|systemd|up [--home DIR]`: the entry point that service managers and `up` start.
//!
//! It is read by hand: a guard is small, and building a whole command line would cost it time and memory for nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mainstay_guard::{OwnerKind, Setup};

use crate::failure::Failure;
use crate::{exit, home};

/// For the help text only: `main` reads these words itself.
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// The service.
    name: String,
    /// Who starts the guard: scm, systemd or up.
    #[arg(long, value_parser = ["scm", "systemd", "up"])]
    owner: String,
}

/// Guards until told to end.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let setup = match read(args) {
        Ok(setup) => setup,
        Err(failure) => {
            eprintln!("mainstay guard: {failure}");
            return failure.code.into();
        }
    };
    match mainstay_guard::run(setup) {
        Ok(code) => u8::try_from(code).unwrap_or(exit::FAILED).into(),
        Err(error) => {
            eprintln!("mainstay guard: {error}");
            exit::FAILED.into()
        }
    }
}

fn read(args: &[OsString]) -> Result<Setup, Failure> {
    let usage = || Failure::new(exit::USAGE, "use `mainstay guard NAME --owner scm|systemd|up [--home DIR]`");
    let (mut name, mut owner, mut dir) = (None, None, std::env::var_os("MAINSTAY_HOME").map(PathBuf::from));
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--owner") => owner = words.next().and_then(|owner| owner.to_str()).and_then(OwnerKind::named),
            Some("--home") => dir = Some(words.next().map(PathBuf::from).ok_or_else(usage)?),
            Some(word) if !word.starts_with('-') && name.is_none() => name = Some(word.to_owned()),
            _ => return Err(usage()),
        }
    }
    let (Some(name), Some(owner)) = (name, owner) else { return Err(usage()) };
    // The system's own services never follow a variable that happens to be set.
    let dir = if owner == OwnerKind::Up { dir } else { None };
    mainstay_wire::spec::check_name(&name).map_err(|why| Failure::new(exit::USAGE, why))?;
    Ok(Setup { layout: home::layout(dir.as_deref())?, name, owner })
}
