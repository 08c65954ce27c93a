//! The tables of keys in the reference, in both languages.

use super::Platform;
use super::keys::{Default, GROUPS, Group, Key, Kind};
use crate::sinks;

/// The languages of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `docs/reference/`.
    English,
    /// `docs/reference/zh-CN/`.
    Chinese,
}

impl Language {
    fn of<'t>(self, english: &'t str, chinese: &'t str) -> &'t str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

/// The Markdown table of a group of keys; `None` when there is no such group.
#[must_use]
pub fn reference(group: &str, language: Language) -> Option<String> {
    let group = GROUPS.iter().chain(&sinks::keys::GROUPS).find(|known| known.name == group)?;
    let mut table = language.of("| Key | Type | Default | Means |\n", "| 键 | 类型 | 默认值 | 含义 |\n").to_owned();
    table.push_str("|---|---|---|---|\n");
    // The heading above the table is about the group's own key.
    for key in group.keys.iter().filter(|key| key.path != group.prefix) {
        table.push_str(&row(group, key, language));
    }
    Some(table)
}

fn row(group: &Group, key: &Key, language: Language) -> String {
    let below = key.path.strip_prefix(group.prefix).and_then(|rest| rest.strip_prefix('.')).unwrap_or(key.path);
    let only = match (key.only, language) {
        (None, _) => "",
        (Some(Platform::Windows), Language::English) => " (Windows)",
        (Some(Platform::Linux), Language::English) => " (Linux)",
        (Some(Platform::Windows), Language::Chinese) => "（Windows）",
        (Some(Platform::Linux), Language::Chinese) => "（Linux）",
    };
    let cells = [kind(&key.kind, language), default(&key.default, language), language.of(key.en, key.zh).to_owned()];
    let [kind, default, means] = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| `{below}`{only} | {kind} | {default} | {means} |\n")
}

fn kind(kind: &Kind, language: Language) -> String {
    let least = |name: &str, least: Option<&str>| {
        let comma = language.of(" ", "，");
        least.map_or_else(|| name.to_owned(), |least| format!("{name}{comma}≥ {least}"))
    };
    match kind {
        Kind::Text => language.of("text", "文本").to_owned(),
        Kind::Flag => language.of("true, false", "true、false").to_owned(),
        Kind::Number(from, to) => format!("{from}–{to}").replace("-", "−"),
        Kind::Duration(min) => least(language.of("duration", "时长"), *min),
        Kind::Size(min) => least(language.of("size", "大小"), *min),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(language.of(", ", "、"))
        }
        Kind::Form(english, chinese, _) => language.of(english, chinese).to_owned(),
        Kind::List(Kind::Keys) => language.of("list of tables", "表的列表").to_owned(),
        Kind::List(Kind::Text) => language.of("list of texts", "文本列表").to_owned(),
        Kind::List(element) => {
            let element = self::kind(element, language);
            match language {
                Language::English => format!("list of {element}"),
                Language::Chinese => format!("列表：{element}"),
            }
        }
        Kind::Map(_, _, Kind::Text) => language.of("table of texts", "文本表").to_owned(),
        Kind::Map(english, chinese, value) => {
            let (table, name) = (language.of("table: ", "表："), language.of(english, chinese));
            format!("{table}{name} → {}", self::kind(value, language))
        }
        Kind::Keys => language.of("table", "表").to_owned(),
        Kind::Either(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(|kind| self::kind(kind, language)).collect();
            kinds.join(language.of("; or ", "；或"))
        }
    }
}

fn default(default: &Default, language: Language) -> String {
    match default {
        Default::Nothing => "–".to_owned(),
        Default::Required => language.of("required", "必填").to_owned(),
        Default::Is(value) => format!("`{value}`"),
        Default::Differs { .. } => language.of("see below", "见下文").to_owned(),
        Default::Told(english, chinese) => language.of(english, chinese).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_the_table_of_keys_says() {
        let english = reference("ready", Language::English).expect("a group");
        assert!(english.contains("| `every` | duration ≥ 10 ms | `\"250ms\"` | longest pause"), "{english}");
        let chinese = reference("account", Language::Chinese).expect("a group");
        assert!(chinese.contains("| `group`（Linux） | 文本 | 该用户的组 | 主要组 |"), "{chinese}");
        assert_eq!(reference("nothing", Language::English), None);
    }
}
