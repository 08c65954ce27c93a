//! Rules for documents.

use super::Problem;
use crate::workspace::Source;

/// The two commands that do all the set-up: whoever comes first reads the README, in either language.
const IN_README: [&str; 2] = ["./quickstart", "./check"];
const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// The promise of this page is that each of its cases has a test: a name alone would rot.
const HARD_CASES: &str = "docs/hard-cases.md";

/// The promise of this page is that what we have of another program's options is held by the tests in its last column.
const COMPARE: &str = "docs/reference/compare.md";
const COMPARE_COLUMN: &str = "Tested by";
/// Stands there for a test that nobody has written yet.
const TEST_TO_COME: &str = "?test:";

pub(super) fn check(sources: &[Source]) -> Vec<Problem> {
    let mut problems = hard_cases(sources);
    problems.extend(compare(sources));
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
    let mut problems = Vec::new();
    for (line, text) in (1..).zip(page.text.lines()) {
        for name in in_back_quotes(text).filter(|word| is_test_name(word)) {
            if !exists(sources, name, |_| true) {
                problems.push(Problem::new(HARD_CASES, line, format!("there is no test `{name}`")));
            }
        }
    }
    problems
}

/// Every test that the page names is there, in the file that it names, and no test is still to come.
fn compare(sources: &[Source]) -> Vec<Problem> {
    let Some(page) = sources.iter().find(|source| source.path == COMPARE) else { return Vec::new() };
    let mut problems = Vec::new();
    let mut has_column = false;
    for (line, text) in (1..).zip(page.text.lines()) {
        if text.contains(TEST_TO_COME) {
            problems.push(Problem::new(COMPARE, line, "a test is still to come"));
        }
        let cell = last_cell(text);
        has_column = cell.is_some_and(|cell| has_column || cell == COMPARE_COLUMN);
        let named = in_back_quotes(cell.filter(|_| has_column).unwrap_or_default());
        for name in named.filter(|name| !name.starts_with(TEST_TO_COME)) {
            let found =
                name.split_once("::").is_some_and(|(file, test)| exists(sources, test, |path| is_in(path, file)));
            if !found {
                problems.push(Problem::new(COMPARE, line, format!("there is no test `{name}`: write FILE::TEST")));
            }
        }
    }
    problems
}

/// A function of this name is in a file of ours whose path is `wanted`.
fn exists(sources: &[Source], name: &str, wanted: impl Fn(&str) -> bool) -> bool {
    let function = format!("fn {name}(");
    let mut files = sources.iter().filter(|source| source.path.ends_with(".rs") && wanted(&source.path));
    files.any(|source| source.text.contains(&function))
}

/// `restart` is `…/restart.rs` and every file below `…/restart/`.
fn is_in(path: &str, file: &str) -> bool {
    path.trim_end_matches(".rs").split('/').any(|part| part == file)
}

/// The last cell of a table's row.
fn last_cell(line: &str) -> Option<&str> {
    let row = line.strip_prefix('|')?.trim_end().strip_suffix('|')?;
    row.rsplit('|').next().map(str::trim)
}

/// Every second piece stands between back quotes.
fn in_back_quotes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A test's name is one word with underscores.
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
    fn a_compared_option_names_tests_that_are_there_and_where() {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let page = "| Verdict | `no_test` |\n\n| Option | Tested by |\n|---|---|\n| `is_tty`, `a\\|b` | `y::good`, `deep::good` |\n\
                    | `x` | `y::lost`, `z::good`, `good` |\n| `w` | `y::good`, `?test:later?` |\n\nThen `more_words`.\n";
        let tests = [("crates/x/tests/y.rs", "async fn good() {}"), ("crates/x/src/deep/tests.rs", "fn good() {}")];
        let sources: Vec<Source> =
            [(COMPARE, page)].into_iter().chain(tests).map(|(path, text)| source(path, text)).collect();
        let missing = |name: &str| Problem::new(COMPARE, 6, format!("there is no test `{name}`: write FILE::TEST"));
        let to_come = Problem::new(COMPARE, 7, "a test is still to come");
        assert_eq!(compare(&sources), [missing("y::lost"), missing("z::good"), missing("good"), to_come]);
    }

    #[test]
    fn a_readme_names_both_commands() {
        let readme = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let good = "run ./quickstart, then ./check";
        assert_eq!(check(&[readme("README.md", good), readme("README.zh-CN.md", good)]), []);
        assert_eq!(check(&[readme("README.md", "./check")]).len(), 2);
    }
}
