//! `set`, `unset`, `edit`: change a spec's file, keep its comments, never save a bad one.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anstyle::{AnsiColor, Style};
use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_os::{environment, files, program};
use mainstay_wire::control::Ask;
use mainstay_wire::layout::base_name;
use mainstay_wire::spec::{self, EditError, Platform, Spec};
use mainstay_wire::status::ServiceStatus;
use similar::{ChangeTag, TextDiff};

use super::{Context, apply, show};
use crate::failure::Failure;
use crate::prompt::{self, Prompt};
use crate::{exit, systems, term};

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
        check(context, &name, &path, &text)?;
        save(context, &name, &path, &text)?;
        tell(context, &name, &text, self.apply).await
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
        check(context, &name, &path, &text)?;
        save(context, &name, &path, &text)?;
        tell(context, &name, &text, self.apply).await
    }
}

/// Open a spec in an editor; what changed and what follows is shown before it is saved.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// The service.
    name: String,
    /// Restart the program at once if it needs a restart to follow.
    #[arg(long)]
    apply: bool,
    /// Save without asking.
    #[arg(long)]
    yes: bool,
}

impl Edit {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (name, path, old) = show::text(context, &self.name)?;
        let base = base_name(&name).0.to_owned();
        let draft = Draft::new(&base, &old)?;
        let (new, spec) = match self.edited(context, &base, &path, &old, &draft) {
            Ok(Some(edited)) => edited,
            Ok(None) => {
                context.told(&base, "nothing changed");
                return Ok(());
            }
            Err(failure) => return Err(draft.kept(failure, &old)),
        };
        if !context.json {
            anstream::eprint!("{}", diff(&old, &new));
            let effect = effect(context, &base, &old, &spec, self.apply).await;
            anstream::eprintln!("{effect}");
        }
        let may_ask = !self.yes && prompt::is_person();
        match may_ask.then(|| Prompt::new(false).confirm("Save?", false)).transpose() {
            Ok(Some(false)) => return Err(draft.kept(not_saved(&base), &old)),
            Ok(Some(true) | None) => {}
            Err(failure) => return Err(draft.kept(failure, &old)),
        }
        if std::fs::read_to_string(&path).ok().as_deref() != Some(old.as_str()) {
            let text = format!("cannot save {base}: {} was changed by somebody else meanwhile", path.display());
            return Err(draft.kept(Failure::failed(text), &old));
        }
        if let Err(failure) = save(context, &base, &path, &new) {
            return Err(draft.kept(failure, &old));
        }
        tell(context, &base, &new, self.apply).await
    }

    /// The text as the editor left it, once it is a valid spec; `None`: as it was.
    fn edited(
        &self,
        context: &Context,
        name: &str,
        path: &Path,
        old: &str,
        draft: &Draft,
    ) -> Result<Option<(String, Spec)>, Failure> {
        loop {
            open_editor(&draft.file)?;
            let text = std::fs::read_to_string(&draft.file).map_err(Failure::io("read what you wrote"))?;
            if text == old {
                return Ok(None);
            }
            let problems = match systems::read(&context.layout, name, &text) {
                Ok(spec) => return Ok(Some((text, spec))),
                Err(problems) => problems,
            };
            anstream::eprintln!("{}", term::problems(path, &text, &problems));
            if self.yes || !prompt::is_person() || !Prompt::new(false).confirm("Edit again?", true)? {
                return Err(not_saved(name));
            }
        }
    }
}

fn not_saved(name: &str) -> Failure {
    Failure::failed(format!("{name}: not saved; the old spec stays"))
}

/// A private copy of the spec for the editor, beside the schema as the spec itself is.
struct Draft {
    file: PathBuf,
    folder: tempfile::TempDir,
}

impl Draft {
    fn new(name: &str, text: &str) -> Result<Self, Failure> {
        let failed = || Failure::io("make a private copy of the spec");
        let folder = tempfile::Builder::new().prefix(&format!("mainstay-{name}-")).tempdir().map_err(failed())?;
        let specs = folder.path().join("services");
        std::fs::create_dir(&specs).map_err(failed())?;
        // Without it an editor only knows less.
        drop(show::put_schema_beside(&specs));
        let file = specs.join(format!("{name}.toml"));
        std::fs::write(&file, text).map_err(failed())?;
        Ok(Self { file, folder })
    }

    /// Nothing that a person wrote is lost: the failure says where it is.
    fn kept(self, failure: Failure, old: &str) -> Failure {
        if std::fs::read_to_string(&self.file).map_or(true, |text| text == old) {
            return failure;
        }
        drop(self.folder.keep());
        Failure::new(failure.code, format!("{failure}\nyour text is kept in {}", self.file.display()))
    }
}

