//! What a test stands on: the fixture, a place to run it in, and waiting with a deadline.

use std::ffi::OsString;
use std::future::Future;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Once};
use std::time::Duration;

use mainstay_os::pipe::{Reader, Writer};
use mainstay_os::process::{Watched, start_stamp};
use mainstay_os::resources::Resources;
use mainstay_os::tree::{self, Exit, Launch, Place, SpawnError, Stdin, Tree};
use tempfile::TempDir;

/// Long enough for a loaded machine under Wine; a test that passes never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The result of `future`, or a failure that names what did not happen.
pub(crate) async fn within<F: Future>(limit: Duration, what: &str, future: F) -> F::Output {
    match tokio::time::timeout(limit, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {limit:?}"),
    }
}

/// `fixture-child`, built beside this binary: `target/debug/deps/conformance-… → target/debug/fixture-child`.
pub(crate) fn fixture() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let name = format!("fixture-child{}", std::env::consts::EXE_SUFFIX);
    let path = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.is_file(), "{} is missing; build it: cargo build -p fixture-child", path.display());
    path
}

/// Wine leaves a few things out; each test that has to know says which.
pub(crate) fn under_wine() -> bool {
    cfg!(windows) && std::env::var_os("WINEPREFIX").is_some()
}

/// A mark no other test, and no other run of the tests, has.
pub(crate) fn new_mark() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// This process does as a guard does, once.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tree::prepare_guard().unwrap());
}

/// A guard's place, with a folder of the test's own.
pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) folder: TempDir,
    pub(crate) breakaway: bool,
    pub(crate) env: Vec<(OsString, OsString)>,
}

impl Stage {
    /// In the containment this system prefers.
    pub(crate) fn new() -> Stage {
        prepare();
        Stage::at(Place::claim(&new_mark()).unwrap())
    }

    /// One for each containment this system has.
    pub(crate) fn each() -> Vec<Stage> {
        #[cfg(unix)]
        return vec![Stage::new(), Stage::at(Place::claim_process_group(&new_mark()).unwrap())];
        #[cfg(windows)]
        return vec![Stage::new()];
    }

    pub(crate) fn at(place: Place) -> Stage {
        prepare();
        Stage {
            place,
            folder: tempfile::tempdir().unwrap(),
            breakaway: false,
            env: mainstay_os::environment::inherited(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).into_os_string().into_string().unwrap()
    }

    pub(crate) fn try_start(&self, program: &Path, args: &[OsString]) -> Result<Run, SpawnError> {
        self.launch(&Launch { program, args, ..self.plain() })
    }

    /// The fixture without a word: a start to be changed.
    pub(crate) fn plain(&self) -> Launch<'_> {
        static FIXTURE: LazyLock<PathBuf> = LazyLock::new(fixture);
        static NOTHING: LazyLock<Resources> = LazyLock::new(Resources::default);
        Launch {
            program: &FIXTURE,
            args: &[],
            directory: self.folder.path(),
            env: &self.env,
            breakaway: self.breakaway,
            stdin: Stdin::Null,
            run_as: None,
            resources: &NOTHING,
        }
    }

    pub(crate) fn launch(&self, launch: &Launch<'_>) -> Result<Run, SpawnError> {
        let (tree, output) = self.place.spawn(launch)?;
        let stdin = output.stdin.map(|raw| Writer::open(raw).unwrap());
        Ok(Run { tree, stdin, stdout: Lines::new(output.stdout), stderr: Lines::new(output.stderr) })
    }

    /// The fixture with these commands.
    pub(crate) fn start(&self, commands: &[&str]) -> Run {
        self.try_start(&fixture(), &words(commands)).unwrap()
    }
}

/// One run of the fixture.
pub(crate) struct Run {
    pub(crate) tree: Tree,
    /// For [`Stdin::Pipe`].
    pub(crate) stdin: Option<Writer>,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl Run {
    pub(crate) async fn exited(&mut self) -> Exit {
        within(LIMIT, "the main process ends", self.tree.exited()).await
    }

    pub(crate) async fn emptied(&mut self) {
        within(LIMIT, "the tree is empty", self.tree.emptied()).await;
    }

    /// The next line must be `child PID`: that child.
    pub(crate) async fn child(&mut self) -> Watched {
        let line = self.stdout.line().await;
        let pid = line.strip_prefix("child ").unwrap_or_else(|| panic!("no child in {line:?}")).parse().unwrap();
        watch(pid)
    }

    /// Everything printed until the end, after a clean exit.
    pub(crate) async fn finish(&mut self) -> String {
        let text = self.stdout.rest().await;
        let complaints = self.stderr.rest().await;
        assert_eq!((self.exited().await, complaints.as_str()), (Exit::Code(0), ""));
        text
    }
}

pub(crate) fn watch(pid: u32) -> Watched {
    Watched::open(pid, start_stamp(pid).unwrap()).unwrap().unwrap()
}

pub(crate) fn lives(pid: u32, stamp: u64) -> bool {
    Watched::open(pid, stamp).unwrap().is_some()
}

/// A stream by lines.
pub(crate) struct Lines {
    reader: Reader,
    left: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(raw: mainstay_os::pipe::RawReader) -> Lines {
        Lines { reader: Reader::open(raw).unwrap(), left: Vec::new() }
    }

