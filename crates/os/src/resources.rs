//! What a run's processes may use, and how they stand against others.
//!
//! | | Linux | Windows |
//! |---|---|---|
//! | `priority` | nice 19, 10, 0, -5, -10, -15 (setpriority(2)) | the priority class, for the whole job (`JOB_OBJECT_LIMIT_PRIORITY_CLASS`) |
//! | `nice` | as it is | refused |
//! | `io` | ioprio_set(2): idle; best effort 7, 4, 0 | `ProcessIoPriority` of the main process, inherited (`high` is refused: the system keeps it) |
//! | `affinity` | sched_setaffinity(2), inherited | job affinity in group 0, else `JobObjectGroupInformationEx` |
//! | `memory_bytes` | `memory.max`, `memory.swap.max` 0 is not touched | `JOB_OBJECT_LIMIT_JOB_MEMORY` |
//! | `cpu_percent` | `cpu.max`, 100 is one processor | `JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP` |
//! | `cpu_weight` | `cpu.weight` | `JOB_OBJECT_CPU_RATE_CONTROL_WEIGHT_BASED` (1 to 9) |
//! | `processes` | `pids.max` | `JOB_OBJECT_LIMIT_ACTIVE_PROCESS` |
//! | `umask`, `rlimits` | umask(2), setrlimit(2) | refused |

use std::fmt;

pub use crate::sys::resources::check;

/// What a run may use. The default limits nothing and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// How it stands against other programs.
    pub priority: Option<Priority>,
    /// The exact nice value, -20 to 19 (Linux); goes before `priority`.
    pub nice: Option<i8>,
    /// How its reads and writes stand against others.
    pub io: Option<IoPriority>,
    /// The processors it may use; empty: all.
    pub affinity: Vec<Cpu>,
    /// Of the whole tree together.
    pub memory_bytes: Option<u64>,
    /// The most processor time of the whole tree; 100: one whole processor.
    pub cpu_percent: Option<u32>,
    /// Its share when processors are scarce, 1 to 10,000; others have 100.
    pub cpu_weight: Option<u32>,
    /// The most processes at a time; on Linux threads count too.
    pub processes: Option<u32>,
    /// The bits taken from new files (Linux).
    pub umask: Option<u32>,
    /// Limits of each process (Linux).
    pub rlimits: Vec<(Rlimit, RlimitValue)>,
}

/// How a program stands against others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Only when nobody else wants the processor.
    Idle,
    /// Behind others.
    BelowNormal,
    /// Like others.
    Normal,
    /// Before others.
    AboveNormal,
    /// Before almost all.
    High,
    /// Before the system's own work (Windows needs the right to; Linux: nice -15).
    Realtime,
}

/// How reads and writes stand against those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoPriority {
    /// Only when the disk is idle.
    Idle,
    /// Behind others.
    Low,
    /// Like others.
    Normal,
    /// Before others (Linux).
    High,
}

/// One processor: its group (Windows with more than 64 of them; else 0) and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu {
    /// The processor group.
    pub group: u16,
    /// Within the group.
    pub number: u16,
}

/// A limit of each process: getrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rlimit {
    /// `RLIMIT_NOFILE`
    OpenFiles,
    /// `RLIMIT_CORE`, bytes
    Core,
    /// `RLIMIT_STACK`, bytes
    Stack,
    /// `RLIMIT_DATA`, bytes
    Data,
    /// `RLIMIT_AS`, bytes
    AddressSpace,
    /// `RLIMIT_FSIZE`, bytes
    FileSize,
    /// `RLIMIT_MEMLOCK`, bytes
    LockedMemory,
    /// `RLIMIT_CPU`, seconds
    CpuSeconds,
    /// `RLIMIT_NPROC`, of the user
    UserProcesses,
}

/// Soft and hard limit at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RlimitValue {
    /// This much.
    At(u64),
    /// `RLIM_INFINITY`
    Unlimited,
}

/// Why a key of a spec can't be kept on this machine, found before anything is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The key in the spec, e.g. `resources.memory`.
    pub key: &'static str,
    /// Begins with "cannot", says why and what would help.
    pub reason: String,
}

/// A limit that a run has run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitHit {
    /// `memory_bytes`: Linux: the kernel killed a process for it (`oom_kill` of `memory.events`); Windows: an allocation was refused.
    Memory,
    /// `processes`: another process was refused.
    Processes,
}

impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LimitHit::Memory => "memory",
            LimitHit::Processes => "processes",
        })
    }
}