fn open_editor(file: &Path) -> Result<(), Failure> {
    let env = environment::inherited();
    let is_there = |name: &str| program::find(name, Path::new("."), &env).is_ok();
    let named = ["VISUAL", "EDITOR"].map(|name| std::env::var(name).ok());
    let (program, args) = editor(named, mainstay_os::NAME, is_there);
    let status = Command::new(&program)
        .args(args)
        .arg(file)
        .status()
        .map_err(Failure::io(format!("start the editor {program} (VISUAL and EDITOR may name another)")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::failed(format!("the editor {program} failed ({status}); nothing is saved")))
    }
}

/// What a person named, `VISUAL` before `EDITOR`, with its arguments (`code --wait`); else what the system has. A program with spaces in
/// its path stands in quotes, or alone.
fn editor(
    named: [Option<String>; 2],
    system: &str,
    is_there: impl Fn(&str) -> bool,
) -> (String, std::vec::IntoIter<OsString>) {
    let default = match system {
        "windows" => "notepad",
        _ if is_there("nano") => "nano",
        _ => "vi",
    };
    let named = named.into_iter().flatten().find(|text| !text.trim().is_empty());
    let line = named.map_or_else(|| default.to_owned(), |text| text.trim().to_owned());
    let quoted = line.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    let (program, args) = match quoted {
        Some(split) => split,
        None if is_there(&line) => (line.as_str(), ""),
        None => line.split_once(char::is_whitespace).unwrap_or((&line, "")),
    };
    let args: Vec<OsString> = args.split_whitespace().map(OsString::from).collect();
    (program.to_owned(), args.into_iter())
}

