//! `self install | update | uninstall`: the program itself in its place and in PATH.

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use mainstay_agent::services;
use mainstay_os::manager::{self, Manager};
use mainstay_os::setup;
use mainstay_os::tree::Exit;
use mainstay_wire::layout::base_name;

use super::Context;
use crate::failure::Failure;
use crate::{exit, home, systems, trial};

/// A program that doesn't tell its version within this is none of ours.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The program itself.
#[derive(Debug, Args)]
pub(crate) struct SelfCmd {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Copy this program to its place for all users and put that into PATH.
    Install(Install),
    /// Replace the installed program by another version; guards that run go on with the old one.
    Update(Update),
    /// Remove the installed program and its entry in PATH, and nothing else.
    Uninstall(Uninstall),
}

#[derive(Debug, Args)]
struct Place {
    /// Another folder than the system's own for programs.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Install {
    #[command(flatten)]
    place: Place,
    /// Let installed services be started by the program in its new place, too.
    #[arg(long)]
    repoint: bool,
    /// Also over a newer version.
    #[arg(long)]
    downgrade: bool,
}

#[derive(Debug, Args)]
struct Update {
    /// The new program.
    file: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Also by an older version.
    #[arg(long)]
    downgrade: bool,
}

#[derive(Debug, Args)]
struct Uninstall {
    #[command(flatten)]
    place: Place,
    /// Also while services are installed, which can't be started any more then.
    #[arg(long)]
    force: bool,
}

impl SelfCmd {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Install(verb) => verb.run(context).await,
            Verb::Update(verb) => verb.run(context).await,
            Verb::Uninstall(verb) => verb.run(context),
        }
    }
}

impl Place {
    fn folder(&self) -> Result<PathBuf, Failure> {
        match &self.to {
            Some(folder) => std::path::absolute(folder).map_err(Failure::io(format!("use {}", folder.display()))),
            None => Ok(setup::folder()),
        }
    }

    /// Where the program is, or is to be.
    fn binary(&self) -> Result<PathBuf, Failure> {
        Ok(self.folder()?.join(format!("mainstay{}", std::env::consts::EXE_SUFFIX)))
    }
}

impl Install {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (folder, to) = (self.place.folder()?, self.place.binary()?);
        let own = systems::binary()?;
        if same(&own, &to) {
            context.told("mainstay", &format!("is in its place already: {}", to.display()));
        } else {
            refuse_older(&to, &own_version(), self.downgrade).await?;
            std::fs::create_dir_all(&folder).map_err(Failure::io(format!("make {}", folder.display())))?;
            setup::replace_binary(&own, &to).map_err(said)?;
            context.told("mainstay", &format!("installed as {}", to.display()));
        }
        add_to_path(context, &folder);
        match manager::detect() {
            Some(manager) => self.repoint(context, &manager, &to),
            None => Ok(()),
        }
    }

    /// Services that another copy of this program guards.
    fn repoint(&self, context: &Context, manager: &Manager, to: &Path) -> Result<(), Failure> {
        let elsewhere = |name: &String| manager.program(name).is_some_and(|program| !is_same_path(&program, to));
        let mut names = manager.names();
        names.retain(elsewhere);
        if names.is_empty() {
            return Ok(());
        }
        if !self.repoint {
            let text = format!(
                "these services are still started by another copy of mainstay: {}; `mainstay self install --repoint` changes that",
                names.join(", ")
            );
            context.warn(&text);
            return Ok(());
        }
        // The service manager's services are the system's, whatever home is named.
        let layout = home::layout(None)?;
        let mut bases: Vec<&str> = names.iter().map(|name| base_name(name).0).collect();
        bases.dedup();
        for base in bases {
            if !services::exists(&layout, base) {
                context.warn(&format!("cannot change {base}: it has no spec; `mainstay remove {base}` removes it"));
                continue;
            }
            for warning in systems::repoint(&layout, manager, base, to)? {
                context.warn(&warning);
            }
            context.told(base, &format!("is started by {} from its next start on", to.display()));
        }
        Ok(())
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let to = self.place.binary()?;
        must_be_there("update", &to)?;
        let file = std::path::absolute(&self.file).map_err(Failure::io(format!("use {}", self.file.display())))?;
        let new = version_of(&file).await?;
        refuse_older(&to, &new, self.downgrade).await?;
        if same(&file, &to) {
            context.told("mainstay", &format!("is version {new} already: {}", to.display()));
            return Ok(());
        }
        setup::replace_binary(&file, &to).map_err(said)?;
        let text = format!(
            "{} is version {new} now; guards that run go on with the old one until they are started anew (`mainstay status --json` shows each one's version)",
            to.display()
        );
        context.told("mainstay", &text);
        Ok(())
    }
}

