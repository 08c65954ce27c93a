//! Rules for documents.

use super::Problem;
use crate::workspace::Source;

/// The two commands that do all the set-up: whoever comes first reads the README, in either language.
const IN_README: [&str; 2] = ["./quickstart", "./check"];
const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

pub(super) fn check(sources: &[Source]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for path in READMES {
        let Some(readme) = sources.iter().find(|source| source.path == path) else {
            problems.push(Problem::new(path, 0, "it is missing"));
            continue;
        };
        for command in IN_README.iter().filter(|command| !readme.text.contains(**command)) {
            problems.push(Problem::new(path, 0, format!("it must name {command}: that is all the set-up there is")));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_names_both_commands() {
        let readme = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let good = "run ./quickstart, then ./check";
        assert_eq!(check(&[readme("README.md", good), readme("README.zh-CN.md", good)]), []);
        assert_eq!(check(&[readme("README.md", "./check")]).len(), 2);
    }
}