    /// The next one, without its end.
    pub(crate) async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.left.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.left.drain(..=end).collect();
                return String::from_utf8(line).unwrap().trim_end().to_owned();
            }
            assert_ne!(self.more().await, 0, "the stream ended after {:?}", String::from_utf8_lossy(&self.left));
        }
    }

    /// Until the last writer has closed it.
    pub(crate) async fn rest(&mut self) -> String {
        while self.more().await > 0 {}
        String::from_utf8(std::mem::take(&mut self.left)).unwrap()
    }

    async fn more(&mut self) -> usize {
        let mut buffer = vec![0; 65_536];
        let read = within(LIMIT, "output comes", self.reader.read(&mut buffer)).await.unwrap();
        self.left.extend_from_slice(&buffer[..read]);
        read
    }

    /// What is there now. The flag: the end was reached.
    pub(crate) fn now(&mut self) -> (String, bool) {
        let mut buffer = vec![0; 65_536];
        let ended = loop {
            match self.reader.try_read(&mut buffer) {
                Ok(0) => break true,
                Ok(read) => self.left.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break false,
                Err(error) => panic!("{error}"),
            }
        };
        (String::from_utf8(std::mem::take(&mut self.left)).unwrap(), ended)
    }
}

/// This binary once more, as one of `roles`; it is killed when dropped.
pub(crate) struct Second {
    child: Child,
    lines: tokio::sync::mpsc::Receiver<String>,
    /// What the harness printed there: why it failed, if the machine it ran in has no standard error of ours.
    unsaid: Arc<Mutex<Vec<String>>>,
    _stdin: Option<ChildStdin>,
}

impl Second {
    pub(crate) fn start(role: &str, args: &[&str]) -> Second {
        Second::start_by(Command::new(std::env::current_exe().unwrap()), role, args)
    }

    /// `command` ends where this binary's own arguments begin.
    pub(crate) fn start_by(mut command: Command, role: &str, args: &[&str]) -> Second {
        let mut child = command
            .args(["--exact", "roles::a_second_process_plays_its_role_and_no_other", "--nocapture", "--test-threads=1"])
            .env(super::roles::ROLE, role)
            .env(super::roles::ARGS, args.join("\n"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = tokio::sync::mpsc::channel(1024);
        let unsaid = Arc::default();
        let of_thread = Arc::clone(&unsaid);
        std::thread::spawn(move || forward(stdout, &sender, &of_thread));
        Second { _stdin: child.stdin.take(), child, lines, unsaid }
    }

    #[cfg(unix)]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next thing the role says. Roles say by [`super::roles::say`]; the test harness's own words are skipped.
    pub(crate) async fn line(&mut self) -> String {
        match within(LIMIT, "the second process says something", self.lines.recv()).await {
            Some(line) => line,
            None => {
                let status = self.child.wait().unwrap();
                panic!("it ended early with {status}, after the words\n{}", self.unsaid.lock().unwrap().join("\n"))
            }
        }
    }

    /// SIGKILL, TerminateProcess.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its end: whether the role passed.
    pub(crate) async fn passed(mut self) -> bool {
        let mut last_words = Vec::new();
        while let Some(line) = within(LIMIT, "the second process ends", self.lines.recv()).await {
            last_words.push(line);
        }
        let status = self.child.wait().unwrap();
        if !status.success() {
            eprintln!("the second process ended with {status}, saying {last_words:?}");
        }
        status.success()
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // Already dead is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stdout: BufReader<impl Read>, sender: &tokio::sync::mpsc::Sender<String>, unsaid: &Mutex<Vec<String>>) {
    for line in stdout.lines().map_while(Result::ok) {
        match line.split_once('@') {
            Some((_, said)) if sender.blocking_send(said.trim_end().to_owned()).is_err() => return,
            Some(_) => {}
            None => unsaid.lock().unwrap().push(line),
        }
    }
}
