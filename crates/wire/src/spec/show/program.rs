//! The program, its environment, its account and its resources.

use mainstay_core::spec::{
    Account, CAPABILITIES, Cpu, EnvValue, IoPriority, Launch, Priority, Resources, Rlimit, RlimitValue, Stdin,
};
use toml_edit::{InlineTable, Item, Table, Value, value};

use super::{size_text, texts};
use crate::units::duration_text;

pub(super) fn launch(root: &mut Table, launch: &Launch) {
    root.insert("program", value(&launch.program));
    root.insert("args", texts(&launch.args));
    if let Some(directory) = &launch.directory {
        root.insert("directory", value(directory));
    }
    let stdin = match &launch.stdin {
        Stdin::Closed => Value::from("closed"),
        Stdin::Open => Value::from("open"),
        Stdin::File(path) => {
            let mut table = InlineTable::new();
            table.insert("file", path.into());
            Value::from(table)
        }
    };
    root.insert("stdin", value(stdin));
    let (mut env, mut secrets) = (InlineTable::new(), InlineTable::new());
    for (name, value) in &launch.env.vars {
        match value {
            EnvValue::Text(text) => drop(env.insert(name, text.into())),
            EnvValue::Secret(path) => drop(secrets.insert(name, path.into())),
        }
    }
    root.insert("env-inherit", value(launch.env.inherit));
    root.insert("env-unset", texts(&launch.env.unset));
    root.insert("env-files", texts(&launch.env.files));
    root.insert("env-secrets", value(secrets));
    root.insert("env", value(env));
    root.insert("path-prepend", texts(&launch.env.path_prepend));
    root.insert("path-append", texts(&launch.env.path_append));
    root.insert("breakaway", value(launch.breakaway));
}

/// Only what is set: the rest is not for every system.
pub(super) fn account(root: &mut Table, account: &Account) {
    let mut table = Table::new();
    if let Some(user) = &account.user {
        table.insert("user", value(user));
    }
    if let Some(group) = &account.group {
        table.insert("group", value(group));
    }
    if !account.groups.is_empty() {
        table.insert("groups", texts(&account.groups));
    }
    if let Some(capabilities) = &account.capabilities {
        let all = capabilities.len() == CAPABILITIES.len();
        let names = capabilities.iter().filter_map(|number| CAPABILITIES.get(usize::from(*number)));
        let names: Vec<String> = names.map(|name| (*name).to_owned()).collect();
        table.insert("capabilities", if all { value("all") } else { texts(&names) });
    }
    if account.new_privileges {
        table.insert("new-privileges", value(true));
    }
    if !table.is_empty() {
        root.insert("account", Item::Table(table));
    }
}

/// Only what is limited.
pub(super) fn resources(root: &mut Table, resources: &Resources) {
    let mut table = Table::new();
    if let Some(priority) = resources.priority {
        table.insert("priority", value(self::priority(priority)));
    }
    if let Some(nice) = resources.nice {
        table.insert("nice", value(i64::from(nice)));
    }
    if let Some(io) = resources.io {
        table.insert("io", value(io_priority(io)));
    }
    if !resources.affinity.is_empty() {
        table.insert("affinity", value(affinity(&resources.affinity)));
    }
    if let Some(bytes) = resources.memory_bytes {
        table.insert("memory", value(size_text(bytes)));
    }
    if let Some(percent) = resources.cpu_percent {
        table.insert("cpu", value(format!("{percent}%")));
    }
    if let Some(weight) = resources.cpu_weight {
        table.insert("cpu-weight", value(i64::from(weight)));
    }
    if let Some(processes) = resources.processes {
        table.insert("processes", value(i64::from(processes)));
    }
    if let Some(umask) = resources.umask {
        table.insert("umask", value(format!("{umask:04o}")));
    }
    if !resources.rlimits.is_empty() {
        let limits: InlineTable = resources.rlimits.iter().map(|(which, limit)| self::limit(*which, *limit)).collect();
        table.insert("limits", value(limits));
    }
    if !table.is_empty() {
        root.insert("resources", Item::Table(table));
    }
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Idle => "idle",
        Priority::BelowNormal => "below-normal",
        Priority::Normal => "normal",
        Priority::AboveNormal => "above-normal",
        Priority::High => "high",
        Priority::Realtime => "realtime",
    }
}

fn io_priority(priority: IoPriority) -> &'static str {
    match priority {
        IoPriority::Idle => "idle",
        IoPriority::Low => "low",
        IoPriority::Normal => "normal",
        IoPriority::High => "high",
    }
}

/// Neighbours as a range: `0-3,8,1:0-7`.
fn affinity(cpus: &[Cpu]) -> String {
    let mut ranges: Vec<(Cpu, u16)> = Vec::new();
    for cpu in cpus {
        match ranges.last_mut() {
            Some((first, last)) if first.group == cpu.group && last.saturating_add(1) == cpu.number => {
                *last = cpu.number
            }
            _ => ranges.push((*cpu, cpu.number)),
        }
    }
    let text = |(first, last): &(Cpu, u16)| {
        let group = if first.group == 0 { String::new() } else { format!("{}:", first.group) };
        if first.number == *last { format!("{group}{last}") } else { format!("{group}{}-{last}", first.number) }
    };
    ranges.iter().map(text).collect::<Vec<String>>().join(",")
}

fn limit(which: Rlimit, limit: RlimitValue) -> (&'static str, Value) {
    let RlimitValue::At(amount) = limit else { return (limit_name(which), "unlimited".into()) };
    let value = match which {
        Rlimit::OpenFiles | Rlimit::UserProcesses => i64::try_from(amount).unwrap_or(i64::MAX).into(),
        Rlimit::CpuSeconds => duration_text(std::time::Duration::from_secs(amount)).into(),
        Rlimit::Core | Rlimit::Stack | Rlimit::Data | Rlimit::AddressSpace => size_text(amount).into(),
        Rlimit::FileSize | Rlimit::LockedMemory => size_text(amount).into(),
    };
    (limit_name(which), value)
}

fn limit_name(which: Rlimit) -> &'static str {
    match which {
        Rlimit::OpenFiles => "open-files",
        Rlimit::Core => "core",
        Rlimit::Stack => "stack",
        Rlimit::Data => "data",
        Rlimit::AddressSpace => "address-space",
        Rlimit::FileSize => "file-size",
        Rlimit::LockedMemory => "locked-memory",
        Rlimit::CpuSeconds => "cpu-time",
        Rlimit::UserProcesses => "user-processes",
    }
}
