//! Shared by the tests: starting the test program in a tree and reading what it says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use mainstay_os::account::RunAs;
use mainstay_os::environment;
use mainstay_os::pipe::Reader;
use mainstay_os::resources::Resources;
use mainstay_os::tree::{self, Exit, Launch, Place, SpawnError, Stdin, Tree};

/// Long enough for a slow machine under Wine, and the end of a test that hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const TESTBED: &str = env!("CARGO_BIN_EXE_os-testbed");

/// Runs a test's future with its deadline.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("in time") })
}

/// It leaves a few things out; each test that has to know says which.
pub(crate) fn under_wine() -> bool {
    std::env::var_os("WINEPREFIX").is_some()
}

/// A program in its tree, with its standard output.
pub(crate) struct Running {
    pub(crate) tree: Tree,
    stdout: Reader,
    seen: Vec<u8>,
}

pub(crate) fn start(args: &[&str]) -> Running {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    start_program(Path::new(TESTBED), &args, &environment::inherited()).unwrap()
}

pub(crate) fn start_program(
    program: &Path,
    args: &[OsString],
    env: &[(OsString, OsString)],
) -> Result<Running, SpawnError> {
    let directory = std::env::current_dir().unwrap();
    start_in(program, args, env, &directory)
}

pub(crate) fn start_in(
    program: &Path,
    args: &[OsString],
    env: &[(OsString, OsString)],
    directory: &Path,
) -> Result<Running, SpawnError> {
    let resources = &Resources::default();
    launch(&Launch { program, args, directory, env, breakaway: false, stdin: Stdin::Null, run_as: None, resources })
}

/// The test program with what it may use and who it shall be.
pub(crate) fn start_with(args: &[&str], resources: &Resources, run_as: Option<&RunAs>) -> Result<Running, SpawnError> {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    launch(&Launch {
        program: Path::new(TESTBED),
        args: &args,
        directory: &std::env::current_dir().unwrap(),
        env: &environment::inherited(),
        breakaway: false,
        stdin: Stdin::Null,
        run_as,
        resources,
    })
}

fn launch(launch: &Launch<'_>) -> Result<Running, SpawnError> {
    // As a guard does: without it a crash would open a dialog or wait for a debugger.
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| tree::prepare_guard().unwrap());
    let place = Place::claim("windows-test").unwrap();
    let (tree, output) = place.spawn(launch)?;
    Ok(Running { tree, stdout: Reader::open(output.stdout).unwrap(), seen: Vec::new() })
}

impl Running {
    /// The next line it prints.
    pub(crate) async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.seen.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.seen.drain(..=end).collect();
                return String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            let mut buffer = [0; 4096];
            let read = self.stdout.read(&mut buffer).await.unwrap();
            assert!(read > 0, "it ended before another line; {:?} was left", String::from_utf8_lossy(&self.seen));
            self.seen.extend_from_slice(&buffer[..read]);
        }
    }

    /// All that it prints from here on, and how it ends.
    pub(crate) async fn rest(mut self) -> (String, Exit) {
        let mut buffer = [0; 4096];
        loop {
            let read = self.stdout.read(&mut buffer).await.unwrap();
            if read == 0 {
                break;
            }
            self.seen.extend_from_slice(&buffer[..read]);
        }
        let exit = self.tree.exited().await;
        (String::from_utf8_lossy(&self.seen).into_owned(), exit)
    }
}

/// A folder of its own for each test, removed at its end.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}
