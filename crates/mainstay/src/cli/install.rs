//! `install` and `remove`: a spec, and its entries in the OS's service manager.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_agent::services::{self, Services};
use mainstay_os::account::{self, Secret};
use mainstay_os::manager::{self, Manager};
use mainstay_os::{files, oslog};
use mainstay_wire::control::Ask;
use mainstay_wire::layout::base_name;
use mainstay_wire::spec::{self, EditError, Platform, Spec};

use super::Context;
use super::edit::{pair, refused};
use super::select::{self, Names};
use super::show;
use crate::failure::Failure;
use crate::prompt::{PasswordSource, needs_password};
use crate::{exit, systems};

/// Make a program a service.
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// The new service.
    name: String,
    /// Working directory; default: the program's folder.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// A variable for the program; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// auto, delayed, manual or disabled.
    #[arg(long)]
    start: Option<String>,
    /// One line for people.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who the program runs as. Default: on Windows NT SERVICE\NAME, which may do next to nothing; on Linux root with few capabilities.
    #[arg(long, value_name = "USER")]
    account: Option<String>,
    #[command(flatten)]
    password: PasswordSource,
    /// Any other key of the spec, such as restart.delay=2s; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// The program and its arguments, after `--`. None: NAME has a spec already, which is made an OS service.
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<String>,
}

impl Install {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let name = self.name.clone();
        spec::check_base(&name).map_err(|why| Failure::new(exit::USAGE, why))?;
        let manager = systems::manager(&context.layout);
        let is_new = !services::exists(&context.layout, &name);
        self.check_words(context, is_new, manager.as_ref())?;
        if context.layout.home.is_none() {
            check_privilege("install", &name)?;
        }
        let path = context.layout.spec(&name);
        let password = self.password.clone();
        let (text, spec) = if is_new { self.new_spec(context)? } else { existing(context, &name)? };
        // Before anything is changed: a person may think better of it at the question.
        let password = read_password(&password, manager.as_ref(), &spec)?;
        if is_new {
            files::make_private_dir(&context.layout.specs)
                .map_err(Failure::io(format!("make {}", context.layout.specs.display())))?;
            show::put_schema(&context.layout)?;
            files::replace(&path, text.as_bytes()).map_err(Failure::io(format!("write {}", path.display())))?;
        }
        let Some(manager) = manager else {
            let how = context.layout.home.as_ref().map(|home| format!(" {}", home.display())).unwrap_or_default();
            context.told(&name, &format!("installed ({}); `mainstay up{how}` guards it", path.display()));
            return Ok(());
        };
        let warnings = systems::install(&context.layout, &manager, &name, &text, password.as_ref());
        let warnings = warnings.inspect_err(|_| {
            // All or nothing: a spec without its OS service would only confuse.
            if is_new {
                std::fs::remove_file(&path).ok();
            }
        })?;
        for warning in warnings.iter().chain(&out_of_reach(&spec)?) {
            context.warn(warning);
        }
        if let Err(error) = oslog::register_source(&systems::binary()?) {
            context.warn(&format!("cannot register with the OS's log: {error}"));
        }
        context.told(&name, &installed(&manager, &spec));
        Ok(())
    }

    /// What is typed must fit to what is there.
    fn check_words(&self, context: &Context, is_new: bool, manager: Option<&Manager>) -> Result<(), Failure> {
        let name = &self.name;
        if is_new && self.command.is_empty() {
            let text = format!(
                "cannot install {name}: name the program after `--`, as in `mainstay install {name} -- PROGRAM`"
            );
            return Err(Failure::new(exit::USAGE, text));
        }
        if !is_new && (self.says_anything() || is_installed(manager, name)) {
            let path = context.layout.spec(name);
            let text = format!(
                "cannot install {name}: it exists already ({}); change it by `mainstay set` or `mainstay edit`",
                path.display()
            );
            return Err(Failure::failed(text));
        }
        let has_passwords = manager.is_some_and(|manager| manager.kind() == manager::Kind::Scm);
        if self.password.is_given() && !has_passwords {
            let text = format!("cannot install {name}: a password is only for accounts of Windows' service manager");
            return Err(Failure::new(exit::USAGE, text));
        }
        Ok(())
    }

    /// Anything about the spec.
    fn says_anything(&self) -> bool {
        let options = [&self.start, &self.description, &self.account];
        options.iter().any(|option| option.is_some())
            || self.directory.is_some()
            || !(self.env.is_empty() && self.set.is_empty() && self.command.is_empty())
    }

    /// The text of the spec and what it means.
    fn new_spec(self, context: &Context) -> Result<(String, Spec), Failure> {
        let platform = Platform::named(mainstay_os::NAME);
        let path = context.layout.spec(&self.name);
        let (program, args) =
            self.command.split_first().ok_or_else(|| Failure::new(exit::USAGE, "name the program after `--`"))?;
        let mut text = spec::template(&absolute(program)?, args, Some(show::SCHEMA_ADDRESS));
        let mut sets: Vec<(String, String)> = Vec::new();
        sets.extend(self.description.map(|value| ("description".to_owned(), value)));
        sets.extend(self.start.map(|value| ("start".to_owned(), value)));
        if let Some(directory) = self.directory {
            let directory =
                std::path::absolute(&directory).map_err(Failure::io(format!("use {}", directory.display())))?;
            sets.push(("directory".to_owned(), directory.to_string_lossy().into_owned()));
        }
        sets.extend(self.account.map(|value| ("account.user".to_owned(), value)));
        sets.extend(self.env.into_iter().map(|(key, value)| (format!("env.{key}"), value)));
        sets.extend(self.set);
        for (key, value) in sets {
            text =
                spec::set(&self.name, &text, &key, &value, platform).map_err(|error| refused(&path, &text, error))?;
        }
        checked(context, &self.name, text)
    }
}

