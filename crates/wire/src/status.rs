//! One look at a service, as `status --json`, the control protocol and later the HTTP API give it.

use jiff::Timestamp;
use mainstay_core::status::{Phase, Standing as Came};
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
    /// How far it has come, for those that come after it. A guard of an older version doesn't say.
    #[serde(default)]
    pub standing: Standing,
    /// Which of several it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<u32>,
    /// What it belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The guard's own version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How far a service has come: each but the first includes the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It will not come without a person.
    Failed,
    /// It is on its way.
    #[default]
    Pending,
    /// Its process exists.
    Started,
    /// It is up.
    Ready,
    /// It is over, and well.
    Done,
}

/// The state of a service as people and programs see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing runs and nothing is wanted.
    Down,
    /// Shall start, waits for other services.
    Waiting,
    /// Shall run, but another service failed or did not come.
    Skipped,
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
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
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
            Phase::Waiting => Self::Waiting,
            Phase::Skipped => Self::Skipped,
            Phase::Starting => Self::Starting,
            Phase::Up => Self::Up,
            Phase::Paused => Self::Paused,
            Phase::Stopping => Self::Stopping,
            Phase::Backoff => Self::Backoff,
            Phase::Quarantined => Self::Quarantined,
            Phase::Done => Self::Done,
        }
    }
}

impl Standing {
    /// The word in JSON and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Done => "done",
        }
    }
}

impl From<Came> for Standing {
    fn from(came: Came) -> Self {
        match came {
            Came::Failed => Self::Failed,
            Came::Pending => Self::Pending,
            Came::Started => Self::Started,
            Came::Ready => Self::Ready,
            Came::Done => Self::Done,
        }
    }
}

impl From<Standing> for Came {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Failed => Self::Failed,
            Standing::Pending => Self::Pending,
            Standing::Started => Self::Started,
            Standing::Ready => Self::Ready,
            Standing::Done => Self::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_of_before_says_nothing_of_what_is_new() {
        let line =
            r#"{"name":"web","state":"up","pid":5,"run":1,"restarts":0,"since":"2026-11-23T09:00:25Z","guard_pid":4}"#;
        let status: ServiceStatus = serde_json::from_str(line).expect("a status of before");
        assert_eq!((status.standing, status.groups.len(), status.version), (Standing::Pending, 0, None));
    }

    #[test]
    fn words_are_those_of_the_json() {
        for standing in [Standing::Failed, Standing::Pending, Standing::Started, Standing::Ready, Standing::Done] {
            assert_eq!(serde_json::to_string(&standing).unwrap(), format!("\"{}\"", standing.word()));
            assert_eq!(Standing::from(Came::from(standing)), standing);
        }
        for state in [State::Down, State::Waiting, State::Skipped, State::Starting, State::Up, State::Paused] {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.word()));
        }
    }
}
