//! Where a key stands in a spec's text: for what only the machine can tell, such as that an account does not exist.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::edit;
use super::{Problem, Problems};

/// The bytes of the value of `key` (`resources.memory`), or of the nearest table around it that is there. `None`: not even that is.
#[must_use]
pub fn locate(text: &str, key: &str) -> Option<Range<usize>> {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut table: &DeTable<'_> = document.get_ref();
    let mut found: Option<&Spanned<DeValue<'_>>> = None;
    for part in edit::path(key) {
        let Some(value) = table.get(part.as_str()) else { break };
        found = Some(value);
        match value.get_ref() {
            DeValue::Table(below) => table = below,
            _ => break,
        }
    }
    found.map(Spanned::span)
}

impl Problems {
    /// Problems of the text's keys, each with what is wrong; in the order of the text.
    #[must_use]
    pub fn at(text: &str, found: &[(&str, String)]) -> Self {
        let problem = |(key, message): &(&str, String)| {
            Problem::new(text, locate(text, key).unwrap_or(0..0), message.clone(), None)
        };
        let mut problems: Vec<Problem> = found.iter().map(problem).collect();
        problems.sort_by_key(|problem| problem.span.start);
        Self(problems)
    }
}
