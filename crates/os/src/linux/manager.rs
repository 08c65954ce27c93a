//! systemd by its own command, systemctl(1), and unit files in `/etc/systemd/system` (systemd.unit(5)).

use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::account;
use super::pidfd::Pidfd;
use crate::account::Secret;
use crate::manager::{Entry, Kind, ManagerError, OsState, Start};

const UNITS: &str = "/etc/systemd/system";
const PREFIX: &str = "mainstay-";
const SUFFIX: &str = ".service";

/// First line of each unit we wrote: others of the same name pattern are not ours.
const SIGNATURE: &str = "# Written by mainstay; `mainstay install` and `mainstay remove` replace and delete it.";

/// The guard's exit code when it gave up on its program: systemd must not start it again.
const GIVE_UP: i32 = 78;

/// Words of systemctl's own that are over in a moment: reload, enable, show.
const ANSWER_S_MAX: u64 = 60;

/// systemd, when it is PID 1: sd_booted(3).
pub fn detect() -> Option<Manager> {
    Path::new("/run/systemd/system").is_dir().then_some(Manager { _made_here: () })
}

/// The machine's systemd.
#[derive(Debug)]
pub struct Manager {
    _made_here: (),
}

impl Manager {
    /// Which it is.
    pub fn kind(&self) -> Kind {
        Kind::Systemd
    }

    /// Writes the unit and enables it where it is to start at boot. Returns warnings: none here. A password is for accounts of
    /// Windows.
    pub fn install(&self, entry: &Entry, _password: Option<&Secret>) -> Result<Vec<String>, ManagerError> {
        check_privilege("install", &entry.name)?;
        if unit_path(&entry.name).exists() {
            return Err(ManagerError::Exists(entry.name.clone()));
        }
        put("install", entry)
    }

    /// Replaces the unit; a running guard keeps running.
    pub fn update(&self, entry: &Entry) -> Result<Vec<String>, ManagerError> {
        check_privilege("update", &entry.name)?;
        if !unit_path(&entry.name).exists() {
            return Err(ManagerError::NotInstalled(entry.name.clone()));
        }
        put("update", entry)
    }

    /// Stops it and forgets it.
    pub fn remove(&self, name: &str) -> Result<(), ManagerError> {
        check_privilege("remove", name)?;
        let shown = show(name)?.ok_or_else(|| ManagerError::NotInstalled(name.to_owned()))?;
        self.stop(name, shown.stop_limit)?;
        systemctl("remove", name, &["disable", "--quiet", &unit_name(name)])?;
        fs::remove_file(unit_path(name)).map_err(|source| refused("remove", name, source))?;
        systemctl("remove", name, &["daemon-reload"])?;
        // Forgets a failed state; one that never failed makes it complain.
        let _ = systemctl("remove", name, &["reset-failed", "--quiet", &unit_name(name)]);
        Ok(())
    }

    /// Starts it and waits until it is up, or has failed, or `limit` is over.
    pub fn start(&self, name: &str, limit: Duration) -> Result<(), ManagerError> {
        check_privilege("start", name)?;
        let shown = show(name)?.ok_or_else(|| ManagerError::NotInstalled(name.to_owned()))?;
        if shown.refuses_start {
            return Err(ManagerError::Disabled(name.to_owned()));
        }
        // A guard that gave up stays "failed"; asking for it anew forgives.
        if matches!(shown.state, OsState::Failed) {
            let _ = systemctl("start", name, &["reset-failed", "--quiet", &unit_name(name)]);
        }
        within("start", name, &["start", &unit_name(name)], limit, "starting")
    }

    /// Stops it and waits until it is down, or `limit` is over.
    pub fn stop(&self, name: &str, limit: Duration) -> Result<(), ManagerError> {
        check_privilege("stop", name)?;
        if show(name)?.is_none() {
            return Err(ManagerError::NotInstalled(name.to_owned()));
        }
        within("stop", name, &["stop", &unit_name(name)], limit, "stopping")
    }

