//! Who keeps what a flooding program prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::json;

use super::{Flooded, MIB};
use crate::Failed;
use crate::bench::peer::quiet;
use crate::bench::procfs;
use crate::bench::stopwatch::{SIGKILL, SIGTERM, Stopwatch};
use crate::bench::tools::{Tools, text};

const ROTATE_BYTES: u64 = 64 * MIB;
/// A keeper must be gone this long after it was asked.
const END_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks for the program's report.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A keeper of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    /// `| cat > file`
    Cat,
    /// `| cat > /dev/null`
    Null,
    /// mainstay, exact bytes to a named file.
    Raw,
    /// mainstay, CRI lines.
    Lines,
    S6,
    Svlogd,
    Supervisord,
    Pm2,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Lines,
    Endless,
    Paced,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Endless => "endless",
            Self::Paced => "paced",
        }
    }

    /// How many bytes a write has; that of `flood.c`.
    fn write_bytes(self) -> u64 {
        match self {
            Self::Lines | Self::Endless => 64 << 10,
            Self::Paced => 64,
        }
    }
}

impl Keeper {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cat => "cat",
            Self::Null => "/dev/null",
            Self::Raw | Self::Lines => "mainstay",
            Self::S6 => "s6-log T",
            Self::Svlogd => "svlogd -tt",
            Self::Supervisord => "supervisord",
            Self::Pm2 => "PM2",
        }
    }

    pub(super) fn how(self) -> &'static str {
        match self {
            Self::Cat | Self::Null | Self::Raw | Self::Lines => "",
            Self::S6 => "`prog | s6-log T n2 s67108864 DIR`",
            Self::Svlogd => "`prog | svlogd -tt DIR`, s67108864, n2",
            Self::Supervisord => "no times; stdout_logfile_maxbytes = 64MB",
            Self::Pm2 => "fork mode, log_date_format; rotates nothing by itself",
        }
    }
}

/// A flooding program and its keeper.
#[derive(Debug)]
pub(super) struct Flood {
    keeper: Keeper,
    kind: Kind,
    bytes: u64,
    report: PathBuf,
    child: Child,
    /// PM2's daemon is no child of ours: how it is ended.
    end: Option<Command>,
}

impl Flood {
    pub(super) fn begin(tools: &Tools, folder: &Path, keeper: Keeper, kind: Kind, bytes: u64) -> Result<Self, Failed> {
        let report = folder.join("report");
        let mut program = vec![text(&tools.program("flood")), kind.word().to_owned(), bytes.to_string(), text(&report)];
        if kind == Kind::Paced {
            program.push("10000000".to_owned());
        }
        let mut end = None;
        let mut command = match keeper {
            Keeper::Cat => piped(&program, &format!("cat > {}", text(&folder.join("out")))),
            Keeper::Null => piped(&program, "cat > /dev/null"),
            Keeper::Raw | Keeper::Lines => guard(tools, folder, keeper, &program)?,
            Keeper::S6 => {
                let log = tools.peer("debian/usr/bin/s6-log")?;
                let to = format!("{} T n2 s{ROTATE_BYTES} {}", text(&log), text(&folder.join("s6")));
                let mut command = piped(&program, &to);
                command.env("LD_LIBRARY_PATH", tools.debian_libraries());
                command
            }
            Keeper::Svlogd => {
                let place = folder.join("svlogd");
                fs::create_dir(&place)?;
                fs::write(place.join("config"), format!("s{ROTATE_BYTES}\nn2\n"))?;
                let log = tools.peer("debian/usr/bin/svlogd")?;
                piped(&program, &format!("{} -tt {}", text(&log), text(&place)))
            }
            Keeper::Supervisord => supervisord(tools, folder, &program)?,
            Keeper::Pm2 => {
                let (start, kill) = pm2(tools, folder, &program)?;
                end = Some(kill);
                start
            }
        };
        let child = quiet(&mut command).spawn().map_err(|why| format!("cannot run {command:?}: {why}"))?;
        Ok(Self { keeper, kind, bytes, report, child, end })
    }

    /// Waits until all is printed.
    pub(super) fn wait(&self, stopwatch: &mut Stopwatch, limit: Duration) -> Result<Flooded, Failed> {
        let until = std::time::Instant::now() + limit;
        while !self.report.exists() {
            if std::time::Instant::now() > until {
                return Err(format!("{} MiB were not printed within {} s", self.bytes / MIB, limit.as_secs()).into());
            }
            stopwatch.rest(LOOK_EVERY)?;
        }
        let peak_mib = match self.keeper {
            Keeper::Raw | Keeper::Lines => procfs::peak(self.child.id()).map(|kib| kib / 1024.0),
            _ => None,
        };
        flooded(&fs::read_to_string(&self.report)?, self.kind, self.bytes, peak_mib)
    }

