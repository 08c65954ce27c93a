//! Who the program is.

use mainstay_core::spec::{Account, CAPABILITIES};
use toml::de::DeValue;

use crate::spec::section::{Reader, Value, nearest};

pub(super) fn account<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Account> {
    let section = reader.section(key, value)?;
    let account = Account {
        user: section.take("user", |key, value| name(reader, key, value)),
        group: section.take("group", |key, value| name(reader, key, value)),
        groups: section.take("groups", |key, value| names(reader, key, value)).unwrap_or_default(),
        capabilities: section.take("capabilities", |key, value| capabilities(reader, key, value)),
        new_privileges: section.take("new-privileges", |key, value| reader.boolean(key, value)).unwrap_or(false),
    };
    section.finish();
    Some(account)
}

fn name<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<String> {
    let name = reader.string(key, value)?;
    if name.trim().is_empty() {
        reader.problem(value.span(), format!("`{key}` is empty"), None);
        return None;
    }
    Some(name)
}

fn names<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let array = reader.array(key, value, "a list of strings, such as [\"a\", \"b\"]")?;
    let read: Vec<Option<String>> = array.iter().map(|element| name(reader, key, element)).collect();
    read.into_iter().collect()
}

/// Their numbers, sorted, each once.
fn capabilities<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<u8>> {
    let count = u8::try_from(CAPABILITIES.len()).unwrap_or(u8::MAX);
    match value.get_ref() {
        DeValue::String(text) if text == "all" => return Some((0..count).collect()),
        DeValue::Array(_) => {}
        other => {
            return reader.wrong_kind(key, "\"all\" or a list such as [\"CAP_NET_BIND_SERVICE\"]", other, value.span());
        }
    }
    let array = reader.array(key, value, "a list")?;
    let read = array.iter().filter_map(|element| {
        let text = reader.string(key, element)?;
        let upper = text.to_ascii_uppercase();
        let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
        let found = (0..count).zip(CAPABILITIES).find(|(_, known)| *known == full).map(|(number, _)| number);
        if found.is_none() {
            let near = nearest(&full, CAPABILITIES);
            let help =
                near.map_or_else(|| "capabilities(7) names them".to_owned(), |near| format!("did you mean `{near}`?"));
            reader.problem(element.span(), format!("`{key}`: \"{text}\" is no capability"), Some(help));
        }
        found
    });
    let mut numbers: Vec<u8> = read.collect();
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}
