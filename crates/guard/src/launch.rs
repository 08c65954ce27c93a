//! From a spec's launch to what the OS starts: paths resolved, environment made, program found, rights and limits named.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mainstay_core::event::RunId;
use mainstay_core::spec::{self, Ask, HookPoint, Launch, Reload, Spec};
use mainstay_os::account::{self, RunAs};
use mainstay_os::resources::{self, Resources};
use mainstay_os::tree::{self, Place, Stdin, Tree};
use mainstay_os::{environment, program};
use mainstay_wire::layout::Layout;

use crate::env::{self, Vars};
use crate::output::Destinations;

/// What a service's program and its helpers (hooks, stop and reload commands) have in common; made once for a start that was wanted, so
/// that every restart after it finds the same.
#[derive(Debug)]
pub(crate) struct Setting {
    directory: PathBuf,
    vars: Vars,
    run_as: Option<RunAs>,
}

impl Setting {
    /// Reads what the spec names: files of variables, secrets, the account.
    pub(crate) fn of(layout: &Layout, spec: &Spec) -> Result<Self, String> {
        let launch = &spec.launch;
        let run_as = run_as(&launch.account);
        let of_account = match &launch.account.user {
            Some(user) => account::variables_of(user).map_err(|error| format!("cannot run as {user}: {error}"))?,
            None => Vec::new(),
        };
        let directory = directory(layout, launch);
        let mut vars = env::resolve(&launch.env, &directory, of_account)?;
        let instance = spec.instance.map(|instance| ("MAINSTAY_INSTANCE", instance.number.to_string()));
        let port = spec.instance.and_then(|instance| instance.port);
        let port = port.map(|port| ("MAINSTAY_PORT", port.to_string()));
        let own = [("MAINSTAY_SERVICE", spec.name.clone())].into_iter().chain(instance).chain(port);
        vars = environment::merge(vars, own.map(|(name, value)| (name.into(), value.into())));
        Ok(Self { directory, vars, run_as })
    }

    /// Starts the program itself as run `run`.
    pub(crate) fn program(&self, place: &Place, run: RunId, launch: &Launch) -> Result<(Tree, tree::Output), String> {
        let file = match &launch.stdin {
            spec::Stdin::File(path) => Some(self.directory.join(path)),
            spec::Stdin::Closed | spec::Stdin::Open => None,
        };
        let stdin = match (&launch.stdin, &file) {
            (spec::Stdin::Open, _) => Stdin::Pipe,
            (spec::Stdin::File(_), Some(path)) => Stdin::File(path),
            (spec::Stdin::Closed | spec::Stdin::File(_), _) => Stdin::Null,
        };
        let resources = self::resources(&launch.resources);
        let more = [("MAINSTAY_RUN".to_owned(), run.0.to_string())];
        self.start(place, &launch.program, &launch.args, (stdin, &resources, launch.breakaway), &more)
    }

    /// Starts a helper: it has the program's environment, folder and rights, but none of its limits.
    pub(crate) fn helper(
        &self,
        place: &Place,
        command: &[String],
        more: &[(String, String)],
    ) -> Result<(Tree, tree::Output), String> {
        let (program, args) = command.split_first().ok_or_else(|| "the command is empty".to_owned())?;
        self.start(place, program, args, (Stdin::Null, &Resources::default(), false), more)
    }