    pub(super) fn end(mut self, stopwatch: &mut Stopwatch) -> Result<(), Failed> {
        if let Some(mut end) = self.end.take() {
            quiet(&mut end).status()?;
        }
        let pid = self.child.id();
        // What is in a pipe ends with its program.
        let is_keeper = matches!(self.keeper, Keeper::Raw | Keeper::Lines | Keeper::Supervisord);
        if is_keeper {
            stopwatch.signal(pid, SIGTERM)?;
        }
        let until = std::time::Instant::now() + END_LIMIT;
        while self.child.try_wait()?.is_none() {
            if std::time::Instant::now() > until {
                stopwatch.signal(pid, SIGKILL)?;
            }
            stopwatch.rest(LOOK_EVERY)?;
        }
        Ok(())
    }
}

/// Reads what `flood.c` reports.
pub(super) fn flooded(report: &str, kind: Kind, bytes: u64, peak_mib: Option<f64>) -> Result<Flooded, Failed> {
    let mut numbers = report.split_whitespace().map(str::parse::<f64>);
    let (Some(Ok(took)), Some(Ok(writing))) = (numbers.next(), numbers.next()) else {
        return Err(format!("the program reports {report:?}").into());
    };
    let writes = bytes.div_ceil(kind.write_bytes()) as f64;
    Ok(Flooded { speed: bytes as f64 / took * 1e3, call_ns: writing / writes, peak_mib })
}

fn piped(program: &[String], to: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{} | {to}", program.join(" ")));
    command
}

fn guard(tools: &Tools, folder: &Path, keeper: Keeper, program: &[String]) -> Result<Command, Failed> {
    let log = match keeper {
        Keeper::Raw => format!("managed = false\nstdout = '{}'", text(&folder.join("out"))),
        _ => String::new(),
    };
    let args: Vec<String> = program.iter().skip(1).map(|word| format!("'{word}'")).collect();
    let spec = format!(
        "program = '{}'\nargs = [{}]\n[restart]\non = 'never'\n[log]\n{log}\n[log.rotate]\nsize = '64MiB'\nkeep = 2\n",
        program.first().map_or("", String::as_str),
        args.join(", ")
    );
    fs::create_dir(folder.join("services"))?;
    fs::write(folder.join("services/flood.toml"), spec)?;
    let mut command = Command::new(tools.mainstay()?);
    command.args(["guard", "flood", "--owner", "up", "--home"]).arg(folder);
    Ok(command)
}

fn supervisord(tools: &Tools, folder: &Path, program: &[String]) -> Result<Command, Failed> {
    let place = folder.display();
    let config = format!(
        "[supervisord]\nnodaemon=true\nlogfile={place}/log\npidfile={place}/pid\nchildlogdir={place}\n\
         [program:flood]\ncommand={}\nstartsecs=0\nautorestart=false\n\
         stdout_logfile={place}/out\nstdout_logfile_maxbytes=64MB\nstdout_logfile_backups=2\n",
        program.join(" ")
    );
    let path = folder.join("supervisord.conf");
    fs::write(&path, config)?;
    let mut command = Command::new(tools.peer("debian/usr/bin/supervisord")?);
    command.arg("-c").arg(path).env("PYTHONPATH", tools.debian_python());
    Ok(command)
}

fn pm2(tools: &Tools, folder: &Path, program: &[String]) -> Result<(Command, Command), Failed> {
    let pm2 = tools.peer("npm/node_modules/pm2/bin/pm2")?;
    let apps = json!([{
        "name": "flood", "script": program.first(), "args": program.get(1..), "interpreter": "none", "autorestart": false,
        "out_file": folder.join("out"), "error_file": "/dev/null", "log_date_format": "YYYY-MM-DDTHH:mm:ss.SSSZ",
    }]);
    let path = folder.join("ecosystem.json");
    fs::write(&path, json!({ "apps": apps }).to_string())?;
    let order = |words: &[&str]| {
        let mut command = Command::new(&pm2);
        command.args(words).env("PM2_HOME", folder.join("pm2"));
        command
    };
    Ok((order(&["start", &text(&path)]), order(&["kill"])))
}
