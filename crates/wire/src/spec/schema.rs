//! The keys of a spec as a JSON Schema, so that editors complete and check specs while they are written.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Platform;
use super::keys::{self, Default, Key, Kind};

/// A JSON Schema of draft 7, which taplo and the editors that stand on it read. It knows names, kinds and forms; what depends on the
/// system or on several keys at once is left to [`super::read`].
#[must_use]
pub fn schema() -> Value {
    let mut schema = table("");
    schema.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
    schema.insert("title".to_owned(), "A service of mainstay".into());
    schema.insert("description".to_owned(), "services/NAME.toml".into());
    Value::Object(schema)
}

fn table(path: &str) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys::below(path) {
        // A hook's keys are written down once for all of them.
        let full = if path.is_empty() { key.name().to_owned() } else { format!("{path}.{}", key.name()) };
        properties.insert(key.name().to_owned(), Value::Object(property(key, &full)));
        if matches!(key.default, Default::Required) {
            required.push(Value::from(key.name()));
        }
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), false.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), Value::Array(required));
    }
    schema
}

/// One key of a table.
pub(crate) fn property(key: &Key, path: &str) -> Map<String, Value> {
    let mut schema = of_kind(&key.kind, path);
    schema.insert("title".to_owned(), path.into());
    schema.insert("description".to_owned(), description(key).into());
    schema.insert("examples".to_owned(), Value::Array(vec![from_toml(key.example)]));
    if let Default::Is(value) = key.default {
        schema.insert("default".to_owned(), from_toml(value));
    }
    schema
}

fn description(key: &Key) -> String {
    let mut text = without_links(key.en);
    match key.only {
        None => {}
        Some(Platform::Windows) => text.push_str(". Windows only"),
        Some(Platform::Linux) => text.push_str(". Linux only"),
    }
    match key.default {
        Default::Nothing | Default::Required | Default::Is(_) => {}
        Default::Told(en, _) => text.push_str(&format!(". Default: {en}")),
        Default::Differs { windows, linux } => {
            text.push_str(&format!(". Default on Windows: `{windows}`, on Linux: `{linux}`"));
        }
    }
    text
}

/// `[private](files.md)` → `private`: an editor has no page that the link could start at.
fn without_links(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, label, behind)) = link(rest) {
        text.push_str(before);
        text.push_str(label);
        rest = behind;
    }
    text + rest
}

/// What stands before the first link, its label, and what stands behind.
fn link(text: &str) -> Option<(&str, &str, &str)> {
    let (until_label, target) = text.split_once("](")?;
    let (before, label) = until_label.rsplit_once('[')?;
    let (_, behind) = target.split_once(')')?;
    Some((before, label, behind))
}

