//! The whole spec in force as TOML, defaults included: what `mainstay show` prints, and it reads back as the same spec.

mod program;

use mainstay_core::signal;
use mainstay_core::spec::{
    After, Ask, Awaited, Compress, ExitKey, Follow, Hook, HookPoint, Kind, Multiline, Names, OnExit, OnFull, Period,
    Probe, Reload, RestartOn, Rotate, Spec, StartMode, Step, Until, Watch,
};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};

use super::fields::day_name;
use crate::units::duration_text;

/// The spec as TOML with every key that has a value. Of a secret it has the file's name alone.
#[must_use]
pub fn show(spec: &Spec) -> String {
    let mut document = DocumentMut::new();
    let root = document.as_table_mut();
    service(root, spec);
    program::launch(root, &spec.launch);
    program::account(root, &spec.launch.account);
    program::resources(root, &spec.launch.resources);
    hooks(root, spec);
    root.insert("ready", Item::Table(ready(spec)));
    root.insert("restart", Item::Table(restart(spec)));
    root.insert("stop", Item::Table(stop(spec)));
    if let Some(reload) = &spec.reload {
        root.insert("reload", Item::Table(self::reload(reload)));
    }
    if let Some(watch) = &spec.watch {
        root.insert("watch", Item::Table(self::watch(watch)));
    }
    root.insert("log", Item::Table(log(spec)));
    document.to_string()
}

fn service(root: &mut Table, spec: &Spec) {
    if !spec.display_name.is_empty() {
        root.insert("display-name", value(&spec.display_name));
    }
    root.insert("description", value(&spec.description));
    root.insert("groups", texts(&spec.groups));
    root.insert("start", value(start(spec.start)));
    let (kind, pid_file) = match &spec.kind {
        Kind::Simple => ("simple", None),
        Kind::Once => ("once", None),
        Kind::Forking { pid_file } => ("forking", pid_file.as_ref()),
    };
    root.insert("kind", value(kind));
    if let Some(file) = pid_file {
        root.insert("pid-file", value(file));
    }
    root.insert("max-runtime", value(duration_text(spec.max_runtime.unwrap_or_default())));
    root.insert("after", value(spec.after.iter().map(after).collect::<Array>()));
    root.insert("after-timeout", value(duration_text(spec.after_timeout.unwrap_or_default())));
    let own_port = spec.instance.and_then(|instance| instance.port);
    let ports = match spec.instances {
        Some(instances) => {
            root.insert("instances", value(i64::from(instances.count)));
            instances.ports
        }
        None => own_port.map(|port| (port, port)),
    };
    match ports {
        None => {}
        Some((first, last)) if first == last => drop(root.insert("ports", value(first.to_string()))),
        Some((first, last)) => drop(root.insert("ports", value(format!("{first}-{last}")))),
    }
}

fn start(mode: StartMode) -> &'static str {
    match mode {
        StartMode::Auto => "auto",
        StartMode::Delayed => "delayed",
        StartMode::Manual => "manual",
        StartMode::Disabled => "disabled",
    }
}

fn after(after: &After) -> Value {
    let (name, until) = match &after.what {
        Awaited::Service(name, until) => (name.clone(), Some(*until)),
        Awaited::Group(name, until) => (format!("@{name}"), Some(*until)),
        Awaited::Os(name) => (format!("os:{name}"), None),
        Awaited::OsGroup(name) => (format!("os-group:{name}"), None),
    };
    let until = until.filter(|until| *until != Until::Ready).map(|until| match until {
        Until::Started => "started",
        Until::Ready => "ready",
        Until::Done => "done",
    });
    if (after.fails, after.restarts) == (Follow::Keep, Follow::Keep) {
        return until.map_or_else(|| name.clone(), |until| format!("{name}:{until}")).into();
    }
    let mut table = InlineTable::new();
    table.insert("service", name.into());
    if let Some(until) = until {
        table.insert("until", until.into());
    }
    table.insert("fails", follow(after.fails).into());
    table.insert("restarts", follow(after.restarts).into());
    Value::from(table)
}

fn follow(follow: Follow) -> &'static str {
    match follow {
        Follow::Keep => "keep",
        Follow::Stop => "stop",
        Follow::Restart => "restart",
    }
}