    fn start(
        &self,
        place: &Place,
        program: &str,
        args: &[String],
        (stdin, resources, breakaway): (Stdin<'_>, &Resources, bool),
        more: &[(String, String)],
    ) -> Result<(Tree, tree::Output), String> {
        let more = more.iter().map(|(name, value)| (name.into(), value.into()));
        let env = environment::merge(self.vars.clone(), more);
        let program = program::find(program, &self.directory, &env).map_err(|error| format!("cannot start {error}"))?;
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let (directory, run_as) = (self.directory.as_path(), self.run_as.as_ref());
        let launch =
            tree::Launch { program: &program, args: &args, directory, env: &env, breakaway, stdin, run_as, resources };
        place.spawn(&launch).map_err(|error| error.to_string())
    }
}

/// What marks the helpers of one role: they live beside the program and have places of their own.
pub(crate) fn helper_mark(layout: &Layout, name: &str, role: &str) -> String {
    format!("{}.{role}", layout.mark(name))
}

/// The roles that helpers of this spec have: where a dead guard may have left some.
pub(crate) fn helper_roles(spec: &Spec) -> impl Iterator<Item = &'static str> {
    let stops = spec.stop.ladder.iter().any(|step| matches!(step.ask, Ask::Command(_))).then_some("stop");
    let reloads = matches!(spec.reload, Some(Reload::Command(..))).then_some("reload");
    spec.hooks.at.keys().map(|point| point.word()).chain(stops).chain(reloads).collect::<Vec<_>>().into_iter()
}

/// The working directory: as named, relative to the home; else the program's own folder, if its path is absolute; else the home.
pub(crate) fn directory(layout: &Layout, launch: &Launch) -> PathBuf {
    let base = base(layout);
    match &launch.directory {
        Some(directory) => base.join(directory),
        None => {
            let program = Path::new(&launch.program);
            program.parent().filter(|_| program.is_absolute()).map_or(base, Path::to_path_buf)
        }
    }
}

/// What relative paths of a spec are relative to: the home, else the folder of the specs.
fn base(layout: &Layout) -> PathBuf {
    layout.home.clone().unwrap_or_else(|| layout.specs.clone())
}

/// The files that a run's output goes to.
pub(crate) fn destinations(layout: &Layout, name: &str, spec: &Spec, launch: &Launch) -> Destinations {
    let log = &spec.log;
    let raw = |path: &Option<String>| path.as_ref().map(|path| directory(layout, launch).join(path));
    Destinations {
        managed: log.managed.then(|| layout.output(name)),
        stdout: raw(&log.stdout),
        stderr: raw(&log.stderr),
        keeping: log.keeping.clone(),
        asks: spec.hooks.at.contains_key(&HookPoint::PreRotate),
    }
}

/// Least privilege where nothing is asked: a program of root's gets what programs need and not what machines are run with, and nothing it
/// executes gains more. On Windows the service manager has seen to that when it logged the guard on.
fn run_as(asked: &spec::Account) -> Option<RunAs> {
    if mainstay_os::NAME == "windows" {
        return None;
    }
    let capabilities = match (&asked.capabilities, &asked.user) {
        (Some(named), _) => Some(named.clone()),
        (None, None) if account::is_privileged() => Some(spec::default_capabilities()),
        (None, Some(user)) if is_root(user) => Some(spec::default_capabilities()),
        (None, _) => None,
    };
    Some(RunAs {
        user: asked.user.clone(),
        group: asked.group.clone(),
        groups: asked.groups.clone(),
        capabilities,
        new_privileges: asked.new_privileges,
    })
}

fn is_root(user: &str) -> bool {
    user == "root" || user == "0"
}

/// What this machine can't do of a spec: the key and why. What the spec's reader can't know.
#[must_use]
pub fn unsupported(spec: &Spec) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = resources::check(&resources(&spec.launch.resources))
        .into_iter()
        .map(|unsupported| (unsupported.key, unsupported.reason))
        .collect();
    if let Some(user) = &spec.launch.account.user {
        if let Err(error) = account::check(user) {
            found.push(("account.user", format!("cannot run as {user}: {error}")));
        } else if mainstay_os::NAME != "windows" && !account::is_privileged() && *user != account::name() {
            let reason = format!("cannot run as {user}: only root may become another user");
            found.push(("account.user", reason));
        }
    }
    found
}

