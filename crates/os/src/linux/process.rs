//! Other processes, held by pidfd; and how much of the machine this one may take.
#![expect(unsafe_code, reason = "rustix has no ioprio_set")]

use std::ffi::{CString, OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::children::{self, Child, Kind};
use super::fork::{self, Order};
use super::pidfd::Pidfd;
use super::procfs;
use super::resources::Given;
use crate::tree::MARK_VARIABLE;

/// Clock ticks from boot to the process's start (`/proc/PID/stat`, field 22); `NotFound`: no such process.
pub fn start_stamp(pid: u32) -> io::Result<u64> {
    procfs::stat(pid).map(|p| p.start)
}

/// A process that is not ours, held so that it can't be mistaken for another.
#[derive(Debug)]
pub struct Watched {
    pid: u32,
    held: Pidfd,
}

impl Watched {
    /// `None`: it is gone, or the pid is another process's by now. A zombie is gone.
    pub fn open(pid: u32, stamp: u64) -> io::Result<Option<Watched>> {
        let held = Pidfd::open_stamped(pid, stamp)?.filter(|held| !held.is_dead());
        Ok(held.map(|held| Watched { pid, held }))
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends when it has; it may wait to be reaped by its parent. Cancel-safe.
    pub async fn exited(&mut self) {
        self.held.dead().await;
    }

    /// SIGKILL to it alone. Fine when it is gone.
    pub fn kill(&self) -> io::Result<()> {
        self.held.signal(libc::SIGKILL)
    }
}

/// Makes this process the last that gets processor and disk: for work that nobody waits for. setpriority(2), ioprio_set(2).
pub fn give_way() -> io::Result<()> {
    const NICEST: libc::c_int = 19;
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    const IDLE: libc::c_int = 3 << 13; // IOPRIO_CLASS_IDLE
    // SAFETY: numbers only; both mean the calling thread, the only one of a process that does this first.
    let (nice, io) = unsafe {
        (
            libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, NICEST),
            libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IDLE),
        )
    };
    if nice == 0 && io == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Starts a program that outlives us: a session of its own, streams on the null device, no descriptor of ours. The
/// environment is `env` without a guard's mark. Returns its pid and start stamp. Its exit is for
/// [`crate::tree::reap_orphans`] to reap; await it by [`Watched`].
pub fn spawn_detached(program: &Path, args: &[OsString], env: &[(OsString, OsString)]) -> io::Result<(u32, u64)> {
    let text = |value: &OsStr| {
        CString::new(value.as_bytes())
            .map_err(|_| io::Error::new(ErrorKind::InvalidInput, format!("{value:?} has a NUL character inside")))
    };
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let program_text = text(program.as_os_str())?;
    let args = args.iter().map(OsString::as_os_str);
    let args: Vec<CString> = [program.as_os_str()].into_iter().chain(args).map(text).collect::<io::Result<_>>()?;
    let variables = env.iter().filter(|(name, _)| name != MARK_VARIABLE);
    let env: Vec<CString> = variables
        .map(|(name, value)| text(OsStr::from_bytes(&[name.as_bytes(), b"=", value.as_bytes()].concat())))
        .collect::<io::Result<_>>()?;
    let order = Order {
        program: &program_text,
        args: &args,
        env: &env,
        directory: None,
        stdio: [null.as_fd(), null.as_fd(), null.as_fd()],
        dies_with_us: false,
        cgroup: None,
        given: &Given::default(),
        identity: None,
    };
    // Locked until the stamp is read: the reaper can't take it before, so it is listed, dead or alive.
    let mut children = children::lock();
    let started = fork::start(&order).map_err(|refused| {
        let text = format!("cannot start {}: {}", program.display(), refused.error);
        io::Error::new(refused.error.kind(), text)
    })?;
    children.push(Child { pid: started.pid, kind: Kind::Detached });
    Ok((started.pid, start_stamp(started.pid)?))
}
