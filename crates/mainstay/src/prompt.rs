//! Questions to a person, with an answer that is taken where nobody answers; and passwords, which are never shown or kept.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, StdinLock, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use mainstay_os::account::Secret;

use crate::exit;
use crate::failure::Failure;

/// The longest answer, and the longest password, that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Whether there is a person who can be asked.
pub(crate) fn is_person() -> bool {
    io::stdin().is_terminal()
}

/// Asks on standard error and reads the answers, a line each, from standard input: typed or piped.
pub(crate) struct Prompt<R> {
    input: R,
    /// Nothing is read (any more): every question gets its default.
    silent: bool,
}

impl Prompt<StdinLock<'static>> {
    /// With `defaults` nobody is asked.
    pub(crate) fn new(defaults: bool) -> Self {
        Self { input: io::stdin().lock(), silent: defaults }
    }
}

impl<R: BufRead> Prompt<R> {
    /// The answer; `default` for an empty line, and from the end of the input on.
    pub(crate) fn ask(&mut self, question: &str, default: &str) -> Result<String, Failure> {
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        anstream::eprint!("{question}{shown}: ");
        io::stderr().flush().ok();
        if self.silent {
            anstream::eprintln!("{default}");
            return Ok(default.to_owned());
        }
        let mut line = String::new();
        let read = self.input.by_ref().take(ANSWER_BYTES_MAX).read_line(&mut line);
        if read.map_err(Failure::io("read the answer"))? == 0 {
            self.silent = true;
            anstream::eprintln!("{default}");
        }
        let answer = line.trim();
        Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
    }

    /// Asks until `meaning` can make something of the answer. A default that has none, or an answer that nobody can mend, is an error.
    pub(crate) fn ask_for<T>(
        &mut self,
        question: &str,
        default: &str,
        mut meaning: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        loop {
            let answer = self.ask(question, default)?;
            match meaning(&answer) {
                Ok(meant) => return Ok(meant),
                Err(why) if self.silent => return Err(Failure::new(exit::USAGE, why)),
                Err(why) => anstream::eprintln!("{why}"),
            }
        }
    }

    /// Yes or no.
    pub(crate) fn confirm(&mut self, question: &str, default: bool) -> Result<bool, Failure> {
        self.ask_for(question, if default { "yes" } else { "no" }, yes_or_no)
    }
}

/// `y`, `yes`, `n`, `no`, in any case.
fn yes_or_no(answer: &str) -> Result<bool, String> {
    match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err(format!("`{answer}` is neither yes nor no")),
    }
}

/// What a person types as arguments: words between spaces, `"…"` or `'…'` around what belongs together. A backslash is a character like
/// any other, as Windows' paths want it.
pub(crate) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the {open} of `{line}` is never closed"));
    }
    words.extend(word);
    Ok(words)
}

/// Words as a person types them into a shell of this system.
pub(crate) fn shell_words<S: AsRef<str>>(words: &[S], system: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| shell_word(word.as_ref(), system)).collect();
    quoted.join(" ")
}

fn shell_word(word: &str, system: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%\\".contains(c);
    let is_windows = system == "windows";
    if !word.is_empty() && word.chars().all(|c| is_plain(c) && (is_windows || c != '\\')) {
        return word.to_owned();
    }
    if is_windows {
        // cmd.exe and PowerShell leave what is in double quotes together; a quote inside is `\"` for the program that reads it.
        return format!("\"{}\"", word.replace('"', "\\\""));
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Where the password of an account comes from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PasswordSource {
    /// Windows: the account's password is the first line of this file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Windows: the account's password is the first line of standard input.
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
}

impl PasswordSource {
    /// Whether a person named one.
    pub(crate) fn is_given(&self) -> bool {
        self.password_file.is_some() || self.password_stdin
    }

    /// The password of `account`: from the file or standard input, else a person types it unseen. It goes to the system's service manager
    /// and nowhere else.
    pub(crate) fn read(&self, account: &str) -> Result<Secret, Failure> {
        let text = match &self.password_file {
            Some(path) => from_file(path)?,
            None if self.password_stdin => {
                first_line(io::stdin().lock()).map_err(Failure::io("read the password from standard input"))?
            }
            None if is_person() => rpassword::prompt_password(format!("Password of {account}: "))
                .map_err(Failure::io(format!("read the password of {account}")))?,
            None => {
                let text = format!(
                    "cannot ask for the password of {account}: there is no terminal; use --password-file FILE or --password-stdin"
                );
                return Err(Failure::new(exit::USAGE, text));
            }
        };
        if text.is_empty() {
            return Err(Failure::new(exit::USAGE, format!("cannot use an empty password for {account}")));
        }
        Ok(Secret::new(text))
    }
}

fn from_file(path: &Path) -> Result<String, Failure> {
    let line = File::open(path).and_then(first_line);
    line.map_err(Failure::io(format!("read the password in {}", path.display())))
}

/// Without its line break; what follows is not read.
fn first_line(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    io::BufReader::new(from.take(ANSWER_BYTES_MAX)).read_until(b'\n', &mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        wipe(error.into_bytes());
        io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text")
    })?;
    let line = text.trim_end_matches(['\n', '\r']).trim_start_matches('\u{feff}').to_owned();
    wipe(text.into_bytes());
    Ok(line)
}

fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    std::hint::black_box(&bytes); // or the fill could be left out as dead
}

