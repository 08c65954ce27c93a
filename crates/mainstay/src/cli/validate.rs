//! `validate`: checks specs without using them, all problems at once.

use std::path::{Path, PathBuf};

use clap::Args;
use mainstay_agent::order;
use mainstay_agent::services::Services;
use mainstay_agent::ship::{self, Trouble};
use mainstay_wire::layout::{Layout, base_name};
use mainstay_wire::spec::{self, Platform, Problem, Problems};
use serde::Serialize;

use super::{Context, select, sinks};
use crate::failure::Failure;
use crate::{exit, systems, term};

/// Check specs.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Names of services or paths of spec files; none: every service.
    #[arg(value_name = "NAME|FILE")]
    specs: Vec<String>,
    /// The system the specs are for: windows or linux; default: this one, and then whether this very machine can do it all.
    #[arg(long, value_parser = ["windows", "linux"])]
    platform: Option<String>,
}

#[derive(Debug, Serialize)]
struct Verdict {
    name: String,
    file: String,
    problems: Vec<Problem>,
}

impl Validate {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let services = select::services(context)?;
        let files = self.files(&services, &context.layout)?;
        let mut texts = Vec::with_capacity(files.len());
        for (name, path) in files {
            let text = std::fs::read_to_string(&path).map_err(Failure::io(format!("read {}", path.display())))?;
            texts.push((name, path, text));
        }
        let all = texts.iter().fold(services, |all, (name, _, text)| all.with(name, text));
        let rings = if self.platform.is_none() { order::rings(&all) } else { Vec::new() };
        let mut verdicts = Vec::with_capacity(texts.len());
        for (name, path, text) in texts {
            let problems = self.problems(context, &rings, &name, &text);
            // What is not there may still come: no mistake for sure.
            order::warnings(&all, &name).iter().for_each(|warning| context.warn(warning));
            if !context.json {
                match problems.is_empty() {
                    true => anstream::println!("{name}: fine"),
                    false => anstream::eprintln!("{}", term::problems(&path, &text, &problems)),
                }
            }
            verdicts.push(Verdict { name, file: path.display().to_string(), problems: problems.0 });
        }
        // Everything means also where the logs go.
        if self.specs.is_empty() {
            verdicts.extend(self.agent(context)?);
        }
        if context.json {
            anstream::println!("{}", serde_json::to_string_pretty(&verdicts).unwrap_or_default());
        }
        let bad: Vec<&str> = verdicts.iter().filter(|v| !v.problems.is_empty()).map(|v| v.name.as_str()).collect();
        if bad.is_empty() { Ok(()) } else { Err(Failure::failed(format!("cannot use the spec of {}", bad.join(", ")))) }
    }

    /// The agent's file, if there is one.
    fn agent(&self, context: &Context) -> Result<Option<Verdict>, Failure> {
        let path = context.layout.agent();
        let problems = match ship::read(&context.layout) {
            Ok(_) if !path.exists() => return Ok(None),
            Ok(sinks) => {
                if !context.json {
                    anstream::println!("agent.toml: fine, {} sinks", sinks.len());
                }
                Vec::new()
            }
            Err(Trouble::Unread(error)) => return Err(sinks::unread(&path)(error)),
            Err(Trouble::Wrong { problems, text }) => {
                if !context.json {
                    anstream::eprintln!("{}", term::problems(&path, &text, &problems));
                }
                problems.0
            }
        };
        Ok(Some(Verdict { name: "agent.toml".to_owned(), file: path.display().to_string(), problems }))
    }

    fn problems(&self, context: &Context, rings: &[Vec<String>], name: &str, text: &str) -> Problems {
        let platform = Platform::named(self.platform.as_deref().unwrap_or(mainstay_os::NAME));
        match spec::read(name, text, platform) {
            Err(problems) => problems,
            Ok(spec) if self.platform.is_none() => systems::problems(&context.layout, text, &spec, rings),
            Ok(_) => Problems::default(),
        }
    }

    fn files(&self, services: &Services, layout: &Layout) -> Result<Vec<(String, PathBuf)>, Failure> {
        let named = |name: &str| (name.to_owned(), layout.spec(name));
        if self.specs.is_empty() {
            return Ok(services.specs().map(named).collect());
        }
        let mut files = Vec::new();
        for text in &self.specs {
            let path = Path::new(text);
            if path.is_file() {
                let name = Layout::service_of(path);
                let name = name.ok_or_else(|| Failure::new(exit::USAGE, format!("{text} is no NAME.toml")))?;
                files.push((name, path.to_owned()));
            } else {
                let found = services.select_specs(std::slice::from_ref(text))?;
                files.extend(found.iter().map(|name| named(base_name(name).0)));
            }
        }
        Ok(files)
    }
}