    /// `None`: not installed.
    pub fn state(&self, name: &str) -> Result<Option<OsState>, ManagerError> {
        Ok(show(name)?.map(|shown| shown.state))
    }

    /// The state of any unit, ours or not, by its own name; `.service` may be left out. `None`: there is none.
    pub fn raw_state(&self, os_name: &str) -> Result<Option<OsState>, ManagerError> {
        Ok(show_unit(os_name, &foreign_unit(os_name, SUFFIX))?.map(|shown| shown.state))
    }

    /// The executable that starts a service's guard; `None`: not installed, or not by us.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        program_in(&fs::read_to_string(unit_path(name)).ok()?)
    }

    /// The services we installed, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(UNITS)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|file| {
                let name = service_name(file.file_name().to_str()?)?;
                let text = fs::read_to_string(file.path()).ok()?;
                text.starts_with(SIGNATURE).then_some(name)
            })
            .collect();
        names.sort_unstable();
        names
    }
}

/// The first word of `ExecStart=` as [`quoted`] wrote it.
fn program_in(unit: &str) -> Option<PathBuf> {
    let word = unit.lines().find_map(|line| line.strip_prefix("ExecStart=\""))?;
    let mut path = Vec::new();
    let mut bytes = word.bytes();
    loop {
        match bytes.next()? {
            b'"' => return Some(PathBuf::from(std::ffi::OsString::from_vec(path))),
            // The second one.
            b'%' => path.push(bytes.next()?),
            b'\\' => match bytes.next()? {
                b'x' => {
                    let digits = [bytes.next()?, bytes.next()?];
                    path.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                }
                b'n' => path.push(b'\n'),
                b't' => path.push(b'\t'),
                b'r' => path.push(b'\r'),
                other => path.push(other),
            },
            other => path.push(other),
        }
    }
}

fn put(action: &'static str, entry: &Entry) -> Result<Vec<String>, ManagerError> {
    if let Some(account) = &entry.account {
        let text = format!("a guard runs as root here; who its program runs as, {account}, is said in its spec");
        return Err(refused(action, &entry.name, io::Error::new(io::ErrorKind::Unsupported, text)));
    }
    let path = unit_path(&entry.name);
    crate::files::replace(&path, unit_text(entry).as_bytes()).map_err(|source| refused(action, &entry.name, source))?;
    systemctl(action, &entry.name, &["daemon-reload"])?;
    let verb = match entry.start {
        Start::Auto | Start::Delayed => "enable",
        Start::Manual | Start::Disabled => "disable",
    };
    systemctl(action, &entry.name, &[verb, "--quiet", &unit_name(&entry.name)])?;
    Ok(Vec::new())
}

fn check_privilege(action: &str, name: &str) -> Result<(), ManagerError> {
    if account::is_privileged() {
        return Ok(());
    }
    Err(ManagerError::NotPrivileged { action: format!("{action} {name}"), remedy: "only root may; run it with sudo" })
}

fn refused(action: &'static str, name: &str, source: io::Error) -> ManagerError {
    ManagerError::Refused { action, name: name.to_owned(), source }
}

/// `mainstay-NAME.service`; characters a unit name can't have become `\xNN` (systemd.unit(5)). An `@` stays, as in the instance
/// of a template, except at the end, where it would make a template of it.
fn unit_name(name: &str) -> String {
    let (name, end) = name.strip_suffix('@').map_or((name, ""), |name| (name, "\\x40"));
    format!("{PREFIX}{}{end}{SUFFIX}", escaped(name, &[]))
}

