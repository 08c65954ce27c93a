//! `apply`: running services and the OS's entries follow the spec files.

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_agent::services::Services;
use mainstay_wire::control::Ask;
use mainstay_wire::spec::EditError;

use super::Context;
use super::edit::refused;
use super::orders::one_of;
use super::select::{self, Names};
use crate::failure::Failure;
use crate::systems;

/// Make running services follow their spec files.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    names: Names,
}

impl Apply {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let services = select::services(context)?;
        let mut failures = Vec::new();
        for base in self.names.specs_of(&services)? {
            failures.extend(apply(context, &services, &base).await);
        }
        one_of(failures)
    }
}

/// All instances of one spec.
async fn apply(context: &Context, services: &Services, base: &str) -> Vec<Failure> {
    let path = context.layout.spec(base);
    let text = services.text(base).unwrap_or_default();
    if let Err(problems) = systems::read(&context.layout, base, text) {
        return vec![refused(&path, "", EditError::Invalid { text: text.to_owned(), problems })];
    }
    if let Err(failure) = register(context, base, text) {
        return vec![failure];
    }
    let mut failures = Vec::new();
    for name in services.of(base) {
        match client::ask(&context.layout, &name, Ask::Apply { hold: false }).await {
            Ok(status) => context.told(&name, &format!("in force ({})", status.state.word())),
            Err(AskError::NotRunning(_)) => context.told(&name, "in force at its next start"),
            Err(error) => failures.push(error.into()),
        }
    }
    failures
}

/// Lets the service manager know what changed of what it knows.
pub(crate) fn register(context: &Context, name: &str, text: &str) -> Result<(), Failure> {
    for warning in systems::follow(&context.layout, name, text)? {
        context.warn(&warning);
    }
    Ok(())
}