/// The spec that is there already.
fn existing(context: &Context, name: &str) -> Result<(String, Spec), Failure> {
    let (name, _, text) = show::text(context, name)?;
    checked(context, &name, text)
}

fn checked(context: &Context, name: &str, text: String) -> Result<(String, Spec), Failure> {
    match systems::read(&context.layout, name, &text) {
        Ok(spec) => Ok((text, spec)),
        Err(problems) => Err(refused(&context.layout.spec(name), "", EditError::Invalid { text, problems })),
    }
}

/// Whether there is nothing left to do for it: without a service manager the spec is all.
fn is_installed(manager: Option<&Manager>, name: &str) -> bool {
    manager.is_none_or(|manager| !systems::registered(manager, name).is_empty())
}

/// Where the service manager wants one.
fn read_password(source: &PasswordSource, manager: Option<&Manager>, spec: &Spec) -> Result<Option<Secret>, Failure> {
    let account = systems::account_of(spec).filter(|_| manager.is_some());
    match account.filter(|account| needs_password(account)) {
        Some(account) => source.read(&account).map(Some),
        None if source.is_given() => {
            let account = spec.launch.account.user.as_deref().unwrap_or("the account");
            let text = format!("cannot install {}: {account} has no password; leave it out", spec.name);
            Err(Failure::new(exit::USAGE, text))
        }
        None => Ok(None),
    }
}

/// What was done, and who it will be.
fn installed(manager: &Manager, spec: &Spec) -> String {
    let name = &spec.name;
    let done = match systems::os_names(spec).len() {
        1 => format!("installed as a service of {}", manager.kind()),
        count => format!("installed as {count} services of {}", manager.kind()),
    };
    let who = match (systems::account_of(spec), &spec.launch.account.user) {
        (Some(account), None) => format!(
            ", as {account}, which may change nothing but its own state and logs (`--account LocalSystem` may do everything)"
        ),
        (Some(account), Some(_)) => format!(", as {account}"),
        (None, _) => String::new(),
    };
    format!("{done}{who}; `mainstay start {name}` starts it")
}

/// What an account made for one service can't reach as a rule: a person's own folders.
fn out_of_reach(spec: &Spec) -> Result<Vec<String>, Failure> {
    let Some(account) = systems::account_of(spec).filter(|account| !needs_password(account)) else {
        return Ok(Vec::new());
    };
    let Some(home) = std::env::var_os("USERPROFILE").map(PathBuf::from) else { return Ok(Vec::new()) };
    let binary = systems::binary()?;
    let program = Path::new(&spec.launch.program);
    let mut warnings = Vec::new();
    if binary.starts_with(&home) {
        warnings.push(format!(
            "{account} may be unable to start {}, which is in a person's own folder; `mainstay self install` puts it where everybody can",
            binary.display()
        ));
    }
    if program.starts_with(&home) {
        warnings.push(format!(
            "{account} may be unable to start {}, which is in a person's own folder; move it, or name another account",
            program.display()
        ));
    }
    Ok(warnings)
}

/// A path is kept as seen from here; a bare name is searched in PATH when the program is started.
pub(super) fn absolute(program: &str) -> Result<String, Failure> {
    let path = Path::new(program);
    if path.components().count() < 2 && !path.is_absolute() && !path.exists() {
        return Ok(program.to_owned());
    }
    let absolute = std::path::absolute(path).map_err(Failure::io(format!("use {program}")))?;
    Ok(absolute.to_string_lossy().into_owned())
}

