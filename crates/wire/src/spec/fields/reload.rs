//! How a program is told to read its configuration again, and files whose change restarts or reloads it.

use std::time::Duration;

use mainstay_core::signal;
use mainstay_core::spec::{Reload, Watch};

use crate::spec::section::{Reader, Value};

/// A command that takes longer is ended.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// A burst of changes is over after this long.
const SETTLE: Duration = Duration::from_millis(300);
/// The longest name of a kernel object.
const EVENT_CHARS_MAX: usize = 260;

pub(super) fn reload<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Reload> {
    let section = reader.section(key, value)?;
    let ways = ["signal", "command", "event"].into_iter().filter(|way| section.has(way)).count();
    if ways != 1 {
        let what = if ways == 0 { "says nothing" } else { "says several" };
        let help = Some("keep one of signal, command, event".to_owned());
        reader.problem(section.span(), format!("`{key}` {what}"), help);
    }
    let by_signal = section.take("signal", |key, value| signal(reader, key, value));
    let command = section.take("command", |key, value| reader.command(key, value));
    let timeout = section.take("timeout", |key, value| reader.nonzero(key, value));
    let event = section.take("event", |key, value| event(reader, key, value));
    if section.has("timeout") && !section.has("command") {
        let help = Some("leave it out".to_owned());
        reader.problem(section.span_of("timeout"), format!("`{key}.timeout` is only for `command`"), help);
    }
    section.finish();
    let command = command.map(|words| Reload::Command(words, timeout.unwrap_or(COMMAND_TIMEOUT)));
    by_signal.map(Reload::Signal).or(command).or_else(|| event.map(Reload::Event))
}

fn signal<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<u8> {
    let text = reader.string(key, value)?;
    let found = signal::number(&text).filter(|_| text.starts_with("SIG"));
    let usable = match found {
        None => Err(format!("`{text}` is no signal such as SIGHUP")),
        Some(9 | 19) => Err(format!("`{text}` cannot be handled by a program, so it can't tell it anything")),
        Some(number) => Ok(number),
    };
    reader.parsed(key, value.span(), usable)
}

fn event<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<String> {
    let name = reader.filled(key, value)?;
    let object = name.strip_prefix("Global\\").or_else(|| name.strip_prefix("Local\\")).unwrap_or(&name);
    if object.is_empty() || object.contains('\\') || name.chars().count() > EVENT_CHARS_MAX {
        let message = format!("`{key}`: `{name}` cannot be an event's name");
        let help = format!("write 'Global\\NAME', at most {EVENT_CHARS_MAX} characters");
        reader.problem(value.span(), message, Some(help));
        return None;
    }
    Some(name)
}

pub(super) fn watch<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>, can_reload: bool) -> Option<Watch> {
    const THEN: [(&str, bool); 2] = [("restart", false), ("reload", true)];
    let section = reader.section(key, value)?;
    let paths = section.take("paths", |key, value| paths(reader, key, value));
    let only = section.take("only", |key, value| patterns(reader, key, value)).unwrap_or_default();
    let ignore = section.take("ignore", |key, value| patterns(reader, key, value)).unwrap_or_default();
    let settle = section.take("settle", |key, value| reader.nonzero(key, value)).unwrap_or(SETTLE);
    let reload = section.take("then", |key, value| reader.choice(key, value, &THEN)).unwrap_or(false);
    if !section.has("paths") {
        let help = Some("add paths = [\".\"]".to_owned());
        reader.problem(section.span(), format!("`{key}.paths` is missing"), help);
    }
    if reload && !can_reload {
        let help = Some("say in [reload] how".to_owned());
        reader.problem(section.span_of("then"), format!("`{key}.then`: this service cannot be reloaded"), help);
    }
    section.finish();
    Some(Watch { paths: paths?, only, ignore, settle, reload })
}

fn paths<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let paths = reader.filled_list(key, value)?;
    if paths.is_empty() || paths.iter().any(|path| path.trim().is_empty()) {
        let help = Some("\".\" is the working directory".to_owned());
        reader.problem(value.span(), format!("`{key}` names no folder or file"), help);
        return None;
    }
    Some(paths)
}

/// Of names, so a path can't match.
fn patterns<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let patterns = reader.strings(key, value)?;
    if let Some(bad) = patterns.iter().find(|pattern| pattern.is_empty() || pattern.contains(['/', '\\'])) {
        let message = format!("`{key}`: `{bad}` is no pattern of names such as \"*.go\"");
        reader.problem(value.span(), message, Some("a folder's name alone stands for all below it".to_owned()));
        return None;
    }
    Some(patterns)
}
