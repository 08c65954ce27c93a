//! The wanted state of a service as validated values. `mainstay-wire` makes them from TOML and is the only place that can refuse one.

mod hooks;
mod launch;
mod log;
mod order;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exit::Exit;

pub use hooks::{Hook, HookPoint, Hooks, Names};
pub use launch::{
    Account, CAPABILITIES, Cpu, Env, EnvValue, IoPriority, Launch, Priority, Resources, Rlimit, RlimitValue, Stdin,
    default_capabilities,
};
pub use log::{Compress, Every, Keeping, Log, Multiline, OnFull, Period, RateLimit, Rotate};
pub use order::{After, Awaited, Follow, Instance, Instances, Until};

/// Everything a guard must know of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The file's name without `.toml`; letters, digits, `-`, `_`, `.`, at most 64 characters, starts with a letter or digit.
    /// An instance has `@` and its number behind it: `web@2`.
    pub name: String,
    /// What people see in the system's list of services; empty: the name.
    pub display_name: String,
    /// One line for people.
    pub description: String,
    /// What it belongs to: `@web` on the command line means all of a group. Sorted, each once.
    pub groups: Vec<String>,
    /// When the OS or `up` starts it.
    pub start: StartMode,
    /// What its main process is, and when its work is done.
    pub kind: Kind,
    /// How many of it there are; `None`: one, under its plain name.
    pub instances: Option<Instances>,
    /// Which of them this is; `None` for a plain service and for the spec as written.
    pub instance: Option<Instance>,
    /// What must be there before it is started.
    pub after: Vec<After>,
    /// It waits for that so long, then it is skipped.
    pub after_timeout: Option<Duration>,
    /// What to run.
    pub launch: Launch,
    /// Commands of its own at certain moments.
    pub hooks: Hooks,
    /// When a run counts as up.
    pub ready: Ready,
    /// What follows when a run ends by itself.
    pub restart: Restart,
    /// A run that lives longer is ended, as a failure. `None`: it may live for ever.
    pub max_runtime: Option<Duration>,
    /// How a run is ended.
    pub stop: Stop,
    /// How it is told to read its configuration again; `None`: it can't be.
    pub reload: Option<Reload>,
    /// Files whose change restarts or reloads it; `None`: none.
    pub watch: Option<Watch>,
    /// Where its output goes.
    pub log: Log,
}

impl Spec {
    /// The program itself, or where its output goes, is another in `new`: a living run can't take that over.
    #[must_use]
    pub fn needs_new_run(&self, new: &Self) -> bool {
        let files = |spec: &Self| (spec.log.managed, spec.log.stdout.clone(), spec.log.stderr.clone());
        self.launch != new.launch || self.kind != new.kind || files(self) != files(new)
    }

    /// This spec with everything of `new` that a living run can take over.
    #[must_use]
    pub fn held_against(&self, new: Self) -> Self {
        let log = Log { keeping: new.log.keeping.clone(), multiline: new.log.multiline.clone(), ..self.log.clone() };
        Self { launch: self.launch.clone(), kind: self.kind.clone(), log, ..new }
    }
}

/// What a service's main process is, and when its work is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The process that was started, for as long as it lives.
    Simple,
    /// The same, but it is to end: others that come after it wait until it has ended well, and then it stays *done*.
    Once,
    /// The process that was started ends with 0 and leaves another behind, which is the main process from then on.
    Forking {
        /// The file that it writes the other's pid to; `None`: what it left is looked at.
        pid_file: Option<String>,
    },
}

/// How a program is told to read its configuration again, while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// Linux: this signal to the main process.
    Signal(u8),
    /// A command with its arguments; gets `MAINSTAY_PID`. Ended when it takes longer than the time.
    Command(Vec<String>, Duration),
    /// Windows: this named event is set.
    Event(String),
}

/// Files whose change restarts or reloads a service: for development.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Folders (with all below) or files; relative to the working directory.
    pub paths: Vec<String>,
    /// Only names that match one of these (`*`, `?`) count; empty: all.
    pub only: Vec<String>,
    /// Names that match one of these (`*`, `?`) don't count; a folder's name leaves out all below it.
    pub ignore: Vec<String>,
    /// A burst of changes is over when nothing changed for so long.
    pub settle: Duration,
    /// Reload instead of restart.
    pub reload: bool,
}

