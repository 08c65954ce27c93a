//! `show`, `get` and `schema`: what a spec says, defaults included, and what one may say.

use std::path::{Path, PathBuf};

use clap::Args;
use mainstay_os::files;
use mainstay_wire::layout::Layout;
use mainstay_wire::sinks;
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

/// Where specs look for the schema: a path relative to the spec itself, so that editors find it without a network, also when the whole
/// home is moved. In taplo, and so in Even Better TOML of VS Code, a relative address begins at the file it stands in.
pub(crate) const SCHEMA_ADDRESS: &str = "../spec.schema.json";

/// `schema`: for editors that are told by hand.
pub(crate) fn schema(of_agent: bool) {
    anstream::print!("{}", if of_agent { agent_schema_text() } else { schema_text() });
}

/// Puts the schema of this version where the specs of a layout look for it.
pub(crate) fn put_schema(layout: &Layout) -> Result<(), Failure> {
    put_schema_beside(&layout.specs)
}

/// Puts the schema beside a folder of specs.
pub(crate) fn put_schema_beside(specs: &Path) -> Result<(), Failure> {
    let folder = specs.parent().unwrap_or(specs);
    // The agent's file lies beside it, and has its own.
    for (name, text) in [("spec.schema.json", schema_text()), ("agent.schema.json", agent_schema_text())] {
        let path = folder.join(name);
        if !std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
            files::replace(&path, text.as_bytes()).map_err(Failure::io(format!("write {}", path.display())))?;
        }
    }
    Ok(())
}

fn schema_text() -> String {
    format!("{:#}\n", spec::schema())
}

fn agent_schema_text() -> String {
    format!("{:#}\n", sinks::schema())
}
