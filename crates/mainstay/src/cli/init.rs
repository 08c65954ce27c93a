//! `init`: five questions and a look at the program make a spec.

use std::io::{BufRead, StdinLock};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use mainstay_agent::services;
use mainstay_os::tree::Exit;
use mainstay_os::{environment, files, program};
use mainstay_wire::spec::{self, EditError, Platform};
use mainstay_wire::units;

use super::edit::refused;
use super::install::{absolute, check_privilege};
use super::{Context, show};
use crate::failure::Failure;
use crate::prompt::{self, Prompt, shell_words};
use crate::trial::{self, Seen};
use crate::{exit, systems};

/// How long the program is looked at.
const TRIAL_LIMIT: Duration = Duration::from_secs(5);
/// So many of its last lines are shown when it ended too soon.
const LINES_SHOWN: usize = 5;

/// Make a spec by five questions.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The new service; default: the program's name.
    name: Option<String>,
    /// Take the default of every question.
    #[arg(long)]
    yes: bool,
    /// Do not start the program to see which port it listens on.
    #[arg(long)]
    no_trial: bool,
    /// The program and its arguments, after `--`: then these are not asked for.
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<String>,
}

/// What a person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answers {
    program: String,
    args: Vec<String>,
    /// `None`: the program's own folder.
    directory: Option<String>,
    ready: Option<Ready>,
    with_system: bool,
}

/// When the program counts as up.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ready {
    Tcp(String),
    Http(String),
    Delay(String),
}

impl Init {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        if let Some(name) = &self.name {
            must_be_new(context, name)?;
        }
        if context.layout.home.is_none() {
            check_privilege("write a spec for", self.name.as_deref().unwrap_or("a service"))?;
        }
        let (name, answers) = self.ask(context).await?;
        let text = text_of(context, &name, &answers)?;
        let path = context.layout.spec(&name);
        if let Err(problems) = systems::read(&context.layout, &name, &text) {
            return Err(refused(&path, "", EditError::Invalid { text, problems }));
        }
        files::make_private_dir(&context.layout.specs)
            .map_err(Failure::io(format!("make {}", context.layout.specs.display())))?;
        show::put_schema(&context.layout)?;
        files::replace(&path, text.as_bytes()).map_err(Failure::io(format!("write {}", path.display())))?;
        if context.json {
            context.told(&name, &format!("written ({})", path.display()));
            return Ok(());
        }
        anstream::println!("# {}\n{text}", path.display());
        anstream::println!("{}", next_steps(context, &name, &answers));
        Ok(())
    }

    /// The five questions; the answer to the first may name the service.
    async fn ask(&self, context: &Context) -> Result<(String, Answers), Failure> {
        let mut prompt = Prompt::new(self.yes);
        let (program, args) = match self.command.split_first() {
            Some((program, args)) => (found(program).map_err(|why| Failure::new(exit::USAGE, why))?, args.to_vec()),
            None => {
                let program = prompt.ask_for("1. Program", &only_program(Path::new(".")), found)?;
                (program, prompt.ask_for("2. Arguments", "", prompt::words)?)
            }
        };
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ask_name(context, &mut prompt, &program)?,
        };
        let own = own_folder(&program);
        let directory = prompt.ask_for("3. Working directory", &own.to_string_lossy(), folder)?;
        let seen = if self.no_trial { None } else { look(&program, &args, Path::new(&directory)).await };
        let ready = ask_ready(&mut prompt, seen)?;
        let with_system = prompt.confirm("5. Start with the system?", true)?;
        let directory = (Path::new(&directory) != own).then_some(directory);
        Ok((name, Answers { program, args, directory, ready, with_system }))
    }
}

/// Not one of the five: a name that fits is only asked for where the program's own does not.
fn ask_name(context: &Context, prompt: &mut Prompt<StdinLock<'static>>, program: &str) -> Result<String, Failure> {
    let name = service_name(program);
    match must_be_new(context, &name) {
        Ok(()) => {
            anstream::eprintln!("   The service is called {name}.");
            Ok(name)
        }
        Err(_) => prompt.ask_for("   Name of the service", "", |name| {
            must_be_new(context, name).map(|()| name.to_owned()).map_err(|failure| failure.text)
        }),
    }
}

fn must_be_new(context: &Context, name: &str) -> Result<(), Failure> {
    spec::check_base(name).map_err(|why| Failure::new(exit::USAGE, why))?;
    if !services::exists(&context.layout, name) {
        return Ok(());
    }
    let path = context.layout.spec(name);
    let text = format!(
        "cannot write a spec for {name}: there is one already ({}); `mainstay edit {name}` changes it",
        path.display()
    );
    Err(Failure::failed(text))
}

