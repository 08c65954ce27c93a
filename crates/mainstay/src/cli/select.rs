//! Which services a verb is about: names, wild cards, `--all`.

use clap::Args;
use mainstay_agent::services;

use super::Context;
use crate::exit;
use crate::failure::Failure;

/// Names on the command line.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// Names of services; * and ? are wild cards.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Every service.
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

impl Names {
    /// The services meant; at least one must be named.
    pub(crate) fn some(&self, context: &Context) -> Result<Vec<String>, Failure> {
        if self.names.is_empty() && !self.all {
            return Err(Failure::new(exit::USAGE, "name at least one service, or use --all"));
        }
        self.any(context)
    }

    /// The services meant; none named means all.
    pub(crate) fn any(&self, context: &Context) -> Result<Vec<String>, Failure> {
        let all = all(context)?;
        if self.names.is_empty() { Ok(all) } else { Ok(services::select(&all, &self.names)?) }
    }

    /// Exactly one name was typed, without wild cards.
    pub(crate) fn is_one(&self) -> bool {
        self.names.len() == 1 && !self.names.iter().any(|name| name.contains(['*', '?']))
    }
}

/// Every service of the home.
pub(crate) fn all(context: &Context) -> Result<Vec<String>, Failure> {
    services::names(&context.layout).map_err(Failure::io(format!("read {}", context.layout.specs.display())))
}

/// One service that must exist.
pub(crate) fn one(context: &Context, name: &str) -> Result<String, Failure> {
    let selected = services::select(&all(context)?, std::slice::from_ref(&name.to_owned()))?;
    match selected.as_slice() {
        [one] => Ok(one.clone()),
        many => Err(Failure::new(exit::USAGE, format!("`{name}` stands for {} services; name one", many.len()))),
    }
}
