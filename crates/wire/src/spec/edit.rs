//! Changes single keys of a spec's text and keeps the person's comments, order and white space.

use std::fmt;

use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::{Platform, Problems, keys, read, show};

/// Why an edit was not made; the text stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// The text is no TOML, so nothing in it can be changed.
    Syntax(Problems),
    /// The key leads through something that is no table.
    NoTable(String),
    /// The key is not there.
    NoKey(String),
    /// The changed text would not be a valid spec; `text` is what it would have been.
    Invalid {
        /// What the edit would have made.
        text: String,
        /// What is wrong with it.
        problems: Problems,
    },
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(problems) => write!(f, "the spec cannot be read: {problems}"),
            Self::NoTable(key) => write!(f, "`{key}` is no table, so nothing can be set below it"),
            Self::NoKey(key) => write!(f, "`{key}` is not set, or no key of a spec"),
            Self::Invalid { problems, .. } => write!(f, "{problems}"),
        }
    }
}

impl std::error::Error for EditError {}

/// The text with `key` set to `value`. The value is taken as a string where the key wants one, else as TOML (`["a", "b"]`, `5`, `true`).
///
/// # Errors
/// The first reason why the result would not be a valid spec.
pub fn set(name: &str, text: &str, key: &str, value: &str, platform: Platform) -> Result<String, EditError> {
    let as_string = with_value(text, key, Value::from(value))?;
    let string_problems = match read(name, &as_string, platform) {
        Ok(_) => return Ok(as_string),
        Err(problems) => problems,
    };
    let Ok(literal) = value.parse::<Value>() else {
        return Err(EditError::Invalid { text: as_string, problems: string_problems });
    };
    let is_string = literal.is_str();
    let as_literal = with_value(text, key, literal)?;
    match read(name, &as_literal, platform) {
        Ok(_) => Ok(as_literal),
        Err(problems) if is_string || value.starts_with(['[', '{']) || takes_no_string(&string_problems, key) => {
            Err(EditError::Invalid { text: as_literal, problems })
        }
        Err(_) => Err(EditError::Invalid { text: as_string, problems: string_problems }),
    }
}

/// The key was refused as a string for being one, so whatever else is wrong with the value is what a person wants to know.
fn takes_no_string(problems: &Problems, key: &str) -> bool {
    let begin = format!("`{key}` must be ");
    problems.0.iter().any(|problem| problem.message.starts_with(&begin) && problem.message.ends_with(", not a string"))
}

/// The text without `key`, so that its default is in force.
///
/// # Errors
/// When it is not set, or the spec needs it.
pub fn unset(name: &str, text: &str, key: &str, platform: Platform) -> Result<String, EditError> {
    let mut document = parse(name, text, platform)?;
    let path = path(key);
    let (last, parents) = path.split_last().ok_or_else(|| EditError::NoKey(key.to_owned()))?;
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for parent in parents {
        table =
            table.get_mut(parent).and_then(Item::as_table_like_mut).ok_or_else(|| EditError::NoKey(key.to_owned()))?;
    }
    table.remove(last).ok_or_else(|| EditError::NoKey(key.to_owned()))?;
    remove_emptied(document.as_table_mut(), parents);
    let text = document.to_string();
    match read(name, &text, platform) {
        Ok(_) => Ok(text),
        Err(problems) => Err(EditError::Invalid { text, problems }),
    }
}

/// Takes out the tables of the path that have nothing left in them.
fn remove_emptied(table: &mut dyn toml_edit::TableLike, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(below) = table.get_mut(first).and_then(Item::as_table_like_mut) else { return };
    remove_emptied(below, rest);
    if below.is_empty() {
        table.remove(first);
    }
}

/// The value in force for `key`, its default included; strings without quotes, everything else as TOML.
///
/// # Errors
/// When the spec is invalid or has no such key.
pub fn get(name: &str, text: &str, key: &str, platform: Platform) -> Result<String, EditError> {
    let spec = read(name, text, platform).map_err(|problems| EditError::Invalid { text: text.to_owned(), problems })?;
    let full = show(&spec);
    let document = parse(name, &full, platform)?;
    let mut item: &Item = document.as_item();
    for part in path(key) {
        item = item.get(&part).ok_or_else(|| EditError::NoKey(key.to_owned()))?;
    }
    Ok(match item.as_str() {
        Some(text) => text.to_owned(),
        None => item.to_string().trim().to_owned(),
    })
}

/// A new spec's text: `program` and `args`. With the address of the schema editors find out what else there is.
#[must_use]
pub fn template(program: &str, args: &[String], schema: Option<&str>) -> String {
    let mut document = DocumentMut::new();
    document.insert("program", toml_edit::value(program));
    if !args.is_empty() {
        document.insert("args", toml_edit::value(args.iter().collect::<Array>()));
    }
    // What taplo and the editors that stand on it look for.
    let line = schema.map_or_else(String::new, |schema| format!("#:schema {schema}\n\n"));
    line + &document.to_string()
}

fn parse(name: &str, text: &str, platform: Platform) -> Result<DocumentMut, EditError> {
    text.parse::<DocumentMut>().map_err(|error| {
        let problems = read(name, text, platform).err().unwrap_or_default();
        if problems.is_empty() {
            let span = error.span().unwrap_or(0..0);
            return EditError::Syntax(Problems(vec![super::Problem::new(
                text,
                span,
                error.message().to_owned(),
                None,
            )]));
        }
        EditError::Syntax(problems)
    })
}

fn with_value(text: &str, key: &str, value: Value) -> Result<String, EditError> {
    let mut document = parse("x", text, Platform::Linux)?;
    let path = path(key);
    let (last, parents) = path.split_last().ok_or_else(|| EditError::NoKey(key.to_owned()))?;
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for parent in parents {
        let entry = table.entry(parent).or_insert_with(|| {
            let mut new = Table::new();
            new.set_implicit(false);
            Item::Table(new)
        });
        table = entry.as_table_like_mut().ok_or_else(|| EditError::NoTable(key.to_owned()))?;
    }
    match table.get_mut(last).and_then(Item::as_value_mut) {
        // The comment behind the old value stays.
        Some(old) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(last, Item::Value(value));
        }
    }
    Ok(document.to_string())
}

/// `restart.delay` → [restart, delay]; the name of a variable or an exit code may itself contain dots.
pub(super) fn path(key: &str) -> Vec<String> {
    let split = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<String>>();
    let free = keys::all().filter(|known| matches!(known.kind, keys::Kind::Map(..)));
    for table in free {
        if let Some(name) = key.strip_prefix(table.path).and_then(|rest| rest.strip_prefix('.')) {
            return split(table.path).into_iter().chain([name.to_owned()]).collect();
        }
    }
    split(key)
}
