//! A test program that misbehaves on request.
//!
//! Its arguments are commands, carried out in order; after the last one it ends with code 0. A duration is a number
//! with `ms`, `s`, `m` or `h`. `CMDS` is one argument that holds commands itself, separated by spaces or `;`, with
//! `'…'` or `"…"` around what belongs together: `fixture-child on-stop "sleep 300ms; print bye; exit 0" forever`.
//!
//! | Command | Does |
//! |---|---|
//! | `print TEXT` / `stderr TEXT` | prints a line at once |
//! | `bytes HEX` | prints these bytes and nothing more, e.g. `00ff0d0a` |
//! | `args A…` | prints every argument that follows, one a line, non-ASCII bytes and quotes escaped (`\xNN`); must be last |
//! | `env NAME` / `environment` | prints `NAME=value` (or `NAME unset`) / all of it, escaped likewise |
//! | `cwd` / `exe` | prints the working directory / the path of the file that runs, escaped |
//! | `ids` | prints `pid P group G session S` (Windows: `pid P`) |
//! | `fds` | prints what is open: `fd N TARGET` / `handle N KIND [PATH]` |
//! | `stdin` | reads stdin to its end, prints `stdin closed after N bytes` |
//! | `sleep D` / `forever` / `spin` | waits / waits for ever / burns a CPU for ever |
//! | `slow-start D` | waits, then prints `started` |
//! | `exit CODE` | ends with any 32-bit code, negative ones too |
//! | `signal-self SIG` | sends itself a signal, e.g. `SIGSEGV` (Unix) |
//! | `abort` | ends by `abort` |
//! | `ignore-stop` | from now on: no signal or console event stops it but a kill |
//! | `report-stops` | from now on: prints `stop NAME` for each such event and goes on |
//! | `on-stop CMDS` | from now on: carries out CMDS at the first one, beside the rest |
//! | `fork CMDS` | starts itself with CMDS, same session and streams; prints `child PID` |
//! | `fork-session CMDS` | the same in a session (Windows: console) of its own, streams on the null device |
//! | `hold-stdout` | the same as `fork-session forever`, but keeps our streams open |
//! | `updater PATH` | leaves the tree (own session / `CREATE_BREAKAWAY_FROM_JOB`), writes its pid to PATH, lives for ever |
//! | `fork-bomb-respawn N` | N children, each with a child, every dead one replaced at once, for ever |
//! | `orphans N` | leaves N short-lived orphans behind, then prints `orphans N` |
//! | `flood LINES` / `flood-bytes N` | prints LINES numbered lines / N bytes without a newline, as fast as it can |
//! | `leak MB` | takes and touches that much memory and keeps it |
//! | `listen PORT` | listens on 127.0.0.1, prints `listening PORT`; answers and closes every connection from then on |
//! | `touch PATH` / `pidfile PATH` / `append PATH TEXT` | makes the file / whole, with our pid in it / adds a line |
//! | `append-to TEXT PATH` | the same with the words the other way round, as an editor gets them |
//! | `wait-for PATH` / `print-until PATH` | waits until the file exists / prints `waiting` every few milliseconds until then |
//! | `windows N` | N top-level windows; prints `closed` for each `WM_CLOSE`, goes on when none is left (Windows) |
//! | `message-loop` | a message queue without a window; prints `quit` at `WM_QUIT` and goes on (Windows) |
//! | `stdin-lines` | prints every line of stdin as it comes, until its end |
//! | `tick PATH` | for ever: adds a byte to the file every few milliseconds |
//! | `fork-many N` | starts up to N children that live as long as it does; prints `forked N` with how many it got |
//! | `append-env PATH NAME` | adds the line `NAME=value` (or `NAME unset`) to the file |
//! | `cat PATH` | prints the file |
//! | `standing` | prints how it stands against others: `nice N io CLASS LEVEL` (Windows: `class 0xN processors 0xN`) |
//! | `break-away CMDS` | carries out CMDS in a child that leaves the tree as `updater` does; prints `child PID` |
//! | `run CMDS` | carries out another program, `PROGRAM ARG…`, to its end; one that fails is an error |
//! | `move FROM TO` | gives a file another name, over what has it; tries until the system lets it |
//! | `exe-size` | prints `exe N bytes` of the file that runs |
//! | `param-change SERVICE` | tells a service of the SCM that its parameters have changed (Windows) |
//! | `event NAME` | makes a named event, prints `event made`, and `event set` each time it is set (Windows) |

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

