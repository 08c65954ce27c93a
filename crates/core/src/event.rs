//! The interface between the service machine and its shell: what happened goes in, what to do comes out.

use std::time::Duration;

use crate::exit::Exit;
use crate::spec::{After, Ask, HookPoint, Launch, Probe, Reload, Spec};
use crate::status::Standing;

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
    /// `Effect::Hook` is over. For a point that was killed by `Effect::EndHook` too.
    Hooked(RunId, HookPoint, HookEnd),
    /// `Effect::Adopt` worked: this is the main process now, and its end will be told by `Exited`.
    Adopted(RunId, Pid),
    /// It did not, and never will: what the program left behind can't be told; the text says why.
    AdoptFailed(RunId, String),
    /// `Effect::Pause` was carried out or could not be.
    Paused(RunId, Result<(), String>),
    /// `Effect::Reload` was carried out or could not be.
    Reloaded(RunId, Result<(), String>),
    /// A run has run into a limit of its resources.
    LimitHit(RunId, Limit),
    /// `Effect::Await` is under way: these are the services that its list stands for, each with the place in that list. Again when
    /// they are others (a service was added to a group). No answer to an earlier `Await` may come after a later one.
    Awaiting(Vec<(usize, String)>),
    /// How one of them is now; `None`: nobody guards it.
    Seen(String, Option<Sight>),
    /// So many services that come after this one are alive now; none until this says so.
    Dependents(u32),
    /// A file that is watched has changed.
    FileChanged(String),
    /// A log file is to be begun anew, when the hook for that is over.
    Rotating(String),
    /// A log file was begun anew; this is the old one.
    Rotated(String),
    /// The machine goes to sleep.
    Suspending,
    /// The machine woke up: look at the deadlines again.
    Resumed,
    /// A new valid spec.
    SpecChanged(Box<Spec>),
    /// A new guard took over from a dead one that had `Service::wanted`: start, but go on with the counts of `History`
    /// (an order would forget them). Does nothing in quarantine.
    Resume,
    /// The time that `Service::deadline` named has come.
    Deadline,
}

/// How a hook ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookEnd {
    /// By itself.
    Exited(Exit),
    /// It took too long and was ended with all it had started.
    TimedOut,
    /// By `Effect::EndHook`.
    Ended,
    /// It could not be started; the text says why.
    NotStarted(String),
}

/// How another service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// How far it has come.
    pub standing: Standing,
    /// Its newest run.
    pub run: RunId,
}

/// A limit of a run's resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Of memory.
    Memory,
    /// Of processes.
    Processes,
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
    /// The same without waiting for what must be there before.
    StartNow,
    /// Be down, by the ladder.
    Stop,
    /// Stop by the ladder if it runs, then start.
    Restart,
    /// Be down, at once: the whole tree is ended without asking.
    Kill,
    /// End the run by the ladder, then the guard itself: the OS's service manager or `up` wants it gone. Nothing is started any more.
    Retire,
    /// The same, because everything goes down: the run is ended only when no service that comes after this one lives, or that took too long.
    /// Meanwhile nothing is restarted.
    Shutdown,
    /// Halt the living run as a whole.
    Pause,
    /// Let it go on.
    Continue,
    /// Make the program read its configuration again.
    Reload,
}

/// Something the shell must do. None may block the machine; each is answered by a later event where it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start this. Answer: `Spawned` or `SpawnFailed`, later `Exited`, then `Emptied`.
    Spawn(RunId, Box<Launch>),
    /// Ask the run to end. Answer: `Asked`. (`Ask::Terminate` never comes here: that is `Kill`.)
    Ask(RunId, Ask),
    /// End the whole tree. May be repeated. No answer but `Exited` and `Emptied`; when the tree is empty already: `Emptied`.
    Kill(RunId),
    /// Make one attempt of a `Tcp` or `Http` probe, or watch for a `Log` line from now on. Answer: `Ready` or `NotReady`.
    /// (`Probe::Delay` never comes here: that is a deadline.)
    Probe(RunId, Probe),
    /// Run the hook of the spec in force for this moment. Answer: `Hooked`. The text: what it is about (`OnRotate`: the old
    /// file; `OnExit`: `asked` if the run was asked to end, else `itself`).
    Hook(RunId, HookPoint, Option<String>),
    /// End that hook with all it started. Answer: `Hooked`, once for both: if its end was told already, nothing is to be done.
    EndHook(RunId, HookPoint),
    /// Find the process that the ended main process left to be the main one; with a file: wait until that names one. Answer: `Adopted` or
    /// `AdoptFailed`; none is needed once the run is being ended.
    Adopt(RunId, Option<String>),
    /// Halt every process of the run. Answer: `Paused`.
    Pause(RunId),
    /// Let them go on. No answer. May come for a run that is not halted.
    Continue(RunId),
    /// Tell the program. Answer: `Reloaded`.
    Reload(RunId, Reload),
    /// Watch these from now on, instead of what was watched before; empty: nothing. Answer: `Awaiting`, then `Seen` of each and at each change.
    Await(Vec<After>),
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
    /// Another process is the run's main process now.
    Adopted(RunId, Pid),
    /// None could be found.
    AdoptFailed(RunId, String),
    /// The start waits for these.
    Waiting(Vec<String>),
    /// It is not started for this reason: another service. It starts when that comes good.
    Skipped(String),
    /// It is ended, or its next start given up, for this reason: another service.
    Followed {
        /// What became of the other.
        reason: String,
        /// It starts again when everything that must be there is; else it stays down.
        restart: bool,
    },
    /// A hook was run.
    Hooked {
        /// For which run.
        run: RunId,
        /// When.
        point: HookPoint,
        /// How it ended.
        end: HookEnd,
    },
    /// The run is halted.
    Paused(RunId),
    /// It could not be.
    PauseFailed(RunId, String),
    /// It goes on.
    Continued(RunId),
    /// The program was told to read its configuration again.
    Reloaded(RunId),
    /// It could not be told.
    ReloadFailed(RunId, String),
    /// The run has run into a limit.
    LimitHit(RunId, Limit),
    /// A watched file has changed: the run is replaced, or told.
    FileChanged(String),
    /// The run lived longer than it may.
    Overdue {
        /// Which.
        run: RunId,
        /// The limit.
        after: Duration,
    },
    /// The end waits for so many services that come after this one.
    Holding(u32),
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