/// What else a unit name can't have becomes `\xNN`.
fn escaped(name: &str, kept: &[u8]) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'-' | b'_' | b'.' | b'@' => text.push(char::from(byte)),
            byte if kept.contains(&byte) => text.push(char::from(byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text
}

/// The unit of this name, which may be given without its kind; escapes of systemd's own stay.
fn foreign_unit(name: &str, kind: &str) -> String {
    const KINDS: [&str; 11] =
        ["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];
    let has_kind = name.rsplit_once('.').is_some_and(|(_, found)| KINDS.contains(&found));
    let kind = if has_kind { "" } else { kind };
    escaped(name, br"\") + kind
}

/// What stands in [`Entry::after`]: `mainstay:NAME` is one of ours.
fn unit_before(name: &str) -> String {
    name.strip_prefix("mainstay:").map_or_else(|| foreign_unit(name, SUFFIX), unit_name)
}

fn service_name(unit: &str) -> Option<String> {
    let escaped = unit.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let mut parts = escaped.split("\\x");
    let mut name = parts.next()?.as_bytes().to_vec();
    for part in parts {
        name.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        name.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(name).ok()
}

fn unit_path(name: &str) -> PathBuf {
    Path::new(UNITS).join(unit_name(name))
}

/// The unit that starts one service's guard.
pub fn unit_text(entry: &Entry) -> String {
    let mut command = quoted(entry.binary.as_os_str().as_bytes(), Dollar::Kept);
    for arg in &entry.args {
        command.push(' ');
        command.push_str(&quoted(arg.as_bytes(), Dollar::Doubled));
    }
    let description = match entry.description.trim() {
        "" => &entry.name,
        text => text,
    };
    let stop_s = entry.stop_limit.as_secs() + u64::from(entry.stop_limit.subsec_nanos() > 0);
    let manual = match entry.start {
        Start::Disabled => "RefuseManualStart=yes\n",
        Start::Auto | Start::Delayed | Start::Manual => "",
    };
    let groups = entry.after_groups.iter().map(|name| foreign_unit(name, ".target"));
    let before: Vec<String> = entry.after.iter().map(|name| unit_before(name)).chain(groups).collect();
    let before = before.join(" ");
    let order = if before.is_empty() { String::new() } else { format!("After={before}\nWants={before}\n") };
    // A guard that ends with 0 has seen its service done; what waits for it may go on then.
    let remains = if entry.remains { "RemainAfterExit=yes\n" } else { "" };
    format!(
        "{SIGNATURE}
[Unit]
Description={description}
After=network.target
{order}\
# The guard itself limits restarts of the program; systemd must never give up on the guard.
StartLimitIntervalSec=0
{manual}
[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
{remains}\
# A guard that ends by itself with 0 has seen its service done; one that dies is started again.
Restart=on-failure
RestartSec=100ms
# The guard gave up on the program: its service is failed.
RestartPreventExitStatus={GIVE_UP}
WatchdogSec=30
TimeoutStopSec={stop_s}
# SIGTERM to the guard alone, which asks the program; what is left when it is gone gets SIGKILL.
KillMode=mixed
SendSIGKILL=yes
# The guard keeps the program in a cgroup of its own below the unit's.
Delegate=yes
# A process the kernel killed for memory is the guard's business.
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
",
        description = one_line(description),
    )
}

/// `%` starts a specifier everywhere in a unit, a newline ends the setting.
fn one_line(text: &str) -> String {
    text.replace('%', "%%").replace(['\n', '\r'], " ").replace('\\', "\\\\")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dollar {
    /// In the path of the executable variables are not replaced.
    Kept,
    Doubled,
}

/// One word of a command line: systemd.service(5), "COMMAND LINES", and systemd.syntax(7), "QUOTING".
fn quoted(word: &[u8], dollar: Dollar) -> String {
    let mut text = String::from("\"");
    for chunk in word.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '%' => text.push_str("%%"),
                '$' if dollar == Dollar::Doubled => text.push_str("$$"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                c if c.is_ascii_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text.push('"');
    text
}

/// Runs systemctl to its end and returns what it printed.
fn systemctl(action: &'static str, name: &str, args: &[&str]) -> Result<String, ManagerError> {
    run(action, name, args, Duration::from_secs(ANSWER_S_MAX), "busy")
}

/// As [`systemctl`], for jobs that take their time: after `limit` it is left alone and the job goes on.
fn within(
    action: &'static str,
    name: &str,
    args: &[&str],
    limit: Duration,
    state: &'static str,
) -> Result<(), ManagerError> {
    run(action, name, args, limit, state).map(drop)
}

fn run(
    action: &'static str,
    name: &str,
    args: &[&str],
    limit: Duration,
    state: &'static str,
) -> Result<String, ManagerError> {
    let fail = |source: io::Error| refused(action, name, source);
    let until = Instant::now() + limit;
    let mut child = Command::new("systemctl")
        .args(["--no-pager", "--no-ask-password"])
        .args(args)
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| fail(io::Error::new(error.kind(), format!("systemctl: {error}"))))?;
    // Its few lines fit into the pipes: it can end before they are read.
    let held = Pidfd::open(child.id()).map_err(fail)?;
    let ended = held.is_none_or(|held| held.is_dead_within(until.saturating_duration_since(Instant::now())));
    if !ended {
        let _ = child.kill(); // the job itself is systemd's and goes on
        let _ = child.wait();
        return Err(ManagerError::TimedOut { action, name: name.to_owned(), limit, state });
    }
    let mut said = String::new();
    let mut complaint = String::new();
    read_some(child.stdout.take(), &mut said);
    read_some(child.stderr.take(), &mut complaint);
    let status = child.wait().map_err(fail)?;
    if status.success() {
        return Ok(said);
    }
    let complaint = complaint.trim().replace('\n', " ");
    let text = if complaint.is_empty() { format!("systemctl: {status}") } else { complaint };
    Err(fail(io::Error::other(text)))
}

fn read_some(stream: Option<impl Read>, text: &mut String) {
    const ANSWER_BYTES_MAX: u64 = 64 * 1024;
    if let Some(stream) = stream {
        // What it said is told as far as it can be read.
        let _ = stream.take(ANSWER_BYTES_MAX).read_to_string(text);
    }
}

/// What systemd knows of a unit.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    state: OsState,
    refuses_start: bool,
    stop_limit: Duration,
}

fn show(name: &str) -> Result<Option<Shown>, ManagerError> {
    show_unit(name, &unit_name(name))
}

fn show_unit(name: &str, unit: &str) -> Result<Option<Shown>, ManagerError> {
    let properties = "LoadState,ActiveState,MainPID,ExecMainStatus,RefuseManualStart,TimeoutStopUSec";
    let text = systemctl("ask for the state of", name, &["show", unit, "--property", properties])?;
    Ok(parse_shown(&text))
}

fn parse_shown(text: &str) -> Option<Shown> {
    let value = |name: &str| {
        text.lines().find_map(|line| line.split_once('=').filter(|(n, _)| *n == name).map(|(_, value)| value.trim()))
    };
    if value("LoadState")? == "not-found" {
        return None;
    }
    let number = |name: &str| value(name).and_then(|v| v.parse::<u32>().ok()).unwrap_or(0);
    let state = match value("ActiveState")? {
        "active" | "reloading" | "refreshing" => OsState::Running { pid: number("MainPID") },
        "activating" => OsState::StartPending,
        "deactivating" => OsState::StopPending,
        "failed" => OsState::Failed,
        _ => OsState::Stopped { win32_exit: number("ExecMainStatus"), specific_exit: 0 },
    };
    let refuses_start = value("RefuseManualStart") == Some("yes");
    let stop_limit = value("TimeoutStopUSec").and_then(time_span).unwrap_or(Duration::from_secs(90));
    // systemd itself needs a moment beyond it: SIGKILL, and waiting for that.
    Some(Shown { state, refuses_start, stop_limit: stop_limit + Duration::from_secs(10) })
}

/// systemd.time(7) as `show` prints it: "1min 30s", "infinity".
fn time_span(text: &str) -> Option<Duration> {
    if text == "infinity" {
        return Some(Duration::from_secs(u64::from(u32::MAX)));
    }
    text.split_ascii_whitespace().try_fold(Duration::ZERO, |sum, part| {
        let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number: f64 = digits.parse().ok()?;
        let unit_s = match part.get(digits.len()..)? {
            "w" => 604_800.0,
            "d" => 86_400.0,
            "h" => 3600.0,
            "min" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" => 0.000_001,
            _ => return None,
        };
        sum.checked_add(Duration::try_from_secs_f64(number * unit_s).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_systemds_quoting() {
        let word = |text: &str| quoted(text.as_bytes(), Dollar::Doubled);
        assert_eq!(word("--port"), "\"--port\"");
        assert_eq!(word(""), "\"\"");
        assert_eq!(word("a \"b\" \\ %h ${X} ;"), "\"a \\\"b\\\" \\\\ %%h $${X} ;\"");
        assert_eq!(word("ä\n\u{1}"), "\"ä\\n\\x01\"");
        assert_eq!(quoted(b"/a$b%\xff", Dollar::Kept), "\"/a$b%%\\xff\"");
    }

    #[test]
    fn the_executable_is_found_in_its_unit() {
        for path in ["/usr/local/bin/mainstay", "/a b/100%\"x\\y\n$z/mainstay"] {
            let word = quoted(path.as_bytes(), Dollar::Kept);
            let unit = format!("[Service]\nExecStart={word} \"guard\" \"web\"\nRestart=no\n");
            assert_eq!(program_in(&unit).as_deref(), Some(Path::new(path)));
        }
        assert_eq!(program_in("[Service]\nExecStart=/bin/x\n"), None);
    }

    #[test]
    fn unit_names_lead_back_to_service_names() {
        for name in ["payment", "a.b_c-d", "a b", "ä@%", "web@1", "web@"] {
            assert_eq!(service_name(&unit_name(name)).as_deref(), Some(name));
        }
        assert_eq!(unit_name("web@1"), "mainstay-web@1.service");
        assert_eq!(unit_name("web@"), "mainstay-web\\x40.service", "no template");
        assert_eq!(unit_name("a b"), "mainstay-a\\x20b.service");
        assert_eq!(service_name("sshd.service"), None);
    }

    #[test]
    fn what_comes_before_is_named_as_units_are() {
        for (name, unit) in [
            ("mainstay:web", "mainstay-web.service"),
            ("mainstay:web@1", "mainstay-web@1.service"),
            ("postgresql", "postgresql.service"),
            ("postgresql@15-main.service", "postgresql@15-main.service"),
            ("docker.socket", "docker.socket"),
            ("org.example.api", "org.example.api.service"),
            (r"dev-sda\x2d1.device", r"dev-sda\x2d1.device"),
            ("a b\nWants=evil", r"a\x20b\x0aWants\x3devil.service"),
        ] {
            assert_eq!(unit_before(name), unit);
        }
        assert_eq!(foreign_unit("network-online", ".target"), "network-online.target");
        assert_eq!(foreign_unit("network-online.target", ".target"), "network-online.target");
    }

    #[test]
    fn what_systemctl_shows_is_understood() {
        let shown = |active: &str| {
            parse_shown(&format!(
                "LoadState=loaded\nActiveState={active}\nMainPID=7\nExecMainStatus=78\nRefuseManualStart=no\n\
                 TimeoutStopUSec=1min 30s\n"
            ))
        };
        let up =
            Shown { state: OsState::Running { pid: 7 }, refuses_start: false, stop_limit: Duration::from_secs(100) };
        assert_eq!(shown("active"), Some(up));
        assert_eq!(shown("failed").map(|s| s.state), Some(OsState::Failed));
        let stopped = OsState::Stopped { win32_exit: 78, specific_exit: 0 };
        assert_eq!(shown("inactive").map(|s| s.state), Some(stopped));
        assert_eq!(parse_shown("LoadState=not-found\nActiveState=inactive\n"), None);
    }

    #[test]
    fn time_spans_add_up() {
        assert_eq!(time_span("1min 30s"), Some(Duration::from_secs(90)));
        assert_eq!(time_span("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(time_span("1h 2min 3.5s"), Some(Duration::from_millis(3_723_500)));
        assert_eq!(time_span("soon"), None);
    }
}
