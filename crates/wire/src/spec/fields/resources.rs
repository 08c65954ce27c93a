//! What a run may use.

use mainstay_core::spec::{Cpu, IoPriority, Priority, Resources, Rlimit, RlimitValue};
use toml::de::DeValue;

use crate::spec::Platform;
use crate::spec::section::{Reader, Section, Value};

/// A program that gets less than this can't even be loaded.
const MEMORY_BYTES_MIN: u64 = 1 << 20;
/// The most processors: Linux' `cpu_set_t` has so many bits.
const LINUX_CPUS_MAX: u16 = 1024;
/// A processor group of Windows has at most so many.
const GROUP_CPUS_MAX: u16 = 64;
/// Windows has at most so many groups.
const GROUPS_MAX: u16 = 32;
const CPU_PERCENT_MAX: u32 = 100_000;

const PRIORITIES: [(&str, Priority); 6] = [
    ("idle", Priority::Idle),
    ("below-normal", Priority::BelowNormal),
    ("normal", Priority::Normal),
    ("above-normal", Priority::AboveNormal),
    ("high", Priority::High),
    ("realtime", Priority::Realtime),
];

const IO_PRIORITIES: [(&str, IoPriority); 4] =
    [("idle", IoPriority::Idle), ("low", IoPriority::Low), ("normal", IoPriority::Normal), ("high", IoPriority::High)];

pub(super) fn resources<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Resources> {
    let section = reader.section(key, value)?;
    let resources = Resources {
        priority: section.take("priority", |key, value| reader.choice(key, value, &PRIORITIES)),
        nice: section.take("nice", |key, value| reader.number(key, value, -20..=19)).and_then(|n| i8::try_from(n).ok()),
        io: section.take("io", |key, value| reader.choice(key, value, &IO_PRIORITIES)),
        affinity: section.take("affinity", |key, value| affinity(reader, key, value)).unwrap_or_default(),
        memory_bytes: section.take("memory", |key, value| memory(reader, key, value)),
        cpu_percent: section.take("cpu", |key, value| percent(reader, key, value)),
        cpu_weight: section.take("cpu-weight", |key, value| reader.count(key, value, 1..=10_000)),
        processes: section.take("processes", |key, value| reader.count(key, value, 1..=u32::MAX)),
        umask: section.take("umask", |key, value| umask(reader, key, value)),
        rlimits: section.take("limits", |key, value| limits(reader, key, value)).unwrap_or_default(),
    };
    section.finish();
    Some(resources)
}

fn memory<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<u64> {
    let bytes = reader.size(key, value)?;
    if bytes < MEMORY_BYTES_MIN {
        reader.problem(value.span(), format!("`{key}` must be at least 1MiB"), None);
        return None;
    }
    Some(bytes)
}

fn percent<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<u32> {
    let DeValue::String(text) = value.get_ref() else {
        return reader.wrong_kind(key, "a part of a processor such as \"150%\"", value.get_ref(), value.span());
    };
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<u32>().ok());
    let good = number.filter(|percent| (1..=CPU_PERCENT_MAX).contains(percent));
    let bad = || {
        format!(
            "`{text}` is not a part of a processor: write \"50%\", or \"150%\" for one and a half, at most {CPU_PERCENT_MAX}%"
        )
    };
    reader.parsed(key, value.span(), good.ok_or_else(bad))
}

fn umask<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<u32> {
    let DeValue::String(text) = value.get_ref() else {
        return reader.wrong_kind(key, "octal digits in quotes such as \"0027\"", value.get_ref(), value.span());
    };
    let octal = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let read = u32::from_str_radix(text, 8).ok().filter(|mask| octal && *mask <= 0o777);
    reader.parsed(
        key,
        value.span(),
        read.ok_or_else(|| format!("`{text}` is no umask: write octal digits such as \"0027\"")),
    )
}

