//! `up`: guard the services of a folder in the foreground.

use std::path::PathBuf;

use clap::Args;
use jiff::{Timestamp, Zoned};
use mainstay_agent::up::{self, Setup};

use super::Context;
use crate::failure::Failure;
use crate::{systems, term};

/// Guard the services of a folder.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The home: DIR/services/*.toml are guarded. Default: --home, else the system's folders.
    pub(crate) dir: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let binary = systems::binary()?;
    let print = printer(context);
    print(&format!("guarding {}", context.layout.specs.display()));
    let setup = Setup { layout: context.layout.clone(), binary, print };
    up::run(setup).await.map_err(|error| Failure::failed(format!("cannot go up: {error}")))
}

/// Prints lines for people, or for programs.
pub(crate) fn printer(context: &Context) -> fn(&str) {
    if context.json { print_json } else { print }
}

fn print(line: &str) {
    anstream::println!("{} {line}", term::dim(Zoned::now().strftime("%H:%M:%S")));
}

fn print_json(line: &str) {
    anstream::println!("{}", serde_json::json!({ "time": Timestamp::now(), "line": line }));
}
