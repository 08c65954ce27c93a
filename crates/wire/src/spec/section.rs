//! Walks a parsed TOML table: takes each known key once, notes every problem with its place, and reports the keys nobody took.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::fill::Fill;
use super::keys::{self, Key};
use super::{Platform, Problem, Problems};
use crate::units;

/// Collects problems while one text is read.
pub(crate) struct Reader<'t> {
    text: &'t str,
    pub(crate) platform: Platform,
    /// What stands for `${MAINSTAY_INSTANCE}` and its like; known as soon as the keys about instances are read.
    fill: OnceCell<Fill>,
    problems: RefCell<Vec<Problem>>,
}

/// One value with its place.
pub(crate) type Value<'a, 't> = &'a Spanned<DeValue<'t>>;

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str, platform: Platform) -> Self {
        Self { text, platform, fill: OnceCell::new(), problems: RefCell::default() }
    }

    /// The document; its syntax errors are already noted.
    pub(crate) fn document(&self) -> Spanned<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.problem(span, error.message().to_owned(), None);
        }
        table
    }

    pub(crate) fn problem(&self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.problems.borrow_mut().push(Problem::new(self.text, span, message.into(), help));
    }

    pub(crate) fn into_problems(self) -> Problems {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.span.start);
        Problems(problems)
    }

    pub(crate) fn string(&self, key: &str, value: Value<'_, 't>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) if text.contains('\0') => {
                self.problem(
                    value.span(),
                    format!("`{key}` contains a NUL character, which no program can receive"),
                    None,
                );
                None
            }
            DeValue::String(text) => Some(text.to_string()),
            other => self.wrong_kind(key, "a string in quotes", other, value.span()),
        }
    }

    /// From now on `filled` puts this in.
    pub(in crate::spec) fn fill(&self, fill: Fill) {
        drop(self.fill.set(fill));
    }

    /// A string with what an instance's number and port stand for put in.
    pub(crate) fn filled(&self, key: &str, value: Value<'_, 't>) -> Option<String> {
        let text = self.string(key, value)?;
        Some(self.fill.get().map_or_else(|| text.clone(), |fill| fill.put_in(&text)))
    }

    /// The same as the first instance would have it, to look at its form.
    pub(crate) fn sample(&self, text: &str) -> String {
        self.fill.get().map_or_else(|| text.to_owned(), |fill| fill.sample(text))
    }

    /// A list of such strings.
    pub(crate) fn filled_list(&self, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
        let texts = self.strings(key, value)?;
        let Some(fill) = self.fill.get() else { return Some(texts) };
        Some(texts.iter().map(|text| fill.put_in(text)).collect())
    }

    /// The words of a command: at least its program.
    pub(crate) fn command(&self, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
        let words = self.filled_list(key, value)?;
        if words.first().is_none_or(|program| program.trim().is_empty()) {
            let help = Some("write [\"program\", \"argument\"]".to_owned());
            self.problem(value.span(), format!("`{key}` names no program"), help);
            return None;
        }
        Some(words)
    }

    pub(crate) fn strings(&self, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
        let array = self.array(key, value, "a list of strings, such as [\"a\", \"b\"]")?;
        // Not `collect::<Option<_>>` over a lazy iterator: every wrong element is to be reported.
        let read: Vec<Option<String>> = array.iter().map(|element| self.string(key, element)).collect();
        read.into_iter().collect()
    }

    pub(crate) fn array<'a>(&self, key: &str, value: Value<'a, 't>, wanted: &str) -> Option<&'a DeArray<'t>> {
        match value.get_ref() {
            DeValue::Array(array) => Some(array),
            other => self.wrong_kind(key, wanted, other, value.span()),
        }
    }

    pub(crate) fn boolean(&self, key: &str, value: Value<'_, 't>) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(on) => Some(*on),
            other => self.wrong_kind(key, "true or false", other, value.span()),
        }
    }

    pub(crate) fn count(&self, key: &str, value: Value<'_, 't>, range: RangeInclusive<u32>) -> Option<u32> {
        let range = i64::from(*range.start())..=i64::from(*range.end());
        self.number(key, value, range).and_then(|n| u32::try_from(n).ok())
    }

    pub(crate) fn number(&self, key: &str, value: Value<'_, 't>, range: RangeInclusive<i64>) -> Option<i64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        match value.get_ref() {
            DeValue::Integer(number) => {
                let read = integer(number).filter(|n| range.contains(n));
                if read.is_none() {
                    self.problem(value.span(), format!("`{key}` must be {wanted}, not {number}"), None);
                }
                read
            }
            other => self.wrong_kind(key, &wanted, other, value.span()),
        }
    }

    pub(crate) fn duration(&self, key: &str, value: Value<'_, 't>) -> Option<Duration> {
        match value.get_ref() {
            DeValue::String(text) => self.parsed(key, value.span(), units::duration(text)),
            DeValue::Integer(number) => {
                let help = Some(format!("for seconds write \"{number}s\", for milliseconds \"{number}ms\""));
                self.problem(value.span(), format!("`{key}` must be a duration with its unit"), help);
                None
            }
            other => self.wrong_kind(key, "a duration such as \"10s\"", other, value.span()),
        }
    }

    /// A duration that is at least 10 ms.
    pub(crate) fn nonzero(&self, key: &str, value: Value<'_, 't>) -> Option<Duration> {
        let duration = self.duration(key, value)?;
        if duration < Duration::from_millis(10) {
            self.problem(value.span(), format!("`{key}` must be at least \"10ms\""), None);
            return None;
        }
        Some(duration)
    }

    pub(crate) fn size(&self, key: &str, value: Value<'_, 't>) -> Option<u64> {
        match value.get_ref() {
            DeValue::String(text) => self.parsed(key, value.span(), units::size(text)),
            DeValue::Integer(number) => match integer(number).and_then(|n| u64::try_from(n).ok()) {
                Some(bytes) => Some(bytes),
                None => self.parsed(key, value.span(), units::size(&number.to_string())),
            },
            other => self.wrong_kind(key, "a size such as \"64MiB\"", other, value.span()),
        }
    }

    /// A string out of a fixed set.
    pub(crate) fn choice<T: Copy>(&self, key: &str, value: Value<'_, 't>, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string(key, value)?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.problem(value.span(), format!("`{key}` cannot be \"{text}\""), Some(one_of(&text, &names)));
        }
        found
    }

    pub(crate) fn parsed<T>(&self, key: &str, span: Range<usize>, result: Result<T, String>) -> Option<T> {
        result.map_err(|reason| self.problem(span, format!("`{key}`: {reason}"), None)).ok()
    }

    pub(crate) fn wrong_kind<T>(&self, key: &str, wanted: &str, got: &DeValue<'_>, span: Range<usize>) -> Option<T> {
        self.problem(span, format!("`{key}` must be {wanted}, not {}", kind(got)), None);
        None
    }

    /// Opens a table under `key`.
    pub(crate) fn section<'r, 'a>(&'r self, key: &str, value: Value<'a, 't>) -> Option<Section<'r, 'a, 't>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(self, key, table, value.span())),
            other => self.wrong_kind(key, "a table", other, value.span()),
        }
    }
}