/// `"0-3,8"`; on Windows each part may have its group before it: `"1:0-7"`.
fn affinity<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<Cpu>> {
    let DeValue::String(text) = value.get_ref() else {
        return reader.wrong_kind(key, "processors such as \"0-3,8\"", value.get_ref(), value.span());
    };
    let mut cpus = Vec::new();
    for part in text.split(',') {
        cpus.extend(reader.parsed(key, value.span(), processors(part.trim(), reader.platform))?);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

fn processors(part: &str, platform: Platform) -> Result<Vec<Cpu>, String> {
    let form = match platform {
        Platform::Windows => "write \"0-3,8\", or \"1:0-7\" for processor group 1; a group has at most 64",
        Platform::Linux => "write \"0-3,8\"; the highest is 1023",
    };
    let bad = || format!("`{part}` names no processors: {form}");
    let (group, range, most) = match (platform, part.split_once(':')) {
        (Platform::Windows, Some((group, range))) => {
            let group = group.trim().parse().ok().filter(|group| *group < GROUPS_MAX);
            (group.ok_or_else(bad)?, range, GROUP_CPUS_MAX)
        }
        (Platform::Windows, None) => (0, part, GROUP_CPUS_MAX),
        (Platform::Linux, _) => (0, part, LINUX_CPUS_MAX),
    };
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|number| *number < most).ok_or_else(bad);
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(range)?, number(range)?),
    };
    if first > last {
        return Err(bad());
    }
    Ok((first..=last).map(|number| Cpu { group, number }).collect())
}

/// Sorted, as the core has them.
fn limits<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<(Rlimit, RlimitValue)>> {
    let section = reader.section(key, value)?;
    let section_ref = &section;
    let bytes = |name: &'static str, which: Rlimit| Some((which, size_limit(reader, section_ref, name)?));
    let many = |name: &'static str, which: Rlimit| Some((which, count_limit(reader, section_ref, name)?));
    let read = [
        many("open-files", Rlimit::OpenFiles),
        bytes("core", Rlimit::Core),
        bytes("stack", Rlimit::Stack),
        bytes("data", Rlimit::Data),
        bytes("address-space", Rlimit::AddressSpace),
        bytes("file-size", Rlimit::FileSize),
        bytes("locked-memory", Rlimit::LockedMemory),
        time_limit(reader, section_ref, "cpu-time").map(|value| (Rlimit::CpuSeconds, value)),
        many("user-processes", Rlimit::UserProcesses),
    ];
    section.finish();
    let mut limits: Vec<(Rlimit, RlimitValue)> = read.into_iter().flatten().collect();
    limits.sort_by_key(|(which, _)| *which);
    Some(limits)
}

fn is_unlimited(value: Value<'_, '_>) -> bool {
    matches!(value.get_ref(), DeValue::String(text) if text == "unlimited")
}

fn size_limit(reader: &Reader<'_>, section: &Section<'_, '_, '_>, name: &'static str) -> Option<RlimitValue> {
    section.take(name, |key, value| match value {
        value if is_unlimited(value) => Some(RlimitValue::Unlimited),
        value => reader.size(key, value).map(RlimitValue::At),
    })
}

fn count_limit(reader: &Reader<'_>, section: &Section<'_, '_, '_>, name: &'static str) -> Option<RlimitValue> {
    section.take(name, |key, value| match value {
        value if is_unlimited(value) => Some(RlimitValue::Unlimited),
        value => reader.count(key, value, 0..=u32::MAX).map(|count| RlimitValue::At(count.into())),
    })
}

/// The kernel counts whole seconds.
fn time_limit(reader: &Reader<'_>, section: &Section<'_, '_, '_>, name: &'static str) -> Option<RlimitValue> {
    section.take(name, |key, value| {
        if is_unlimited(value) {
            return Some(RlimitValue::Unlimited);
        }
        let time = reader.duration(key, value)?;
        if time.as_secs() == 0 || time.subsec_nanos() != 0 {
            reader.problem(value.span(), format!("`{key}` must be whole seconds, at least \"1s\""), None);
            return None;
        }
        Some(RlimitValue::At(time.as_secs()))
    })
}
