//! Reads `agent.toml`: every problem at once, each with its place.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::{Batching, Delivery, Route, Secret, Sink, Stream, Template, keys, kinds};
use crate::level::Level;
use crate::spec::keys::Key;
use crate::spec::section::{Reader, Section, Value};
use crate::spec::{FILE_BYTES_MAX, Platform, Problems, check_base};

/// The most sinks of one agent.
const SINKS_MAX: usize = 32;

/// The most text of one batch: it is held in memory, some of it twice.
const BATCH_BYTES_MAX: u64 = 64 << 20;

/// What is read, and where relative paths start.
#[derive(Clone, Copy)]
pub(super) struct Of<'r, 't> {
    pub(super) reader: &'r Reader<'t>,
    pub(super) folder: &'r Path,
}

/// A table and its reader.
pub(super) struct Table<'r, 'a, 't> {
    pub(super) of: Of<'r, 't>,
    pub(super) section: Section<'r, 'a, 't>,
}

/// Reads the sinks of an agent's file; relative paths in it start at `folder`.
///
/// # Errors
/// Every problem of the text at once, in the order of the lines.
pub fn read(text: &str, platform: Platform, folder: &Path) -> Result<Vec<Sink>, Problems> {
    let reader = Reader::new(text, platform);
    let sinks = if text.len() > FILE_BYTES_MAX {
        reader.problem(0..0, format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len()), None);
        Vec::new()
    } else {
        document(Of { reader: &reader, folder })
    };
    let problems = reader.into_problems();
    if problems.is_empty() { Ok(sinks) } else { Err(problems) }
}

fn document(of: Of<'_, '_>) -> Vec<Sink> {
    let reader = of.reader;
    let document = reader.document();
    let root = Section::with_keys(reader, "", document.get_ref(), 0..0, keys::ROOT.iter().collect());
    let sinks = root.take("sinks", |key, value| match value.get_ref() {
        DeValue::Table(table) => {
            if table.len() > SINKS_MAX {
                reader.problem(value.span(), format!("there can be at most {SINKS_MAX} sinks"), None);
            }
            let read = |(name, value): (&Spanned<_>, _)| sink(of, &format!("{key}.{name}"), name, value);
            Some(table.iter().filter_map(read).collect())
        }
        other => reader.wrong_kind(key, "a table of sinks: [sinks.NAME]", other, value.span()),
    });
    root.finish();
    sinks.unwrap_or_default()
}

fn sink<'t>(
    of: Of<'_, 't>,
    path: &str,
    name: &Spanned<std::borrow::Cow<'t, str>>,
    value: Value<'_, 't>,
) -> Option<Sink> {
    let reader = of.reader;
    if check_base(name.get_ref()).is_err() {
        let message = format!("`{}` cannot be a sink's name: use letters, digits, `-`, `_` and `.`", name.get_ref());
        reader.problem(name.span(), message, None);
    }
    let DeValue::Table(table) = value.get_ref() else {
        return reader.wrong_kind(path, "a table", value.get_ref(), value.span());
    };
    let word = table.get("type").and_then(|word| word.get_ref().as_str()).unwrap_or_default().to_owned();
    let known = known_keys(&word);
    let section = Section::with_keys(reader, path, table, value.span(), known).hinting(kinds_with);
    let table = Table { of, section };
    let choices = keys::TYPES.map(|word| (word, word));
    let chosen = table.section.take("type", |key, value| reader.choice(key, value, &choices));
    if !table.section.has("type") {
        let help = Some(format!("it can be {}", keys::TYPES.join(", ")));
        reader.problem(name.span(), format!("`{path}` needs `type`"), help);
    }
    let route = table.route();
    let fields = table.section.take("fields", |key, value| texts(reader, key, value)).unwrap_or_default();
    let (batch, delivery) = (table.batching(&word), table.delivery());
    let kind = chosen.and_then(|word| kinds::kind(&table, word));
    table.section.finish();
    Some(Sink { name: name.get_ref().to_string(), route, batch, delivery, fields, kind: kind? })
}

