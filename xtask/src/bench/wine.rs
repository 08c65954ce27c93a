//! Windows services under Wine: a prefix for each candidate, a Go server with /health and /crash in each.

pub(crate) mod memory;
pub(crate) mod restart;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::peer::quiet;
use super::stopwatch::Stopwatch;
use super::tools::{Tools, text};
use super::{Bench, procfs};
use crate::Failed;

/// Health is asked this often.
const POLL: Duration = Duration::from_millis(3);
/// A successor must be healthy within.
const LIMIT: Duration = Duration::from_secs(20);
/// A flood must be over within.
const FLOOD_LIMIT: Duration = Duration::from_secs(120);
/// For any command under Wine, in seconds as timeout(1) reads it.
const COMMAND_LIMIT: &str = "60";

/// Who keeps the server running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// The floor: a C loop, and no service.
    Loop,
    Nssm,
    Mainstay,
}

pub(crate) const KEEPERS: [Keeper; 3] = [Keeper::Loop, Keeper::Mainstay, Keeper::Nssm];

impl Keeper {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loop => "bare loop",
            Self::Nssm => "NSSM 2.24",
            Self::Mainstay => "mainstay",
        }
    }

    /// How its command line begins under Wine.
    fn program(self) -> &'static str {
        match self {
            Self::Loop => "respawn.exe",
            Self::Nssm => "nssm.exe",
            Self::Mainstay => "mainstay.exe",
        }
    }

    fn source(self, tools: &Tools) -> Result<PathBuf, Failed> {
        match self {
            Self::Loop if tools.program("respawn.exe").exists() => Ok(tools.program("respawn.exe")),
            Self::Loop => Err("it is not compiled; see what scripts/setup-bench.sh says".into()),
            Self::Nssm => Ok(tools.peer("nssm/nssm.exe")?),
            Self::Mainstay => tools.mainstay_windows(),
        }
    }
}

/// A Windows machine of its own, in a folder; dropping it ends everything in it.
#[derive(Debug)]
pub(crate) struct Prefix {
    folder: PathBuf,
    bin: PathBuf,
    keeper: Keeper,
    /// The bare loops; services are Wine's own children.
    loops: Vec<Child>,
}

impl Prefix {
    pub(crate) fn make(bench: &mut Bench, keeper: Keeper) -> Result<Self, Failed> {
        let root = std::env::var_os("MAINSTAY_WINE_ROOT").map_or("/opt/mainstay-wine".into(), PathBuf::from);
        let bin = root.join("bin");
        if !bin.join("msw-prefix").exists() {
            return Err("no Wine here: run scripts/setup-wine.sh".into());
        }
        let (source, server) = (keeper.source(&bench.tools)?, bench.tools.go_server_windows()?);
        bench.folders += 1;
        // On the template's file system its DLLs are hard links, elsewhere 650 MB of copies.
        let folder = root.join(format!("bench-{}-{}", std::process::id(), bench.folders));
        let prefix = Self { folder, bin, keeper, loops: Vec::new() };
        prefix.manage("new")?;
        prefix.manage("boot")?;
        let place = prefix.folder.join("drive_c/bench");
        std::fs::create_dir(&place)?;
        std::fs::copy(source, place.join(keeper.program()))?;
        std::fs::copy(server, place.join("go-server.exe"))?;
        Ok(prefix)
    }

    fn manage(&self, verb: &str) -> Result<(), Failed> {
        let status = quiet(Command::new(self.bin.join("msw-prefix")).arg(verb).arg(&self.folder)).status()?;
        if status.success() { Ok(()) } else { Err(format!("msw-prefix {verb} failed: {status}").into()) }
    }

    fn msw(&self, limit: Option<&str>) -> Command {
        let msw = self.bin.join("msw");
        let mut command = match limit {
            Some(limit) => {
                let mut command = Command::new("timeout");
                command.arg(limit).arg(msw);
                command
            }
            None => Command::new(msw),
        };
        command.env("WINEPREFIX", &self.folder).current_dir(self.folder.join("drive_c/bench"));
        command
    }