fn resources(asked: &spec::Resources) -> Resources {
    let priority = |priority: spec::Priority| match priority {
        spec::Priority::Idle => resources::Priority::Idle,
        spec::Priority::BelowNormal => resources::Priority::BelowNormal,
        spec::Priority::Normal => resources::Priority::Normal,
        spec::Priority::AboveNormal => resources::Priority::AboveNormal,
        spec::Priority::High => resources::Priority::High,
        spec::Priority::Realtime => resources::Priority::Realtime,
    };
    let io = |io: spec::IoPriority| match io {
        spec::IoPriority::Idle => resources::IoPriority::Idle,
        spec::IoPriority::Low => resources::IoPriority::Low,
        spec::IoPriority::Normal => resources::IoPriority::Normal,
        spec::IoPriority::High => resources::IoPriority::High,
    };
    Resources {
        priority: asked.priority.map(priority),
        nice: asked.nice,
        io: asked.io.map(io),
        affinity: asked.affinity.iter().map(|cpu| resources::Cpu { group: cpu.group, number: cpu.number }).collect(),
        memory_bytes: asked.memory_bytes,
        cpu_percent: asked.cpu_percent,
        cpu_weight: asked.cpu_weight,
        processes: asked.processes,
        umask: asked.umask,
        rlimits: asked.rlimits.iter().map(|(what, value)| (rlimit(*what), rlimit_value(*value))).collect(),
    }
}

fn rlimit(what: spec::Rlimit) -> resources::Rlimit {
    match what {
        spec::Rlimit::OpenFiles => resources::Rlimit::OpenFiles,
        spec::Rlimit::Core => resources::Rlimit::Core,
        spec::Rlimit::Stack => resources::Rlimit::Stack,
        spec::Rlimit::Data => resources::Rlimit::Data,
        spec::Rlimit::AddressSpace => resources::Rlimit::AddressSpace,
        spec::Rlimit::FileSize => resources::Rlimit::FileSize,
        spec::Rlimit::LockedMemory => resources::Rlimit::LockedMemory,
        spec::Rlimit::CpuSeconds => resources::Rlimit::CpuSeconds,
        spec::Rlimit::UserProcesses => resources::Rlimit::UserProcesses,
    }
}

fn rlimit_value(value: spec::RlimitValue) -> resources::RlimitValue {
    match value {
        spec::RlimitValue::At(limit) => resources::RlimitValue::At(limit),
        spec::RlimitValue::Unlimited => resources::RlimitValue::Unlimited,
    }
}

#[cfg(test)]
mod tests {
    use mainstay_core::spec::{Account, Env};

    use super::*;

    fn launch(program: &str, directory: Option<&str>) -> Launch {
        let (program, directory) = (program.to_owned(), directory.map(str::to_owned));
        let (args, env, account) = (Vec::new(), Env::default(), Account::default());
        let (stdin, resources) = (spec::Stdin::Closed, spec::Resources::default());
        Launch { program, args, directory, env, stdin, account, resources, breakaway: false }
    }

    #[test]
    fn relative_paths_start_at_the_home() {
        let home = if mainstay_os::NAME == "windows" { "C:\\srv" } else { "/srv" };
        let layout = Layout::home(Path::new(home));
        let absolute = Path::new(home).join("opt").join("x").to_string_lossy().into_owned();
        assert_eq!(directory(&layout, &launch("bin/x", None)), Path::new(home));
        assert_eq!(directory(&layout, &launch("bin/x", Some("data"))), Path::new(home).join("data"));
        assert_eq!(directory(&layout, &launch(&absolute, None)), Path::new(home).join("opt"));
        assert_eq!(directory(&layout, &launch(&absolute, Some("data"))), Path::new(home).join("data"));
    }

    #[test]
    fn rights_are_the_least_where_nothing_is_asked() {
        let rights = run_as(&Account::default());
        if mainstay_os::NAME == "windows" {
            return assert_eq!(rights, None);
        }
        let rights = rights.unwrap();
        assert!(!rights.new_privileges);
        assert_eq!(rights.capabilities.is_some(), account::is_privileged());
        let asked = Account { capabilities: Some(vec![10]), ..Account::default() };
        assert_eq!(run_as(&asked).unwrap().capabilities, Some(vec![10]));
    }
}