fn hooks(root: &mut Table, spec: &Spec) {
    let mut table = Table::new();
    for (point, hook) in &spec.hooks.at {
        table.insert(point.word(), value(self::hook(*point, hook)));
    }
    let names = match spec.hooks.names {
        Names::Own => "own",
        Names::Nssm => "nssm",
    };
    table.insert("names", value(names));
    root.insert("hooks", Item::Table(table));
}

fn hook(point: HookPoint, hook: &Hook) -> InlineTable {
    let mut table = InlineTable::new();
    table.insert("command", hook.command.iter().collect::<Array>().into());
    table.insert("timeout", duration_text(hook.timeout).into());
    if point == HookPoint::PreStart {
        let codes = hook.abort_on.iter().map(|code| i64::from(*code)).collect::<Array>();
        table.insert("abort-on", codes.into());
        table.insert("ignore-failure", hook.ignore_failure.into());
    }
    table
}

fn reload(reload: &Reload) -> Table {
    let mut table = Table::new();
    match reload {
        Reload::Signal(number) => {
            let name = signal::name(*number).map_or_else(|| number.to_string(), str::to_owned);
            table.insert("signal", value(name));
        }
        Reload::Command(words, timeout) => {
            table.insert("command", texts(words));
            table.insert("timeout", value(duration_text(*timeout)));
        }
        Reload::Event(name) => drop(table.insert("event", value(name))),
    }
    table
}

fn watch(watch: &Watch) -> Table {
    let mut table = Table::new();
    table.insert("paths", texts(&watch.paths));
    table.insert("only", texts(&watch.only));
    table.insert("ignore", texts(&watch.ignore));
    table.insert("settle", value(duration_text(watch.settle)));
    table.insert("then", value(if watch.reload { "reload" } else { "restart" }));
    table
}

fn texts(texts: &[String]) -> Item {
    value(texts.iter().collect::<Array>())
}

fn ready(spec: &Spec) -> Table {
    let mut table = Table::new();
    match &spec.ready.probe {
        None => {}
        Some(Probe::Delay(delay)) => drop(table.insert("delay", value(duration_text(*delay)))),
        Some(Probe::Tcp(address)) => drop(table.insert("tcp", value(address))),
        Some(Probe::Http(address)) => drop(table.insert("http", value(address))),
        Some(Probe::Log(pattern)) => drop(table.insert("log", value(pattern))),
    }
    table.insert("every", value(duration_text(spec.ready.every)));
    table.insert("timeout", value(duration_text(spec.ready.timeout.unwrap_or_default())));
    table
}

fn restart(spec: &Spec) -> Table {
    let restart = &spec.restart;
    let on = match restart.on {
        RestartOn::Always => "always",
        RestartOn::Failure => "failure",
        RestartOn::Never => "never",
    };
    let exits: InlineTable =
        restart.exits.iter().map(|(key, meaning)| (exit_key(*key), Value::from(on_exit(*meaning)))).collect();
    let quarantine = match restart.quarantine {
        None => Value::from("never"),
        Some(limit) => {
            let mut table = InlineTable::new();
            table.insert("restarts", i64::from(limit.restarts).into());
            table.insert("within", duration_text(limit.within).into());
            if let Some(after) = limit.release_after {
                table.insert("release-after", duration_text(after).into());
            }
            Value::from(table)
        }
    };
    let mut table = Table::new();
    table.insert("on", value(on));
    table.insert("exit-codes", value(exits));
    table.insert("delay", value(duration_text(restart.delay)));
    table.insert("delay-max", value(duration_text(restart.delay_max)));
    table.insert("stable-after", value(duration_text(restart.stable_after)));
    table.insert("quarantine", Item::Value(quarantine));
    table
}

fn exit_key(key: ExitKey) -> String {
    match key {
        ExitKey::Code(code) => code.to_string(),
        ExitKey::Signal(number) => signal::name(number).map_or_else(|| number.to_string(), str::to_owned),
    }
}

fn on_exit(meaning: OnExit) -> &'static str {
    match meaning {
        OnExit::Restart => "restart",
        OnExit::Done => "done",
        OnExit::Fail => "fail",
    }
}