/// What may stand in a sink of this type; of an unknown type, all there is.
fn known_keys(word: &str) -> Vec<&'static Key> {
    let of_type = keys::of_type(word);
    let tables =
        if of_type.is_empty() { keys::TYPES.iter().flat_map(|word| keys::of_type(word)).collect() } else { of_type };
    keys::COMMON.iter().chain(tables.into_iter().flatten()).collect()
}

/// The types that have a key which this one has not.
fn kinds_with(name: &str) -> Option<String> {
    let has = |word: &&&str| keys::of_type(word).into_iter().flatten().any(|key| key.name() == name);
    let types: Vec<&str> = keys::TYPES.iter().filter(has).copied().collect();
    (!types.is_empty()).then(|| format!("it is a key of the type {}", types.join(", ")))
}

/// A table of texts.
fn texts<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<(String, String)>> {
    let DeValue::Table(table) = value.get_ref() else {
        return reader.wrong_kind(key, "a table of texts", value.get_ref(), value.span());
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut read = Vec::new();
    for (name, value) in table {
        let text: &str = name.get_ref();
        if text.is_empty() || !text.chars().all(is_name) || text.starts_with(|c: char| c.is_ascii_digit()) {
            let help = Some("use letters, digits and `_`, not beginning with a digit".to_owned());
            reader.problem(name.span(), format!("`{text}` cannot be a field's name"), help);
        }
        if RESERVED.contains(&text) {
            reader.problem(name.span(), format!("`{text}` is a field of every line already"), None);
        }
        read.extend(reader.string(&format!("{key}.{text}"), value).map(|value| (text.to_owned(), value)));
    }
    Some(read)
}

/// What lines have of their own.
const RESERVED: [&str; 9] = ["time", "message", "service", "stream", "level", "run", "host", "log", "labels"];

impl<'t> Table<'_, '_, 't> {
    fn route(&self) -> Route {
        let (reader, section) = (self.of.reader, &self.section);
        let streams = [("stdout", Stream::Stdout), ("stderr", Stream::Stderr)];
        let levels = Level::ALL.map(|level| (level.word(), level));
        let list = |key: &str, value: Value<'_, 't>| {
            let array = reader.array(key, value, "a list of streams, such as [\"stderr\"]")?;
            let read: Vec<_> = array.iter().filter_map(|word| reader.choice(key, word, &streams)).collect();
            not_empty(reader, key, value, read)
        };
        let services = section.take("services", |key, value| {
            let read = reader.strings(key, value)?;
            not_empty(reader, key, value, read)
        });
        Route {
            services: services.unwrap_or_else(|| vec!["*".to_owned()]),
            streams: section.take("streams", list).unwrap_or_else(|| vec![Stream::Stdout, Stream::Stderr]),
            min_level: section.take("min-level", |key, value| reader.choice(key, value, &levels)),
            matches: section.take("match", |key, value| patterns(reader, key, value)).unwrap_or_default(),
            except: section.take("except", |key, value| patterns(reader, key, value)).unwrap_or_default(),
        }
    }

    fn batching(&self, word: &str) -> Batching {
        let (reader, section) = (self.of.reader, &self.section);
        let (bytes, lines, age) = match word {
            "s3" => (8 << 20, 100_000, Duration::from_secs(300)),
            // A window of Logstash's own clients.
            "lumberjack" => (1 << 20, 2_000, Duration::from_secs(1)),
            _ => (1 << 20, 5_000, Duration::from_secs(1)),
        };
        let read = section.take("batch-bytes", |key, value| self.size(key, value, 1024..=BATCH_BYTES_MAX));
        Batching {
            bytes: read.unwrap_or(bytes),
            lines: section.take("batch-lines", |key, value| reader.count(key, value, 1..=1_000_000)).unwrap_or(lines),
            age: section.take("batch-age", |key, value| reader.nonzero(key, value)).unwrap_or(age),
        }
    }

    fn delivery(&self) -> Delivery {
        let (reader, section) = (self.of.reader, &self.section);
        let time = |key: &str, value: Value<'_, 't>| reader.nonzero(key, value);
        Delivery {
            timeout: section.take("timeout", time).unwrap_or(Duration::from_secs(30)),
            retry_max: section.take("retry-max", time).unwrap_or(Duration::from_secs(60)),
            spool_bytes: section.take("spool", |key, value| self.size(key, value, (1 << 20)..=u64::MAX)),
            dead_letter: section.take("dead-letter", |key, value| reader.boolean(key, value)).unwrap_or(true),
        }
    }

    /// A size within bounds.
    pub(super) fn size(&self, key: &str, value: Value<'_, 't>, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let bytes = self.of.reader.size(key, value)?;
        if !range.contains(&bytes) {
            let most = if *range.end() == u64::MAX { String::new() } else { format!(" and at most {}", range.end()) };
            let message = format!("`{key}` must be at least {}{most} bytes", range.start());
            self.of.reader.problem(value.span(), message, None);
            return None;
        }
        Some(bytes)
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &'static str) -> Option<String> {
        let reader = self.of.reader;
        self.section.take(name, |key, value| {
            let text = reader.string(key, value)?;
            if text.trim().is_empty() || text.chars().any(char::is_control) {
                reader.problem(value.span(), format!("`{key}` must be one line of text that is not empty"), None);
                return None;
            }
            Some(text)
        })
    }

    /// A text that `parse` makes something of.
    pub(super) fn parsed<T>(&self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let reader = self.of.reader;
        self.section.take(name, |key, value| {
            let text = reader.string(key, value)?;
            reader.parsed(key, value.span(), parse(&text))
        })
    }

    /// The same for a key that must be there.
    pub(super) fn required<T>(&self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.must_have(name);
        self.parsed(name, parse)
    }

    /// Notes that a key is not there.
    pub(super) fn must_have(&self, name: &str) {
        if !self.section.has(name) {
            self.problem(self.section.span(), format!("it needs `{name}`"), None);
        }
    }

    /// A problem of this table.
    pub(super) fn problem(&self, span: Range<usize>, message: String, help: Option<String>) {
        let path = self.section.full("");
        self.of.reader.problem(span, format!("`{}`: {message}", path.trim_end_matches('.')), help);
    }

    /// A path, from the folder of the file.
    pub(super) fn path(&self, name: &'static str) -> Option<std::path::PathBuf> {
        self.text(name).map(|text| self.of.folder.join(text))
    }

    /// A secret of two keys, of which one may stand there.
    pub(super) fn secret(&self, file: &'static str, env: &'static str) -> Option<Secret> {
        let (path, variable) = (self.path(file), self.text(env));
        if self.section.has(file) && self.section.has(env) {
            let message = format!("it has both `{file}` and `{env}`: one secret has one place");
            self.problem(self.section.span_of(env), message, None);
        }
        path.map(Secret::File).or_else(|| variable.map(Secret::Env))
    }

    /// A template with these places; `default` must be one.
    pub(super) fn template(&self, name: &'static str, default: &str, allowed: &[&str]) -> Template {
        let read = self.parsed(name, |text| Template::parse(text, allowed));
        read.or_else(|| Template::parse(default, allowed).ok()).unwrap_or(Template(Vec::new()))
    }
}

fn not_empty<'t, T>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>, read: Vec<T>) -> Option<Vec<T>> {
    let DeValue::Array(array) = value.get_ref() else { return Some(read) };
    if array.is_empty() {
        let help = Some("leave the key out to get all".to_owned());
        reader.problem(value.span(), format!("`{key}` is empty: the sink would get nothing"), help);
        return None;
    }
    Some(read)
}

fn patterns<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let array = reader.array(key, value, "a list of patterns, such as ['payment failed']")?;
    let pattern = |value: Value<'_, 't>| {
        let text = reader.string(key, value)?;
        let checked = regex_lite::Regex::new(&text).map_err(|error| format!("`{text}` is not a pattern: {error}"));
        reader.parsed(key, value.span(), checked).map(|_| text)
    };
    let read: Vec<Option<String>> = array.iter().map(pattern).collect();
    read.into_iter().collect()
}