/// Wrong words in the test that calls us.
const EXIT_USAGE: i32 = 2;

/// How often `wait-for` and `fork-bomb-respawn` look, and `tick` writes.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

type Failure = Box<dyn std::error::Error>;

fn main() {
    if let Err(failure) = perform(std::env::args_os().skip(1).collect()) {
        eprintln!("fixture-child: {failure}");
        std::process::exit(EXIT_USAGE);
    }
}

/// Carries out commands; also on the thread that met the first stop event.
fn perform(mut words: VecDeque<OsString>) -> Result<(), Failure> {
    while let Some(command) = words.pop_front() {
        let command = command.to_string_lossy().into_owned();
        one(&command, &mut words).map_err(|failure| format!("{command}: {failure}"))?;
    }
    Ok(())
}

fn one(command: &str, words: &mut VecDeque<OsString>) -> Result<(), Failure> {
    match command {
        "print" => say(&text(words)?)?,
        "stderr" => writeln!(io::stderr(), "{}", text(words)?)?,
        "bytes" => {
            let mut out = io::stdout().lock();
            out.write_all(&bytes(&text(words)?)?)?;
            out.flush()?;
        }
        "args" => {
            for word in words.drain(..) {
                say(&escaped(&word))?;
            }
        }
        "env" => {
            let name = next(words)?;
            match std::env::var_os(&name) {
                Some(value) => say(&format!("{}={}", escaped(&name), escaped(&value)))?,
                None => say(&format!("{} unset", escaped(&name)))?,
            }
        }
        "environment" => {
            for (name, value) in std::env::vars_os() {
                say(&format!("{}={}", escaped(&name), escaped(&value)))?;
            }
        }
        "cwd" => say(&escaped(std::env::current_dir()?.as_os_str()))?,
        "exe" => say(&escaped(std::env::current_exe()?.as_os_str()))?,
        "ids" => say(&system::ids())?,
        "fds" => system::open_descriptors()?.iter().try_for_each(|line| say(line))?,
        "stdin" => {
            let mut all = Vec::new();
            io::stdin().read_to_end(&mut all)?;
            say(&format!("stdin closed after {} bytes", all.len()))?;
        }
        "sleep" => sleep(duration(&text(words)?)?),
        "forever" => forever(),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "slow-start" => {
            sleep(duration(&text(words)?)?);
            say("started")?;
        }
        "exit" => std::process::exit(exit_code(&text(words)?)?),
        "signal-self" => system::signal_self(&text(words)?)?,
        "abort" => std::process::abort(),
        "ignore-stop" => system::ignore_stop()?,
        "report-stops" => system::at_stop(Box::new(|name| drop(say(&format!("stop {name}")))))?,
        "on-stop" => {
            let commands = split(&text(words)?);
            let once = std::sync::Mutex::new(Some(commands));
            system::at_stop(Box::new(move |_| {
                let first = once.lock().ok().and_then(|mut once| once.take());
                if let Some(commands) = first
                    && let Err(failure) = perform(commands)
                {
                    eprintln!("fixture-child: on-stop: {failure}");
                }
            }))?;
        }
        "fork" => announce(ourselves(&split(&text(words)?))?.spawn()?)?,
        "fork-session" => announce(quiet(system::own_session(&split(&text(words)?))?).spawn()?)?,
        "hold-stdout" => announce(system::own_session(&["forever".into()].into())?.spawn()?)?,
        "updater" => {
            let commands = ["pidfile".into(), next(words)?, "forever".into()].into();
            announce(quiet(system::broken_away(&commands)?).spawn()?)?;
        }
        "new-session" => system::new_session()?, // what `own_session` puts in front on Unix
        "fork-bomb-respawn" => respawn(text(words)?.parse()?, &["keep-one-child".into()].into())?,
        "keep-one-child" => respawn(1, &["forever".into()].into())?,
        "orphans" => orphans(text(words)?.parse()?)?,
        "abandon" => {
            for _ in 0..text(words)?.parse()? {
                ourselves(&VecDeque::new())?.spawn()?;
            }
        }
        "flood" => flood(text(words)?.parse()?)?,
        "flood-bytes" => flood_bytes(text(words)?.parse()?)?,
        "leak" => {
            let bytes: usize = text(words)?.parse::<usize>()? << 20;
            std::mem::forget(std::hint::black_box(vec![1u8; bytes]));
        }
        "listen" => listen(text(words)?.parse()?)?,
        "touch" => drop(fs::OpenOptions::new().append(true).create(true).open(next(words)?)?),
        "pidfile" => replace(Path::new(&next(words)?), &std::process::id().to_string())?,
        "append" => {
            let path = next(words)?;
            let line = text(words)? + "\n";
            fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())?;
        }
        "append-to" => {
            let line = next(words)?;
            let path = next(words)?;
            words.push_front(line);
            words.push_front(path);
            words.push_front("append".into());
        }
        "wait-for" => {
            let path = next(words)?;
            while !Path::new(&path).exists() {
                sleep(LOOK_AGAIN);
            }
        }
        "print-until" => {
            let path = next(words)?;
            while !Path::new(&path).exists() {
                say("waiting")?;
                sleep(LOOK_AGAIN);
            }
        }
        "windows" => system::windows(text(words)?.parse()?)?,
        "message-loop" => system::message_loop()?,
        "stdin-lines" => io::stdin().lines().try_for_each(|line| say(&line?))?,
        "tick" => {
            let mut file = fs::OpenOptions::new().append(true).create(true).open(next(words)?)?;
            loop {
                file.write_all(b".")?;
                sleep(LOOK_AGAIN);
            }
        }
        "fork-many" => {
            let wanted: u32 = text(words)?.parse()?;
            let forever = ["forever".into()].into();
            let started = (0..wanted).map_while(|_| ourselves(&forever).ok()?.spawn().ok()).count();
            say(&format!("forked {started}"))?;
        }
        "append-env" => {
            let path = next(words)?;
            let name = text(words)?;
            let line = std::env::var(&name).map_or_else(|_| format!("{name} unset\n"), |v| format!("{name}={v}\n"));
            fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())?;
        }
        "cat" => {
            let mut out = io::stdout().lock();
            out.write_all(&fs::read(next(words)?)?)?;
            out.flush()?;
        }
        "standing" => say(&system::standing()?)?,
        "break-away" => announce(quiet(system::broken_away(&split(&text(words)?))?).spawn()?)?,
        "run" => {
            let mut command = split(&text(words)?);
            let ended = Command::new(next(&mut command)?).args(command).stdin(Stdio::null()).status()?;
            if !ended.success() {
                return Err(format!("it failed: {ended}").into());
            }
        }
        "move" => {
            let from = next(words)?;
            rename(Path::new(&from), Path::new(&next(words)?))?;
        }
        "exe-size" => say(&format!("exe {} bytes", fs::metadata(std::env::current_exe()?)?.len()))?,
        "param-change" => system::param_change(&text(words)?)?,
        "event" => system::event(&text(words)?)?,
        _ => return Err("there is no such command".into()),
    }
    Ok(())
}

