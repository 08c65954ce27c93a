//! `install` and `remove`: a spec, and its entry in the OS's service manager.

use std::path::{Path, PathBuf};

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_agent::services;
use mainstay_os::{account, files, oslog};
use mainstay_wire::control::Ask;
use mainstay_wire::spec::{self, EditError, Platform, Spec};

use super::Context;
use super::edit::{pair, refused};
use super::select::Names;
use crate::failure::Failure;
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
    /// Any other key of the spec, such as restart.delay=2s; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// The program and its arguments, after `--`.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    command: Vec<String>,
}

impl Install {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let name = self.name.clone();
        spec::check_name(&name).map_err(|why| Failure::new(exit::USAGE, why))?;
        let path = context.layout.spec(&name);
        if services::exists(&context.layout, &name) {
            let text = format!(
                "cannot install {name}: it exists already ({}); change it by `mainstay set` or `mainstay edit`",
                path.display()
            );
            return Err(Failure::failed(text));
        }
        let manager = systems::manager(&context.layout);
        if context.layout.home.is_none() {
            check_privilege("install", &name)?;
        }
        let (text, spec) = self.spec(context)?;
        files::make_private_dir(&context.layout.specs)
            .map_err(Failure::io(format!("make {}", context.layout.specs.display())))?;
        files::replace(&path, text.as_bytes()).map_err(Failure::io(format!("write {}", path.display())))?;
        let Some(manager) = manager else {
            let how = context.layout.home.as_ref().map(|home| format!(" {}", home.display())).unwrap_or_default();
            context.told(&name, &format!("installed ({}); `mainstay up{how}` guards it", path.display()));
            return Ok(());
        };
        let binary = systems::binary()?;
        let installed = systems::entry(&manager, &spec).and_then(|entry| Ok(manager.install(&entry)?));
        let warnings = installed.inspect_err(|_| {
            // All or nothing: a spec without its OS service would only confuse.
            std::fs::remove_file(&path).ok();
        })?;
        for warning in warnings {
            context.warn(&warning);
        }
        if let Err(error) = oslog::register_source(&binary) {
            context.warn(&format!("cannot register with the OS's log: {error}"));
        }
        context
            .told(&name, &format!("installed as a service of {}; `mainstay start {name}` starts it", manager.kind()));
        Ok(())
    }

    /// The text of the spec and what it means.
    fn spec(self, context: &Context) -> Result<(String, Spec), Failure> {
        let platform = Platform::named(mainstay_os::NAME);
        let path = context.layout.spec(&self.name);
        let (program, args) =
            self.command.split_first().ok_or_else(|| Failure::new(exit::USAGE, "name the program after `--`"))?;
        let mut text = spec::template(&absolute(program)?, args);
        let mut sets: Vec<(String, String)> = Vec::new();
        sets.extend(self.description.map(|value| ("description".to_owned(), value)));
        sets.extend(self.start.map(|value| ("start".to_owned(), value)));
        if let Some(directory) = self.directory {
            let directory =
                std::path::absolute(&directory).map_err(Failure::io(format!("use {}", directory.display())))?;
            sets.push(("directory".to_owned(), directory.to_string_lossy().into_owned()));
        }
        sets.extend(self.env.into_iter().map(|(key, value)| (format!("env.{key}"), value)));
        sets.extend(self.set);
        for (key, value) in sets {
            text =
                spec::set(&self.name, &text, &key, &value, platform).map_err(|error| refused(&path, &text, error))?;
        }
        match spec::read(&self.name, &text, platform) {
            Ok(spec) => Ok((text, spec)),
            Err(problems) => Err(refused(&path, "", EditError::Invalid { text, problems })),
        }
    }
}

/// A path is kept as seen from here; a bare name is searched in PATH when the program is started.
fn absolute(program: &str) -> Result<String, Failure> {
    let path = Path::new(program);
    if path.components().count() < 2 && !path.is_absolute() && !path.exists() {
        return Ok(program.to_owned());
    }
    let absolute = std::path::absolute(path).map_err(Failure::io(format!("use {program}")))?;
    Ok(absolute.to_string_lossy().into_owned())
}

fn check_privilege(what: &str, name: &str) -> Result<(), Failure> {
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
        let names = self.names.some(context)?;
        if context.layout.home.is_none() {
            check_privilege("remove", &names.join(", "))?;
        }
        for name in names {
            remove(context, &name).await?;
            if self.purge {
                purge(context, &name)?;
            }
            context.told(&name, "removed");
        }
        Ok(())
    }
}

async fn remove(context: &Context, name: &str) -> Result<(), Failure> {
    if let Some(manager) = systems::manager(&context.layout)
        && systems::is_registered(&manager, name)?
    {
        manager.remove(name)?;
    }
    match client::ask(&context.layout, name, Ask::Retire).await {
        Ok(_) | Err(AskError::NotRunning(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let path = context.layout.spec(name);
    std::fs::remove_file(&path).map_err(Failure::io(format!("remove {}", path.display())))?;
    wait_until_free(context, name).await?;
    // Nobody can want it any more: without a spec no guard begins.
    match std::fs::remove_file(context.layout.lock(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::io(format!("remove {}", context.layout.lock(name).display()))(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
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
