//! `xtask tidy`: the rules of the house that no lint can check. Each rule stands beside its reason; all problems are told at once.

mod documents;
mod edges;
mod manifests;
mod paths;
mod rust;
mod scan;

use crate::{Failed, workspace};

/// A rule is broken here.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// From the root.
    path: String,
    /// From 1; 0: the whole file.
    line: usize,
    /// What is wrong and what would be right.
    why: String,
}

impl Problem {
    fn new(path: &str, line: usize, why: impl Into<String>) -> Self {
        Self { path: path.into(), line, why: why.into() }
    }
}

pub(crate) fn run() -> Result<(), Failed> {
    let problems = find()?;
    if problems.is_empty() {
        println!("tidy");
        return Ok(());
    }
    let told: Vec<String> = problems.iter().map(|p| format!("{}:{}: {}", p.path, p.line.max(1), p.why)).collect();
    Err(format!("{}\n{} problems", told.join("\n"), problems.len()).into())
}

/// Every problem, by file and line.
fn find() -> Result<Vec<Problem>, Failed> {
    let (sources, metadata) = (workspace::sources()?, workspace::metadata()?);
    let mut problems = edges::check(&metadata);
    for source in &sources {
        problems.extend(paths::check(source));
        if source.path.ends_with(".rs") {
            problems.extend(rust::check(source));
        }
        if source.path.ends_with("Cargo.toml") {
            problems.extend(manifests::check(source));
        }
    }
    problems.extend(documents::check(&sources));
    problems.sort();
    Ok(problems)
}