fn next(words: &mut VecDeque<OsString>) -> Result<OsString, Failure> {
    words.pop_front().ok_or_else(|| "a word is missing behind it".into())
}

fn text(words: &mut VecDeque<OsString>) -> Result<String, Failure> {
    Ok(next(words)?.to_string_lossy().into_owned())
}

/// Errors are the caller's: a closed stdout must not look like success.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn escaped(text: &OsStr) -> String {
    text.as_encoded_bytes().escape_ascii().to_string()
}

/// `CMDS` into words.
fn split(commands: &str) -> VecDeque<OsString> {
    let mut words = VecDeque::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in commands.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c == ';' || c.is_whitespace() => words.extend(word.take().map(OsString::from)),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(OsString::from));
    words
}

fn duration(text: &str) -> Result<Duration, Failure> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse()?;
    let ms = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("s") => 1000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        _ => return Err(format!("{text} has no unit: ms, s, m, h").into()),
    };
    Ok(Duration::from_millis(number.saturating_mul(ms)))
}

fn exit_code(text: &str) -> Result<i32, Failure> {
    let code: i64 = text.parse()?;
    match (i32::try_from(code), u32::try_from(code)) {
        (Ok(code), _) => Ok(code),
        (Err(_), Ok(code)) => Ok(code.cast_signed()),
        (Err(_), Err(_)) => Err(format!("{code} has more than 32 bits").into()),
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, Failure> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16)).collect::<Option<_>>().ok_or("not hexadecimal")?;
    Ok(digits.chunks(2).map(|pair| pair.iter().fold(0u8, |byte, digit| (byte << 4) | *digit as u8)).collect())
}