pub(super) fn check_privilege(what: &str, name: &str) -> Result<(), Failure> {
    if account::is_privileged() {
        return Ok(());
    }
    let remedy = if mainstay_os::NAME == "windows" { "run this as administrator" } else { "use sudo" };
    let text = format!(
        "cannot {what} {name}: it needs the right to change the system's services; {remedy}, or keep everything in a folder of yours by --home DIR"
    );
    Err(Failure::new(exit::NOT_PERMITTED, text))
}

/// Stop services and forget them.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    #[command(flatten)]
    names: Names,
    /// Also delete their logs and journals.
    #[arg(long)]
    purge: bool,
}

impl Remove {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        self.names.must_name()?;
        let services = select::services(context)?;
        let bases = whole(&services, &self.names.of(&services)?)?;
        if context.layout.home.is_none() {
            check_privilege("remove", &bases.join(", "))?;
        }
        for base in bases {
            let names = all_of(context, &services, &base);
            remove(context, &base, &names).await?;
            if self.purge {
                for name in &names {
                    purge(context, name)?;
                }
            }
            context.told(&base, "removed");
        }
        Ok(())
    }
}

/// The specs that these services make. One instance can't be removed alone: the spec says how many there are.
fn whole(services: &Services, names: &[String]) -> Result<Vec<String>, Failure> {
    let bases: BTreeSet<&str> = names.iter().map(|name| base_name(name).0).collect();
    for base in &bases {
        let all = services.of(base);
        let missing = all.iter().any(|name| !names.contains(name));
        if let (true, Some(one)) = (missing, names.iter().find(|name| base_name(name).0 == *base)) {
            let fewer = all.len().saturating_sub(1);
            let text = format!(
                "cannot remove {one} alone: {base} has {} instances; `mainstay scale {base} {fewer}` makes them fewer, `mainstay remove {base}` removes all",
                all.len()
            );
            return Err(Failure::new(exit::USAGE, text));
        }
    }
    Ok(bases.into_iter().map(str::to_owned).collect())
}

/// Its instances as the spec says, and as the service manager and the folders remember them from before.
fn all_of(context: &Context, services: &Services, base: &str) -> Vec<String> {
    let mut names: BTreeSet<String> = services.of(base).into_iter().collect();
    names.extend(systems::manager(&context.layout).iter().flat_map(|manager| systems::registered(manager, base)));
    for folder in [&context.layout.state, &context.layout.logs] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let found = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.extend(found.filter(|name| base_name(name).0 == base));
    }
    let mut names: Vec<String> = names.into_iter().collect();
    services::sort(&mut names);
    names
}

async fn remove(context: &Context, base: &str, names: &[String]) -> Result<(), Failure> {
    if let Some(manager) = systems::manager(&context.layout) {
        for name in names {
            if systems::is_registered(&manager, name)? {
                manager.remove(name)?;
            }
        }
    }
    for name in names {
        match client::ask(&context.layout, name, Ask::Retire { in_order: false }).await {
            Ok(_) | Err(AskError::NotRunning(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let path = context.layout.spec(base);
    std::fs::remove_file(&path).map_err(Failure::io(format!("remove {}", path.display())))?;
    for name in names {
        wait_until_free(context, name).await?;
        // Nobody can want it any more: without a spec no guard begins.
        let lock = context.layout.lock(name);
        match std::fs::remove_file(&lock) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::io(format!("remove {}", lock.display()))(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The guard has let go of the service when its lock is free.
async fn wait_until_free(context: &Context, name: &str) -> Result<(), Failure> {
    let lock = context.layout.lock(name);
    let mut look = tokio::time::interval(std::time::Duration::from_millis(20));
    for _ in 0..1500 {
        look.tick().await;
        if matches!(files::lock_note(&lock), Ok(None)) {
            return Ok(());
        }
    }
    Err(Failure::new(exit::TIMED_OUT, format!("{name}: its guard still runs after 30 s; it ends when its program has")))
}

fn purge(context: &Context, name: &str) -> Result<(), Failure> {
    // Nobody holds it any more, and nothing is lost with it.
    std::fs::remove_file(context.layout.lock(name)).ok();
    for folder in [context.layout.logs_of(name), context.layout.state_of(name)] {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::io(format!("remove {}", folder.display()))(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_removed_with_all_its_instances_or_not_at_all() {
        let services = Services::default().with("web", "program = \"x\"\ninstances = 2").with("db", "program = \"x\"");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(whole(&services, &names(&["db", "web@1", "web@2"])).unwrap(), ["db", "web"]);
        let failure = whole(&services, &names(&["web@2"])).unwrap_err();
        assert_eq!(failure.code, exit::USAGE);
        assert!(failure.text.starts_with("cannot remove web@2 alone: web has 2 instances"), "{failure}");
    }
}
