//! The meaning of every key of a spec, with its default. The reference in `docs/reference/spec.md` follows this file.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_core::signal;
use mainstay_core::spec::{
    Ask, Env, ExitKey, Launch, Log, OnExit, Probe, Quarantine, Ready, Restart, RestartOn, Rotate, Spec, StartMode,
    Step, Stop,
};
use toml::de::DeValue;

use super::Platform;
use super::section::{Reader, Section, Value};

/// Between two attempts of a probe.
const READY_EVERY: Duration = Duration::from_millis(250);
/// A program that is not up by then has failed to start.
const READY_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest back-off.
const DELAY_MAX: Duration = Duration::from_secs(60);
/// A run this long resets the back-off.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// More than 3 restarts in 5 minutes.
const QUARANTINE: Quarantine = Quarantine { restarts: 3, within: Duration::from_secs(300), release_after: None };
/// What a step waits when it doesn't say.
const STEP_WAIT: Duration = Duration::from_secs(10);
/// Old log files and the size of each.
const ROTATE: Rotate = Rotate { size_bytes: 64 << 20, keep: 14 };
/// The most steps a ladder may have.
const LADDER_STEPS_MAX: usize = 16;
/// Windows' limit for a whole command line is 32,767 UTF-16 units; Linux' for one argument is 128 KiB.
const ARG_BYTES_MAX: usize = 128 << 10;

pub(super) fn spec(reader: &Reader<'_>, name: &str) -> Option<Spec> {
    let document = reader.document();
    let root = Section::new(reader, "", document.get_ref(), 0..0);
    let description = root.take("description", |key, value| reader.string(key, value)).unwrap_or_default();
    let start = root.take("start", |key, value| reader.choice(key, value, &START)).unwrap_or(StartMode::Auto);
    let launch = launch(reader, &root);
    let ready =
        root.take("ready", |key, value| reader.section(key, value)).map_or_else(default_ready, |s| ready(reader, s));
    let restart = root.take("restart", |key, value| reader.section(key, value));
    let restart = restart.map_or_else(default_restart, |s| self::restart(reader, s));
    let stop = root.take("stop", |key, value| reader.section(key, value));
    let stop = stop.and_then(|s| self::stop(reader, s)).unwrap_or_else(|| default_stop(reader.platform));
    let log = root.take("log", |key, value| reader.section(key, value)).map_or_else(default_log, |s| log(reader, s));
    root.finish();
    Some(Spec { name: name.to_owned(), description, start, launch: launch?, ready, restart, stop, log })
}

const START: [(&str, StartMode); 4] = [
    ("auto", StartMode::Auto),
    ("delayed", StartMode::Delayed),
    ("manual", StartMode::Manual),
    ("disabled", StartMode::Disabled),
];

fn launch(reader: &Reader<'_>, root: &Section<'_, '_, '_>) -> Option<Launch> {
    let program = root.take("program", |key, value| {
        let program = reader.string(key, value)?;
        if program.trim().is_empty() {
            reader.problem(value.span(), "`program` is empty", Some("name the file to run".to_owned()));
            return None;
        }
        Some((program, value.span()))
    });
    let missing = root.take("program", |_, _| Some(())).is_none();
    if missing {
        reader.problem(0..0, "`program` is missing", Some("add program = 'path of the file to run'".to_owned()));
    }
    let args = root.take("args", |key, value| args(reader, key, value)).unwrap_or_default();
    let directory = root.take("directory", |key, value| reader.string(key, value));
    let vars = root.take("env", |key, value| env(reader, key, value)).unwrap_or_default();
    let inherit = root.take("inherit-env", |key, value| reader.boolean(key, value)).unwrap_or(true);
    let breakaway = root.take("breakaway", |key, value| reader.boolean(key, value)).unwrap_or(false);
    let (program, _) = program?;
    Some(Launch { program, args, directory, env: Env { replace: !inherit, vars }, breakaway })
}

fn args<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<String>> {
    let args = reader.strings(key, value)?;
    if let Some(long) = args.iter().find(|arg| arg.len() > ARG_BYTES_MAX) {
        let message = format!("`{key}` has an argument of {} bytes; at most {ARG_BYTES_MAX} can be passed", long.len());
        reader.problem(value.span(), message, None);
    }
    let units: usize = args.iter().map(|arg| arg.encode_utf16().count() + 3).sum();
    if reader.platform == Platform::Windows && units > 32_767 {
        reader.problem(
            value.span(),
            format!("`{key}` makes a command line of over 32,767 characters, the most Windows passes"),
            None,
        );
    }
    Some(args)
}

