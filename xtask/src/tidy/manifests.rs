//! Rules for Cargo.toml: each dependency of the workspace has a reason, and a crate takes it from there.

use super::Problem;
use crate::workspace::Source;

/// A dependency is code we answer for: somebody must have said why we have it. One comment may stand over several lines.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut section = "";
    let mut reasoned = false;
    for (number, line) in source.text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() {
            reasoned = false;
        } else if line.starts_with('#') {
            reasoned = true;
        } else if line.starts_with('[') {
            (section, reasoned) = (line, false);
        } else if let Some(name) = dependency(section, line) {
            let why = if section == "[workspace.dependencies]" {
                let fine = reasoned || line.contains('#') || line.contains("path =");
                (!fine).then(|| format!("say in a comment above why we need {name}"))
            } else {
                // Named once, with its reason and version, in the workspace.
                (!line.contains("workspace = true"))
                    .then(|| format!("{name}: name it in [workspace.dependencies] with its reason, and here `{name}.workspace = true`"))
            };
            problems.extend(why.map(|why| Problem::new(&source.path, number, why)));
        }
    }
    problems
}

/// The name that this line of a section of dependencies begins with; `None` for the inside of a list.
fn dependency<'a>(section: &str, line: &'a str) -> Option<&'a str> {
    let is_dependencies = section.trim_end_matches(']').ends_with("dependencies");
    let (key, _) = line.split_once('=')?;
    let name = key.trim().split('.').next()?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    (is_dependencies && is_name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Source { path: "Cargo.toml".into(), text: text.into() }).into_iter().map(|p| p.line).collect()
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let text = "[workspace.dependencies]\nours = { path = \"x\" }\n\n# Why.\na = \"1\"\nb = \"1\"\n\nc = \"1\"\nd = \"1\" # Why.\n";
        assert_eq!(lines(text), [8]);
    }

    #[test]
    fn a_crate_takes_its_dependencies_from_the_workspace() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = \"1\"\n\
                    [target.'cfg(windows)'.dependencies]\nc = { workspace = true, features = [\n    \"A\", # b = c\n] }\n[dev-dependencies]\nd = \"2\"\n";
        assert_eq!(lines(text), [5, 11]);
    }
}
