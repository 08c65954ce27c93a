//! `list`: which services there are, and what is wrong with their specs.

use clap::Args;
use mainstay_agent::services::Services;
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
    /// How many there are of it; absent: one, under its plain name.
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    spec: String,
    problems: usize,
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self {} = self;
        let services = select::services(context)?;
        let rows: Vec<Row> = services.specs().map(|name| row(context, &services, name)).collect();
        if context.json {
            anstream::println!("{}", serde_json::to_string_pretty(&rows).unwrap_or_default());
            return Ok(());
        }
        // A column that says nothing of any service is left out.
        let (instances, groups) =
            (rows.iter().any(|row| row.instances.is_some()), rows.iter().any(|row| !row.groups.is_empty()));
        let only = |wanted: bool, text: String| wanted.then_some(text);
        let head = [
            Some("NAME".to_owned()),
            only(instances, "INSTANCES".to_owned()),
            only(groups, "GROUPS".to_owned()),
            Some("START".to_owned()),
            Some("PROGRAM".to_owned()),
            Some("DESCRIPTION".to_owned()),
        ];
        let head: Vec<String> = head.into_iter().flatten().collect();
        let lines = rows.into_iter().map(|row| {
            let cells = [
                only(instances, cell(row.instances.map(|count| count.to_string()))),
                only(groups, cell(Some(row.groups.join(" ")))),
                Some(cell(row.start)),
                Some(cell(row.program)),
                Some(match row.problems {
                    0 => cell(row.description),
                    1 => format!("1 problem in {}", row.spec),
                    count => format!("{count} problems in {}", row.spec),
                }),
            ];
            [row.name].into_iter().chain(cells.into_iter().flatten()).collect()
        });
        anstream::println!("{}", term::table(&head.iter().map(String::as_str).collect::<Vec<_>>(), lines));
        Ok(())
    }
}

fn cell(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}

fn row(context: &Context, services: &Services, name: &str) -> Row {
    let text = services.text(name).unwrap_or_default();
    let spec = context.layout.spec(name).display().to_string();
    let (name, instances) = (name.to_owned(), services.count(name));
    let groups = services.groups_of(&name).to_vec();
    match services.spec(&name) {
        Some(read) => {
            let start = spec::get(&name, text, "start", Platform::named(mainstay_os::NAME)).ok();
            let (program, description) = (Some(read.launch.program.clone()), Some(read.description.clone()));
            Row { name, start, program, description, instances, groups, spec, problems: 0 }
        }
        None => {
            let problems = spec::read(&name, text, Platform::named(mainstay_os::NAME)).err().unwrap_or_default();
            let problems = problems.0.len();
            Row { name, start: None, program: None, description: None, instances, groups, spec, problems }
        }
    }
}
