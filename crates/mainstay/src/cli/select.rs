//! Which services a verb is about: names, wild cards, groups, `--all`.

use clap::Args;
use mainstay_agent::services::Services;
use mainstay_wire::layout::base_name;

use super::Context;
use crate::exit;
use crate::failure::Failure;

/// Names on the command line.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// Names of services; * and ? are wild cards, @GROUP is all of a group, WEB all instances, WEB@2 one.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Every service.
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

impl Names {
    /// The services meant, instances counted out; at least one must be named.
    pub(crate) fn some(&self, context: &Context) -> Result<Vec<String>, Failure> {
        self.must_name()?;
        self.any(context)
    }

    /// The services meant, instances counted out; none named means all.
    pub(crate) fn any(&self, context: &Context) -> Result<Vec<String>, Failure> {
        self.of(&services(context)?)
    }

    /// The same of specs that are read already.
    pub(crate) fn of(&self, services: &Services) -> Result<Vec<String>, Failure> {
        if self.names.is_empty() { Ok(services.names()) } else { Ok(services.select(&self.names)?) }
    }

    /// The specs meant, instances being one; none named means all.
    pub(crate) fn specs_of(&self, services: &Services) -> Result<Vec<String>, Failure> {
        if self.names.is_empty() {
            return Ok(services.specs().map(str::to_owned).collect());
        }
        Ok(services.select_specs(&self.names)?)
    }

    pub(crate) fn must_name(&self) -> Result<(), Failure> {
        if self.names.is_empty() && !self.all {
            return Err(Failure::new(exit::USAGE, "name at least one service, or use --all"));
        }
        Ok(())
    }

    /// Nothing was named.
    pub(crate) fn is_all(&self) -> bool {
        self.names.is_empty()
    }

    /// Exactly one name was typed, neither with wild cards nor a group's.
    pub(crate) fn is_one(&self) -> bool {
        matches!(self.names.as_slice(), [one] if !one.contains(['*', '?']) && !one.starts_with('@'))
    }
}

/// All specs of the home.
pub(crate) fn services(context: &Context) -> Result<Services, Failure> {
    Services::read(&context.layout).map_err(Failure::io(format!("read {}", context.layout.specs.display())))
}

/// One spec that must exist, or one instance of it if that was named.
pub(crate) fn one(context: &Context, name: &str) -> Result<String, Failure> {
    let services = services(context)?;
    let patterns = [name.to_owned()];
    if base_name(name).1.is_some() {
        return Ok(services.select(&patterns)?.into_iter().next().unwrap_or_else(|| name.to_owned()));
    }
    let selected = services.select_specs(&patterns)?;
    match selected.as_slice() {
        [one] => Ok(one.clone()),
        many => Err(Failure::new(exit::USAGE, format!("`{name}` stands for {} services; name one", many.len()))),
    }
}