    /// Runs the keeper's own command line.
    fn order(&self, args: &[&str]) -> Result<(), Failed> {
        let program = format!(r"C:\bench\{}", self.keeper.program());
        let output =
            self.msw(Some(COMMAND_LIMIT)).arg(program).args(args).stdin(std::process::Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        let told = [output.stdout, output.stderr].concat();
        Err(format!("{} {}: {}", self.keeper.program(), args.join(" "), String::from_utf8_lossy(&told).trim()).into())
    }

    /// Makes the Go server service `name`, starts it and waits until it is healthy. `settings` are mainstay's.
    pub(crate) fn serve(&mut self, stopwatch: &mut Stopwatch, name: &str, settings: &[&str]) -> Result<Server, Failed> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let (server, number) = (r"C:\bench\go-server.exe", port.to_string());
        match self.keeper {
            Keeper::Loop => {
                let mut command = self.msw(None);
                command.arg(r"C:\bench\respawn.exe").arg(server).args(["--port", &number]);
                self.loops.push(quiet(&mut command).spawn()?);
            }
            Keeper::Nssm => {
                self.order(&["install", name, server, "--port", &number])?;
                // It fails when the service is still on its way up after two seconds; its health tells.
                drop(self.order(&["start", name]));
            }
            Keeper::Mainstay => {
                let settings = settings.iter().flat_map(|setting| ["--set", setting]);
                let args: Vec<&str> =
                    ["install", name].into_iter().chain(settings).chain(["--", server, "--port", &number]).collect();
                self.order(&args)?;
                self.order(&["start", name])?;
            }
        }
        let mut server =
            Server { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), healthy_since: Instant::now() };
        server.wait(stopwatch)?;
        Ok(server)
    }

    /// Lets `flood.exe` print so many bytes as a service; what it reports.
    pub(crate) fn flood(
        &self,
        stopwatch: &mut Stopwatch,
        tools: &Tools,
        settings: &[&str],
        bytes: u64,
    ) -> Result<String, Failed> {
        let place = self.folder.join("drive_c/bench");
        std::fs::copy(tools.program("flood.exe"), place.join("flood.exe"))?;
        let (program, size, report) = (r"C:\bench\flood.exe", bytes.to_string(), r"C:\bench\report");
        match self.keeper {
            Keeper::Loop => return Err("a bare loop keeps no output".into()),
            Keeper::Nssm => {
                self.order(&["install", "flood", program, "lines", &size, report])?;
                for (key, value) in [
                    ("AppStdout", r"C:\bench\out.log"),
                    ("AppRotateFiles", "1"),
                    ("AppRotateOnline", "1"),
                    ("AppRotateBytes", "67108864"),
                ] {
                    self.order(&["set", "flood", key, value])?;
                }
                self.order(&["set", "flood", "AppExit", "Default", "Exit"])?;
                drop(self.order(&["start", "flood"]));
            }
            Keeper::Mainstay => {
                let settings = ["restart.on=never"].iter().chain(settings).flat_map(|setting| ["--set", setting]);
                let args: Vec<&str> = ["install", "flood"]
                    .into_iter()
                    .chain(settings)
                    .chain(["--", program, "lines", &size, report])
                    .collect();
                self.order(&args)?;
                drop(self.order(&["start", "flood"]));
            }
        }
        let (report, until) = (place.join("report"), Instant::now() + FLOOD_LIMIT);
        while !report.exists() {
            if Instant::now() > until {
                return Err(format!("not all was printed within {} s", FLOOD_LIMIT.as_secs()).into());
            }
            stopwatch.rest(POLL)?;
        }
        Ok(std::fs::read_to_string(report)?)
    }

    /// The keeper's own processes, without command lines that ordered something.
    pub(crate) fn keepers(&self) -> Vec<u32> {
        let variable = format!("WINEPREFIX={}", text(&self.folder));
        procfs::find(&[self.keeper.program()], &variable)
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        drop(self.manage("rm"));
        for child in &mut self.loops {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A Go server under guard.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    healthy_since: Instant,
}

impl Server {
    /// Crashes it, and times until its successor is healthy: milliseconds.
    pub(crate) fn crash(&mut self, stopwatch: &mut Stopwatch) -> Result<f64, Failed> {
        let began = Instant::now();
        // It dies without an answer: the connection's end is the crash.
        if let Ok(status) = self.get("/crash?code=3")
            && !status.is_empty()
        {
            return Err(format!("the server did not crash but answered {status}").into());
        }
        self.wait(stopwatch)?;
        Ok(self.healthy_since.duration_since(began).as_secs_f64() * 1e3)
    }

    /// Lets the server run until it is this old.
    pub(crate) fn grow(&self, stopwatch: &mut Stopwatch, age: Duration) -> Result<(), Failed> {
        stopwatch.rest(age.saturating_sub(self.healthy_since.elapsed()))
    }

    fn wait(&mut self, stopwatch: &mut Stopwatch) -> Result<(), Failed> {
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            if self.get("/health").is_ok_and(|answer| answer.contains(" 200 ")) {
                self.healthy_since = Instant::now();
                return Ok(());
            }
            stopwatch.rest(POLL)?;
        }
        Err(format!("not healthy within {} s", LIMIT.as_secs()).into())
    }

    /// The whole answer; empty when the connection ended without one.
    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
