//! One look at a service, as `status --json`, the control protocol and later the HTTP API give it.

use jiff::Timestamp;
use mainstay_core::status::Phase;
use serde::{Deserialize, Serialize};

use crate::record::ExitText;

/// What a guard tells about its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// The service.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// The living main process.
    pub pid: Option<u32>,
    /// The living run, or the last one; 0 before the first.
    pub run: u64,
    /// Automatic restarts since it was last started by an order.
    pub restarts: u64,
    /// When the state began.
    pub since: Timestamp,
    /// The guard's process; none when no guard runs.
    pub guard_pid: Option<u32>,
    /// In `backoff` the time of the next start, in `quarantined` that of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// How the last run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<ExitText>,
    /// Who starts its guard: `up`, `systemd`, `scm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What holds the process tree: `job object`, `cgroup`, `process group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containment: Option<String>,
    /// Why the state is what it is, in words, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The state of a service as people and programs see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing runs and nothing is wanted.
    Down,
    /// Being started, not ready yet.
    Starting,
    /// Runs and is ready.
    Up,
    /// Halted as a whole, to be continued.
    Paused,
    /// Being ended.
    Stopping,
    /// Waits before the next start.
    Backoff,
    /// Taken out after too many restarts.
    Quarantined,
    /// Ended by itself; no restart is wanted.
    Done,
}

impl State {
    /// The word in JSON and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::Quarantined => "quarantined",
            Self::Done => "done",
        }
    }
}

impl From<Phase> for State {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Down => Self::Down,
            Phase::Starting => Self::Starting,
            Phase::Up => Self::Up,
            Phase::Stopping => Self::Stopping,
            Phase::Backoff => Self::Backoff,
            Phase::Quarantined => Self::Quarantined,
            Phase::Done => Self::Done,
        }
    }
}
