//! The service as a whole: its names, its kind, how many there are.

use mainstay_core::spec::{Instance, Instances, Kind, StartMode};
use toml::de::DeValue;

use crate::layout::{INSTANCES_MAX, base_name};
use crate::spec::check_base;
use crate::spec::fill::Fill;
use crate::spec::section::{Reader, Section, Value, integer};

/// What Windows shows of a name.
const DISPLAY_NAME_CHARS_MAX: usize = 256;

pub(super) const START_DEFAULT: StartMode = StartMode::Auto;

pub(super) const START: [(&str, StartMode); 4] = [
    ("auto", StartMode::Auto),
    ("delayed", StartMode::Delayed),
    ("manual", StartMode::Manual),
    ("disabled", StartMode::Disabled),
];

/// The first port and the last.
type Ports = (u16, u16);

/// How many there are and which this is; from here on the reader puts its number and port in.
pub(super) fn instances(
    reader: &Reader<'_>,
    root: &Section<'_, '_, '_>,
    name: &str,
) -> (Option<Instances>, Option<Instance>) {
    let (base, number) = base_name(name);
    let count = root.take("instances", |key, value| reader.count(key, value, 1..=INSTANCES_MAX));
    let ports = root.take("ports", |key, value| ports(reader, key, value));
    let room = ports.map(|(first, last)| u32::from(last - first) + 1);
    if let (Some(count), Some(room)) = (count, room)
        && room < count
    {
        let message = format!("`ports` has {room} of them, too few for {count} instances");
        reader.problem(root.span_of("ports"), message, None);
    }
    let port = |number: u32| {
        let (first, last) = ports?;
        let offset = u16::try_from(number.saturating_sub(1)).ok()?;
        first.checked_add(offset).filter(|port| *port <= last)
    };
    let instance = |number| Instance { number, port: port(number) };
    match (count, number) {
        (Some(count), Some(number)) => {
            if number > count {
                let message = format!("there is no `{name}`: `{base}` has {count} instances");
                reader.problem(root.span_of("instances"), message, None);
            }
            reader.fill(Fill::instance(name, instance(number), false));
            (Some(Instances { count, ports }), Some(instance(number)))
        }
        (Some(count), None) => {
            reader.fill(Fill::instance(name, instance(1), true));
            (Some(Instances { count, ports }), None)
        }
        (None, Some(number)) => {
            if !root.has("instances") {
                let help = Some(format!("add instances = {number}"));
                reader.problem(0..0, format!("there is no `{name}`: `{base}` has no instances"), help);
            }
            (None, None)
        }
        (None, None) => {
            let only = ports.map(|_| instance(1));
            reader.fill(Fill::plain(name, only));
            (None, only)
        }
    }
}

/// `"8080-8089"`, `"8080"` or 8080.
fn ports<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Ports> {
    let text = match value.get_ref() {
        DeValue::Integer(number) => integer(number).map_or_else(|| number.to_string(), |number| number.to_string()),
        DeValue::String(text) => text.to_string(),
        other => return reader.wrong_kind(key, "ports such as \"8080-8089\" or 8080", other, value.span()),
    };
    let form = || format!("`{text}` is no port from 1 to 65535 and no range of them such as \"8080-8089\"");
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(form);
    let read = match text.split_once('-') {
        Some((first, last)) => port(first).and_then(|first| Ok((first, port(last)?))),
        None => port(&text).map(|only| (only, only)),
    };
    let in_order = read.and_then(|(first, last)| if first <= last { Ok((first, last)) } else { Err(form()) });
    reader.parsed(key, value.span(), in_order)
}

pub(super) fn display_name<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<String> {
    let text = reader.string(key, value)?;
    if text.chars().any(char::is_control) || text.chars().count() > DISPLAY_NAME_CHARS_MAX {
        let message = format!("`{key}` must be one line of at most {DISPLAY_NAME_CHARS_MAX} characters");
        reader.problem(value.span(), message, None);
        return None;
    }
    Some(text)
}

pub(super) fn groups<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let array = reader.array(key, value, "a list of names, such as [\"web\"]")?;
    let read = array.iter().filter_map(|element| {
        let name = reader.string(key, element)?;
        let good = check_base(&name)
            .map_err(|_| format!("`{name}` cannot be a group's name: use what a service's name may have"));
        reader.parsed(key, element.span(), good.map(|()| name))
    });
    let mut groups: Vec<String> = read.collect();
    groups.sort();
    groups.dedup();
    Some(groups)
}

pub(super) fn kind(reader: &Reader<'_>, root: &Section<'_, '_, '_>) -> Kind {
    const WORDS: [(&str, Word); 3] = [("simple", Word::Simple), ("once", Word::Once), ("forking", Word::Forking)];
    let word = root.take("kind", |key, value| reader.choice(key, value, &WORDS));
    let pid_file = root.take("pid-file", |key, value| super::launch::path(reader, key, value));
    if root.has("pid-file") && word != Some(Word::Forking) {
        let help = Some("add kind = \"forking\", or leave it out".to_owned());
        reader.problem(root.span_of("pid-file"), "`pid-file` is only for `kind = \"forking\"`", help);
    }
    match word.unwrap_or(Word::Simple) {
        Word::Simple => Kind::Simple,
        Word::Once => Kind::Once,
        Word::Forking => Kind::Forking { pid_file },
    }
}

/// [`Kind`] without what belongs to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Simple,
    Once,
    Forking,
}
