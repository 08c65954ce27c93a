//! What comes before what, and how many there are of one.

/// Something that must be there before a service is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// What.
    pub what: Awaited,
    /// What follows, while we run, when it fails or is stopped.
    pub fails: Follow,
    /// What follows, while we run, when it came up anew.
    pub restarts: Follow,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// One of our services; one with instances means all of them.
    Service(String, Until),
    /// All services of a group.
    Group(String, Until),
    /// A service of the OS's service manager, as that names it.
    Os(String),
    /// Windows: a load-order group; systemd: a target. Left to the service manager alone.
    OsGroup(String),
}

/// How far it must have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// Its process exists.
    Started,
    /// It is up; one of kind `once`: done.
    Ready,
    /// Its work is done, and well.
    Done,
}

/// What follows from another's fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// Nothing.
    Keep,
    /// Stop, and stay down.
    Stop,
    /// Stop, and start again as soon as everything that must be there is.
    Restart,
}

/// How many of a service there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instances {
    /// At least 1.
    pub count: u32,
    /// Instance n gets the n-th of these ports, both ends included; there are enough for all.
    pub ports: Option<(u16, u16)>,
}

/// One of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// From 1.
    pub number: u32,
    /// Its port.
    pub port: Option<u16>,
}