/// When a service is started without a person asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartMode {
    /// With the system.
    Auto,
    /// With the system, after the other automatic services (Windows: delayed auto start; elsewhere like `Auto`).
    Delayed,
    /// Only by an order.
    Manual,
    /// Not at all: an order to start is refused.
    Disabled,
}

/// When a run counts as up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// `None`: as soon as the OS has started it.
    pub probe: Option<Probe>,
    /// The longest time between two attempts of a `tcp` or `http` probe; the first ones follow each other faster.
    pub every: Duration,
    /// A run that is not up by then has failed to start: it is ended and restarted by the policy. `None`: wait for ever.
    pub timeout: Option<Duration>,
}

/// One way to find out that a run is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Still alive after this long.
    Delay(Duration),
    /// A TCP connection to `host:port` succeeds.
    Tcp(String),
    /// A GET of this `http://` address answers 200..=399.
    Http(String),
    /// A line of its output matches this pattern.
    Log(String),
}

/// What follows when a run ends by itself or could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// The rule for what `exit_codes` does not name.
    pub on: RestartOn,
    /// Per exit code or signal; goes before `on`.
    pub exits: BTreeMap<ExitKey, OnExit>,
    /// Before the first restart.
    pub delay: Duration,
    /// The longest back-off; zero: no back-off, every restart waits only `delay`.
    pub delay_max: Duration,
    /// A run this long resets the back-off.
    pub stable_after: Duration,
    /// `None`: never.
    pub quarantine: Option<Quarantine>,
}

impl Restart {
    /// Whether a service that is over with this exit has done its work: what its owner is told.
    #[must_use]
    pub fn is_fine(&self, exit: Exit) -> bool {
        match self.exits.get(&ExitKey::from(exit)) {
            Some(OnExit::Done) => true,
            Some(OnExit::Fail) => false,
            Some(OnExit::Restart) | None => exit.is_success(),
        }
    }
}

/// Which ends are followed by a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartOn {
    /// Every end.
    Always,
    /// Every end but success.
    Failure,
    /// None.
    Never,
}

/// What a spec names in `exit-codes`; ordered so that it can be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitKey {
    /// An exit code as the OS reports it (a negative one already turned into that form).
    Code(u32),
    /// A signal (Linux).
    Signal(u8),
}

impl From<Exit> for ExitKey {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self::Code(code),
            Exit::Signal(signal) => Self::Signal(signal),
        }
    }
}

/// What one exit code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExit {
    /// Restart, whatever `on` says.
    Restart,
    /// The work is done: no restart, not a failure.
    Done,
    /// A failure that a restart can't mend: no restart.
    Fail,
}

/// More than `restarts` within `within` takes the service out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantine {
    /// So many are still fine.
    pub restarts: u32,
    /// The sliding window.
    pub within: Duration,
    /// Leaves by itself after this long; `None`: only by `start` or a changed spec.
    pub release_after: Option<Duration>,
}

/// How a run is ended: the steps in order, each with its own wait. The last is always `Terminate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Never empty.
    pub ladder: Vec<Step>,
}

/// One step of the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub ask: Ask,
    /// How long the run may take to end before the next step.
    pub wait: Duration,
}

/// One way to ask, or make, a run end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Windows: Ctrl-C to the program's own console. Linux: SIGINT to its process group.
    CtrlC,
    /// Windows: Ctrl-Break to the program's own console.
    CtrlBreak,
    /// Windows: WM_CLOSE to every top-level window of the tree.
    CloseWindows,
    /// Windows: WM_QUIT to every thread of the tree.
    QuitThreads,
    /// Linux: this signal to its process group.
    Signal(u8),
    /// A command with its arguments; gets `MAINSTAY_PID` and is itself ended when the wait is over.
    Command(Vec<String>),
    /// The whole tree at once, not asked.
    Terminate,
}
