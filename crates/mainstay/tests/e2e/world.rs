//! What a test stands on: a home, `mainstay up`, the command line, and waiting with a deadline.

use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::hash::BuildHasher;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mainstay_os::control::{Address, connect};
use mainstay_os::files;
use mainstay_os::process::{Watched, start_stamp};
use mainstay_wire::control::{Answer, Ask, Refusal, Reply, Request, VERSION};
use mainstay_wire::layout::Layout;
use mainstay_wire::record::{Record, What};
use mainstay_wire::status::{ServiceStatus, State};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::runtime::Runtime;

pub(crate) use foreground::Foreground;

/// Long enough for a loaded machine under Wine; a test that passes never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_secs(if cfg!(windows) { 50 } else { 25 });

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What `look` finds at last, or a failure that names what did not happen.
pub(crate) fn wait<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    match try_wait(limit, &mut look) {
        Some(found) => found,
        None => panic!("{what}: not within {limit:?}"),
    }
}

/// What `look` finds, if it does in time. The one place where tests wait.
#[expect(clippy::disallowed_methods, reason = "the one pause between two looks, always with a deadline")]
pub(crate) fn try_wait<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begin.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The binary under test.
pub(crate) fn mainstay() -> PathBuf {
    std::path::absolute(env!("CARGO_BIN_EXE_mainstay")).unwrap()
}

/// `fixture-child`, built beside the tests: `target/debug/deps/e2e-… → target/debug/fixture-child`.
pub(crate) fn fixture() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let name = format!("fixture-child{}", std::env::consts::EXE_SUFFIX);
    let path = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.is_file(), "{} is missing; build it: cargo build -p fixture-child", path.display());
    path
}

/// The Go server for this system.
pub(crate) fn go_server() -> PathBuf {
    let name = format!("go-server{}", std::env::consts::EXE_SUFFIX);
    let root = std::path::absolute(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    let path = root.join("target").join("go-server").join(mainstay_os::NAME).join(name);
    assert!(path.is_file(), "{} is missing; build it: scripts/build-go-server.sh", path.display());
    path
}

/// A port nobody listens on. Not one of the range that outgoing connections take theirs from: a client that connects to
/// a free port of that range may by chance be given the same one and find itself connected to itself.
pub(crate) fn free_port() -> u16 {
    let chance = RandomState::new();
    (0u16..)
        .map(|n| 10_240 + u16::try_from(chance.hash_one((std::process::id(), n)) % 20_000).unwrap())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// What an HTTP server answers: status and body; `None` when nobody does within a second.
pub(crate) fn http(port: u16, path: &str) -> Option<(u16, String)> {
    http_within(Duration::from_secs(1), port, path)
}

pub(crate) fn http_within(patience: Duration, port: u16, path: &str) -> Option<(u16, String)> {
    let mut answer = Vec::new();
    asked(patience, port, path)?.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A connection to an HTTP server that has been asked.
fn asked(patience: Duration, port: u16, path: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).ok()?;
    Some(stream)
}

/// What tells one state of a service from another; the times in a status are no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Face {
    state: State,
    pid: Option<u32>,
    run: u64,
    restarts: u64,
    guard_pid: Option<u32>,
}

pub(crate) fn face(status: &ServiceStatus) -> Face {
    let ServiceStatus { state, pid, run, restarts, guard_pid, .. } = *status;
    Face { state, pid, run, restarts, guard_pid }
}

/// A text as TOML and JSON both write it.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A list of texts as TOML writes it.
pub(crate) fn list<S: AsRef<str>>(texts: &[S]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

pub(crate) fn text_of(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// One process, never mistaken for a later one with its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    stamp: u64,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        Self::try_of(pid).unwrap_or_else(|| panic!("there is no process {pid}"))
    }

    pub(crate) fn try_of(pid: u32) -> Option<Self> {
        Some(Self { pid, stamp: start_stamp(pid).ok()? })
    }

    pub(crate) fn lives(self) -> bool {
        Watched::open(self.pid, self.stamp).unwrap().is_some()
    }

    /// SIGKILL, TerminateProcess.
    pub(crate) fn kill(self) {
        if let Some(process) = Watched::open(self.pid, self.stamp).unwrap() {
            process.kill().unwrap();
        }
    }

    pub(crate) fn wait_until_gone(self, what: &str) {
        wait(&format!("{what} (pid {}) is gone", self.pid), LIMIT, || (!self.lives()).then_some(()));
    }
}

/// What the command line said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.fine();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// One object a line.
    #[track_caller]
    pub(crate) fn json_lines(self) -> Vec<Value> {
        self.fine().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Failed with this code; gives what it complained of.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.stderr
    }
}