/// What changed, a line each, with some lines around.
fn diff(old: &str, new: &str) -> String {
    const AROUND: usize = 2;
    let (red, green) = (AnsiColor::Red, AnsiColor::Green);
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    let diff = TextDiff::from_lines(old, new);
    let mut shown = String::new();
    for (index, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if index > 0 {
            shown.push_str("  …\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = change.value().trim_end_matches(['\n', '\r']);
            let line = match change.tag() {
                ChangeTag::Delete => term::paint(colour(red), format!("- {line}")),
                ChangeTag::Insert => term::paint(colour(green), format!("+ {line}")),
                ChangeTag::Equal => format!("  {line}"),
            };
            // Writing to a text can't fail.
            let _ = writeln!(shown, "{line}");
        }
    }
    shown
}

/// What will happen when the new text is saved.
async fn effect(context: &Context, name: &str, old: &str, new: &Spec, now: bool) -> String {
    let Ok(old) = spec::read(name, old, platform()) else {
        return "The old spec is not valid; the new one is taken whole.".to_owned();
    };
    let (names, kept) = (systems::os_names(new), systems::os_names(&old));
    let mut statuses = client::statuses(&context.layout, &kept).await;
    statuses.retain(|status| status.guard_pid.is_some());
    let up = statuses.iter().any(|status| status.owner.as_deref() == Some("up"));
    let added = names.iter().filter(|name| !kept.contains(name)).cloned().collect::<Vec<_>>();
    let gone = kept.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>();
    let mut sentences = vec![change(name, &old, new, &statuses, now || up)];
    if !added.is_empty() {
        sentences.push(format!("New: {}.", added.join(", ")));
    }
    if !gone.is_empty() {
        sentences.push(format!("Stopped for ever: {}.", gone.join(", ")));
    }
    if mainstay_os::NAME == "windows" && old.launch.account.user != new.launch.account.user {
        sentences.push(format!("Another account is logged on when the service starts anew: `mainstay stop {name}`, then `mainstay start {name}`."));
    }
    sentences.join("\n")
}

/// What the change means for the guards that run.
fn change(name: &str, old: &Spec, new: &Spec, running: &[ServiceStatus], now: bool) -> String {
    if old == new {
        return "Nothing that the guard knows changes.".to_owned();
    }
    if running.is_empty() {
        return "No guard runs; it is in force at the next start.".to_owned();
    }
    let living: Vec<String> = running
        .iter()
        .filter_map(|status| Some(format!("run {} of {} (pid {})", status.run, status.name, status.pid?)))
        .collect();
    match (old.needs_new_run(new), living.is_empty(), now) {
        (false, ..) => "It is taken over in place, nothing restarts.".to_owned(),
        (true, true, _) => "It is in force at the next start; no program runs now.".to_owned(),
        (true, false, true) => format!("This restarts {}.", living.join(", ")),
        (true, false, false) => format!(
            "What needs another run than {} waits for `mainstay apply {name}`, `mainstay restart {name}` or `--apply` here.",
            living.join(", ")
        ),
    }
}

/// A valid text that this machine can't do is not saved either.
fn check(context: &Context, name: &str, path: &Path, text: &str) -> Result<(), Failure> {
    match systems::read(&context.layout, base_name(name).0, text) {
        Ok(_) => Ok(()),
        Err(problems) => Err(refused(path, "", EditError::Invalid { text: text.to_owned(), problems })),
    }
}

fn save(context: &Context, name: &str, path: &Path, text: &str) -> Result<(), Failure> {
    files::replace(path, text.as_bytes()).map_err(Failure::io(format!("write {}", path.display())))?;
    apply::register(context, name, text)
}

/// Lets running guards take what needs no restart, or with `now` everything.
async fn tell(context: &Context, name: &str, text: &str, now: bool) -> Result<(), Failure> {
    let base = base_name(name).0;
    let names = match spec::read(base, text, platform()) {
        Ok(spec) => systems::os_names(&spec),
        Err(_) => vec![base.to_owned()],
    };
    for name in names {
        match client::ask(&context.layout, &name, Ask::Apply { hold: !now }).await {
            Ok(status) if now => context.told(&name, &format!("saved and in force ({})", status.state.word())),
            Ok(status) if status.owner.as_deref() == Some("up") => {
                context.told(&name, "saved; `mainstay up` sees the changed file and puts it in force");
            }
            Ok(_) => {
                context.told(
                    &name,
                    &format!("saved; what needs a restart waits for `mainstay apply {name}` or the next start"),
                );
            }
            Err(AskError::NotRunning(_)) => context.told(&name, "saved"),
            Err(error) => return Err(error.into()),
        }
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

#[cfg(test)]
mod tests {
    use mainstay_wire::status::{Standing, State};

    use super::*;

    #[test]
    fn an_editor_is_what_a_person_named_or_what_the_system_has() {
        let chosen = |visual: &str, editor: &str, system: &str| {
            let there = ["nano", r"C:\Program Files\np\np.exe"];
            let named = [visual, editor].map(|text| (!text.is_empty()).then(|| text.to_owned()));
            let (program, args) = super::editor(named, system, |name| there.contains(&name));
            let args: Vec<String> = args.map(|arg| arg.into_string().unwrap()).collect();
            (program, args.join("|"))
        };
        let is = |program: &str, args: &str| (program.to_owned(), args.to_owned());
        assert_eq!(chosen("code --wait", "vi", "linux"), is("code", "--wait"));
        assert_eq!(chosen("", "vim -n 'x y'", "linux"), is("vim", "-n|'x|y'"));
        assert_eq!(chosen("", "", "linux"), is("nano", ""));
        assert_eq!(chosen(" ", "", "windows"), is("notepad", ""));
        assert_eq!(chosen(r#""C:\x y\e.exe" -w"#, "", "windows"), is(r"C:\x y\e.exe", "-w"));
        assert_eq!(chosen(r"C:\Program Files\np\np.exe", "", "windows"), is(r"C:\Program Files\np\np.exe", ""));
        let (program, _) = super::editor([None, None], "linux", |_| false);
        assert_eq!(program, "vi");
    }

    #[test]
    fn a_diff_shows_what_changed_with_two_lines_around() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
        let new = "a\nb\nc\nD\ne\nf\ng\nh\ni\nj\n";
        let shown = anstream::adapter::strip_str(&diff(old, new)).to_string();
        assert_eq!(shown, "  b\n  c\n- d\n+ D\n  e\n  f\n  …\n  h\n  i\n+ j\n");
    }

    #[test]
    fn what_follows_from_a_change_is_said_before_it_is_saved() {
        let read = |text: &str| spec::read("web", &format!("program = \"x\"\n{text}"), platform()).unwrap();
        let status = |pid| ServiceStatus {
            name: "web".to_owned(),
            state: State::Up,
            pid,
            run: 3,
            restarts: 0,
            since: jiff::Timestamp::UNIX_EPOCH,
            guard_pid: Some(1),
            next: None,
            last_exit: None,
            owner: None,
            containment: None,
            note: None,
            standing: Standing::Ready,
            instance: None,
            groups: Vec::new(),
            version: None,
        };
        let (plain, args, delay) = (read(""), read("args = [\"y\"]"), read("restart.delay = \"1s\""));
        let change = |new: &Spec, running: &[ServiceStatus], now| change("web", &plain, new, running, now);
        assert!(change(&read("# other words"), &[], false).starts_with("Nothing"));
        assert!(change(&args, &[], true).starts_with("No guard runs"));
        assert!(change(&delay, &[status(Some(7))], true).contains("in place"));
        assert!(change(&args, &[status(None)], true).contains("at the next start"));
        assert_eq!(change(&args, &[status(Some(7))], true), "This restarts run 3 of web (pid 7).");
        assert!(change(&args, &[status(Some(7))], false).contains("waits for `mainstay apply web`"));
    }

    #[test]
    fn what_a_person_wrote_is_kept_when_it_could_not_be_saved() {
        let draft = Draft::new("web", "old").unwrap();
        let file = draft.file.clone();
        std::fs::write(&file, "new").unwrap();
        let failure = draft.kept(Failure::failed("cannot save"), "old");
        assert!(failure.text.contains(&file.display().to_string()), "{failure}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        std::fs::remove_dir_all(file.parent().unwrap().parent().unwrap()).unwrap();
        let draft = Draft::new("web", "old").unwrap();
        let file = draft.file.clone();
        assert_eq!(draft.kept(Failure::failed("cannot save"), "old").text, "cannot save");
        assert!(!file.exists());
    }
}
