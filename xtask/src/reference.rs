//! The tables of keys in the pages of the reference, in both languages, between markers; the prose around them stays as it is.

use std::fs;

use mainstay_wire::spec::{Language, reference};

use crate::workspace;

pub(crate) const SPEC: &str = "docs/reference/spec.md";
pub(crate) const SPEC_CHINESE: &str = "docs/reference/zh-CN/spec.md";
pub(crate) const SINKS: &str = "docs/reference/sinks.md";
pub(crate) const SINKS_CHINESE: &str = "docs/reference/zh-CN/sinks.md";

pub(crate) fn spec() -> String {
    page(SPEC, Language::English)
}

pub(crate) fn spec_chinese() -> String {
    page(SPEC_CHINESE, Language::Chinese)
}

pub(crate) fn sinks() -> String {
    page(SINKS, Language::English)
}

pub(crate) fn sinks_chinese() -> String {
    page(SINKS_CHINESE, Language::Chinese)
}

fn page(path: &str, language: Language) -> String {
    // A page that can't be read is made anew: the check then says that it differs.
    let text = fs::read_to_string(workspace::root().join(path)).unwrap_or_default().replace("\r\n", "\n");
    with_tables(&text, language)
}

/// `<!-- keys:NAME -->`, the table, `<!-- /keys -->`.
fn with_tables(text: &str, language: Language) -> String {
    let mut made = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.lines() {
        if line == "<!-- /keys -->" {
            inside = false;
        }
        if inside {
            continue;
        }
        made.push_str(line);
        made.push('\n');
        let group = line.strip_prefix("<!-- keys:").and_then(|rest| rest.strip_suffix(" -->"));
        if let Some(table) = group.and_then(|group| reference(group, language)) {
            made.push('\n');
            made.push_str(&table);
            made.push('\n');
            inside = true;
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use mainstay_wire::{sinks, spec::keys::GROUPS};

    use super::*;

    #[test]
    fn only_what_stands_between_markers_is_made() {
        let text = "before\n<!-- keys:watch -->\nold\n<!-- /keys -->\nafter\n";
        let made = with_tables(text, Language::English);
        assert!(
            made.starts_with("before\n<!-- keys:watch -->\n\n| Key |")
                && made.ends_with("|\n\n<!-- /keys -->\nafter\n")
        );
        assert_eq!(with_tables(&made, Language::English), made);
    }

    #[test]
    fn both_pages_have_every_group() {
        let has_all = |page: &str, groups: &[mainstay_wire::spec::keys::Group]| {
            for group in groups {
                assert!(page.contains(&format!("<!-- keys:{} -->", group.name)), "{}", group.name);
            }
        };
        for page in [spec(), spec_chinese()] {
            has_all(&page, &GROUPS);
        }
        for page in [super::sinks(), sinks_chinese()] {
            has_all(&page, &sinks::keys::GROUPS);
        }
    }
}
