//! The keys of `agent.toml` as a JSON Schema, so that editors complete and check it while it is written.

use serde_json::{Map, Value, json};

use super::keys;
use crate::spec::keys::{Default, Key};
use crate::spec::schema::property;

/// A JSON Schema of draft 7. It knows the names, kinds and forms of each type's keys; what depends on several keys at once is left to
/// [`super::read`].
#[must_use]
pub fn schema() -> Value {
    let types: Vec<Value> = keys::TYPES.iter().map(|word| of_type(word)).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An agent of mainstay",
        "description": "agent.toml",
        "type": "object",
        "properties": {
            "sinks": {
                "title": "sinks",
                "description": "where log lines are sent",
                "type": "object",
                "additionalProperties": { "anyOf": types },
            },
        },
        "additionalProperties": false,
    })
}

/// The table of one type.
fn of_type(word: &str) -> Value {
    let all = || keys::COMMON.iter().chain(keys::of_type(word).into_iter().flatten());
    let properties: Map<String, Value> = all().map(|key| (key.path.to_owned(), one(key, word))).collect();
    let is_required = |key: &&Key| matches!(key.default, Default::Required);
    let required: Vec<&str> = all().filter(is_required).map(|key| key.path).collect();
    json!({ "title": word, "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// The type's own word is what tells the tables apart.
fn one(key: &Key, word: &str) -> Value {
    let mut schema = property(key, key.path);
    if key.path == "type" {
        schema.insert("enum".to_owned(), json!([word]));
        schema.insert("examples".to_owned(), json!([word]));
    }
    Value::Object(schema)
}
