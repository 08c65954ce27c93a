//! Where the things that a bench runs are: mainstay's binaries, the peers and the C programs of scripts/setup-bench.sh.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Failed, workspace};

const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// All paths, made once.
#[derive(Debug)]
pub(crate) struct Tools {
    root: PathBuf,
    /// `--binary` and `--windows-binary`: measured instead of a build of this tree.
    binary: OnceCell<PathBuf>,
    windows_binary: OnceCell<PathBuf>,
    target: PathBuf,
}

impl Tools {
    pub(crate) fn new(binary: Option<PathBuf>, windows_binary: Option<PathBuf>) -> Result<Self, Failed> {
        let metadata = workspace::metadata()?;
        let target = metadata.get("target_directory").and_then(|folder| folder.as_str()).unwrap_or("target");
        let tools = Self {
            root: workspace::root(),
            binary: OnceCell::new(),
            windows_binary: OnceCell::new(),
            target: target.into(),
        };
        for (cell, given) in [(&tools.binary, binary), (&tools.windows_binary, windows_binary)] {
            if let Some(given) = given {
                cell.get_or_init(|| given);
            }
        }
        Ok(tools)
    }

    /// Fetches peers and compiles what is missing; it tells what it could not get.
    pub(crate) fn set_up(&self) -> Result<(), Failed> {
        self.run(Command::new(self.root.join("scripts/setup-bench.sh")))
    }

    /// mainstay for this machine, built where no other was given.
    pub(crate) fn mainstay(&self) -> Result<PathBuf, Failed> {
        self.built(&self.binary, &[], self.target.join("release/mainstay"))
    }

    /// mainstay for Windows.
    pub(crate) fn mainstay_windows(&self) -> Result<PathBuf, Failed> {
        self.built(&self.windows_binary, &["--target", WINDOWS], self.target.join(WINDOWS).join("release/mainstay.exe"))
    }

    /// The test program that does what it is told.
    pub(crate) fn fixture(&self) -> Result<PathBuf, Failed> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).args(["build", "--quiet", "--release", "--locked", "-p", "fixture-child"]);
        self.run(cargo)?;
        Ok(self.target.join("release/fixture-child"))
    }

    /// The log receiver that acknowledges everything.
    pub(crate) fn receiver(&self) -> Result<PathBuf, Failed> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "-p",
            "mainstay-ship",
            "--example",
            "rate",
        ]);
        self.run(cargo)?;
        Ok(self.target.join("release/examples/rate"))
    }

    /// Builds once: a bench must not find a compiler in its time.
    fn built(&self, cell: &OnceCell<PathBuf>, args: &[&str], path: PathBuf) -> Result<PathBuf, Failed> {
        if let Some(path) = cell.get() {
            return Ok(std::path::absolute(path)?);
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).args(["build", "--quiet", "--release", "--locked", "-p", "mainstay"]).args(args);
        self.run(cargo)?;
        Ok(cell.get_or_init(|| path).clone())
    }

    /// The Go server for Windows.
    pub(crate) fn go_server_windows(&self) -> Result<PathBuf, Failed> {
        let mut build = Command::new(self.root.join("scripts/build-go-server.sh"));
        build.arg("windows");
        self.run(build)?;
        Ok(self.root.join("target/go-server/windows/go-server.exe"))
    }

    /// One of the C programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.root.join("target/bench/programs").join(name)
    }

    /// A peer's file, if it could be had.
    pub(crate) fn peer(&self, path: &str) -> Result<PathBuf, String> {
        let path = self.root.join("target/bench/peers").join(path);
        if path.exists() {
            Ok(path)
        } else {
            Err("it could not be had; see what scripts/setup-bench.sh says".to_owned())
        }
    }

    /// For peers from Debian's packages: where the libraries of s6 and the modules of supervisor are.
    pub(crate) fn debian_libraries(&self) -> PathBuf {
        self.root.join("target/bench/peers/debian/usr/lib/x86_64-linux-gnu")
    }

    pub(crate) fn debian_python(&self) -> PathBuf {
        self.root.join("target/bench/peers/debian/usr/lib/python3/dist-packages")
    }

    fn run(&self, mut command: Command) -> Result<(), Failed> {
        let status = command.stdin(Stdio::null()).status().map_err(|why| format!("cannot run {command:?}: {why}"))?;
        if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}").into()) }
    }
}

/// As text for command lines and configurations.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
