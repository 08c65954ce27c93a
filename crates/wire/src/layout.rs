//! Where everything of one home lies: the promise that scripts, backups and the next version rely on.

use std::path::{Path, PathBuf};

/// The folders of one home and the names in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// `--home DIR`; `None`: the system's own folders.
    pub home: Option<PathBuf>,
    /// `NAME.toml` of every service.
    pub specs: PathBuf,
    /// Journals.
    pub state: PathBuf,
    /// Output of the programs.
    pub logs: PathBuf,
    /// Locks and sockets.
    pub run: PathBuf,
}

impl Layout {
    /// Everything under one folder, which must be absolute.
    #[must_use]
    pub fn home(dir: &Path) -> Self {
        let [specs, state, logs, run] = ["services", "state", "logs", "run"].map(|name| dir.join(name));
        Self { home: Some(dir.to_owned()), specs, state, logs, run }
    }

    /// The system's folders, as `mainstay_os::paths::system` names them.
    #[must_use]
    pub fn system(specs: PathBuf, state: PathBuf, logs: PathBuf, run: PathBuf) -> Self {
        Self { home: None, specs, state, logs, run }
    }

    /// The spec of a service; all instances of one (`web@2`) have one spec.
    #[must_use]
    pub fn spec(&self, name: &str) -> PathBuf {
        self.specs.join(format!("{}.toml", base_name(name).0))
    }

    /// The service whose spec this file is.
    #[must_use]
    pub fn service_of(spec: &Path) -> Option<String> {
        let is_toml = spec.extension().is_some_and(|extension| extension == "toml");
        let name = spec.file_stem()?.to_str()?;
        (is_toml && !name.starts_with('.')).then(|| name.to_owned())
    }

    /// The folder of a service's journal and of the last spec that was good.
    #[must_use]
    pub fn state_of(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// The last valid spec that its guard took.
    #[must_use]
    pub fn good_spec(&self, name: &str) -> PathBuf {
        self.state_of(name).join("spec.toml")
    }

    /// The current journal file; older ones lie beside it as `journal-SEQ.ndjson`, SEQ being their last record's.
    #[must_use]
    pub fn journal(&self, name: &str) -> PathBuf {
        self.state_of(name).join("journal.ndjson")
    }

    /// The folder of a service's output.
    #[must_use]
    pub fn logs_of(&self, name: &str) -> PathBuf {
        self.logs.join(name)
    }

    /// The current file of CRI-format lines; older ones lie beside it as `output-TIME.log`.
    #[must_use]
    pub fn output(&self, name: &str) -> PathBuf {
        self.logs_of(name).join("output.log")
    }

    /// Held by the one guard of a service for its whole life.
    #[must_use]
    pub fn lock(&self, name: &str) -> PathBuf {
        self.run.join(format!("{name}.lock"))
    }

    /// Held by the one `up` of a home.
    #[must_use]
    pub fn up_lock(&self) -> PathBuf {
        self.run.join(".up.lock")
    }

    /// What the agent is told: where log lines are sent.
    #[must_use]
    pub fn agent(&self) -> PathBuf {
        self.home.clone().or_else(|| self.specs.parent().map(Path::to_owned)).unwrap_or_default().join("agent.toml")
    }

    /// Held by the one process that ships the logs of a home: an agent or an `up`.
    #[must_use]
    pub fn agent_lock(&self) -> PathBuf {
        self.run.join(".agent.lock")
    }

    /// The folder of what the agent knows of its sinks.
    #[must_use]
    pub fn sinks(&self) -> PathBuf {
        self.state.join(".sinks")
    }

    /// How far each service's log is shipped to a sink.
    #[must_use]
    pub fn sink_positions(&self, sink: &str) -> PathBuf {
        self.sinks().join(format!("{sink}.positions"))
    }

    /// How a sink is.
    #[must_use]
    pub fn sink_status(&self, sink: &str) -> PathBuf {
        self.sinks().join(format!("{sink}.json"))
    }

    /// Lines that a receiver has refused for ever.
    #[must_use]
    pub fn dead_letters(&self, sink: &str) -> PathBuf {
        self.logs.join(".dead-letters").join(format!("{sink}.ndjson"))
    }

    /// Short, stable and different for each home: names pipes and marks processes.
    #[must_use]
    pub fn tag(&self) -> String {
        match &self.home {
            None => "system".to_owned(),
            Some(home) => {
                // FNV-1a, 64 bits (the IETF draft's constants): stable over versions, unlike std's hasher.
                let bytes = home.to_string_lossy();
                let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
                format!("{:016x}", bytes.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fold))
            }
        }
    }

    /// What marks the processes of one service on this machine.
    #[must_use]
    pub fn mark(&self, name: &str) -> String {
        format!("{}-{name}", self.tag())
    }
}

/// The most instances that one service may have.
pub const INSTANCES_MAX: u32 = 9_999;

/// `web@2` → `web` and 2; a name without an instance number is its own base. The number has no leading zero, so that each instance has
/// one name.
#[must_use]
pub fn base_name(name: &str) -> (&str, Option<u32>) {
    let Some((base, digits)) = name.rsplit_once('@') else { return (name, None) };
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u32>() {
        Ok(number @ 1..=INSTANCES_MAX) if plain => (base, Some(number)),
        Ok(_) | Err(_) => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_a_home_lies_under_it() {
        let layout = Layout::home(Path::new("/srv/guarded"));
        let paths =
            [layout.spec("web"), layout.journal("web"), layout.output("web"), layout.lock("web"), layout.up_lock()];
        let shown: Vec<String> = paths.iter().map(|path| path.display().to_string().replace('\\', "/")).collect();
        let expected =
            ["services/web.toml", "state/web/journal.ndjson", "logs/web/output.log", "run/web.lock", "run/.up.lock"];
        assert_eq!(shown, expected.map(|path| format!("/srv/guarded/{path}")));
        assert_ne!(layout.tag(), Layout::home(Path::new("/srv/other")).tag());
    }

    #[test]
    fn instances_share_a_spec_and_nothing_else() {
        let layout = Layout::home(Path::new("/srv/guarded"));
        assert_eq!(layout.spec("web@2"), layout.spec("web"));
        assert_ne!(layout.journal("web@2"), layout.journal("web"));
        assert_eq!(
            (base_name("web"), base_name("web@2"), base_name("a@9999")),
            (("web", None), ("web", Some(2)), ("a", Some(9999)))
        );
        for name in ["web@", "web@0", "web@02", "web@10000", "web@x", "web@+1"] {
            assert_eq!(base_name(name), (name, None));
        }
    }

    #[test]
    fn only_visible_toml_files_are_services() {
        let service = |path: &str| Layout::service_of(Path::new(path));
        assert_eq!(service("a/web.toml"), Some("web".to_owned()));
        assert_eq!(service("a/web.v2.toml"), Some("web.v2".to_owned()));
        assert_eq!((service("a/web.toml~"), service("a/.web.toml"), service("a/web.txt")), (None, None, None));
    }
}
