//! `list`: which services there are, and what is wrong with their specs.

use clap::Args;
use mainstay_wire::spec::{self, Platform};
use serde::Serialize;

use super::{Context, select};
use crate::failure::Failure;
use crate::term;

/// Which services there are.
#[derive(Debug, Args)]
pub(crate) struct List {}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    start: Option<String>,
    program: Option<String>,
    description: Option<String>,
    spec: String,
    problems: usize,
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self {} = self;
        let rows: Vec<Row> = select::all(context)?.into_iter().map(|name| row(context, name)).collect();
        if context.json {
            anstream::println!("{}", serde_json::to_string_pretty(&rows).unwrap_or_default());
            return Ok(());
        }
        let cell = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
        let lines = rows.into_iter().map(|row| {
            let description = match row.problems {
                0 => cell(row.description),
                count => format!("{count} problems in {}", row.spec),
            };
            vec![row.name, cell(row.start), cell(row.program), description]
        });
        anstream::println!("{}", term::table(&["NAME", "START", "PROGRAM", "DESCRIPTION"], lines));
        Ok(())
    }
}

fn row(context: &Context, name: String) -> Row {
    let path = context.layout.spec(&name);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let spec = path.display().to_string();
    match spec::read(&name, &text, Platform::named(mainstay_os::NAME)) {
        Ok(read) => {
            let start = spec::get(&name, &text, "start", Platform::named(mainstay_os::NAME)).ok();
            Row {
                name,
                start,
                program: Some(read.launch.program),
                description: Some(read.description),
                spec,
                problems: 0,
            }
        }
        Err(problems) => Row { name, start: None, program: None, description: None, spec, problems: problems.0.len() },
    }
}
