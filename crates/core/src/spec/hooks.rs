//! Commands of a service's own at certain moments of its life.

use std::collections::BTreeMap;
use std::time::Duration;

/// The hooks of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// At most one for each moment.
    pub at: BTreeMap<HookPoint, Hook>,
    /// The names of the variables that tell a hook what happened.
    pub names: Names,
}

/// The names of a hook's variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// `MAINSTAY_…`.
    #[default]
    Own,
    /// Those, and NSSM's `NSSM_…` too.
    Nssm,
}

/// The moments that have hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookPoint {
    /// Before each run; it is waited for, and a failure forbids the run.
    PreStart,
    /// A run is up.
    PostStart,
    /// Before a living run is asked to stop; it is waited for.
    PreStop,
    /// Nothing of a run lives any more; the next run waits for it.
    PostStop,
    /// A run's main process has ended.
    OnExit,
    /// A log file is to be begun anew; that waits for it.
    PreRotate,
    /// A log file was begun anew.
    OnRotate,
    /// The service was put in quarantine.
    OnQuarantine,
    /// The machine goes to sleep.
    OnSuspend,
    /// The machine woke up.
    OnResume,
}

impl HookPoint {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::PreStart,
        Self::PostStart,
        Self::PreStop,
        Self::PostStop,
        Self::OnExit,
        Self::PreRotate,
        Self::OnRotate,
        Self::OnQuarantine,
        Self::OnSuspend,
        Self::OnResume,
    ];

    /// The word in specs, records and variables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::PreStart => "pre-start",
            Self::PostStart => "post-start",
            Self::PreStop => "pre-stop",
            Self::PostStop => "post-stop",
            Self::OnExit => "on-exit",
            Self::PreRotate => "pre-rotate",
            Self::OnRotate => "on-rotate",
            Self::OnQuarantine => "on-quarantine",
            Self::OnSuspend => "on-suspend",
            Self::OnResume => "on-resume",
        }
    }
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// It is ended with everything it started when it takes longer.
    pub timeout: Duration,
    /// `pre-start`: these exit codes mean that the service shall not run at all: it is *done*, as a failure.
    pub abort_on: Vec<u32>,
    /// `pre-start`: any other failure is only written down.
    pub ignore_failure: bool,
}
