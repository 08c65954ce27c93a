//! `xtask gen`: every file that is made from code, so that no document says what the code no longer does.

use std::fs;

use crate::{Failed, diagram, reference, workspace};

/// A generated file: where it is and what makes it.
type Generated = (&'static str, fn() -> String);

/// All of them; each is checked in and compared by the test below.
const FILES: [Generated; 7] = [
    ("docs/state-diagram.md", diagram::markdown),
    ("docs/spec.schema.json", spec_schema),
    ("docs/agent.schema.json", agent_schema),
    (reference::SPEC, reference::spec),
    (reference::SPEC_CHINESE, reference::spec_chinese),
    (reference::SINKS, reference::sinks),
    (reference::SINKS_CHINESE, reference::sinks_chinese),
];

/// For the editors that specs are written with.
fn spec_schema() -> String {
    format!("{:#}\n", mainstay_wire::spec::schema())
}

/// The same for the agent's file.
fn agent_schema() -> String {
    format!("{:#}\n", mainstay_wire::sinks::schema())
}

/// Writes them, or with `--check` only says which differ.
pub(crate) fn run(options: &[&str]) -> Result<(), Failed> {
    match options {
        [] => write(),
        ["--check"] => check(),
        _ => Err("usage: cargo xtask gen [--check]".into()),
    }
}

fn write() -> Result<(), Failed> {
    for (path, make) in FILES {
        let file = workspace::root().join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, make())?;
        println!("wrote {path}");
    }
    Ok(())
}

fn check() -> Result<(), Failed> {
    let stale: Vec<&str> =
        FILES.iter().filter(|(path, make)| !is_fresh(path, &make())).map(|(path, _)| *path).collect();
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("out of date: {}; run `cargo xtask gen` and look at the difference", stale.join(", ")).into())
}

/// Line ends don't count: git may have changed them on Windows.
fn is_fresh(path: &str, made: &str) -> bool {
    fs::read_to_string(workspace::root().join(path)).is_ok_and(|text| text.replace("\r\n", "\n") == made)
}

#[cfg(test)]
mod tests {
    #[test]
    fn generated_files_are_up_to_date() {
        super::check().unwrap();
    }
}