impl Uninstall {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let (folder, binary) = (self.place.folder()?, self.place.binary()?);
        must_be_there("uninstall", &binary)?;
        let users: Vec<String> = manager::detect().map_or_else(Vec::new, |manager| {
            let mut names = manager.names();
            names.retain(|name| manager.program(name).is_none_or(|program| is_same_path(&program, &binary)));
            names
        });
        if !(users.is_empty() || self.force) {
            let text = format!(
                "cannot uninstall mainstay: {} starts these services: {}; remove them first (`mainstay remove NAME`), or use --force",
                binary.display(),
                users.join(", ")
            );
            return Err(Failure::failed(text));
        }
        setup::remove_binary(&binary).map_err(said)?;
        context.told("mainstay", &format!("removed {}; specs, logs and journals stay", binary.display()));
        // A folder that has other things in it is perhaps in PATH for their sake.
        let is_ours = self.place.to.is_none() || is_empty(&folder);
        match is_ours.then(|| setup::remove_from_path(&folder)).transpose() {
            Ok(Some(true)) => context.told("mainstay", &format!("took {} out of PATH", folder.display())),
            Ok(Some(false) | None) => {}
            Err(error) => context.warn(&error.to_string()),
        }
        Ok(())
    }
}

fn add_to_path(context: &Context, folder: &Path) {
    match setup::add_to_path(folder) {
        Ok(true) => {
            context
                .told("mainstay", &format!("put {} into PATH; terminals opened from now on find it", folder.display()));
        }
        Ok(false) => {}
        // The program is in its place all the same.
        Err(error) => context.warn(&error.to_string()),
    }
}

fn must_be_there(verb: &str, binary: &Path) -> Result<(), Failure> {
    if binary.is_file() {
        return Ok(());
    }
    let text = format!(
        "cannot {verb} mainstay: there is none at {}; `mainstay self install` puts it there, --to names another folder",
        binary.display()
    );
    Err(Failure::failed(text))
}