/// The program as it is to stand in the spec, if it can be started.
fn found(text: &str) -> Result<String, String> {
    let text = text.trim_matches('"');
    if text.is_empty() {
        return Err("name a program: a path, or a name that is in PATH".to_owned());
    }
    let program = absolute(text).map_err(|failure| failure.text)?;
    program::find(&program, Path::new("."), &environment::inherited())
        .map(|_| program)
        .map_err(|error| format!("cannot use {error}"))
}

/// The one program in a folder; empty if there are none or several.
fn only_program(folder: &Path) -> String {
    let env = environment::inherited();
    let is_program = |path: &PathBuf| {
        let is_named_so =
            mainstay_os::NAME != "windows" || path.extension().is_some_and(|end| end.eq_ignore_ascii_case("exe"));
        is_named_so && path.is_file() && program::find(&path.to_string_lossy(), folder, &env).is_ok()
    };
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let programs: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_program).take(2).collect();
    match programs.as_slice() {
        [only] => only.to_string_lossy().into_owned(),
        _ => String::new(),
    }
}

/// The program's file name with what a service's name can't have replaced.
fn service_name(program: &str) -> String {
    let stem = Path::new(program).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let fits = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = stem.chars().map(fits).take(spec::NAME_CHARS_MAX).collect();
    name.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// Where the program starts when the spec says nothing.
fn own_folder(program: &str) -> PathBuf {
    let path = Path::new(program);
    let own = path.parent().filter(|_| path.is_absolute()).map(Path::to_path_buf);
    own.unwrap_or_else(|| std::env::current_dir().unwrap_or_default())
}

fn folder(text: &str) -> Result<String, String> {
    let path = std::path::absolute(text.trim_matches('"')).map_err(|error| format!("cannot use {text}: {error}"))?;
    if path.is_dir() {
        Ok(path.to_string_lossy().into_owned())
    } else {
        Err(format!("there is no folder {}", path.display()))
    }
}

/// Starts it once; what was seen is told. `None`: it could not even be started.
async fn look(program: &str, args: &[String], directory: &Path) -> Option<Seen> {
    anstream::eprintln!("   Starting it for at most {} s to see what it listens on …", TRIAL_LIMIT.as_secs());
    match trial::watch(program, args, directory, TRIAL_LIMIT).await {
        Ok(seen) => {
            anstream::eprintln!("   {}", told(&seen));
            Some(seen)
        }
        Err(failure) => {
            anstream::eprintln!("   {failure}");
            None
        }
    }
}

fn told(seen: &Seen) -> String {
    let ports: Vec<String> = seen.ports.iter().map(ToString::to_string).collect();
    match (&seen.exit, ports.is_empty()) {
        (_, false) => format!("It listens on port {}.", ports.join(", ")),
        (None, true) => "It runs and listens on no port.".to_owned(),
        (Some(exit), true) => {
            let how = match exit {
                Exit::Code(code) => format!("with exit code {code}"),
                Exit::Signal(number) => format!("by signal {number}"),
            };
            let lines: Vec<&str> = seen.printed.lines().collect();
            let last = lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN)).map(|line| format!("\n   | {line}"));
            format!("It ended by itself {how}.{}", last.collect::<String>())
        }
    }
}

fn ask_ready<R: BufRead>(prompt: &mut Prompt<R>, seen: Option<Seen>) -> Result<Option<Ready>, Failure> {
    let seen = seen.unwrap_or_default();
    let default = seen.http.or(seen.tcp).unwrap_or_else(|| "none".to_owned());
    prompt.ask_for("4. Ready when: a port, host:port, an http:// address, a time such as 5s, or none", &default, ready)
}

fn ready(answer: &str) -> Result<Option<Ready>, String> {
    if answer.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    if answer.starts_with("http://") {
        return Ok(Some(Ready::Http(answer.to_owned())));
    }
    if let Ok(port) = answer.parse::<u16>() {
        return Ok(Some(Ready::Tcp(format!("127.0.0.1:{port}"))));
    }
    let has_port = answer.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if has_port {
        return Ok(Some(Ready::Tcp(answer.to_owned())));
    }
    match units::duration(answer) {
        Ok(_) => Ok(Some(Ready::Delay(answer.to_owned()))),
        Err(_) => {
            Err(format!("`{answer}` is neither a port, nor host:port, nor an http:// address, nor a time, nor `none`"))
        }
    }
}