fn of_kind(kind: &Kind, path: &str) -> Map<String, Value> {
    let schema = match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Duration(_) => json!({ "type": "string", "pattern": r"^\s*\+?[0-9][0-9a-zA-Zµ:., ]*$" }),
        Kind::Size(_) => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": r"^\s*[0-9]+\s*([kKmMgGtT]([iI]?[bB])?|[bB])?\s*$" },
        ] }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Form(_, _, "") => json!({ "type": "string" }),
        Kind::Form(_, _, pattern) => json!({ "type": "string", "pattern": pattern }),
        Kind::List(element) => json!({ "type": "array", "items": of_kind(element, path) }),
        Kind::Map(_, _, value) => json!({ "type": "object", "additionalProperties": of_kind(value, path) }),
        Kind::Keys => return table(path),
        Kind::Either(kinds) => {
            let any: Vec<Map<String, Value>> = kinds.iter().map(|kind| of_kind(kind, path)).collect();
            json!({ "anyOf": any })
        }
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// A value of the table of keys; null if it is no TOML, which a test forbids.
fn from_toml(value: &str) -> Value {
    let document = toml::from_str::<BTreeMap<String, Value>>(&format!("value = {value}"));
    document.ok().and_then(|mut document| document.remove("value")).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Everything in which `value` is not what `schema` says. Knows the words that [`schema`] uses and refuses any other.
    pub(crate) fn differences(schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let object = schema.as_object().expect("a schema is an object");
        let mut found = Vec::new();
        for (word, wanted) in object {
            match word.as_str() {
                "$schema" | "title" | "description" | "examples" | "default" => {}
                "type" => {
                    let is = match wanted.as_str().expect("one type") {
                        "string" => value.is_string(),
                        "boolean" => value.is_boolean(),
                        "integer" => value.is_i64() || value.is_u64(),
                        "array" => value.is_array(),
                        "object" => value.is_object(),
                        other => panic!("unknown type {other}"),
                    };
                    if !is {
                        found.push(format!("{at}: {value} is no {wanted}"));
                    }
                }
                "minimum" if value.as_i64().is_some_and(|n| n < wanted.as_i64().unwrap()) => {
                    found.push(format!("{at}: {value} is too small"));
                }
                "maximum" if value.as_i64().is_some_and(|n| n > wanted.as_i64().unwrap()) => {
                    found.push(format!("{at}: {value} is too large"));
                }
                "minimum" | "maximum" => {}
                "pattern" => {
                    let pattern = regex_lite::Regex::new(wanted.as_str().unwrap()).expect("a pattern");
                    if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                        found.push(format!("{at}: {value} does not match {wanted}"));
                    }
                }
                "enum" => {
                    if !wanted.as_array().unwrap().contains(value) {
                        found.push(format!("{at}: {value} is none of {wanted}"));
                    }
                }
                "items" => {
                    for element in value.as_array().into_iter().flatten() {
                        found.extend(differences(wanted, element, at));
                    }
                }
                "required" => {
                    for name in wanted.as_array().unwrap() {
                        if value.as_object().is_some_and(|value| !value.contains_key(name.as_str().unwrap())) {
                            found.push(format!("{at}: {name} is missing"));
                        }
                    }
                }
                "properties" => {
                    for (name, schema) in wanted.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            found.extend(differences(schema, value, &format!("{at}.{name}")));
                        }
                    }
                }
                "additionalProperties" => {
                    let known = object.get("properties").and_then(Value::as_object);
                    for (name, value) in value.as_object().into_iter().flatten() {
                        let is_known = known.is_some_and(|known| known.contains_key(name));
                        match wanted {
                            _ if is_known => {}
                            Value::Bool(false) => found.push(format!("{at}: there is no {name}")),
                            schema => found.extend(differences(schema, value, &format!("{at}.{name}"))),
                        }
                    }
                }
                "anyOf" => {
                    let any = wanted.as_array().unwrap();
                    if any.iter().all(|schema| !differences(schema, value, at).is_empty()) {
                        found.push(format!("{at}: {value} is nothing of {wanted}"));
                    }
                }
                other => panic!("the checker does not know {other}"),
            }
        }
        found
    }

    /// Asserts that a text which the reader took is good for editors too.
    pub(in crate::spec) fn assert_fits(text: &str) {
        let document: Value = toml::from_str(text).expect("the reader took it");
        static SCHEMA: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
        let found = differences(SCHEMA.get_or_init(schema), &document, "");
        assert!(found.is_empty(), "{found:?}\n{text}");
    }

    #[test]
    fn every_word_of_the_table_is_toml() {
        for key in keys::all() {
            assert!(!from_toml(key.example).is_null(), "{}: {}", key.path, key.example);
            if let Default::Is(value) = key.default {
                assert!(!from_toml(value).is_null(), "{}: {value}", key.path);
            }
            assert!(!key.en.is_empty() && !key.zh.is_empty(), "{}", key.path);
        }
    }

    #[test]
    fn what_is_wrong_differs_from_the_schema() {
        for text in [
            "progam = 'x'",
            "args = ['x']",
            "program = 5",
            "program = 'x'\nstart = 'automatic'",
            "program = 'x'\n[restart]\ndelay = 'soon'",
            "program = 'x'\n[restart]\ndealy = '1s'",
            "program = 'x'\n[log]\nrotate = { keep = -1 }",
            "program = 'x'\n[hooks]\npost-start = { command = ['x'], abort-on = [1] }",
            "program = 'x'\nafter = [{ until = 'ready' }]",
            "program = 'x'\n[watch]\nonly = ['*.go']",
            "program = 'x'\n[account]\npassword = 'secret'",
        ] {
            let document: Value = toml::from_str(text).unwrap();
            assert_ne!(differences(&schema(), &document, ""), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn links_lose_their_targets() {
        assert_eq!(without_links("a [b](c.md), [d](e) f"), "a b, d f");
        assert_eq!(without_links("[ready] (x)"), "[ready] (x)");
    }
}
