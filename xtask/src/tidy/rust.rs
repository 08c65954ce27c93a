//! Rules for Rust files.

use super::{Problem, scan};
use crate::workspace::Source;

/// Past this a file has a second idea in it. Tests don't count.
const LINES_MAX: usize = 700;

/// Names that say nothing: everything fits in, so everything ends up there. Name the file after its idea.
const NAMELESS: [&str; 4] = ["utils", "common", "helpers", "types"];

/// Words in code that are problems anywhere, and why.
const NOWHERE: [(&str, &str); 4] = [
    ("#[ignore", "an ignored test is a test nobody runs: mend it or delete it"),
    ("todo!", "no stub is called done"),
    ("unimplemented!", "no stub is called done"),
    ("mod tests_disabled", "a test nobody runs: mend it or delete it"),
];

/// Words that only some places may say, and why.
const PLATFORM: [&str; 5] = ["cfg(windows)", "cfg(unix)", "cfg!(windows)", "cfg!(unix)", "target_os"];

pub(super) fn check(source: &Source) -> Vec<Problem> {
    let place = Place::of(&source.path);
    let code = scan::code(&source.text);
    let mut problems = Vec::new();
    let mut found = |line: usize, why: String| problems.push(Problem::new(&source.path, line, why));

    if !source.text.starts_with("//!") {
        found(
            1,
            "say on the first line, after `//!`, what the file is for: readers come by search, not by plan".into(),
        );
    }
    if source.path.ends_with("/mod.rs") {
        found(0, "use NAME.rs beside NAME/: a dozen tabs called mod.rs can't be told apart".into());
    }
    if let Some(name) = NAMELESS.iter().find(|name| is_named(&source.path, name)) {
        found(0, format!("`{name}` says nothing about what is in it: name it after its idea"));
    }
    let lines = code.lines().take_while(|line| !line.trim_start().starts_with("#[cfg(test)]")).count();
    if lines > LINES_MAX && !place.is_test {
        found(lines, format!("{lines} lines without tests are more than {LINES_MAX}: look for the second idea in it"));
    }
    for (number, line) in code.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        for (word, why) in NOWHERE {
            if line.contains(word) {
                found(number, format!("`{word}`: {why}"));
            }
        }
        if let Some(word) = PLATFORM.iter().find(|word| line.contains(**word))
            && !place.knows_platform
        {
            found(
                number,
                format!("`{word}`: platforms differ in mainstay-os alone, so that there is one place to look"),
            );
        }
        if has_word(line, "unsafe") && !place.may_be_unsafe {
            found(number, "`unsafe` is for mainstay-os alone, with a `// SAFETY:` comment".into());
        }
    }
    for number in bare_allows(&code) {
        found(number, "use `#[expect(.., reason = \"..\")]`: it says why, and that it is no longer needed".into());
    }
    problems
}

/// What a path allows.
struct Place {
    is_test: bool,
    knows_platform: bool,
    may_be_unsafe: bool,
}

impl Place {
    fn of(path: &str) -> Self {
        let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
        // The fixture is a test program: it misbehaves in ways that only the OS offers.
        let is_os = path.starts_with("crates/os/") || path.starts_with("crates/fixture-child/");
        Self { is_test, knows_platform: is_os || is_test, may_be_unsafe: is_os }
    }
}

fn is_named(path: &str, name: &str) -> bool {
    path.split('/').any(|part| part.strip_suffix(".rs").unwrap_or(part) == name)
}

/// The word stands alone: not part of `unsafe_code`.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word)
}

/// The lines of `#[allow(…)]` without a reason.
fn bare_allows(code: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for (at, word) in code.match_indices("[allow(") {
        let attribute = code.get(at..).and_then(|rest| rest.split(']').next()).unwrap_or(word);
        if !attribute.contains("reason") {
            lines.push(code.get(..at).unwrap_or("").matches('\n').count() + 1);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> Vec<(usize, String)> {
        let source = Source { path: path.into(), text: text.into() };
        check(&source).into_iter().map(|p| (p.line, p.why)).collect()
    }

    #[test]
    fn a_tidy_file_is_no_problem() {
        let text =
            "//! What it is for, even cfg(windows) and unsafe.\nfn f() { g(\"todo!\"); }\n#![forbid(unsafe_code)]\n";
        assert_eq!(told("crates/core/src/f.rs", text), []);
    }

    #[test]
    fn every_rule_finds_its_problem() {
        let cases = [
            ("crates/core/src/f.rs", "fn f() {}", "first line"),
            ("crates/core/src/f/mod.rs", "//! x", "mod.rs"),
            ("crates/core/src/utils.rs", "//! x", "says nothing"),
            ("crates/core/src/helpers/f.rs", "//! x", "says nothing"),
            ("crates/core/src/f.rs", "//! x\n#[cfg(windows)]\nfn f() {}", "one place to look"),
            ("crates/guard/build.rs", "//! x\nif cfg!(unix) {}", "one place to look"),
            ("crates/core/src/f.rs", "//! x\n#[cfg(target_os = \"linux\")]", "one place to look"),
            ("crates/core/tests/f.rs", "//! x\nfn f() { unsafe { g() } }", "`unsafe`"),
            ("crates/core/src/f.rs", "//! x\n#[test]\n#[ignore]\nfn f() {}", "nobody runs"),
            ("crates/os/src/f.rs", "//! x\nfn f() { todo!() }", "stub"),
            ("crates/os/src/f.rs", "//! x\n#[allow(\n    dead_code,\n)]\nfn f() {}", "expect"),
        ];
        for (path, text, part) in cases {
            let found = told(path, text);
            assert!(found.len() == 1 && found[0].1.contains(part), "{path} {text:?}: {found:?}");
        }
    }

    #[test]
    fn the_os_crate_and_test_folders_may_know_the_platform() {
        let text = "//! x\n#[cfg(windows)]\nfn f() {}";
        for path in ["crates/os/src/f.rs", "crates/guard/tests/f.rs", "crates/fixture-child/src/main.rs"] {
            assert_eq!(told(path, text), [], "{path}");
        }
        assert_eq!(told("crates/os/src/f.rs", "//! x\nunsafe fn f() {}"), []);
        assert_eq!(told("crates/os/src/f.rs", "//! x\n#[allow(dead_code, reason = \"x\")]"), []);
    }

    #[test]
    fn a_long_file_is_found_but_its_tests_do_not_count() {
        let body = "fn f() {}\n".repeat(LINES_MAX);
        assert_eq!(told("crates/core/src/f.rs", &format!("//! x\n{body}")).len(), 1);
        assert_eq!(told("crates/core/src/tests.rs", &format!("//! x\n{body}")), []);
        assert_eq!(told("crates/core/src/f.rs", &format!("//! x\n#[cfg(test)]\nmod tests {{\n{body}}}")), []);
    }
}
