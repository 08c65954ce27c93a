//! `set`, `unset`, `edit`: change a spec's file, keep its comments, never save a bad one.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::Command;

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_os::files;
use mainstay_wire::control::Ask;
use mainstay_wire::spec::{self, EditError, Platform};

use super::{Context, apply, show};
use crate::failure::Failure;
use crate::{exit, term};

/// Change values of a spec.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The service.
    name: String,
    /// Such as restart.delay=2s env.GIN_MODE=release args='["--port", "8080"]'.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
    values: Vec<(String, String)>,
    /// Restart the program at once if it needs a restart to follow.
    #[arg(long)]
    apply: bool,
}

impl Set {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (name, path, mut text) = show::text(context, &self.name)?;
        for (key, value) in &self.values {
            text = spec::set(&name, &text, key, value, platform()).map_err(|error| refused(&path, &text, error))?;
        }
        save(context, &name, &path, &text)?;
        tell(context, &name, self.apply).await
    }
}

/// Take values out of a spec.
#[derive(Debug, Args)]
pub(crate) struct Unset {
    /// The service.
    name: String,
    /// Such as restart.delay.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// Restart the program at once if it needs a restart to follow.
    #[arg(long)]
    apply: bool,
}

impl Unset {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (name, path, mut text) = show::text(context, &self.name)?;
        for key in &self.keys {
            text = spec::unset(&name, &text, key, platform()).map_err(|error| refused(&path, &text, error))?;
        }
        save(context, &name, &path, &text)?;
        tell(context, &name, self.apply).await
    }
}

/// Open a spec in an editor.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// The service.
    name: String,
    /// Restart the program at once if it needs a restart to follow.
    #[arg(long)]
    apply: bool,
}

impl Edit {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (name, path, old) = show::text(context, &self.name)?;
        let scratch = tempfile::Builder::new().prefix(&format!("{name}-")).suffix(".toml").tempfile();
        let scratch = scratch.map_err(Failure::io("make a scratch file"))?.into_temp_path();
        std::fs::write(&scratch, &old).map_err(Failure::io("write the scratch file"))?;
        loop {
            open_editor(&scratch)?;
            let text = std::fs::read_to_string(&scratch).map_err(Failure::io("read the scratch file"))?;
            if text == old {
                context.told(&name, "nothing changed");
                return Ok(());
            }
            match spec::read(&name, &text, platform()) {
                Ok(_) => {
                    save(context, &name, &path, &text)?;
                    return tell(context, &name, self.apply).await;
                }
                Err(problems) => {
                    anstream::eprintln!("{}", term::problems(&path, &text, &problems));
                    if !again() {
                        return Err(Failure::failed(format!("{name}: not saved; the old spec stays")));
                    }
                }
            }
        }
    }
}

fn open_editor(file: &Path) -> Result<(), Failure> {
    let named = std::env::var("VISUAL").or_else(|_| std::env::var("EDITOR"));
    let default = if mainstay_os::NAME == "windows" { "notepad" } else { "vi" };
    let editor = named.unwrap_or_else(|_| default.to_owned());
    // EDITOR may carry arguments ("code --wait").
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or(default);
    let status = Command::new(program)
        .args(words)
        .arg(file)
        .status()
        .map_err(Failure::io(format!("start the editor {program}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::failed(format!("the editor {program} failed ({status}); nothing is saved")))
    }
}

fn again() -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    anstream::eprint!("Edit again? [Y/n] ");
    std::io::stderr().flush().ok();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).is_ok_and(|read| read > 0)
        && !answer.trim().eq_ignore_ascii_case("n")
}

fn save(context: &Context, name: &str, path: &Path, text: &str) -> Result<(), Failure> {
    files::replace(path, text.as_bytes()).map_err(Failure::io(format!("write {}", path.display())))?;
    apply::register(context, name, text)
}

/// Lets a running guard take what needs no restart, or with `now` everything.
async fn tell(context: &Context, name: &str, now: bool) -> Result<(), Failure> {
    match client::ask(&context.layout, name, Ask::Reload { hold: !now }).await {
        Ok(status) if now => context.told(name, &format!("saved and in force ({})", status.state.word())),
        Ok(status) if status.owner.as_deref() == Some("up") => {
            context.told(name, "saved; `mainstay up` sees the changed file and puts it in force");
        }
        Ok(_) => {
            context.told(
                name,
                &format!("saved; what needs a restart waits for `mainstay apply {name}` or the next start"),
            );
        }
        Err(AskError::NotRunning(_)) => context.told(name, "saved"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn platform() -> Platform {
    Platform::named(mainstay_os::NAME)
}

/// `KEY=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`: write KEY=VALUE"))?;
    if key.is_empty() {
        return Err(format!("`{text}` has no key before `=`"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// An edit that was not made, shown in the text it would have made.
pub(crate) fn refused(path: &Path, text: &str, error: EditError) -> Failure {
    let shown = match &error {
        EditError::Invalid { text, problems } => term::problems(path, text, problems),
        EditError::Syntax(problems) => term::problems(path, text, problems),
        EditError::NoTable(_) | EditError::NoKey(_) => {
            return Failure::new(exit::FAILED, format!("{error}; nothing is changed"));
        }
    };
    Failure::failed(format!("the spec would not be valid; nothing is changed\n{shown}"))
}
