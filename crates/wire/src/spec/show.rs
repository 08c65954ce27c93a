//! The whole spec in force as TOML, defaults included: what `mainstay show` prints, and it reads back as the same spec.

use mainstay_core::signal;
use mainstay_core::spec::{Ask, ExitKey, OnExit, Probe, RestartOn, Spec, StartMode, Step};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};

use crate::units::duration_text;

/// The spec as TOML with every key that has a value.
#[must_use]
pub fn show(spec: &Spec) -> String {
    let mut document = DocumentMut::new();
    let root = document.as_table_mut();
    root.insert("description", value(&spec.description));
    root.insert("start", value(start(spec.start)));
    launch(root, spec);
    root.insert("ready", Item::Table(ready(spec)));
    root.insert("restart", Item::Table(restart(spec)));
    root.insert("stop", Item::Table(stop(spec)));
    root.insert("log", Item::Table(log(spec)));
    document.to_string()
}

fn start(mode: StartMode) -> &'static str {
    match mode {
        StartMode::Auto => "auto",
        StartMode::Delayed => "delayed",
        StartMode::Manual => "manual",
        StartMode::Disabled => "disabled",
    }
}

fn launch(root: &mut Table, spec: &Spec) {
    let launch = &spec.launch;
    root.insert("program", value(&launch.program));
    root.insert("args", value(launch.args.iter().collect::<Array>()));
    if let Some(directory) = &launch.directory {
        root.insert("directory", value(directory));
    }
    let env: InlineTable = launch.env.vars.iter().map(|(name, text)| (name.as_str(), Value::from(text))).collect();
    root.insert("env", value(env));
    root.insert("inherit-env", value(!launch.env.replace));
    root.insert("breakaway", value(launch.breakaway));
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
    let mut rotate = InlineTable::new();
    rotate.insert("size", size_text(spec.log.rotate.size_bytes).into());
    rotate.insert("keep", i64::from(spec.log.rotate.keep).into());
    table.insert("rotate", value(rotate));
    table
}

fn size_text(bytes: u64) -> String {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let fit = units.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    fit.map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}
