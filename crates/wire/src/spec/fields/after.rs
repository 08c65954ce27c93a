//! What must be there before a service is started.

use std::time::Duration;

use mainstay_core::spec::{After, Awaited, Follow, Until};
use toml::de::DeValue;

use crate::layout::base_name;
use crate::spec::section::{Reader, Value};
use crate::spec::{check_base, check_name};

/// It waits for all of them so long.
pub(super) const TIMEOUT: Duration = Duration::from_secs(300);
/// The most that one service may come after.
const AFTER_MAX: usize = 256;

const UNTIL: [(&str, Until); 3] = [("started", Until::Started), ("ready", Until::Ready), ("done", Until::Done)];
const FOLLOW: [(&str, Follow); 3] = [("keep", Follow::Keep), ("stop", Follow::Stop), ("restart", Follow::Restart)];

pub(super) fn after<'t>(
    reader: &Reader<'t>,
    key: &str,
    value: Value<'_, 't>,
    name: &str,
    groups: &[String],
) -> Option<Vec<After>> {
    let wanted = "a list such as [\"database\", \"@cache:started\", \"os:Tcpip\"]";
    let array = reader.array(key, value, wanted)?;
    if array.len() > AFTER_MAX {
        let message = format!("`{key}` has {} entries; at most {AFTER_MAX} can be waited for", array.len());
        reader.problem(value.span(), message, None);
    }
    let mut read: Vec<After> = Vec::new();
    for element in array {
        let Some(after) = one(reader, key, element) else { continue };
        if is_itself(&after.what, name, groups) {
            let help = Some("leave it out".to_owned());
            reader.problem(element.span(), format!("`{key}`: `{name}` cannot come after itself"), help);
        } else if read.iter().any(|other| target(&other.what) == target(&after.what)) {
            let message = format!("`{key}`: {} is named twice", target(&after.what).1);
            reader.problem(element.span(), message, None);
        } else {
            read.push(after);
        }
    }
    Some(read)
}

fn one<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<After> {
    match value.get_ref() {
        DeValue::String(_) => {
            let text = reader.string(key, value)?;
            let what = reader.parsed(key, value.span(), awaited(&text))?;
            Some(After { what, fails: Follow::Keep, restarts: Follow::Keep })
        }
        DeValue::Table(_) => table(reader, key, value),
        other => {
            let wanted =
                "a list of texts such as \"database\" or tables such as { service = \"database\", fails = \"stop\" }";
            reader.wrong_kind(key, wanted, other, value.span())
        }
    }
}

fn table<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<After> {
    let section = reader.section(key, value)?;
    let what = section.take("service", |key, value| {
        let text = reader.string(key, value)?;
        reader.parsed(key, value.span(), without_until(&text))
    });
    let until = section.take("until", |key, value| reader.choice(key, value, &UNTIL));
    let fails = section.take("fails", |key, value| reader.choice(key, value, &FOLLOW)).unwrap_or(Follow::Keep);
    let restarts = section.take("restarts", |key, value| reader.choice(key, value, &FOLLOW)).unwrap_or(Follow::Keep);
    if !section.has("service") {
        let help = Some("add service = \"NAME\"".to_owned());
        reader.problem(section.span(), format!("`{key}.service` is missing"), help);
    }
    if matches!(what, Some(Awaited::Os(_) | Awaited::OsGroup(_))) {
        for name in ["until", "fails", "restarts"].into_iter().filter(|name| section.has(name)) {
            let message =
                format!("`{key}.{name}` is not for `os:` and `os-group:`: the service manager alone waits for those");
            reader.problem(section.span_of(name), message, Some("leave it out".to_owned()));
        }
    }
    section.finish();
    let what = match (what?, until) {
        (Awaited::Service(name, _), Some(until)) => Awaited::Service(name, until),
        (Awaited::Group(name, _), Some(until)) => Awaited::Group(name, until),
        (what, _) => what,
    };
    Some(After { what, fails, restarts })
}

/// `NAME`, `@GROUP`, both with `:started`, `:ready` or `:done` behind; `os:NAME`, `os-group:NAME`.
fn awaited(text: &str) -> Result<Awaited, String> {
    if text.starts_with("os:") || text.starts_with("os-group:") {
        return without_until(text);
    }
    let Some((name, word)) = text.split_once(':') else { return without_until(text) };
    let until = UNTIL.iter().find(|(known, _)| *known == word).map(|(_, until)| *until);
    let until =
        until.ok_or_else(|| format!("`{text}`: behind the colon stands started, ready or done, not `{word}`"))?;
    match without_until(name)? {
        Awaited::Service(name, _) => Ok(Awaited::Service(name, until)),
        Awaited::Group(name, _) => Ok(Awaited::Group(name, until)),
        other => Ok(other),
    }
}

fn without_until(text: &str) -> Result<Awaited, String> {
    let os_name = |name: &str| match name {
        _ if name.trim().is_empty() || name.chars().any(char::is_control) || name.len() > 256 => {
            Err(format!("`{text}` names no service of the OS"))
        }
        name => Ok(name.to_owned()),
    };
    if let Some(name) = text.strip_prefix("os:") {
        return os_name(name).map(Awaited::Os);
    }
    if let Some(name) = text.strip_prefix("os-group:") {
        return os_name(name).map(Awaited::OsGroup);
    }
    if let Some(group) = text.strip_prefix('@') {
        let bad = |_| format!("`{text}` names no group: `@` and a name of letters, digits, `-`, `_` and `.`");
        return check_base(group).map_err(bad).map(|()| Awaited::Group(group.to_owned(), Until::Ready));
    }
    check_name(text).map(|()| Awaited::Service(text.to_owned(), Until::Ready))
}

/// The service itself, another instance of it, or a group it belongs to.
fn is_itself(what: &Awaited, name: &str, groups: &[String]) -> bool {
    match what {
        Awaited::Service(other, _) => base_name(other).0 == base_name(name).0,
        Awaited::Group(group, _) => groups.contains(group),
        Awaited::Os(_) | Awaited::OsGroup(_) => false,
    }
}

/// What kind of thing it is, and its name.
fn target(what: &Awaited) -> (u8, &str) {
    match what {
        Awaited::Service(name, _) => (0, name),
        Awaited::Group(name, _) => (1, name),
        Awaited::Os(name) => (2, name),
        Awaited::OsGroup(name) => (3, name),
    }
}
