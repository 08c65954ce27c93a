//! `apply`: running services and the OS's entries follow the spec files.

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_wire::control::Ask;
use mainstay_wire::spec::{self, EditError, Platform};

use super::edit::refused;
use super::orders::one_of;
use super::select::Names;
use super::{Context, show};
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
        let mut failures = Vec::new();
        for name in self.names.any(context)? {
            if let Err(failure) = apply(context, &name).await {
                failures.push(failure);
            }
        }
        one_of(failures)
    }
}

async fn apply(context: &Context, name: &str) -> Result<(), Failure> {
    let (name, path, text) = show::text(context, name)?;
    if let Err(problems) = spec::read(&name, &text, Platform::named(mainstay_os::NAME)) {
        return Err(refused(&path, "", EditError::Invalid { text, problems }));
    }
    register(context, &name, &text)?;
    match client::ask(&context.layout, &name, Ask::Reload { hold: false }).await {
        Ok(status) => context.told(&name, &format!("in force ({})", status.state.word())),
        Err(AskError::NotRunning(_)) => context.told(&name, "in force at its next start"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Lets the service manager know what changed of what it knows.
pub(crate) fn register(context: &Context, name: &str, text: &str) -> Result<(), Failure> {
    let Some(manager) = systems::manager(&context.layout) else { return Ok(()) };
    if !systems::is_registered(&manager, name)? {
        return Ok(());
    }
    let Ok(spec) = spec::read(name, text, Platform::named(mainstay_os::NAME)) else { return Ok(()) };
    for warning in manager.update(&systems::entry(&manager, &spec)?)? {
        context.warn(&warning);
    }
    Ok(())
}
