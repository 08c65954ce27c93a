//! Services that the OS's service manager knows: their entries follow their specs, one for each instance.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_agent::order::{self, Before};
use mainstay_agent::services::Services;
use mainstay_os::account::{self, Secret};
use mainstay_os::files;
use mainstay_os::manager::{self, Entry, Manager, Start};
use mainstay_wire::layout::{Layout, base_name};
use mainstay_wire::spec::{self, After, Awaited, HookPoint, Kind, Platform, Problems, Spec, StartMode};

use crate::exit;
use crate::failure::Failure;
use crate::prompt::needs_password;

/// Time that the guard itself needs beside the ladder: to drain, to write its journal, to report.
const STOP_MARGIN: Duration = Duration::from_secs(15);

/// The service manager that this layout's services belong to: none with `--home`, none on a machine without one.
pub(crate) fn manager(layout: &Layout) -> Option<Manager> {
    if layout.home.is_some() { None } else { manager::detect() }
}

/// Whether the manager knows this service.
pub(crate) fn is_registered(manager: &Manager, name: &str) -> Result<bool, Failure> {
    Ok(manager.state(name)?.is_some())
}

/// What the manager has of a service: itself, or each of its instances.
pub(crate) fn registered(manager: &Manager, base: &str) -> Vec<String> {
    let mut names = manager.names();
    names.retain(|name| base_name(name).0 == base);
    names
}

/// The OS services that a spec as written stands for: one, or one for each instance.
pub(crate) fn os_names(spec: &Spec) -> Vec<String> {
    match spec.instances {
        Some(instances) => (1..=instances.count).map(|number| format!("{}@{number}", spec.name)).collect(),
        None => vec![spec.name.clone()],
    }
}

/// Reads a spec for this machine and this layout: what either can't do is a problem like any other.
pub(crate) fn read(layout: &Layout, name: &str, text: &str) -> Result<Spec, Problems> {
    let spec = spec::read(name, text, platform())?;
    // Most specs come after nothing, and the others need not be read.
    let rings = match text.contains("after") {
        true => order::rings(&Services::read(layout).unwrap_or_default().with(base_name(name).0, text)),
        false => Vec::new(),
    };
    let problems = problems(layout, text, &spec, &rings);
    if problems.is_empty() { Ok(spec) } else { Err(problems) }
}

/// What of a valid spec this machine or this layout can't do. `rings`: services that wait for each other.
pub(crate) fn problems(layout: &Layout, text: &str, spec: &Spec, rings: &[Vec<String>]) -> Problems {
    let mut found = mainstay_guard::unsupported(spec);
    if let (true, Some(_), Some(user)) = (is_windows(), &layout.home, &spec.launch.account.user) {
        let why = format!(
            "cannot run as {user} with --home: only the service manager can log an account on; install it without --home, or leave the account out"
        );
        found.push(("account.user", why));
    }
    let own = base_name(&spec.name).0;
    for ring in rings.iter().filter(|ring| ring.iter().any(|name| name == own)) {
        found.push(("after", order::ring_text(ring)));
    }
    Problems::at(text, &found)
}

/// The specs of all OS services that this text stands for.
fn specs(name: &str, text: &str) -> Result<Vec<Spec>, Failure> {
    let broken = |problems: Problems| Failure::failed(format!("cannot use the spec of {name}: {problems}"));
    let written = spec::read(name, text, platform()).map_err(broken)?;
    os_names(&written).iter().map(|name| spec::read(name, text, platform()).map_err(broken)).collect()
}

/// Makes the OS services of a spec, all or none. Answers with warnings.
pub(crate) fn install(
    layout: &Layout,
    manager: &Manager,
    name: &str,
    text: &str,
    password: Option<&Secret>,
) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    let mut made: Vec<String> = Vec::new();
    for spec in specs(name, text)? {
        let done = give_folders(layout, &spec)
            .and_then(|()| Ok(manager.install(&entry(layout, manager, &spec, binary()?), password)?));
        match done {
            Ok(more) => warnings.extend(more),
            Err(failure) => {
                for name in made {
                    // The first failure is the one to tell.
                    drop(manager.remove(&name));
                }
                return Err(failure);
            }
        }
        made.push(spec.name);
    }
    warnings.sort();
    warnings.dedup();
    Ok(warnings)
}