/// One table being read.
pub(crate) struct Section<'r, 'a, 't> {
    reader: &'r Reader<'t>,
    path: String,
    table: &'a DeTable<'t>,
    span: Range<usize>,
    /// What may stand here.
    keys: Vec<&'static Key>,
    /// What to say of a key that may not; `None`: what is near it.
    hint: fn(&str) -> Option<String>,
    finished: Cell<bool>,
}

impl<'r, 'a, 't> Section<'r, 'a, 't> {
    pub(crate) fn new(reader: &'r Reader<'t>, path: &str, table: &'a DeTable<'t>, span: Range<usize>) -> Self {
        Self::with_keys(reader, path, table, span, keys::below(path).collect())
    }

    /// A table of another file than a spec, with keys of its own.
    pub(crate) fn with_keys(
        reader: &'r Reader<'t>,
        path: &str,
        table: &'a DeTable<'t>,
        span: Range<usize>,
        keys: Vec<&'static Key>,
    ) -> Self {
        let (path, finished) = (path.to_owned(), Cell::new(false));
        Self { reader, path, table, span, keys, hint: |_| None, finished }
    }

    /// Says more of keys that may not stand here.
    pub(crate) fn hinting(mut self, hint: fn(&str) -> Option<String>) -> Self {
        self.hint = hint;
        self
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The key as a person finds it in the file: `restart.delay`.
    pub(crate) fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The place of `key`'s value, or of the table.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span(), Spanned::span)
    }

