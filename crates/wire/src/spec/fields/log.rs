//! Where output goes, and what is kept of it.

use std::time::Duration;

use mainstay_core::spec::{Compress, Every, Keeping, Log, Multiline, OnFull, Period, RateLimit, Rotate};

use crate::spec::section::{Reader, Section, Value};

/// The longest `full-wait`: what waits longer might as well hang.
const FULL_WAIT_MAX: Duration = Duration::from_secs(600);

/// The days of a week, from 1.
const DAYS: [(&str, u8); 7] =
    [("monday", 1), ("tuesday", 2), ("wednesday", 3), ("thursday", 4), ("friday", 5), ("saturday", 6), ("sunday", 7)];

pub(super) fn log<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Log> {
    let section = reader.section(key, value)?;
    let managed = section.take("managed", |key, value| reader.boolean(key, value)).unwrap_or(true);
    let stdout = section.take("stdout", |key, value| reader.filled(key, value));
    let stderr = section.take("stderr", |key, value| reader.filled(key, value));
    let on_full = on_full(reader, &section);
    let redact = section.take("redact", |key, value| patterns(reader, key, value)).unwrap_or_default();
    let rate_limit = section.take("rate-limit", |key, value| rate_limit(reader, key, value));
    let multiline = section.take("multiline", |key, value| multiline(reader, key, value)).unwrap_or(Multiline::Off);
    let rotate = section.take("rotate", |key, value| rotate(reader, key, value)).unwrap_or_default();
    section.finish();
    let keeping = Keeping { on_full, redact, rate_limit, rotate };
    Some(Log { managed, stdout, stderr, keeping, multiline })
}

fn on_full<'t>(reader: &Reader<'t>, section: &Section<'_, '_, 't>) -> OnFull {
    let choices =
        [("block", OnFull::Block(OnFull::WAIT)), ("drop-oldest", OnFull::DropOldest), ("drop-new", OnFull::DropNew)];
    let chosen = section.take("on-full", |key, value| reader.choice(key, value, &choices));
    let span = section.span_of("full-wait");
    let wait = section.take("full-wait", |key, value| {
        let wait = reader.duration(key, value)?;
        if wait > FULL_WAIT_MAX {
            reader.problem(value.span(), format!("`{key}` must be at most \"10m\""), None);
        }
        Some(wait)
    });
    match (chosen.unwrap_or(OnFull::Block(OnFull::WAIT)), wait) {
        (OnFull::Block(_), Some(wait)) => OnFull::Block(wait),
        (drops @ (OnFull::DropOldest | OnFull::DropNew), Some(_)) => {
            reader.problem(
                span,
                "`log.full-wait` is for `on-full = \"block\"` alone",
                Some("what drops does not wait: take one of them out".to_owned()),
            );
            drops
        }
        (on_full, None) => on_full,
    }
}

fn patterns<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let array = reader.array(key, value, "a list of patterns, such as ['password=\\S+']")?;
    let read: Vec<Option<String>> = array.iter().map(|element| pattern(reader, key, element)).collect();
    read.into_iter().collect()
}

fn pattern<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<String> {
    let text = reader.string(key, value)?;
    let checked = match regex_lite::Regex::new(&text) {
        Err(error) => Err(format!("`{text}` is not a pattern: {error}")),
        Ok(pattern) if pattern.is_match("") => Err(format!("`{text}` matches what is not there: every line would")),
        Ok(_) => Ok(text),
    };
    reader.parsed(key, value.span(), checked)
}

fn rate_limit<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<RateLimit> {
    let section = reader.section(key, value)?;
    let lines = section.take("lines", |key, value| reader.count(key, value, 1..=100_000_000));
    let per = section.take("per", |key, value| reader.nonzero(key, value)).unwrap_or(Duration::from_secs(1));
    let span = section.span();
    let has_lines = section.has("lines");
    section.finish();
    if !has_lines {
        let help = Some("write how many lines in how long: `{ lines = 5000, per = \"1s\" }`".to_owned());
        reader.problem(span, format!("`{key}` needs `lines`"), help);
    }
    Some(RateLimit { lines: lines?, per })
}

