//! What each candidate wants on the disk, and how it is started and stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Peer;
use crate::Failed;
use crate::bench::tools::{Tools, text};

/// A candidate's folder.
#[derive(Debug)]
pub(crate) struct Layout {
    peer: Peer,
    pub(crate) folder: PathBuf,
    /// Each program's id, and its folder for those who want one.
    pub(crate) programs: Vec<(String, PathBuf)>,
    program: String,
    socket: String,
    /// PM2's command line.
    pm2: Option<PathBuf>,
}

impl Layout {
    /// Writes specs, run folders or configurations for `count` programs that report to `socket`.
    pub(crate) fn make(tools: &Tools, folder: &Path, peer: Peer, socket: &str, count: usize) -> Result<Self, Failed> {
        let programs = (1..=count).map(|number| (id(peer, number), folder.join(id(peer, number)))).collect();
        let program = text(&tools.program("program"));
        let pm2 = if peer == Peer::Pm2 { Some(tools.peer("npm/node_modules/pm2/bin/pm2")?) } else { None };
        let layout = Self { peer, folder: folder.to_path_buf(), programs, program, socket: socket.to_owned(), pm2 };
        layout.write()?;
        Ok(layout)
    }

    fn write(&self) -> Result<(), Failed> {
        match self.peer {
            Peer::Respawn => Ok(()),
            Peer::Mainstay => self.write_specs(),
            Peer::Runit | Peer::S6 => self.write_run_folders(),
            Peer::Supervisord => Ok(fs::write(self.folder.join("supervisord.conf"), self.supervisord())?),
            Peer::Monit => self.write_monit(),
            Peer::Pm2 => {
                let apps: Vec<_> = self.programs.iter().map(|(id, _)| serde_json::json!({
                    "name": id, "script": self.program, "args": [self.socket, id], "interpreter": "none", "min_uptime": 0,
                    "max_restarts": 1_000_000, "out_file": "/dev/null", "error_file": "/dev/null",
                })).collect();
                Ok(fs::write(self.folder.join("ecosystem.json"), serde_json::json!({ "apps": apps }).to_string())?)
            }
        }
    }

    fn write_specs(&self) -> Result<(), Failed> {
        let specs = self.folder.join("services");
        fs::create_dir_all(&specs)?;
        for (id, _) in &self.programs {
            let (program, socket) = (&self.program, &self.socket);
            let text = format!(
                "program = '{program}'\nargs = ['{socket}', '{id}']\n\n[restart]\non = \"always\"\ndelay-max = \"0s\"\nquarantine = \"never\"\n"
            );
            fs::write(specs.join(format!("{id}.toml")), text)?;
        }
        Ok(())
    }

    fn write_run_folders(&self) -> Result<(), Failed> {
        for (_, folder) in &self.programs {
            fs::create_dir_all(folder)?;
            // A hard link or copy would do as well; the link needs no exec of a shell either.
            fs::copy(&self.program, folder.join("run"))?;
        }
        Ok(())
    }

    fn supervisord(&self) -> String {
        let folder = self.folder.display();
        let mut config = format!(
            "[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\nchildlogdir={folder}\nminfds=4096\n"
        );
        for (id, _) in &self.programs {
            let (program, socket) = (&self.program, &self.socket);
            config.push_str(&format!("[program:{id}]\ncommand={program} {socket} {id}\nstartsecs=0\nautorestart=true\nstdout_logfile=NONE\nstderr_logfile=NONE\n"));
        }
        config
    }

    fn write_monit(&self) -> Result<(), Failed> {
        let folder = self.folder.display();
        let mut config = format!(
            "set daemon 1\nset logfile {folder}/log\nset idfile {folder}/id\nset statefile {folder}/state\nset pidfile {folder}/pid\n"
        );
        for (id, _) in &self.programs {
            let (program, socket) = (&self.program, &self.socket);
            let pid = format!("{folder}/{id}.pid");
            config.push_str(&format!(
                "check process {id} with pidfile {pid}\n  start program = \"/bin/sh -c '{program} {socket} {id} & echo $! > {pid}'\"\n"
            ));
        }
        let path = self.folder.join("monitrc");
        fs::write(&path, config)?;
        private(&path)
    }

    /// What to run so that all programs come up.
    pub(super) fn commands(&self, tools: &Tools) -> Result<Vec<Command>, Failed> {
        let one = |command| Ok(vec![command]);
        match self.peer {
            Peer::Respawn => Ok(self
                .programs
                .iter()
                .map(|(id, _)| {
                    let mut command = Command::new(tools.program("respawn"));
                    command.args([&self.program, &self.socket, id]);
                    command
                })
                .collect()),
            Peer::Mainstay => {
                let mut command = Command::new(tools.mainstay()?);
                command.args(["--home", &text(&self.folder), "up"]);
                one(command)
            }
            Peer::Runit | Peer::S6 => {
                let keeper = self.keeper(tools)?;
                Ok(self
                    .programs
                    .iter()
                    .map(|(id, folder)| {
                        let mut command = Command::new(&keeper);
                        command.arg(folder).env("BENCH_SOCKET", &self.socket).env("BENCH_ID", id);
                        command.env("LD_LIBRARY_PATH", tools.debian_libraries());
                        command
                    })
                    .collect())
            }
            Peer::Supervisord => {
                let mut command = Command::new("/usr/bin/python3");
                command
                    .arg(tools.peer("debian/usr/bin/supervisord")?)
                    .arg("-c")
                    .arg(self.folder.join("supervisord.conf"));
                command.env("PYTHONPATH", tools.debian_python());
                one(command)
            }
            Peer::Monit => {
                let mut command = Command::new(tools.peer("debian/usr/bin/monit")?);
                command.arg("-I").arg("-c").arg(self.folder.join("monitrc"));
                one(command)
            }
            Peer::Pm2 => {
                let mut command = self.pm2_command();
                command.arg("start").arg(self.folder.join("ecosystem.json"));
                one(command)
            }
        }
    }

    /// `runsv` or `s6-supervise`.
    pub(crate) fn keeper(&self, tools: &Tools) -> Result<PathBuf, String> {
        tools.peer(if self.peer == Peer::S6 { "debian/usr/bin/s6-supervise" } else { "debian/usr/bin/runsv" })
    }

    /// For those whom no signal to our child stops.
    pub(super) fn stop_command(&self) -> Option<Command> {
        self.pm2.is_some().then(|| {
            let mut command = self.pm2_command();
            command.arg("kill");
            command
        })
    }

    fn pm2_command(&self) -> Command {
        let mut command = Command::new("node");
        command.arg(self.pm2.as_deref().unwrap_or(Path::new("pm2")));
        command.env("PM2_HOME", &self.folder).env("PM2_DISABLE_VERSION_CHECK", "true");
        command
    }
}

/// Unique among all candidates: reports say only this.
fn id(peer: Peer, number: usize) -> String {
    format!("{}{number}", peer.name().to_lowercase().replace(' ', "-"))
}

/// monit wants its file readable by nobody else; std has no modes that compile everywhere, so chmod(1) does it.
fn private(path: &Path) -> Result<(), Failed> {
    let status = Command::new("chmod").arg("600").arg(path).status()?;
    if status.success() { Ok(()) } else { Err(format!("cannot make {} private", path.display()).into()) }
}