fn stop(spec: &Spec) -> Table {
    let mut table = Table::new();
    table.insert("ladder", value(spec.stop.ladder.iter().map(step).collect::<Array>()));
    table
}

fn step(step: &Step) -> Value {
    let mut table = InlineTable::new();
    match &step.ask {
        Ask::Command(command) => {
            table.insert("command", command.iter().collect::<Array>().into());
        }
        other => {
            table.insert("ask", ask_text(other).into());
        }
    }
    table.insert("wait", duration_text(step.wait).into());
    Value::from(table)
}

/// The name of a way to stop, as specs and records spell it; a command by its words.
#[must_use]
pub fn ask_text(ask: &Ask) -> String {
    match ask {
        Ask::CtrlC => "ctrl-c".to_owned(),
        Ask::CtrlBreak => "ctrl-break".to_owned(),
        Ask::CloseWindows => "close-windows".to_owned(),
        Ask::QuitThreads => "quit-threads".to_owned(),
        Ask::Signal(number) => signal::name(*number).map_or_else(|| format!("signal {number}"), str::to_owned),
        Ask::Command(words) => words.join(" "),
        Ask::Terminate => "terminate".to_owned(),
    }
}

fn log(spec: &Spec) -> Table {
    let mut table = Table::new();
    table.insert("managed", value(spec.log.managed));
    if let Some(path) = &spec.log.stdout {
        table.insert("stdout", value(path));
    }
    if let Some(path) = &spec.log.stderr {
        table.insert("stderr", value(path));
    }
    let keeping = &spec.log.keeping;
    let (on_full, wait) = match keeping.on_full {
        OnFull::Block(wait) => ("block", Some(wait)),
        OnFull::DropOldest => ("drop-oldest", None),
        OnFull::DropNew => ("drop-new", None),
    };
    table.insert("on-full", value(on_full));
    if let Some(wait) = wait {
        table.insert("full-wait", value(duration_text(wait)));
    }
    if !keeping.redact.is_empty() {
        table.insert("redact", texts(&keeping.redact));
    }
    if let Some(limit) = keeping.rate_limit {
        let mut limits = InlineTable::new();
        limits.insert("lines", i64::from(limit.lines).into());
        limits.insert("per", duration_text(limit.per).into());
        table.insert("rate-limit", value(limits));
    }
    match &spec.log.multiline {
        Multiline::Off => drop(table.insert("multiline", value("off"))),
        Multiline::Indented => drop(table.insert("multiline", value("indented"))),
        Multiline::Start(pattern) => {
            let mut start = InlineTable::new();
            start.insert("start", pattern.into());
            table.insert("multiline", value(start));
        }
    }
    table.insert("rotate", value(rotate(&keeping.rotate)));
    table
}

fn rotate(rotate: &Rotate) -> InlineTable {
    let mut table = InlineTable::new();
    table.insert("size", size_text(rotate.size_bytes).into());
    if let Some(every) = rotate.every {
        let (period, day) = match every.period {
            Period::Hour => ("hour", None),
            Period::Day => ("day", None),
            Period::Week(day) => ("week", Some(day)),
        };
        table.insert("every", period.into());
        if let Some(day) = day {
            table.insert("on", day_name(day).into());
        }
        if every.period != Period::Hour {
            table.insert("at", format!("{:02}:{:02}", every.minute / 60, every.minute % 60).into());
        }
        table.insert("utc", every.utc.into());
    }
    table.insert("at-start", rotate.at_start.into());
    table.insert("copy", rotate.copy.into());
    let compress = match rotate.compress {
        Compress::None => "none",
        Compress::Zstd => "zstd",
        Compress::Gzip => "gzip",
    };
    table.insert("compress", compress.into());
    table.insert("keep", i64::from(rotate.keep).into());
    if let Some(keep_for) = rotate.keep_for {
        table.insert("keep-for", duration_text(keep_for).into());
    }
    if let Some(bytes) = rotate.total_bytes {
        table.insert("total", size_text(bytes).into());
    }
    if let Some(bytes) = rotate.keep_free_bytes {
        table.insert("keep-free", size_text(bytes).into());
    }
    table
}

fn size_text(bytes: u64) -> String {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let fit = units.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    fit.map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}