/// Lets the manager know what changed of what it knows: entries changed, instances added and taken away. A service that it does not know
/// stays unknown. Answers with warnings.
pub(crate) fn follow(layout: &Layout, name: &str, text: &str) -> Result<Vec<String>, Failure> {
    let base = base_name(name).0;
    let Some(manager) = manager(layout) else { return Ok(Vec::new()) };
    let known = registered(&manager, base);
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let mut warnings = Vec::new();
    let specs = specs(base, text)?;
    for spec in &specs {
        give_folders(layout, spec)?;
        let entry = entry(layout, &manager, spec, binary_of(&manager, &spec.name)?);
        if known.contains(&spec.name) {
            warnings.extend(manager.update(&entry)?);
        } else if let Some(account) = entry.account.as_deref().filter(|account| needs_password(account)) {
            let text = format!(
                "cannot install {}: the password of {account} is needed; remove {base} and install it again, by `mainstay remove {base}` and `mainstay install {base}`",
                spec.name
            );
            return Err(Failure::new(exit::FAILED, text));
        } else {
            warnings.extend(manager.install(&entry, None)?);
        }
    }
    for gone in known.iter().filter(|known| specs.iter().all(|spec| spec.name != **known)) {
        manager.remove(gone)?;
    }
    warnings.sort();
    warnings.dedup();
    Ok(warnings)
}

/// Lets the manager start the guards of a service by another executable. Answers with warnings.
pub(crate) fn repoint(layout: &Layout, manager: &Manager, base: &str, binary: &Path) -> Result<Vec<String>, Failure> {
    let path = layout.spec(base);
    let text = std::fs::read_to_string(&path).map_err(Failure::io(format!("read {}", path.display())))?;
    let known = registered(manager, base);
    let mut warnings = Vec::new();
    for spec in specs(base, &text)?.iter().filter(|spec| known.contains(&spec.name)) {
        warnings.extend(manager.update(&entry(layout, manager, spec, binary.to_owned()))?);
    }
    Ok(warnings)
}

/// What the manager is to know of one OS service.
pub(crate) fn entry(layout: &Layout, manager: &Manager, spec: &Spec, binary: PathBuf) -> Entry {
    let owner = match manager.kind() {
        manager::Kind::Scm => "scm",
        manager::Kind::Systemd => "systemd",
    };
    let args = ["guard", &spec.name, "--owner", owner].map(Into::into).to_vec();
    let description = if spec.description.is_empty() {
        format!("{}, kept running by mainstay", spec.name)
    } else {
        spec.description.clone()
    };
    let start = match spec.start {
        StartMode::Auto => Start::Auto,
        StartMode::Delayed => Start::Delayed,
        StartMode::Manual => Start::Manual,
        StartMode::Disabled => Start::Disabled,
    };
    let (after, after_groups) = before(layout, manager.kind(), spec);
    Entry {
        name: spec.name.clone(),
        display_name: display_name(spec),
        description,
        binary,
        args,
        start,
        stop_limit: stop_limit(spec),
        account: account_of(spec),
        after,
        after_groups,
        remains: spec.kind == Kind::Once,
    }
}

/// Instances of one service have names that differ, which the manager wants too.
fn display_name(spec: &Spec) -> String {
    match (&spec.instance, spec.display_name.as_str()) {
        (_, "") => String::new(),
        (None, name) => name.to_owned(),
        (Some(instance), name) => format!("{name} {}", instance.number),
    }
}

/// The longest an orderly stop takes: the hook before it, each step of the ladder, and what the guard itself needs.
fn stop_limit(spec: &Spec) -> Duration {
    let hooks = [HookPoint::PreStop, HookPoint::PostStop];
    let hooks: Duration = hooks.iter().filter_map(|point| spec.hooks.at.get(point)).map(|hook| hook.timeout).sum();
    let ladder: Duration = spec.stop.ladder.iter().map(|step| step.wait).sum();
    hooks + ladder + STOP_MARGIN
}

/// Who the manager logs on: on Windows the account named, else the one that the system makes up for the service and that may do next to
/// nothing. On Linux the guard keeps its rights and changes the program's.
pub(crate) fn account_of(spec: &Spec) -> Option<String> {
    if !is_windows() {
        return None;
    }
    spec.launch.account.user.clone().or_else(|| account::default_user(&spec.name))
}

/// What the manager itself is to start before this service, and its groups.
///
/// Our own services are named to systemd only: there it is an order and a wish (`After=`, `Wants=`). To the Windows service manager a
/// dependency is a must, whatever the spec says: it would not let a service be stopped while another that comes after it runs, and would
/// start one of kind `once` again and again. There the guards alone keep the order, as they do everywhere.
fn before(layout: &Layout, kind: manager::Kind, spec: &Spec) -> (Vec<String>, Vec<String>) {
    let all =
        if kind == manager::Kind::Systemd { Services::read(layout).unwrap_or_default() } else { Services::default() };
    let own = base_name(&spec.name).0;
    let (mut services, mut groups) = (Vec::new(), Vec::new());
    for after in &spec.after {
        match &after.what {
            Awaited::Os(name) => services.push(name.clone()),
            Awaited::OsGroup(name) => groups.push(name.clone()),
            Awaited::Service(name, _) if base_name(name).1.is_some() && is_there(&all, after) => {
                services.push(format!("mainstay:{name}"));
            }
            Awaited::Service(..) | Awaited::Group(..) => {
                if let Before::Services(found) = order::before(&all, after) {
                    let names = found.iter().filter(|base| *base != own).flat_map(|base| all.of(base));
                    services.extend(names.map(|name| format!("mainstay:{name}")));
                }
            }
        }
    }
    services.sort();
    services.dedup();
    (services, groups)
}

