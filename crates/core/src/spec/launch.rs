//! What to run: the program, what it finds, who it is and what it may use.

/// What to run and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// A path, or a bare name that is searched in PATH.
    pub program: String,
    /// Reach the program exactly as written.
    pub args: Vec<String>,
    /// Working directory; `None`: the program's folder if its path is absolute, else the home folder.
    pub directory: Option<String>,
    /// Its environment.
    pub env: Env,
    /// What it reads.
    pub stdin: Stdin,
    /// Who it is.
    pub account: Account,
    /// What it may use.
    pub resources: Resources,
    /// Lets descendants leave the tree and outlive a stop (updaters).
    pub breakaway: bool,
}

/// The program's environment, made in the order of the fields. Each value may refer to what is above it by `${NAME}` or `%NAME%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Env {
    /// Begins with the guard's environment; else with nothing.
    pub inherit: bool,
    /// Names taken out of that.
    pub unset: Vec<String>,
    /// Files of `NAME=value` lines; one whose name ends with `?` may be missing.
    pub files: Vec<String>,
    /// In the spec's order.
    pub vars: Vec<(String, EnvValue)>,
    /// Folders before those of PATH.
    pub path_prepend: Vec<String>,
    /// Folders after those of PATH.
    pub path_append: Vec<String>,
}

impl Default for Env {
    fn default() -> Self {
        let (unset, files, vars) = (Vec::new(), Vec::new(), Vec::new());
        Self { inherit: true, unset, files, vars, path_prepend: Vec::new(), path_append: Vec::new() }
    }
}

/// What a variable is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// This text, with what it refers to put in.
    Text(String),
    /// The content of this file, without a line break at its end, nothing put in. It is shown nowhere.
    Secret(String),
}

/// What a program reads from its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing: it is at its end.
    Closed,
    /// What `mainstay send` sends; kept open.
    Open,
    /// This file.
    File(String),
}

/// Who the program is and what that allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Linux: a user's name or number. Windows: the account that the service manager logs on. `None`: the system's default.
    pub user: Option<String>,
    /// Linux: the main group; `None`: the user's own.
    pub group: Option<String>,
    /// Linux: further groups; empty: those of the user.
    pub groups: Vec<String>,
    /// Linux: at most these capabilities. `None`: as the default is.
    pub capabilities: Option<Vec<u8>>,
    /// Linux: what it executes may gain rights (set-user-ID programs such as sudo).
    pub new_privileges: bool,
}

/// The names of Linux' capabilities by their numbers: capabilities(7), linux/capability.h.
pub const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What a program that runs as root may do when its spec says nothing: what container engines leave theirs, enough to own files, change
/// its user and open low ports, not enough to change the machine.
#[must_use]
pub fn default_capabilities() -> Vec<u8> {
    vec![0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31]
}

/// What a run may use. The default limits nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// How it stands against other programs.
    pub priority: Option<Priority>,
    /// Linux: the exact nice value; goes before `priority`.
    pub nice: Option<i8>,
    /// How its reads and writes stand against those of others.
    pub io: Option<IoPriority>,
    /// The processors it may use, sorted; empty: all.
    pub affinity: Vec<Cpu>,
    /// Of the whole tree.
    pub memory_bytes: Option<u64>,
    /// Of the whole tree; 100 is one whole processor.
    pub cpu_percent: Option<u32>,
    /// When processors are scarce, 1 to 10,000; others have 100.
    pub cpu_weight: Option<u32>,
    /// At a time.
    pub processes: Option<u32>,
    /// Linux: bits taken from new files.
    pub umask: Option<u32>,
    /// Linux: of each process; each once.
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
    /// Before the system's own work.
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
    /// Before others.
    High,
}

/// One processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu {
    /// Its processor group (Windows machines with more than 64); else 0.
    pub group: u16,
    /// Within the group.
    pub number: u16,
}

/// A limit of each process: getrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rlimit {
    /// Open files.
    OpenFiles,
    /// Bytes of a core dump.
    Core,
    /// Bytes.
    Stack,
    /// Bytes.
    Data,
    /// Bytes.
    AddressSpace,
    /// Bytes.
    FileSize,
    /// Bytes.
    LockedMemory,
    /// Seconds of processor time.
    CpuSeconds,
    /// Processes of the user.
    UserProcesses,
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RlimitValue {
    /// This much.
    At(u64),
    /// No limit.
    Unlimited,
}