/// A Go server under guard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pub(crate) port: u16,
}

impl Server {
    /// Its pid and its run, if it is healthy now.
    pub(crate) fn health(self) -> Option<(u32, u64)> {
        let (200, body) = http(self.port, "/health")? else { return None };
        let health: Value = serde_json::from_str(&body).ok()?;
        Some((u32::try_from(health["pid"].as_u64()?).ok()?, health["run"].as_str()?.parse().ok()?))
    }

    /// It ends at once; no answer comes. A loaded machine may refuse a connection, so it is asked until it has been.
    #[track_caller]
    pub(crate) fn crash(self, code: u32) {
        let path = format!("/crash?code={code}");
        let mut asked = wait("the server is asked to crash", LIMIT, || asked(Duration::from_secs(1), self.port, &path));
        // Until it is gone, as far as a connection tells; how it ends is no news.
        drop(asked.read_to_end(&mut Vec::new()));
    }
}

/// One home and everything that lives in it.
pub(crate) struct World {
    pub(crate) layout: Layout,
    up: Option<Foreground>,
    folder: TempDir,
    runtime: Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("mainstay-e2e-").tempdir().unwrap();
        let home = folder.path().join("home");
        fs::create_dir_all(home.join("services")).unwrap();
        // As the binary names it: the tag of a home is made of its one true name.
        let home = fs::canonicalize(home).unwrap();
        let home = home.to_str().unwrap();
        let layout = Layout::home(Path::new(home.strip_prefix(r"\\?\").unwrap_or(home)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { layout, up: None, folder, runtime }
    }

    pub(crate) fn home(&self) -> &Path {
        self.layout.home.as_deref().unwrap()
    }

    /// A file of the test's own, outside of the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text, for command lines.
    pub(crate) fn text_path(&self, name: &str) -> String {
        text_of(&self.path(name))
    }

    // --- specs ---

    /// Writes a spec as it is.
    pub(crate) fn spec(&self, name: &str, text: &str) {
        files::replace(&self.layout.spec(name), text.as_bytes()).unwrap();
    }

    /// A service of any program; `rest` is more of its spec.
    pub(crate) fn program<S: AsRef<str>>(&self, name: &str, program: &Path, args: &[S], rest: &str) {
        let text = format!("program = {}\nargs = {}\n{rest}\n", quoted(&text_of(program)), list(args));
        self.spec(name, &text);
    }

    /// A service of the test program that does what it is told.
    pub(crate) fn fixture<S: AsRef<str>>(&self, name: &str, commands: &[S], rest: &str) {
        self.program(name, &fixture(), commands, rest);
    }

    /// A service of the Go server, ready when it is healthy; `rest` is more of its spec after `[ready]`.
    pub(crate) fn server(&self, name: &str, flags: &[&str], rest: &str) -> Server {
        let port = free_port();
        self.server_at(name, port, flags, rest)
    }

    pub(crate) fn server_at(&self, name: &str, port: u16, flags: &[&str], rest: &str) -> Server {
        let number = port.to_string();
        let args = [&["--port", &number], flags].concat();
        let ready = format!("[ready]\nhttp = \"http://127.0.0.1:{port}/health\"\nevery = \"20ms\"\n");
        self.program(name, &go_server(), &args, &(ready + rest));
        Server { port }
    }

    /// The pid and the run of a server as soon as it is healthy.
    #[track_caller]
    pub(crate) fn healthy(&self, server: Server) -> (u32, u64) {
        self.healthy_after(server, 0)
    }

    /// Healthy in a later run than `run`.
    #[track_caller]
    pub(crate) fn healthy_after(&self, server: Server, run: u64) -> (u32, u64) {
        let later = || server.health().filter(|(_, now)| *now > run);
        self.wait(&format!("the server on port {} is healthy in a run after {run}", server.port), later)
    }

    // --- mainstay up ---

    /// Starts `mainstay up` and waits until it has the home.
    pub(crate) fn up(&mut self) {
        assert!(self.up.is_none(), "it is up already");
        let up = Foreground::begin(&self.runtime, self.home(), &self.path("up.log"));
        let pid = up.process.pid;
        self.up = Some(up);
        let ours = || self.lock_holder(&self.layout.up_lock()).filter(|holder| *holder == pid);
        self.wait("`mainstay up` has the home", || ours().map(drop));
    }

    pub(crate) fn up_process(&self) -> Process {
        self.up.as_ref().expect("`mainstay up` was started").process
    }

    /// kill -9 of `up` alone.
    pub(crate) fn kill_up(&mut self) {
        let up = self.up.take().expect("`mainstay up` was started");
        up.process.kill();
        up.ended(&self.runtime);
    }

    /// Ctrl-C at the terminal of `up`.
    pub(crate) fn interrupt(&self) {
        self.up.as_ref().expect("`mainstay up` was started").interrupt(&self.runtime);
    }

    /// After Ctrl-C: its exit code.
    pub(crate) fn up_ended(&mut self) -> i32 {
        self.up.take().expect("`mainstay up` was started").ended(&self.runtime)
    }

    /// What `up` printed.
    pub(crate) fn up_said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("up.log")).unwrap_or_default()).into_owned()
    }

    fn lock_holder(&self, lock: &Path) -> Option<u32> {
        files::lock_note(lock).ok().flatten()?.split(' ').next()?.parse().ok()
    }

    // --- asking ---

    /// The command line in this home.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Said {
        let mut command = Command::new(mainstay());
        command.arg("--home").arg(self.home()).args(words);
        self.run_command(&mut command)
    }

    /// The same with a file as standard input.
    pub(crate) fn run_with_input(&self, input: &Path, words: &[&str]) -> Said {
        let mut command = Command::new(mainstay());
        command.arg("--home").arg(self.home()).args(words);
        self.run_command_with(&mut command, fs::File::open(input).unwrap().into())
    }

    /// The same as soon as the service has a guard.
    pub(crate) fn run_when_guarded(&self, name: &str, words: &[&str]) -> Said {
        self.until(name, "has a guard", |_| true);
        self.run(words)
    }

    /// The same with `--json`.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        self.run(&[&["--json"], words].concat()).json()
    }

    /// Runs a command to its end, which must come in time.
    pub(crate) fn run_command(&self, command: &mut Command) -> Said {
        self.run_command_with(command, Stdio::null())
    }

    pub(crate) fn run_command_with(&self, command: &mut Command, input: Stdio) -> Said {
        // Files, not pipes: nothing that outlives the command can hold us up.
        let [out, err] = ["stdout", "stderr"].map(|_| tempfile::NamedTempFile::new_in(self.folder.path()).unwrap());
        let mut child = command
            .env_remove("MAINSTAY_HOME")
            .env_remove("NO_COLOR")
            .stdin(input)
            .stdout(out.reopen().unwrap())
            .stderr(err.reopen().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let ended = try_wait(LIMIT, || child.try_wait().unwrap());
        let Some(status) = ended else {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?}: not within {LIMIT:?}\n{}", self.story());
        };
        let text = |file: &tempfile::NamedTempFile| {
            String::from_utf8_lossy(&fs::read(file.path()).unwrap()).replace("\r\n", "\n")
        };
        Said { code: status.code().unwrap_or(-1), stdout: text(&out), stderr: text(&err) }
    }

    /// Asks a guard over its control channel; `None`: nobody is there.
    pub(crate) fn ask(&self, name: &str, ask: Ask) -> Option<Result<ServiceStatus, Refusal>> {
        let address = Address::new(&self.layout.run, &self.layout.tag(), name);
        let limit = LIMIT;
        let exchange = async {
            let mut stream = BufReader::new(connect(&address).await.ok()?);
            let request = Request { v: VERSION, id: 7, ask };
            stream.write_all(request.line().as_bytes()).await.ok()?;
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let reply: Reply = serde_json::from_str(&line).ok()?;
            assert_eq!(reply.id, 7, "{line}");
            Some(match reply.answer {
                Answer::Ok(status) => Ok(status),
                Answer::Error(refusal) => Err(refusal),
            })
        };
        self.runtime.block_on(async { tokio::time::timeout(limit, exchange).await.ok().flatten() })
    }

    /// How a service is now; `None`: it has no guard.
    pub(crate) fn look(&self, name: &str) -> Option<ServiceStatus> {
        self.ask(name, Ask::Status)?.ok()
    }

    pub(crate) fn face(&self, name: &str) -> Option<Face> {
        self.look(name).map(|status| face(&status))
    }

    pub(crate) fn guard(&self, name: &str) -> Process {
        let pid = self.wait(&format!("{name} has a guard"), || self.look(name)?.guard_pid);
        Process::of(pid)
    }

    /// The holder of a service's lock, which is there even when it can't be asked.
    pub(crate) fn holder(&self, name: &str) -> Option<Process> {
        Process::try_of(self.lock_holder(&self.layout.lock(name))?)
    }

    // --- waiting ---

    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        match try_wait(LIMIT, look) {
            Some(found) => found,
            None => panic!("{what}: not within {LIMIT:?}\n{}", self.story()),
        }
    }

    /// Waits until a service is as wanted.
    #[track_caller]
    pub(crate) fn until(&self, name: &str, what: &str, wanted: impl Fn(&ServiceStatus) -> bool) -> ServiceStatus {
        self.wait(&format!("{name} {what}"), || self.look(name).filter(|status| wanted(status)))
    }

    #[track_caller]
    pub(crate) fn until_state(&self, name: &str, state: State) -> ServiceStatus {
        self.until(name, &format!("is {}", state.word()), |status| status.state == state)
    }

    #[track_caller]
    pub(crate) fn until_up(&self, name: &str) -> ServiceStatus {
        self.until_state(name, State::Up)
    }

    /// Up in a later run than `run`.
    #[track_caller]
    pub(crate) fn until_up_after(&self, name: &str, run: u64) -> ServiceStatus {
        self.until(name, "is up in a later run", |status| status.state == State::Up && status.run > run)
    }

    /// Every record of a service that is still kept, oldest first.
    pub(crate) fn records(&self, name: &str) -> Vec<Record> {
        let entries = fs::read_dir(self.layout.state_of(name)).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        let is_segment = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name == "journal.ndjson" || name.strip_prefix("journal-").is_some_and(|n| n.starts_with('0'))
        };
        paths.retain(is_segment);
        paths.sort(); // `-` comes before `.`: the current one is the last
        let texts = paths.iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned());
        let records: Vec<Record> =
            texts.flat_map(|text| text.lines().filter_map(Record::parse).collect::<Vec<_>>()).collect();
        records
    }

    /// What happened to a service.
    pub(crate) fn events(&self, name: &str) -> Vec<What> {
        self.records(name).into_iter().map(|record| record.what).collect()
    }

    /// Waits for a record.
    #[track_caller]
    pub(crate) fn until_record(&self, name: &str, what: &str, wanted: impl Fn(&What) -> bool) -> Record {
        let find = || self.records(name).into_iter().find(|record| wanted(&record.what));
        self.wait(&format!("{name} has a record of {what}"), find)
    }

    /// The lines that a service printed, both streams, as they stand in the log's files.
    pub(crate) fn printed(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.layout.logs_of(name)).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort(); // output-TIME.log before output.log
        let texts = paths.iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned());
        let line = |line: &str| line.splitn(4, ' ').nth(3).unwrap_or_default().trim_end_matches('\r').to_owned();
        texts.flat_map(|text| text.lines().map(line).collect::<Vec<_>>()).collect()
    }

    /// Waits until a service has printed this line.
    #[track_caller]
    pub(crate) fn until_printed(&self, name: &str, line: &str) {
        self.wait(&format!("{name} prints {line:?}"), || self.printed(name).iter().any(|l| l == line).then_some(()));
    }

    /// Waits for a file that a program writes, and reads it.
    #[track_caller]
    pub(crate) fn until_file(&self, name: &str) -> String {
        let path = self.path(name);
        self.wait(&format!("the file {name} is written"), || fs::read_to_string(&path).ok().filter(|t| !t.is_empty()))
    }

    /// The process whose pid a program wrote to a file.
    #[track_caller]
    pub(crate) fn until_pidfile(&self, name: &str) -> Process {
        Process::of(self.until_file(name).trim().parse().unwrap())
    }

    /// What a person would want to see when a test failed.
    pub(crate) fn story(&self) -> String {
        const RECORDS: usize = 40;
        let mut story = format!("--- up said:\n{}", self.up_said());
        for name in self.services() {
            let records = self.records(&name);
            writeln!(story, "--- {name}: {:?}", self.look(&name)).unwrap();
            for record in records.iter().skip(records.len().saturating_sub(RECORDS)) {
                story.push_str(&record.line());
            }
            let printed = self.printed(&name);
            for line in printed.iter().skip(printed.len().saturating_sub(20)) {
                writeln!(story, "    | {line}").unwrap();
            }
        }
        story
    }

    /// Services that have, or had, a guard.
    fn services(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.layout.run).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names
            .filter_map(|name| Some(name.strip_suffix(".lock")?.to_owned()))
            .filter(|name| name != ".up")
            .collect();
        names.sort();
        names
    }

    /// Every living process that carries the mark of one of this home's services.
    #[cfg(unix)]
    pub(crate) fn marked(&self) -> Vec<Process> {
        let mark = format!("{}={}-", mainstay_os::tree::MARK_VARIABLE, self.layout.tag());
        let pids =
            fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_ours = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()))
        };
        pids.filter(is_ours).filter_map(Process::try_of).collect()
    }

    /// No program of this home lives, wherever it may have gone.
    #[track_caller]
    pub(crate) fn assert_no_orphan(&self) {
        #[cfg(unix)]
        {
            let gone = try_wait(Duration::from_secs(5), || self.marked().is_empty().then_some(()));
            assert!(gone.is_some(), "orphans: {:?}\n{}", self.marked(), self.story());
        }
    }

    /// Ends what lives, first nicely so that whole trees go, then by pid.
    fn clean_up(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        if let Some(up) = self.up.take() {
            up.process.kill();
            up.ended(&self.runtime);
        }
        let names = self.services();
        for name in &names {
            self.ask(name, Ask::Retire { in_order: false });
            self.ask(name, Ask::Kill);
        }
        for name in &names {
            if try_wait(PATIENCE, || self.holder(name).is_none().then_some(())).is_none()
                && let Some(guard) = self.holder(name)
            {
                guard.kill();
            }
        }
        #[cfg(unix)]
        self.marked().into_iter().for_each(Process::kill);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.clean_up();
        // Windows refuses to delete what a process that is just ending still has open.
        let folder = self.folder.path().to_owned();
        let gone = try_wait(Duration::from_secs(5), || match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => None,
            Ok(()) | Err(_) => Some(()),
        });
        if gone.is_none() && !std::thread::panicking() {
            panic!("cannot delete {}: somebody still uses it", folder.display());
        }
    }
}