fn env<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<(String, String)>> {
    let DeValue::Table(table) = value.get_ref() else {
        return reader.wrong_kind(key, "a table such as { GIN_MODE = \"release\" }", value.get_ref(), value.span());
    };
    let mut vars: Vec<(String, String)> = Vec::new();
    for (name, value) in table {
        let text: &str = name.get_ref();
        if text.is_empty() || text.contains(['=', '\0']) {
            reader.problem(name.span(), format!("`{text}` cannot be a variable's name"), None);
            continue;
        }
        if let Some(read) = reader.string(&format!("{key}.{text}"), value) {
            vars.push((text.to_owned(), read));
        }
    }
    Some(vars)
}

fn default_ready() -> Ready {
    Ready { probe: None, every: READY_EVERY, timeout: Some(READY_TIMEOUT) }
}

fn ready(reader: &Reader<'_>, section: Section<'_, '_, '_>) -> Ready {
    let probes: Vec<Probe> = [
        section.take("delay", |key, value| reader.duration(key, value).map(Probe::Delay)),
        section.take("tcp", |key, value| {
            let text = reader.string(key, value)?;
            reader.parsed(key, value.span(), check_address(&text).map(|()| Probe::Tcp(text)))
        }),
        section.take("http", |key, value| {
            let text = reader.string(key, value)?;
            reader.parsed(key, value.span(), check_http(&text).map(|()| Probe::Http(text)))
        }),
        section.take("log", |key, value| {
            let text = reader.string(key, value)?;
            let pattern = regex_lite::Regex::new(&text).map_err(|error| format!("`{text}` is not a pattern: {error}"));
            reader.parsed(key, value.span(), pattern.map(|_| Probe::Log(text)))
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    if probes.len() > 1 {
        reader.problem(
            section.span(),
            "`ready` has several probes",
            Some("keep one of delay, tcp, http, log".to_owned()),
        );
    }
    let every = section.take("every", |key, value| nonzero(reader, key, value)).unwrap_or(READY_EVERY);
    let timeout = section.take("timeout", |key, value| reader.duration(key, value)).unwrap_or(READY_TIMEOUT);
    section.finish();
    Ready { probe: probes.into_iter().next(), every, timeout: (!timeout.is_zero()).then_some(timeout) }
}

fn nonzero<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Duration> {
    let duration = reader.duration(key, value)?;
    if duration < Duration::from_millis(10) {
        reader.problem(value.span(), format!("`{key}` must be at least \"10ms\""), None);
        return None;
    }
    Some(duration)
}

/// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`.
fn check_address(text: &str) -> Result<(), String> {
    let form = || format!("`{text}` is not HOST:PORT, such as \"127.0.0.1:8080\"");
    let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
    let port: u16 = port.parse().map_err(|_| form())?;
    let host_ok = !host.is_empty() && !host.contains(['/', ' ']) && (!host.contains(':') || host.starts_with('['));
    if host_ok && port > 0 { Ok(()) } else { Err(form()) }
}

fn check_http(text: &str) -> Result<(), String> {
    let Some(rest) = text.strip_prefix("http://") else {
        return Err(format!("`{text}` is not a plain http:// address, such as \"http://127.0.0.1:8080/health\""));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    if authority.contains('@') {
        return Err(format!("`{text}` carries a user name: credentials can't stand in an address"));
    }
    let with_port = if authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("`{text}` contains white space: write %20"));
    }
    check_address(&with_port).map_err(|_| format!("`{text}` has no valid host and port"))
}

fn default_restart() -> Restart {
    Restart {
        on: RestartOn::Failure,
        exits: BTreeMap::new(),
        delay: Duration::ZERO,
        delay_max: DELAY_MAX,
        stable_after: STABLE_AFTER,
        quarantine: Some(QUARANTINE),
    }
}

fn restart(reader: &Reader<'_>, section: Section<'_, '_, '_>) -> Restart {
    const ON: [(&str, RestartOn); 3] =
        [("always", RestartOn::Always), ("failure", RestartOn::Failure), ("never", RestartOn::Never)];
    let default = default_restart();
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
    restart
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
    let within = section.take("within", |key, value| nonzero(reader, key, value));
    let release_after = section.take("release-after", |key, value| nonzero(reader, key, value));
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

fn default_stop(platform: Platform) -> Stop {
    let step = |ask, seconds| Step { ask, wait: Duration::from_secs(seconds) };
    let ladder = match platform {
        Platform::Windows => vec![step(Ask::CtrlC, 10), step(Ask::CloseWindows, 2), step(Ask::Terminate, 0)],
        Platform::Linux => vec![step(Ask::Signal(15), 10), step(Ask::Terminate, 0)],
    };
    Stop { ladder }
}

fn stop(reader: &Reader<'_>, section: Section<'_, '_, '_>) -> Option<Stop> {
    let steps = section.take("ladder", |key, value| {
        let array = reader.array(key, value, "a list of steps such as [{ ask = \"ctrl-c\", wait = \"10s\" }]")?;
        if array.is_empty() || array.len() > LADDER_STEPS_MAX {
            let message = format!("`{key}` has {} steps; it must have 1 to {LADDER_STEPS_MAX}", array.len());
            reader.problem(value.span(), message, None);
        }
        let steps: Vec<Option<Step>> = array.iter().map(|value| step(reader, key, value)).collect();
        steps.into_iter().collect::<Option<Vec<Step>>>()
    });
    section.finish();
    let mut ladder = steps?;
    // Every stop has an end: what no step has ended is terminated.
    if ladder.last().is_none_or(|step| step.ask != Ask::Terminate) {
        ladder.push(Step { ask: Ask::Terminate, wait: Duration::ZERO });
    }
    Some(Stop { ladder })
}

fn step<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Step> {
    let section = reader.section(key, value)?;
    let command = section.take("command", |key, value| reader.strings(key, value));
    let ask = section.take("ask", |key, value| Some((reader.string(key, value)?, key.to_owned(), value.span())));
    let wait = section.take("wait", |key, value| reader.duration(key, value)).unwrap_or(STEP_WAIT);
    let span = section.span();
    section.finish();
    let ask = match (ask, command) {
        (Some((text, key, span)), None) if text != "command" => {
            reader.parsed(&key, span, read_ask(&text, reader.platform))?
        }
        (_, Some(command)) if !command.is_empty() => Ask::Command(command),
        (Some((_, key, span)), _) => {
            let help = Some("add command = [\"program\", \"argument\"]".to_owned());
            reader.problem(span, format!("`{key}` names a command, but there is none"), help);
            return None;
        }
        (None, _) => {
            reader.problem(span, "a step needs `ask` or `command`", Some(asks(reader.platform)));
            return None;
        }
    };
    Some(Step { ask, wait })
}

fn read_ask(text: &str, platform: Platform) -> Result<Ask, String> {
    let refused = |what: &str| Err(format!("cannot {what} on {}: {}", platform_name(platform), asks(platform)));
    match (text, platform) {
        ("terminate", _) => Ok(Ask::Terminate),
        ("ctrl-c", _) => Ok(Ask::CtrlC),
        ("ctrl-break", Platform::Windows) => Ok(Ask::CtrlBreak),
        ("close-windows", Platform::Windows) => Ok(Ask::CloseWindows),
        ("quit-threads", Platform::Windows) => Ok(Ask::QuitThreads),
        ("ctrl-break" | "close-windows" | "quit-threads", Platform::Linux) => refused(&format!("use \"{text}\"")),
        _ => match (signal::number(text).filter(|_| text.starts_with("SIG")), platform) {
            (Some(9), Platform::Linux) => Ok(Ask::Terminate),
            (Some(number), Platform::Linux) => Ok(Ask::Signal(number)),
            (Some(_), Platform::Windows) => refused(&format!("use stop signal {text}")),
            (None, _) => Err(format!("\"{text}\" is no way to stop: {}", asks(platform))),
        },
    }
}

fn asks(platform: Platform) -> String {
    match platform {
        Platform::Windows => "use ctrl-c, ctrl-break, close-windows, quit-threads, command or terminate".to_owned(),
        Platform::Linux => "use a signal such as SIGTERM, ctrl-c (SIGINT), command or terminate".to_owned(),
    }
}

fn platform_name(platform: Platform) -> &'static str {
    match platform {
        Platform::Windows => "Windows",
        Platform::Linux => "Linux",
    }
}

fn default_log() -> Log {
    Log { managed: true, stdout: None, stderr: None, rotate: ROTATE }
}

fn log(reader: &Reader<'_>, section: Section<'_, '_, '_>) -> Log {
    let managed = section.take("managed", |key, value| reader.boolean(key, value)).unwrap_or(true);
    let stdout = section.take("stdout", |key, value| reader.string(key, value));
    let stderr = section.take("stderr", |key, value| reader.string(key, value));
    let rotate = section.take("rotate", |key, value| reader.section(key, value)).map(|section| {
        let size_bytes = section.take("size", |key, value| {
            let bytes = reader.size(key, value)?;
            if bytes < 4096 {
                reader.problem(value.span(), format!("`{key}` must be at least 4KiB"), None);
            }
            Some(bytes)
        });
        let keep = section.take("keep", |key, value| reader.count(key, value, 0..=100_000));
        section.finish();
        Rotate { size_bytes: size_bytes.unwrap_or(ROTATE.size_bytes), keep: keep.unwrap_or(ROTATE.keep) }
    });
    section.finish();
    Log { managed, stdout, stderr, rotate: rotate.unwrap_or(ROTATE) }
}