    /// Whether the text says anything of `key`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// The value of `key` through `read`, which notes its own problems. `None` too where this system has no such thing.
    pub(crate) fn take<T>(&self, key: &'static str, read: impl FnOnce(&str, Value<'a, 't>) -> Option<T>) -> Option<T> {
        let known = self.keys.iter().find(|known| known.name() == key);
        debug_assert!(known.is_some(), "`{}` is read, but not in the table of keys", self.full(key));
        let value = self.table.get(key)?;
        let platform = self.reader.platform;
        match known {
            Some(known) if known.only.is_some_and(|only| only != platform) => {
                let message = format!("`{}`: cannot be used on {}", self.full(key), platform.title());
                let help = (!known.elsewhere.is_empty()).then(|| known.elsewhere.to_owned());
                self.reader.problem(value.span(), message, help);
                None
            }
            _ => read(&self.full(key), value),
        }
    }

    /// Notes every key nobody took. Must be the last call.
    pub(crate) fn finish(self) {
        self.finished.set(true);
        let known: Vec<&str> = self.keys.iter().map(|key| key.name()).collect();
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let message = format!("there is no key `{}`", self.full(name));
                let renamed = keys::RENAMED.iter().find(|(old, _)| *old == self.full(name));
                let help = match renamed {
                    _ if is_secret(name, &known) => {
                        format!("a secret never stands in the file itself: use `{name}-file` or `{name}-env`")
                    }
                    _ if name.eq_ignore_ascii_case("password") => PASSWORD.to_owned(),
                    Some((_, new)) => format!("it is `{new}` now"),
                    None => (self.hint)(name).unwrap_or_else(|| one_of(name, &known)),
                };
                self.reader.problem(key.span(), message, Some(help));
            }
        }
    }
}

impl Drop for Section<'_, '_, '_> {
    fn drop(&mut self) {
        debug_assert!(self.finished.get() || std::thread::panicking(), "section `{}` was not finished", self.path);
    }
}

/// Only a file or a variable may tell it.
fn is_secret(name: &str, known: &[&str]) -> bool {
    ["-file", "-env"].iter().all(|end| known.contains(&format!("{name}{end}").as_str()))
}

/// Specs are read by more people than may know a password.
const PASSWORD: &str =
    "a password never stands in a spec: `mainstay install --password-file` hands it to the service manager";

/// A TOML integer of any radix.
pub(crate) fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// `did you mean "delay"?` when one is near, else the whole choice.
pub(crate) fn one_of(wrong: &str, names: &[&str]) -> String {
    match nearest(wrong, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it can be {}", names.join(", ")),
    }
}

/// Fewer letters are no beginning of anything.
const BEGINNING_CHARS_MIN: usize = 4;

/// The name that differs least from `wrong`, if it is near enough to be a slip.
#[must_use]
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let wrong = wrong.to_ascii_lowercase();
    let length = wrong.chars().count();
    let names: Vec<&str> = names.into_iter().collect();
    // The beginning of one name alone: somebody stopped too early.
    let mut longer =
        names.iter().filter(|name| length >= BEGINNING_CHARS_MIN && name.to_ascii_lowercase().starts_with(&wrong));
    if let (Some(only), None) = (longer.next(), longer.next()) {
        return Some(only);
    }
    let limit = (length / 3).max(1);
    let distances = names.into_iter().map(|name| (distance(&wrong, &name.to_ascii_lowercase()), name));
    distances.filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, name)| name)
}

/// Edits (insert, delete, replace, swap of neighbours) between two short words: optimal string alignment.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, j) + usize::from(ca != cb);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && Some(ca) == b.get(j - 1) && a.get(i - 1) == Some(cb) {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}
