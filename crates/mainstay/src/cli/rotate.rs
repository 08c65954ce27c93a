//! `rotate`: log files set aside now.

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_wire::control::Ask;

use super::Context;
use super::orders::one_of;
use super::select::Names;
use crate::exit;
use crate::failure::Failure;

/// Set log files aside now and begin new ones.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    names: Names,
}

impl Rotate {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        self.names.must_name()?;
        let mut failures = Vec::new();
        for name in self.names.some(context)? {
            match client::ask(&context.layout, &name, Ask::Rotate).await {
                Ok(_) => context.told(&name, "rotated"),
                Err(AskError::NotRunning(_)) => {
                    let text = format!("cannot rotate the logs of {name}: its guard is not running");
                    failures.push(Failure::new(exit::NOT_RUNNING, text));
                }
                Err(error) => failures.push(error.into()),
            }
        }
        one_of(failures)
    }
}
