//! The interface between the service machine and its shell: what happened goes in, what to do comes out.

use std::time::Duration;

use crate::exit::Exit;
use crate::spec::{Ask, Launch, Probe, Spec};

/// One incarnation of a service's process tree. Never reused, so late news of run 3 can't touch run 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RunId(pub u64);

/// What the OS calls a process. A label for people: nothing is ever decided or killed by it.
pub type Pid = u32;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants something.
    Order(Order),
    /// `Effect::Spawn` worked.
    Spawned(RunId, Pid),
    /// `Effect::Spawn` did not work; nothing of the run lives.
    SpawnFailed(RunId, String),
    /// The main process ended and its last words are in the log. Descendants may live.
    Exited(RunId, Exit),
    /// Nothing of the run lives any more. Comes after `Exited` of the same run, and again as the answer to a `Kill` of an empty tree.
    Emptied(RunId),
    /// `Effect::Ask` was carried out or could not be; the text says why. The `Ask` is repeated so that a stop command
    /// that fails late can't be taken for the failure of the step after it.
    Asked(RunId, Ask, Result<(), String>),
    /// A probe succeeded, or the log line came.
    Ready(RunId),
    /// A probe's attempt failed; the text says why.
    NotReady(RunId, String),
    /// A new valid spec.
    SpecChanged(Box<Spec>),
    /// A new guard took over from a dead one that had `Service::wanted`: start, but go on with the counts of `History`
    /// (an order would forget them). Does nothing in quarantine.
    Resume,
    /// The time that `Service::deadline` named has come.
    Deadline,
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub verb: Verb,
    /// Who, for the record: `root (pid 812)`, `system start`.
    pub by: String,
}

/// The orders a guard takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Be up: cuts a back-off short, leaves quarantine; nothing to do if it is up.
    Start,
    /// Be down, by the ladder.
    Stop,
    /// Stop by the ladder if it runs, then start.
    Restart,
    /// Be down, at once: the whole tree is ended without asking.
    Kill,
    /// End the run by the ladder, then the guard itself: the OS's service manager or `up` wants it gone. Nothing is started any more.
    Retire,
}

/// Something the shell must do. None may block the machine; each is answered by a later event where it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start this. Answer: `Spawned` or `SpawnFailed`, later `Exited`, then `Emptied`.
    Spawn(RunId, Launch),
    /// Ask the run to end. Answer: `Asked`. (`Ask::Terminate` never comes here: that is `Kill`.)
    Ask(RunId, Ask),
    /// End the whole tree. May be repeated. No answer but `Exited` and `Emptied`; when the tree is empty already: `Emptied`.
    Kill(RunId),
    /// Make one attempt of a `Tcp` or `Http` probe, or watch for a `Log` line from now on. Answer: `Ready` or `NotReady`.
    /// (`Probe::Delay` never comes here: that is a deadline.)
    Probe(RunId, Probe),
    /// Write this down.
    Record(Record),
    /// The state changed: `Service::status` has it.
    Report,
    /// The guard's work is over. `exit` is that of the last run when it ended by itself.
    Retire {
        /// How the last run ended if that is why.
        exit: Option<Exit>,
    },
}

/// One thing worth keeping in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An order was taken.
    Ordered(Order),
    /// An order was not: the text says why.
    OrderRefused(Order, String),
    /// A run's process exists.
    Spawned(RunId, Pid),
    /// It could not be started.
    SpawnFailed(RunId, String),
    /// It is up, so long after its start.
    Ready(RunId, Duration),
    /// It was not up in time; `last` is what the last attempt said.
    ReadyTimedOut {
        /// Which.
        run: RunId,
        /// The limit.
        after: Duration,
        /// What the last attempt said.
        last: Option<String>,
    },
    /// A step of the stop ladder.
    Asked(RunId, Ask),
    /// A step could not be carried out: the next comes at once.
    AskFailed(RunId, Ask, String),
    /// The tree was ended without asking.
    Killed(RunId),
    /// The tree would not go away: so many attempts.
    Unkillable(RunId, u32),
    /// The main process ended.
    Exited {
        /// Which.
        run: RunId,
        /// How.
        exit: Exit,
        /// It lived so long.
        ran: Duration,
        /// We had asked it to end.
        asked: bool,
    },
    /// Nothing runs, as ordered.
    Down,
    /// The next start waits so long; so many failures in a row.
    Backoff {
        /// Until the next start.
        wait: Duration,
        /// In a row, without a stable run.
        failures: u32,
    },
    /// Taken out.
    Quarantined {
        /// So many restarts…
        restarts: u32,
        /// …in this time.
        within: Duration,
        /// Leaves by itself after this long.
        release_after: Option<Duration>,
    },
    /// Left quarantine by itself (an order or a spec leaves its own record).
    Released,
    /// The run ended and the policy wants no restart. `None`: it never came up (could not be started, or was not ready in time).
    Done(Option<Exit>),
    /// A new spec is in force; `restart`: the running program had to be, or will be, replaced.
    SpecChanged {
        /// The program is replaced for it.
        restart: bool,
    },
}