fn is_there(all: &Services, after: &After) -> bool {
    matches!(order::before(all, after), Before::Services(_))
}

/// Makes the folders that a guard needs, and on Windows lets its account use exactly these: its journal and logs, its lock, and the specs
/// to read (its own and those that it comes after). The control channel is a pipe and needs none.
fn give_folders(layout: &Layout, spec: &Spec) -> Result<(), Failure> {
    let Some(user) = account_of(spec) else { return Ok(()) };
    let failed = |error| Failure::io(format!("install {}", spec.name))(error);
    let (state, logs) = (layout.state_of(&spec.name), layout.logs_of(&spec.name));
    for folder in [&layout.specs, &layout.run, &state, &logs] {
        files::make_private_dir(folder).map_err(failed)?;
    }
    for folder in [&state, &logs] {
        account::own_folder(folder, &user).map_err(failed)?;
    }
    for folder in [&layout.specs, &layout.run] {
        account::let_read(folder, &user).map_err(failed)?;
    }
    // It could not make the file in a folder that it may only read.
    let lock = layout.lock(&spec.name);
    OpenOptions::new().create(true).append(true).open(&lock).map_err(failed)?;
    account::own_file(&lock, &user).map_err(failed)
}

/// This very program.
pub(crate) fn binary() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(Failure::io("find my own executable"))
}

/// The executable that an installed service is to have: the one it has, as long as that is there, else this very program.
fn binary_of(manager: &Manager, name: &str) -> Result<PathBuf, Failure> {
    match manager.program(name).filter(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => binary(),
    }
}

fn is_windows() -> bool {
    mainstay_os::NAME == "windows"
}

fn platform() -> Platform {
    Platform::named(mainstay_os::NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Spec {
        spec::read(name, text, platform()).unwrap()
    }

    #[test]
    fn a_spec_stands_for_itself_or_its_instances() {
        assert_eq!(os_names(&read("web", "program = \"x\"")), ["web"]);
        let text = "program = \"x\"\ninstances = 2\ndisplay-name = \"The web\"";
        assert_eq!(os_names(&read("web", text)), ["web@1", "web@2"]);
        assert_eq!(display_name(&read("web@2", text)), "The web 2");
    }

    #[test]
    fn a_stop_has_the_time_of_its_hooks_too() {
        let text = "program = \"x\"\nstop.ladder = [{ ask = \"ctrl-c\", wait = \"5s\" }, { ask = \"terminate\" }]\n\
                    hooks.pre-stop = { command = [\"x\"], timeout = \"20s\" }";
        let wait = read("web", text).stop.ladder.iter().map(|step| step.wait).sum::<Duration>();
        assert_eq!(stop_limit(&read("web", text)), wait + Duration::from_secs(20) + STOP_MARGIN);
    }

    #[test]
    fn each_manager_is_told_what_it_can_keep() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::home(folder.path());
        std::fs::create_dir(&layout.specs).unwrap();
        for (name, text) in [
            ("db", "program = \"x\"\ninstances = 2"),
            ("cache", "program = \"x\"\ngroups = [\"data\"]"),
            ("web", "program = \"x\"\nafter = [\"db\", \"@data\", \"os:Tcpip\", \"os-group:network\"]"),
        ] {
            std::fs::write(layout.spec(name), text).unwrap();
        }
        let web = read("web", &std::fs::read_to_string(layout.spec("web")).unwrap());
        let (services, groups) = before(&layout, manager::Kind::Systemd, &web);
        assert_eq!(services, ["Tcpip", "mainstay:cache", "mainstay:db@1", "mainstay:db@2"]);
        assert_eq!(groups, ["network"]);
        assert_eq!(before(&layout, manager::Kind::Scm, &web), (vec!["Tcpip".to_owned()], vec!["network".to_owned()]));
    }

    #[test]
    fn what_this_machine_cannot_do_is_shown_where_it_stands() {
        let layout = Layout::home(Path::new("/nowhere"));
        let text = "program = \"x\"\n\n[account]\nuser = \"no-such-user-here\"\n";
        let problems = super::read(&layout, "web", text).unwrap_err();
        let first = problems.0.first().unwrap();
        assert_eq!((first.line, first.column), (4, 8), "{problems}");
        assert!(first.message.starts_with("cannot run as no-such-user-here"), "{problems}");
    }
}