#[expect(clippy::disallowed_methods, reason = "waiting is what a test asks of it")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

fn forever() -> ! {
    loop {
        sleep(Duration::from_secs(3600));
    }
}

/// This very program with other commands, streams inherited.
fn ourselves(commands: &VecDeque<OsString>) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(commands).stdin(Stdio::null());
    Ok(command)
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The child is left to itself.
fn announce(child: Child) -> io::Result<()> {
    say(&format!("child {}", child.id()))
}

fn respawn(count: usize, commands: &VecDeque<OsString>) -> Result<(), Failure> {
    let mut children: Vec<Child> = Vec::new();
    loop {
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let before = children.len();
        while children.len() < count {
            match ourselves(commands)?.spawn() {
                Ok(child) => children.push(child),
                Err(_) => break, // no room: tried again
            }
        }
        if children.len() == before {
            sleep(LOOK_AGAIN);
        }
    }
}

/// Through processes in between that do not wait for what they start.
fn orphans(count: usize) -> Result<(), Failure> {
    const BATCH: usize = 50;
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        ourselves(&["abandon".into(), batch.to_string().into()].into())?.spawn()?.wait()?;
        left -= batch;
    }
    say(&format!("orphans {count}"))?;
    Ok(())
}

fn flood(lines: u64) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    for number in 0..lines {
        writeln!(out, "line {number:09} the quick brown fox jumps over the lazy dog")?;
    }
    out.flush()
}

fn flood_bytes(count: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    io::copy(&mut io::repeat(b'x').take(count), &mut out)?;
    out.flush()
}

fn listen(port: u16) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    say(&format!("listening {}", listener.local_addr()?.port()))?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            // Whoever connected may be gone.
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    Ok(())
}

/// Never seen half-written.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    fs::write(&name, text)?;
    rename(Path::new(&name), path)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    loop {
        match fs::rename(from, to) {
            // Windows, while somebody reads the old one.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => sleep(LOOK_AGAIN),
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_split_at_spaces_and_semicolons_outside_quotes() {
        let words: Vec<OsString> = split("sleep 3ms; print 'a; b' fork \"print 'c'\" print ''").into();
        assert_eq!(words, ["sleep", "3ms", "print", "a; b", "fork", "print 'c'", "print", ""]);
    }

    #[test]
    fn every_32_bit_exit_code_can_be_asked_for() {
        assert_eq!(exit_code("259").unwrap(), 259);
        assert_eq!(exit_code("-1").unwrap(), -1);
        assert_eq!(exit_code("3221225477").unwrap().cast_unsigned(), 0xC000_0005);
        assert!(exit_code("4294967296").is_err());
    }
}