/// The answers as keys of a spec.
fn keys(answers: &Answers) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    keys.extend((!answers.with_system).then(|| ("start", "manual".to_owned())));
    keys.extend(answers.directory.clone().map(|directory| ("directory", directory)));
    keys.extend(answers.ready.clone().map(|ready| match ready {
        Ready::Tcp(address) => ("ready.tcp", address),
        Ready::Http(address) => ("ready.http", address),
        Ready::Delay(time) => ("ready.delay", time),
    }));
    keys
}

fn text_of(context: &Context, name: &str, answers: &Answers) -> Result<String, Failure> {
    let mut text = spec::template(&answers.program, &answers.args, Some(show::SCHEMA_ADDRESS));
    for (key, value) in keys(answers) {
        text = spec::set(name, &text, key, &value, Platform::named(mainstay_os::NAME))
            .map_err(|error| refused(&context.layout.spec(name), &text, error))?;
    }
    Ok(text)
}

fn next_steps(context: &Context, name: &str, answers: &Answers) -> String {
    let same = install_line(context.layout.home.as_deref(), name, answers, mainstay_os::NAME);
    let next = match (&context.layout.home, systems::manager(&context.layout)) {
        (Some(home), _) => {
            let home = home.to_string_lossy();
            format!("`{}` guards it.", shell_words(&["mainstay", "up", &home], mainstay_os::NAME))
        }
        (None, Some(manager)) => format!("`mainstay install {name}` makes it a service of {}.", manager.kind()),
        (None, None) => "`mainstay up` guards it.".to_owned(),
    };
    format!("{next} The same without questions:\n{same}")
}

/// The command line that makes the same spec.
fn install_line(home: Option<&Path>, name: &str, answers: &Answers, system: &str) -> String {
    let mut words = vec!["mainstay".to_owned()];
    if let Some(home) = home {
        words.extend(["--home".to_owned(), home.to_string_lossy().into_owned()]);
    }
    words.extend(["install".to_owned(), name.to_owned()]);
    for (key, value) in keys(answers) {
        match key {
            "start" | "directory" => words.extend([format!("--{key}"), value]),
            key => words.extend(["--set".to_owned(), format!("{key}={value}")]),
        }
    }
    words.extend(["--".to_owned(), answers.program.clone()]);
    words.extend(answers.args.iter().cloned());
    shell_words(&words, system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_readiness_may_have_many_forms() {
        for (answer, wanted) in [
            ("none", None),
            ("8080", Some(Ready::Tcp("127.0.0.1:8080".to_owned()))),
            ("db:5432", Some(Ready::Tcp("db:5432".to_owned()))),
            ("[::1]:80", Some(Ready::Tcp("[::1]:80".to_owned()))),
            ("http://127.0.0.1:80/health", Some(Ready::Http("http://127.0.0.1:80/health".to_owned()))),
            ("5s", Some(Ready::Delay("5s".to_owned()))),
        ] {
            assert_eq!(ready(answer).unwrap(), wanted, "{answer}");
        }
        for wrong in ["", "soon", "70000", ":80", "https://x/", "5"] {
            assert!(wrong == "5" || ready(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_service_is_called_like_its_program() {
        for (program, name) in [("/opt/shop/pay ment.bin", "pay-ment"), ("node", "node"), ("/x/_a_", "a")] {
            assert_eq!(service_name(program), name);
        }
    }

    #[test]
    fn the_command_line_says_the_same_as_the_answers() {
        let mut answers = Answers {
            program: "/opt/my app".to_owned(),
            args: vec!["--port".to_owned(), "80".to_owned()],
            directory: Some("/srv".to_owned()),
            ready: Some(Ready::Http("http://127.0.0.1:80/".to_owned())),
            with_system: false,
        };
        let line = "mainstay install web --start manual --directory /srv --set ready.http=http://127.0.0.1:80/ -- '/opt/my app' --port 80";
        assert_eq!(install_line(None, "web", &answers, "linux"), line);
        answers = Answers { directory: None, ready: None, with_system: true, ..answers };
        let line = "mainstay --home /h install web -- \"/opt/my app\" --port 80";
        assert_eq!(install_line(Some(Path::new("/h")), "web", &answers, "windows"), line);
    }

    #[test]
    fn what_was_seen_is_told_in_words() {
        let seen = |ports: &[u16], exit: Option<Exit>, printed: &str| {
            told(&Seen { ports: ports.to_vec(), exit, printed: printed.to_owned(), ..Seen::default() })
        };
        assert_eq!(seen(&[80, 443], None, ""), "It listens on port 80, 443.");
        assert_eq!(seen(&[], None, "x"), "It runs and listens on no port.");
        assert_eq!(seen(&[], Some(Exit::Code(3)), "a\nb\n"), "It ended by itself with exit code 3.\n   | a\n   | b");
    }
}
