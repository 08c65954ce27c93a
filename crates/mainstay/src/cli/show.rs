//! `show` and `get`: what a spec says, defaults included.

use std::path::PathBuf;

use clap::Args;
use mainstay_wire::spec::{self, EditError, Platform};

use super::edit::refused;
use super::{Context, select};
use crate::failure::Failure;

/// A service's whole spec.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The service.
    name: String,
    /// The file as it is, without defaults.
    #[arg(long)]
    file: bool,
}

impl Show {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let (name, path, text) = text(context, &self.name)?;
        if self.file {
            anstream::print!("{text}");
            return Ok(());
        }
        let full = match spec::read(&name, &text, Platform::named(mainstay_os::NAME)) {
            Ok(spec) => spec::show(&spec),
            Err(problems) => return Err(refused(&path, "", EditError::Invalid { text, problems })),
        };
        if context.json {
            let value: toml::Value = toml::from_str(&full).map_err(|error| Failure::failed(error.to_string()))?;
            anstream::println!("{}", serde_json::to_string_pretty(&value).unwrap_or_default());
            return Ok(());
        }
        anstream::print!("# {}\n{full}", path.display());
        Ok(())
    }
}

/// One value of a spec.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The service.
    name: String,
    /// Such as restart.delay or env.GIN_MODE.
    key: String,
}

impl Get {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let (name, path, text) = text(context, &self.name)?;
        let value = spec::get(&name, &text, &self.key, Platform::named(mainstay_os::NAME))
            .map_err(|error| refused(&path, &text, error))?;
        if context.json {
            anstream::println!("{}", serde_json::json!({ "name": name, "key": self.key, "value": value }));
        } else {
            anstream::println!("{value}");
        }
        Ok(())
    }
}

/// A service's name, the file of its spec and the text in it.
pub(crate) fn text(context: &Context, name: &str) -> Result<(String, PathBuf, String), Failure> {
    let name = select::one(context, name)?;
    let path = context.layout.spec(&name);
    let text = std::fs::read_to_string(&path).map_err(Failure::io(format!("read {}", path.display())))?;
    Ok((name, path, text))
}
