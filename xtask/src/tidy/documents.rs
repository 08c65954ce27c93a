//! Rules for documents.

use super::Problem;
use crate::workspace::Source;

/// The two commands that do all the set-up: whoever comes first reads the README, in either language.
const IN_README: [&str; 2] = ["./quickstart", "./check"];
const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// The promise of this page is that each of its cases has a test: a name alone would rot.
const HARD_CASES: &str = "docs/hard-cases.md";

pub(super) fn check(sources: &[Source]) -> Vec<Problem> {
    let mut problems = hard_cases(sources);
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

/// Every test that the page names is there.
fn hard_cases(sources: &[Source]) -> Vec<Problem> {
    let Some(page) = sources.iter().find(|source| source.path == HARD_CASES) else { return Vec::new() };
    let exists = |name: &str| {
        let function = format!("fn {name}(");
        sources.iter().any(|source| source.path.ends_with(".rs") && source.text.contains(&function))
    };
    let mut problems = Vec::new();
    for (line, text) in (1..).zip(page.text.lines()) {
        // Every second piece stands between back quotes; a test's name is one word with underscores.
        for name in text.split('`').skip(1).step_by(2).filter(|word| is_test_name(word)) {
            if !exists(name) {
                problems.push(Problem::new(HARD_CASES, line, format!("there is no test `{name}`")));
            }
        }
    }
    problems
}

fn is_test_name(word: &str) -> bool {
    word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_case_names_tests_that_are_there() {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let page = source(HARD_CASES, "# Cases\n| `C:\\x` | `a_good_one`, `a_lost_one` |\n");
        let tests = source("crates/x/tests/y.rs", "fn a_good_one() {}");
        assert_eq!(hard_cases(&[page, tests]), [Problem::new(HARD_CASES, 2, "there is no test `a_lost_one`")]);
    }

    #[test]
    fn a_readme_names_both_commands() {
        let readme = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let good = "run ./quickstart, then ./check";
        assert_eq!(check(&[readme("README.md", good), readme("README.zh-CN.md", good)]), []);
        assert_eq!(check(&[readme("README.md", "./check")]).len(), 2);
    }
}
