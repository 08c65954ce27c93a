//! How a sink is now: what `mainstay sinks` shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a sink is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Whatever there is goes out.
    Shipping,
    /// The last attempt failed; the next one follows.
    Retrying,
    /// It can't even be tried: a file with a secret or certificate can't be read, say. Tried again too.
    Broken,
    /// Nobody ships: the agent is not running. Never written down.
    Stopped,
}

impl State {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shipping => "shipping",
            Self::Retrying => "retrying",
            Self::Broken => "broken",
            Self::Stopped => "stopped",
        }
    }
}

/// A sink as its agent knows it. Counts are since the agent began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Status {
    /// Its name in `agent.toml`.
    pub name: String,
    /// What it is and where: `loki https://loki.example.com`.
    pub place: String,
    /// What it is doing.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Why it is not shipping.
    pub why: Option<String>,
    /// When it tries again.
    pub next_try: Option<Timestamp>,
    /// Attempts in a row that failed.
    pub failures: u32,
    /// Lines that the receiver has acknowledged.
    pub lines: u64,
    /// Their text.
    pub bytes: u64,
    /// Acknowledged batches.
    pub batches: u64,
    /// Lines that the receiver will never take; in the dead-letter file, unless that is off.
    pub refused: u64,
    /// Bytes of log files that were given up because more than `spool` waited.
    pub given_up_bytes: u64,
    /// How often lines went missing before they were read: retention or somebody removed their file, or emptied it.
    pub gaps: u64,
    /// Bytes of log files that wait to be sent; of packed files as they lie there.
    pub waiting_bytes: u64,
    /// The oldest line that waits.
    pub oldest: Option<Timestamp>,
    /// When the last batch was acknowledged.
    pub delivered_at: Option<Timestamp>,
    /// When this was written down.
    pub written_at: Timestamp,
}

impl Status {
    /// Of a sink that has done nothing yet.
    #[must_use]
    pub fn new(name: &str, place: &str, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            place: place.to_owned(),
            state: State::Shipping,
            since: now,
            why: None,
            next_try: None,
            failures: 0,
            lines: 0,
            bytes: 0,
            batches: 0,
            refused: 0,
            given_up_bytes: 0,
            gaps: 0,
            waiting_bytes: 0,
            oldest: None,
            delivered_at: None,
            written_at: now,
        }
    }
}
