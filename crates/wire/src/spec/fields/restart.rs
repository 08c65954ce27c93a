//! What follows when a run ends by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_core::signal;
use mainstay_core::spec::{ExitKey, OnExit, Quarantine, Restart, RestartOn};
use toml::de::DeValue;

use crate::spec::Platform;
use crate::spec::section::{Reader, Value};

/// The longest back-off.
const DELAY_MAX: Duration = Duration::from_secs(60);
/// A run this long resets the back-off.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// More than 3 restarts in 5 minutes.
const QUARANTINE: Quarantine = Quarantine { restarts: 3, within: Duration::from_secs(300), release_after: None };

pub(super) fn default() -> Restart {
    Restart {
        on: RestartOn::Failure,
        exits: BTreeMap::new(),
        delay: Duration::ZERO,
        delay_max: DELAY_MAX,
        stable_after: STABLE_AFTER,
        quarantine: Some(QUARANTINE),
    }
}

pub(super) fn restart<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Restart> {
    let section = reader.section(key, value)?;
    const ON: [(&str, RestartOn); 3] =
        [("always", RestartOn::Always), ("failure", RestartOn::Failure), ("never", RestartOn::Never)];
    let default = self::default();
    let restart = Restart {
        on: section.take("on", |key, value| reader.choice(key, value, &ON)).unwrap_or(default.on),
        exits: section.take("exit-codes", |key, value| exits(reader, key, value)).unwrap_or(default.exits),
        delay: section.take("delay", |key, value| reader.duration(key, value)).unwrap_or(default.delay),
        delay_max: section.take("delay-max", |key, value| reader.duration(key, value)).unwrap_or(default.delay_max),
        stable_after: section
            .take("stable-after", |key, value| reader.duration(key, value))
            .unwrap_or(default.stable_after),
        quarantine: section
            .take("quarantine", |key, value| quarantine(reader, key, value))
            .unwrap_or(default.quarantine),
    };
    section.finish();
    Some(restart)
}

fn quarantine<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Option<Quarantine>> {
    match value.get_ref() {
        DeValue::String(text) if text == "never" => return Some(None),
        DeValue::Table(_) => {}
        other => {
            return reader.wrong_kind(
                key,
                "\"never\" or a table such as { restarts = 3, within = \"5m\" }",
                other,
                value.span(),
            );
        }
    }
    let section = reader.section(key, value)?;
    let restarts = section.take("restarts", |key, value| reader.count(key, value, 0..=10_000));
    let within = section.take("within", |key, value| reader.nonzero(key, value));
    let release_after = section.take("release-after", |key, value| reader.nonzero(key, value));
    section.finish();
    Some(Some(Quarantine {
        restarts: restarts.unwrap_or(QUARANTINE.restarts),
        within: within.unwrap_or(QUARANTINE.within),
        release_after,
    }))
}

fn exits<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<BTreeMap<ExitKey, OnExit>> {
    const MEANINGS: [(&str, OnExit); 3] =
        [("restart", OnExit::Restart), ("done", OnExit::Done), ("fail", OnExit::Fail)];
    let DeValue::Table(table) = value.get_ref() else {
        return reader.wrong_kind(
            key,
            "a table such as { 0 = \"done\", 3 = \"restart\" }",
            value.get_ref(),
            value.span(),
        );
    };
    let mut exits = BTreeMap::new();
    for (code, meaning) in table {
        let text: &str = code.get_ref();
        let read = reader.parsed(key, code.span(), exit_key(text, reader.platform));
        let meaning = reader.choice(&format!("{key}.{text}"), meaning, &MEANINGS);
        if let (Some(read), Some(meaning)) = (read, meaning)
            && exits.insert(read, meaning).is_some()
        {
            reader.problem(code.span(), format!("`{key}`: {text} is the same exit code as one above"), None);
        }
    }
    Some(exits)
}

/// `3`, `-1`, `0xC0000005`, `SIGSEGV`: as the OS will report it. A negative code is what a program passed to exit(3): Windows keeps
/// 32 bits of it, Linux 8.
fn exit_key(text: &str, platform: Platform) -> Result<ExitKey, String> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hex {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse::<i64>().ok(),
    };
    match (number, platform) {
        (Some(n @ 0..=0xFFFF_FFFF), _) => Ok(ExitKey::Code(u32::try_from(n).unwrap_or(u32::MAX))),
        (Some(n @ -0x8000_0000..0), Platform::Windows) => {
            Ok(ExitKey::Code(u32::try_from(n + 0x1_0000_0000).unwrap_or(u32::MAX)))
        }
        (Some(n @ -0x8000_0000..0), Platform::Linux) => Ok(ExitKey::Code(u32::try_from(n & 0xFF).unwrap_or(0))),
        (Some(_), _) => Err(format!("{text} is not an exit code: they go from -2147483648 to 4294967295")),
        (None, Platform::Linux) => {
            let found = signal::number(text).filter(|_| text.starts_with("SIG"));
            found
                .map(ExitKey::Signal)
                .ok_or_else(|| format!("`{text}` is neither an exit code nor a signal such as SIGSEGV"))
        }
        (None, Platform::Windows) => {
            Err(format!("`{text}` is not an exit code: write a number such as 3, -1 or \"0xC0000005\""))
        }
    }
}
