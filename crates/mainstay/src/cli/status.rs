//! `status`: how services are now.

use clap::Args;
use mainstay_agent::client;

use super::Context;
use super::records::last;
use super::select::Names;
use crate::failure::Failure;
use crate::glimpse;

/// Shown under the page of one service.
const RECORDS: usize = 8;

/// How services are now.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    names: Names,
}

impl Status {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let names = self.names.any(context)?;
        let statuses = client::statuses(&context.layout, &names).await;
        if context.json {
            anstream::println!("{}", serde_json::to_string_pretty(&statuses).unwrap_or_default());
            return Ok(());
        }
        match statuses.as_slice() {
            [] => anstream::println!(
                "no services in {}; `mainstay install NAME -- PROGRAM` makes one",
                context.layout.specs.display()
            ),
            [one] if self.names.is_one() => {
                anstream::println!("{}", glimpse::page(one, &last(context, &one.name, RECORDS)))
            }
            many => anstream::println!("{}", glimpse::table(many)),
        }
        Ok(())
    }
}
