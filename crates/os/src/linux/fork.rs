//! Making a process: clone3(2) straight into its cgroup, then execve(2).
//!
//! Not `std::process::Command`: it can neither put the child into a cgroup at birth (`CLONE_INTO_CGROUP`; moving it
//! afterwards costs a lock that takes milliseconds on kernels before 6.18) nor hand out a pidfd without a race, and
//! would allocate between fork and exec. The child shares nothing with us (no `CLONE_VM`): a guard is small enough
//! that copying its page tables costs less than the noise of exec, and nothing can be trampled on.
#![expect(unsafe_code, reason = "fork, and what may be called between fork and exec, is not wrapped by rustix")]

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::pipe::PipeFlags;

use super::pidfd::Pidfd;

/// Everything a child needs, prepared before the fork: between fork and exec nothing may be allocated.
pub(crate) struct Order<'a> {
    pub(crate) program: &'a CStr,
    /// With the program's own name in front.
    pub(crate) args: &'a [CString],
    /// `NAME=value`.
    pub(crate) env: &'a [CString],
    /// `None`: ours.
    pub(crate) directory: Option<&'a CStr>,
    /// Become descriptors 0, 1, 2; each is above 2 itself (Rust's start-up code keeps 0 to 2 taken).
    pub(crate) stdio: [BorrowedFd<'a>; 3],
    /// SIGKILL when the *thread* that forks it ends: prctl(2), `PR_SET_PDEATHSIG`.
    pub(crate) dies_with_us: bool,
    pub(crate) cgroup: Option<Target<'a>>,
}

/// A cgroup to be born in.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// `None` where `CLONE_INTO_CGROUP` is known not to work.
    pub(crate) directory: Option<BorrowedFd<'a>>,
    /// `cgroup.procs`, open for writing: where the kernel can't clone into a group (before 5.7).
    pub(crate) procs: BorrowedFd<'a>,
}

pub(crate) struct Started {
    pub(crate) pid: u32,
    pub(crate) pidfd: Pidfd,
}

/// Where it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    /// Making the process or its descriptors.
    Fork = 1,
    /// Joining the cgroup.
    Cgroup,
    /// Session, parent-death signal, standard streams.
    Prepare,
    /// The working directory.
    Directory,
    /// `execve` itself.
    Exec,
}

#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) step: Step,
    pub(crate) error: io::Error,
}

impl Refused {
    fn fork(error: impl Into<io::Error>) -> Refused {
        Refused { step: Step::Fork, error: error.into() }
    }
}

/// Starts it and returns once it executes its program. A child that could not is reaped already.
pub(crate) fn start(order: &Order<'_>) -> Result<Started, Refused> {
    let args = pointers(order.args);
    let env = pointers(order.env);
    // Closes on exec: then our end reads its end of file.
    let (said, says) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Refused::fork)?;

    let masked = MaskedSignals::all();
    let parent = std::process::id().cast_signed();
    let child = match clone(order.cgroup)? {
        Cloned::Child { joined } => {
            // SAFETY: we are the child; the pointers lead into vectors that live in our copy of the memory and end
            // with a null each.
            unsafe { run(order, &args, &env, parent, joined, says.as_raw_fd()) }
        }
        Cloned::Parent(started) => started,
    };
    drop(masked);
    drop(says);
    match read_complaint(&said) {
        None => Ok(child),
        Some((step, errno)) => {
            reap(&child);
            Err(Refused { step, error: io::Error::from_raw_os_error(errno) })
        }
    }
}

/// Whether a process could be born in this cgroup: tried with one that ends at once.
pub(crate) fn try_joining(target: Target<'_>) -> io::Result<()> {
    match clone(Some(target)).map_err(|refused| refused.error)? {
        Cloned::Child { joined } => {
            let code = if joined || join(target.procs.as_raw_fd()).is_ok() { 0 } else { 1 };
            // SAFETY: the child's end, without running any of the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
        Cloned::Parent(child) => match reap(&child) {
            Some(0) => Ok(()),
            _ => Err(io::Error::other("the cgroup can't be joined")),
        },
    }
}

fn reap(child: &Started) -> Option<i32> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    use std::os::fd::AsFd;
    // EINTR can't loop for ever: the child ends on its own.
    let status =
        rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)).ok()??;
    status.exit_status()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
}

/// The child writes the step and errno as it fails; nothing but the end comes when it executes.
fn read_complaint(said: &OwnedFd) -> Option<(Step, i32)> {
    let mut message = [0; 5];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(said, &mut message)).ok()?;
    let (step, errno) = message.get(..read)?.split_first()?;
    let step = [Step::Fork, Step::Cgroup, Step::Prepare, Step::Directory, Step::Exec]
        .into_iter()
        .find(|known| *known as u8 == *step)?;
    Some((step, i32::from_ne_bytes(errno.try_into().ok()?)))
}

enum Cloned {
    Parent(Started),
    Child {
        /// In the cgroup since birth.
        joined: bool,
    },
}

/// clone3(2), `struct clone_args`, the version of Linux 5.7.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn clone(cgroup: Option<Target<'_>>) -> Result<Cloned, Refused> {
    if let Some(directory) = cgroup.and_then(|target| target.directory) {
        match clone3(Some(directory)) {
            Ok(cloned) => return Ok(cloned),
            // No CLONE_INTO_CGROUP, no clone3, or a seccomp filter of a container refuses what it can't look into.
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::E2BIG | libc::ENOSYS | libc::EPERM)) => {}
            // The cgroup is gone, or nobody may enter it.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ENODEV | libc::EACCES | libc::EBUSY | libc::EOPNOTSUPP)
                ) =>
            {
                return Err(Refused { step: Step::Cgroup, error });
            }
            Err(error) => return Err(Refused::fork(error)),
        }
    }
    match clone3(None) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => fork(),
        other => other.map_err(Refused::fork),
    }
}