fn multiline<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Multiline> {
    if value.get_ref().is_table() {
        let section = reader.section(key, value)?;
        let start = section.take("start", |key, value| pattern(reader, key, value));
        let (span, has_start) = (section.span(), section.has("start"));
        section.finish();
        if !has_start {
            let help = Some("write what an event begins with: `{ start = '^\\d{4}-' }`".to_owned());
            reader.problem(span, format!("`{key}` needs `start`"), help);
        }
        return start.map(Multiline::Start);
    }
    reader.choice(key, value, &[("off", 0), ("indented", 1)]).map(|choice| match choice {
        0 => Multiline::Off,
        _ => Multiline::Indented,
    })
}

fn rotate<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Rotate> {
    let section = reader.section(key, value)?;
    let at_least_4k = |key: &str, value: Value<'_, 't>| {
        let bytes = reader.size(key, value)?;
        if bytes < 4096 {
            reader.problem(value.span(), format!("`{key}` must be at least 4KiB"), None);
        }
        Some(bytes)
    };
    let flag = |key: &str, value: Value<'_, 't>| reader.boolean(key, value);
    let default = Rotate::default();
    let compress = [("none", Compress::None), ("zstd", Compress::Zstd), ("gzip", Compress::Gzip)];
    let read = Rotate {
        size_bytes: section.take("size", at_least_4k).unwrap_or(default.size_bytes),
        every: every(reader, &section),
        at_start: section.take("at-start", flag).unwrap_or(default.at_start),
        copy: section.take("copy", flag).unwrap_or(default.copy),
        compress: section
            .take("compress", |key, value| reader.choice(key, value, &compress))
            .unwrap_or(default.compress),
        keep: section.take("keep", |key, value| reader.count(key, value, 0..=100_000)).unwrap_or(default.keep),
        keep_for: section.take("keep-for", |key, value| reader.nonzero(key, value)),
        total_bytes: section.take("total", at_least_4k),
        keep_free_bytes: section.take("keep-free", |key, value| reader.size(key, value)).filter(|bytes| *bytes > 0),
    };
    section.finish();
    Some(read)
}

/// `every`, `at`, `on` and `utc`: one thing.
fn every<'t>(reader: &Reader<'t>, section: &Section<'_, '_, 't>) -> Option<Every> {
    let periods = [("hour", Period::Hour), ("day", Period::Day), ("week", Period::Week(1))];
    let period = section.take("every", |key, value| reader.choice(key, value, &periods));
    let [at, on, utc] = ["at", "on", "utc"].map(|name| (section.full(name), section.span_of(name), section.has(name)));
    let minute = section.take("at", |key, value| {
        let text = reader.string(key, value)?;
        reader.parsed(key, value.span(), minute(&text))
    });
    let day = section.take("on", |key, value| reader.choice(key, value, &DAYS));
    let is_utc = section.take("utc", |key, value| reader.boolean(key, value)).unwrap_or(false);
    let pointless = |(key, span, has): &(String, std::ops::Range<usize>, bool), wants: &str| {
        if *has {
            reader.problem(span.clone(), format!("`{key}` says nothing without `every = {wants}`"), None);
        }
    };
    let Some(period) = period else {
        if !section.has("every") {
            pointless(&at, "\"day\"");
            pointless(&on, "\"week\"");
            pointless(&utc, "\"day\"");
        }
        return None;
    };
    let (period, minute) = match period {
        Period::Hour => {
            pointless(&at, "\"day\"");
            pointless(&on, "\"week\"");
            (Period::Hour, 0)
        }
        Period::Day => {
            pointless(&on, "\"week\"");
            (Period::Day, minute.unwrap_or(0))
        }
        Period::Week(first) => (Period::Week(day.unwrap_or(first)), minute.unwrap_or(0)),
    };
    Some(Every { period, minute, utc: is_utc })
}

/// `02:30` as minutes after midnight.
fn minute(text: &str) -> Result<u16, String> {
    let form = || format!("`{text}` is not a time of day, such as \"02:30\"");
    let (hour, minute) = text.split_once(':').ok_or_else(form)?;
    let number = |text: &str, below: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && *number < below).ok_or_else(form)
    };
    Ok(number(hour, 24)? * 60 + number(minute, 60)?)
}

/// The name of a day, from 1.
pub(in crate::spec) fn day_name(day: u8) -> &'static str {
    DAYS.iter().find(|(_, number)| *number == day).map_or("monday", |(name, _)| name)
}
