//! `validate`: checks specs without using them, all problems at once.

use std::path::{Path, PathBuf};

use clap::Args;
use mainstay_wire::layout::Layout;
use mainstay_wire::spec::{self, Platform, Problem};
use serde::Serialize;

use super::{Context, select};
use crate::failure::Failure;
use crate::{exit, term};

/// Check specs.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Names of services or paths of spec files; none: every service.
    #[arg(value_name = "NAME|FILE")]
    specs: Vec<String>,
    /// The system the specs are for: windows or linux; default: this one.
    #[arg(long, value_parser = ["windows", "linux"], default_value = mainstay_os::NAME)]
    platform: String,
}

#[derive(Debug, Serialize)]
struct Verdict {
    name: String,
    file: String,
    problems: Vec<Problem>,
}

impl Validate {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let mut verdicts = Vec::new();
        for (name, path) in self.files(context)? {
            let text = std::fs::read_to_string(&path).map_err(Failure::io(format!("read {}", path.display())))?;
            let problems = spec::read(&name, &text, Platform::named(&self.platform)).err().unwrap_or_default();
            if !context.json {
                match problems.is_empty() {
                    true => anstream::println!("{name}: fine"),
                    false => anstream::eprintln!("{}", term::problems(&path, &text, &problems)),
                }
            }
            verdicts.push(Verdict { name, file: path.display().to_string(), problems: problems.0 });
        }
        if context.json {
            anstream::println!("{}", serde_json::to_string_pretty(&verdicts).unwrap_or_default());
        }
        let bad: Vec<&str> = verdicts.iter().filter(|v| !v.problems.is_empty()).map(|v| v.name.as_str()).collect();
        if bad.is_empty() { Ok(()) } else { Err(Failure::failed(format!("cannot use the spec of {}", bad.join(", ")))) }
    }

    fn files(&self, context: &Context) -> Result<Vec<(String, PathBuf)>, Failure> {
        let named = |name: String| (name.clone(), context.layout.spec(&name));
        if self.specs.is_empty() {
            return Ok(select::all(context)?.into_iter().map(named).collect());
        }
        self.specs
            .iter()
            .map(|text| match Path::new(text) {
                path if path.is_file() => {
                    let name = Layout::service_of(path);
                    let name = name.ok_or_else(|| Failure::new(exit::USAGE, format!("{text} is no NAME.toml")))?;
                    Ok((name, path.to_owned()))
                }
                _ => Ok(named(select::one(context, text)?)),
            })
            .collect()
    }
}