fn clone3(cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: libc::CLONE_PIDFD as u64,
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(directory) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = directory.as_raw_fd() as u64;
    }
    // SAFETY: the structure is as clone3(2) says and outlives the call. Without CLONE_VM and with no stack given this
    // is fork(2): the child goes on with a copy of our memory and, until exec, calls async-signal-safe functions only.
    let result = unsafe { libc::syscall(libc::SYS_clone3, ptr::from_mut(&mut args), size_of::<CloneArgs>()) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child { joined: cgroup.is_some() }),
        pid => {
            // SAFETY: clone3 succeeded, so it stored a new descriptor that is nobody else's.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent(Started { pid: u32::try_from(pid).unwrap_or(0), pidfd: Pidfd::new(pidfd) }))
        }
    }
}

/// The old way. The child can't be reaped before we have its pidfd: nobody else may reap it (`children`).
fn fork() -> Result<Cloned, Refused> {
    // SAFETY: the child calls async-signal-safe functions only, as in `clone3`.
    match unsafe { libc::fork() } {
        -1 => Err(Refused::fork(io::Error::last_os_error())),
        0 => Ok(Cloned::Child { joined: false }),
        pid => {
            let pid = pid.cast_unsigned();
            match Pidfd::open(pid) {
                Ok(Some(pidfd)) => Ok(Cloned::Parent(Started { pid, pidfd })),
                Ok(None) => Err(Refused::fork(io::Error::other("the new process vanished"))),
                Err(error) => {
                    // SAFETY: our own child, not reaped yet: the number can't mean anybody else.
                    unsafe {
                        libc::kill(pid.cast_signed(), libc::SIGKILL);
                        libc::waitpid(pid.cast_signed(), ptr::null_mut(), 0);
                    }
                    Err(Refused::fork(error))
                }
            }
        }
    }
}

/// No signal handler of ours may run in the child before it has reset them: all are blocked across the fork.
struct MaskedSignals(libc::sigset_t);

impl MaskedSignals {
    fn all() -> MaskedSignals {
        // SAFETY: sigset_t is plain data; both sets are initialised before they are read. The call can't fail with
        // valid pointers and SIG_SETMASK.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            MaskedSignals(before)
        }
    }
}

impl Drop for MaskedSignals {
    fn drop(&mut self) {
        // SAFETY: the set was filled in by pthread_sigmask.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut());
        }
    }
}

/// The child's way to its program; on failure it says where and ends.
///
/// # Safety
///
/// Only in the child of a fork. Everything called here is async-signal-safe (signal-safety(7)) or a bare system call;
/// nothing allocates or locks.
unsafe fn run(
    order: &Order<'_>,
    args: &[*const c_char],
    env: &[*const c_char],
    parent: libc::pid_t,
    joined: bool,
    says: RawFd,
) -> ! {
    let step = match (order.cgroup, joined) {
        (Some(target), false) => join(target.procs.as_raw_fd()).err().map(|()| Step::Cgroup),
        _ => None,
    };
    // SAFETY: as for this function.
    let failed = step.or_else(|| unsafe { prepare(order, parent) }.err()).unwrap_or_else(|| {
        // SAFETY: both arrays end with a null and lead to strings that live.
        unsafe { libc::execve(order.program.as_ptr(), args.as_ptr(), env.as_ptr()) };
        Step::Exec
    });
    // SAFETY: errno is this thread's; five bytes on the stack; a pipe takes them whole. Then the end, without exit
    // handlers.
    unsafe {
        let [a, b, c, d] = (*libc::__errno_location()).to_ne_bytes();
        let message = [failed as u8, a, b, c, d];
        libc::write(says, message.as_ptr().cast(), message.len());
        libc::_exit(127)
    }
}

/// Writes ourselves into a `cgroup.procs`: "0" means the writer (cgroups(7)).
fn join(procs: RawFd) -> Result<(), ()> {
    // SAFETY: one byte of a static string.
    let written = unsafe { libc::write(procs, c"0".as_ptr().cast(), 1) };
    if written == 1 { Ok(()) } else { Err(()) }
}

/// # Safety
///
/// As for [`run`].
unsafe fn prepare(order: &Order<'_>, parent: libc::pid_t) -> Result<(), Step> {
    // SAFETY: system calls on integers, valid strings and sets initialised here, in the child.
    unsafe {
        libc::setsid(); // can't fail: a new child leads no group
        if order.dies_with_us {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(Step::Prepare);
            }
            if libc::getppid() != parent {
                libc::_exit(127); // it died before the call: nobody is left to be told
            }
        }
        for (number, fd) in (0..).zip(order.stdio) {
            if libc::dup2(fd.as_raw_fd(), number) < 0 {
                return Err(Step::Prepare);
            }
        }
        // Nothing of ours leaks, whoever opened it without O_CLOEXEC. Kernels before 5.11 refuse: there it stays with
        // what prepare_guard and O_CLOEXEC did.
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        reset_signals();
        if let Some(directory) = order.directory
            && libc::chdir(directory.as_ptr()) != 0
        {
            return Err(Step::Directory);
        }
    }
    Ok(())
}

/// Handlers and ignored signals (SIGPIPE, which Rust ignores) become default, and none is blocked.
///
/// # Safety
///
/// As for [`run`].
unsafe fn reset_signals() {
    const SIGNAL_MAX: i32 = 64; // signal(7)
    // SAFETY: zeroed is SIG_DFL with no flags and an empty mask; numbers that can't be changed are refused, harmless.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        for number in 1..=SIGNAL_MAX {
            libc::sigaction(number, &raw const default, ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}