/// Whether Windows' service manager needs a password to run a service as this account: for people, not for what the system itself or the
/// domain looks after.
pub(crate) fn needs_password(account: &str) -> bool {
    let plain = account.trim().to_ascii_lowercase();
    let short = plain.strip_prefix(r"nt authority\").or_else(|| plain.strip_prefix(r".\")).unwrap_or(&plain);
    let squeezed: String = short.chars().filter(|c| *c != ' ').collect();
    let is_systems = matches!(squeezed.as_str(), "localsystem" | "localservice" | "networkservice")
        || (squeezed == "system" && plain != r".\system");
    // A name that ends with `$` is a managed account's: its password changes by itself and nobody knows it.
    !(is_systems || plain.starts_with(r"nt service\") || plain.ends_with('$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(lines: &str) -> Prompt<&[u8]> {
        Prompt { input: lines.as_bytes(), silent: false }
    }

    #[test]
    fn an_empty_line_and_the_end_of_the_input_mean_the_default() {
        let mut prompt = prompt("first\n\n  spaced  \n");
        let answers = ["a", "b", "c", "d", "e"].map(|default| prompt.ask("?", default).unwrap());
        assert_eq!(answers, ["first", "b", "spaced", "d", "e"]);
    }

    #[test]
    fn nobody_is_asked_where_defaults_are_wanted() {
        let mut prompt = Prompt { input: &b"typed\n"[..], silent: true };
        assert_eq!(prompt.ask("?", "default").unwrap(), "default");
    }

    #[test]
    fn an_answer_without_meaning_is_asked_for_again() {
        let mut asked = prompt("maybe\nperhaps\nY\nno\n");
        assert!(asked.confirm("?", false).unwrap());
        assert!(!asked.confirm("?", true).unwrap());
        assert!(asked.confirm("?", true).unwrap(), "at the end: the default");
        let failure = prompt("").ask_for("?", "", |_| Err::<(), _>("name one".to_owned())).unwrap_err();
        assert_eq!((failure.code, failure.text.as_str()), (exit::USAGE, "name one"));
    }

    #[test]
    fn words_are_what_stands_between_spaces_outside_of_quotes() {
        let words = |line: &str| words(line).unwrap();
        assert_eq!(
            words(r#" --port 8080  "a b" 'c "d"' C:\x\ "" e"f g"h "#),
            ["--port", "8080", "a b", r#"c "d""#, r"C:\x\", "", "ef gh"]
        );
        assert!(words("").is_empty());
        assert!(super::words("a 'b").unwrap_err().contains("never closed"));
    }

    #[test]
    fn a_shell_gets_words_that_it_leaves_as_they_are() {
        let words = ["install", "a b", "it's", r"C:\x", "", "k=v"];
        assert_eq!(shell_words(&words, "linux"), r"install 'a b' 'it'\''s' 'C:\x' '' k=v");
        assert_eq!(shell_words(&words, "windows"), r#"install "a b" "it's" C:\x "" k=v"#);
    }

    #[test]
    fn only_peoples_accounts_have_a_password() {
        for with in ["bob", r".\bob", r"CORP\bob", "bob@corp.example", r".\system"] {
            assert!(needs_password(with), "{with}");
        }
        for without in [
            "LocalSystem",
            r".\LocalSystem",
            r"NT AUTHORITY\SYSTEM",
            "LocalService",
            r"NT AUTHORITY\Local Service",
            r"nt authority\networkservice",
            r"NT SERVICE\web@1",
            r"CORP\web$",
        ] {
            assert!(!needs_password(without), "{without}");
        }
    }

    #[test]
    fn a_password_is_the_first_line_as_it_is() {
        let line = |text: &str| first_line(text.as_bytes()).unwrap();
        assert_eq!(line(" s3cret \r\nmore"), " s3cret ");
        assert_eq!(line("\u{feff}s3cret"), "s3cret");
        assert_eq!(line(""), "");
        assert!(first_line(&[0xff, b'\n'][..]).is_err());
    }

    #[test]
    fn a_password_file_that_is_missing_or_empty_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let source = PasswordSource { password_file: Some(path.clone()), password_stdin: false };
        assert!(source.read("bob").unwrap_err().text.starts_with("cannot read the password in "));
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(source.read("bob").unwrap_err().code, exit::USAGE);
        std::fs::write(&path, "s3cret\n").unwrap();
        let secret = source.read("bob").unwrap();
        assert_eq!((secret.reveal(), format!("{secret:?}").as_str()), ("s3cret", "Secret(…)"));
    }
}