/// A verb of the command line that goes on until it is dropped, such as `logs -f`.
pub(crate) struct Background {
    child: Child,
    out: tempfile::NamedTempFile,
}

impl Background {
    pub(crate) fn begin(world: &World, words: &[&str]) -> Self {
        let out = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new(mainstay());
        command.arg("--home").arg(world.home()).args(words).env_remove("MAINSTAY_HOME").stdin(Stdio::null());
        let child = command.stdout(out.reopen().unwrap()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, out }
    }

    /// The whole lines that it has said so far.
    pub(crate) fn said(&self) -> String {
        let text = fs::read_to_string(self.out.path()).unwrap().replace("\r\n", "\n");
        text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// `mainstay up` as a person starts it, on a terminal of its own.
mod foreground {
    #[cfg(unix)]
    pub(crate) use unix::Foreground;
    #[cfg(windows)]
    pub(crate) use windows::Foreground;

    #[cfg(unix)]
    mod unix {
        use std::fs::File;
        use std::path::Path;
        use std::process::{Child, Command, Stdio};

        use tokio::runtime::Runtime;

        use crate::world::{LIMIT, Process, mainstay, wait};

        pub(crate) struct Foreground {
            pub(crate) process: Process,
            child: Child,
        }

        impl Foreground {
            pub(crate) fn begin(_: &Runtime, home: &Path, log: &Path) -> Self {
                let log = File::options().create(true).append(true).open(log).unwrap();
                let child = Command::new(mainstay())
                    .arg("up")
                    .arg(home)
                    .env_remove("MAINSTAY_HOME")
                    .stdin(Stdio::null())
                    .stdout(log.try_clone().unwrap())
                    .stderr(log)
                    .spawn()
                    .unwrap();
                Self { process: Process::of(child.id()), child }
            }

            pub(crate) fn interrupt(&self, _: &Runtime) {
                let done = Command::new("kill").args(["-INT", &self.process.pid.to_string()]).status().unwrap();
                assert!(done.success());
            }

            pub(crate) fn ended(mut self, _: &Runtime) -> i32 {
                let status = wait("`mainstay up` ends", LIMIT, || self.child.try_wait().unwrap());
                status.code().unwrap_or(-1)
            }
        }
    }

    #[cfg(windows)]
    mod windows {
        use std::fs::File;
        use std::io::Write;
        use std::path::Path;
        use std::sync::atomic::{AtomicU32, Ordering};
        use std::thread;

        use mainstay_os::environment;
        use mainstay_os::pipe::{RawReader, Reader};
        use mainstay_os::resources::Resources;
        use mainstay_os::tree::{Exit, Launch, Method, Place, Stdin, Tree};
        use tokio::runtime::{Builder, Runtime};

        use crate::world::{LIMIT, Process, mainstay};

        /// In a console of its own, which takes the part of the terminal; guards break away from its job.
        pub(crate) struct Foreground {
            pub(crate) process: Process,
            tree: Tree,
        }

        impl Foreground {
            pub(crate) fn begin(runtime: &Runtime, home: &Path, log: &Path) -> Self {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let _entered = runtime.enter();
                let mark = format!("e2e-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
                let mut env = environment::inherited();
                env.retain(|(name, _)| name != "MAINSTAY_HOME");
                let launch = Launch {
                    program: &mainstay(),
                    args: &["up".into(), home.into()],
                    directory: home,
                    env: &env,
                    breakaway: true,
                    stdin: Stdin::Null,
                    run_as: None,
                    resources: &Resources::default(),
                };
                let (tree, output) = Place::claim(&mark).unwrap().spawn(&launch).unwrap();
                let log = File::options().create(true).append(true).open(log).unwrap();
                copy(output.stdout, log.try_clone().unwrap());
                copy(output.stderr, log);
                Self { process: Process::of(tree.pid()), tree }
            }

            pub(crate) fn interrupt(&self, runtime: &Runtime) {
                let _entered = runtime.enter();
                self.tree.ask(Method::CtrlC).unwrap();
            }

            pub(crate) fn ended(mut self, runtime: &Runtime) -> i32 {
                let ended = runtime.block_on(async { tokio::time::timeout(LIMIT, self.tree.exited()).await });
                match ended.expect("`mainstay up` ends") {
                    Exit::Code(code) => code.cast_signed(),
                    Exit::Signal(_) => -1,
                }
            }
        }

        /// Until the pipe ends.
        fn copy(from: RawReader, mut to: File) {
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async move {
                    let mut reader = Reader::open(from).unwrap();
                    let mut buffer = vec![0; 4096];
                    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                        to.write_all(&buffer[..count]).unwrap();
                    }
                });
            });
        }
    }
}