/// A newer version in the place stays, unless a person wants it otherwise. One that can't tell its version may go.
async fn refuse_older(place: &Path, new: &Version, downgrade: bool) -> Result<(), Failure> {
    if downgrade || !place.is_file() {
        return Ok(());
    }
    match version_of(place).await {
        Ok(there) if new.order(&there) == Ordering::Less => {
            let text = format!(
                "cannot replace {}: it is version {there}, newer than {new}; --downgrade does it all the same",
                place.display()
            );
            Err(Failure::failed(text))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Asks a program for its version: only a mainstay that works here answers.
async fn version_of(file: &Path) -> Result<Version, Failure> {
    let name = file.display();
    let unfit = |why: String| Failure::failed(format!("cannot use {name} as mainstay: {why}"));
    if !file.is_file() {
        return Err(unfit("there is no such file".to_owned()));
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    let words = ["--version".to_owned()];
    let answer = trial::output(&file.to_string_lossy(), &words, folder, VERSION_LIMIT).await;
    match answer.map_err(|failure| unfit(failure.text))? {
        (None, _) => Err(unfit(format!("it tells no version within {} s", VERSION_LIMIT.as_secs()))),
        (Some(Exit::Code(0)), said) => {
            Version::said(&said).ok_or_else(|| unfit("what it says to --version is not mainstay's".to_owned()))
        }
        (Some(_), said) => {
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing").trim();
            Err(unfit(format!("it fails when asked for its version: {last}")))
        }
    }
}

fn own_version() -> Version {
    Version(env!("CARGO_PKG_VERSION").to_owned())
}

/// `1.2.3` or `1.2.3-rc.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version(String);

impl Version {
    /// What `mainstay --version` prints.
    fn said(text: &str) -> Option<Self> {
        let version = Self(text.trim().strip_prefix("mainstay ")?.trim().to_owned());
        version.parts().map(|_| version.clone())
    }

    /// The numbers, and what comes before the release itself.
    fn parts(&self) -> Option<([u64; 3], Option<&str>)> {
        let text = self.0.split_once('+').map_or(self.0.as_str(), |(text, _)| text);
        let (numbers, early) = text.split_once('-').map_or((text, None), |(numbers, early)| (numbers, Some(early)));
        let mut all = numbers.split('.').map(|number| number.parse().ok());
        let numbers = [all.next()??, all.next()??, all.next()??];
        all.next().is_none().then_some((numbers, early))
    }

    /// Semantic versioning, except that the words of early versions are compared as texts.
    fn order(&self, other: &Self) -> Ordering {
        match (self.parts(), other.parts()) {
            (Some((own, own_early)), Some((others, others_early))) => own
                .cmp(&others)
                .then_with(|| (own_early.is_none(), own_early).cmp(&(others_early.is_none(), others_early))),
            _ => Ordering::Equal,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Byte for byte.
fn same(left: &Path, right: &Path) -> bool {
    if is_same_path(left, right) {
        return true;
    }
    let sizes = [left, right].map(|path| path.metadata().ok().map(|data| data.len()));
    let is_same_size = matches!(sizes, [Some(left), Some(right)] if left == right);
    is_same_size && matches!((std::fs::read(left), std::fs::read(right)), (Ok(left), Ok(right)) if left == right)
}

fn is_same_path(left: &Path, right: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    left == right || real(left) == real(right)
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

/// The text begins with "cannot" already.
fn said(error: std::io::Error) -> Failure {
    let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
    let remedy = match (denied, mainstay_os::NAME) {
        (false, _) => "",
        (true, "windows") => "; run this as administrator",
        (true, _) => "; use sudo",
    };
    let code = if denied { exit::NOT_PERMITTED } else { exit::FAILED };
    Failure::new(code, format!("{error}{remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        let order = |left: &str, right: &str| Version(left.to_owned()).order(&Version(right.to_owned()));
        for (older, newer) in [
            ("0.1.0", "0.1.1"),
            ("0.9.0", "0.10.0"),
            ("1.0.0-rc.1", "1.0.0"),
            ("1.0.0-alpha", "1.0.0-beta"),
            ("0.9.9", "1.0.0-rc.1"),
        ] {
            assert_eq!(order(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(order(newer, older), Ordering::Greater, "{older} {newer}");
        }
        assert_eq!(order("1.0.0+a", "1.0.0+b"), Ordering::Equal);
        assert_eq!(order("1.0", "1.0.0"), Ordering::Equal, "not comparable");
    }

    #[test]
    fn only_our_own_words_are_a_version() {
        assert_eq!(Version::said("mainstay 0.1.0\n"), Some(Version("0.1.0".to_owned())));
        for other in ["", "mainstay", "mainstay x", "bash 1.2.3", "mainstay 1.2", "mainstay 1.2.3.4"] {
            assert_eq!(Version::said(other), None, "{other}");
        }
    }

    #[test]
    fn files_are_the_same_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "c"].map(|name| folder.path().join(name));
        for (path, text) in paths.iter().zip(["x", "x", "y"]) {
            std::fs::write(path, text).unwrap();
        }
        let [a, b, c] = &paths;
        assert!(same(a, a) && same(a, b) && !same(a, c) && !same(a, &folder.path().join("none")));
    }
}
