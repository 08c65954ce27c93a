//! Making a process: clone3(2) straight into its cgroup, then execve(2).
//!
//! Not `std::process::Command`: it can neither put the child into a cgroup at birth (`CLONE_INTO_CGROUP`; moving it
//! afterwards costs a lock that takes milliseconds on kernels before 6.18) nor say at which step it failed, and its
//! pidfd is unstable.
//!
//! The child borrows our memory (`CLONE_VM`) on a stack of its own while this thread waits for its exec
//! (`CLONE_VFORK`), as the C library's posix_spawn(3) does: with 5 MB of guard that is 130 µs less of 750 than copying
//! page tables. So the child writes nothing but its stack, its failure and this thread's errno; all signals are blocked
//! until it has reset their handlers; and it calls async-signal-safe functions only.
#![expect(unsafe_code, reason = "clone, and what may be called between it and exec, is not wrapped by rustix")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::identity::Identity;
use super::pidfd::Pidfd;
use super::resources::Given;

/// More than two dozen system calls without a buffer need.
const STACK_BYTES: usize = 32 * 1024;

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
    /// What it may use, apart from what its cgroup limits.
    pub(crate) given: &'a Given,
    /// Who it becomes; `None`: who we are.
    pub(crate) identity: Option<&'a Identity>,
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
pub(crate) enum Step {
    /// Making the process or its descriptors.
    Fork,
    /// Joining the cgroup.
    Cgroup,
    /// Session, parent-death signal, standard streams.
    Prepare,
    /// What it may use; the key of the spec.
    Resource(&'static str),
    /// Becoming who it runs as; what of it.
    Account(&'static str),
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

/// Starts it and returns once it executes its program. A child that could not is reaped already.
pub(crate) fn start(order: &Order<'_>) -> Result<Started, Refused> {
    let args = pointers(order.args);
    let env = pointers(order.env);
    let dumpable = order.identity.map(|_| Dumpable::remember());
    let started = make(order.cgroup, Some(Program { order, args: &args, env: &env }));
    drop(dumpable);
    started
}

/// A change of identity in the child makes the memory that it shares with us undumpable until its exec: nobody of that
/// identity can look into it meanwhile (proc(5), `suid_dumpable`). It would stay so for us afterwards.
struct Dumpable(bool);

impl Dumpable {
    fn remember() -> Dumpable {
        use rustix::process::{DumpableBehavior, dumpable_behavior};
        Dumpable(matches!(dumpable_behavior(), Ok(DumpableBehavior::Dumpable)))
    }
}

impl Drop for Dumpable {
    fn drop(&mut self) {
        if self.0 {
            // Refused never; if it were, a guard that is less open is no harm.
            let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable);
        }
    }
}

/// Whether a process can be born in this cgroup: tried with one that ends at once.
pub(crate) fn try_joining(target: Target<'_>) -> io::Result<()> {
    let child = make(Some(target), None).map_err(|refused| refused.error)?;
    match reap(&child) {
        Some(0) => Ok(()),
        // Killed at birth: see `cgroup`.
        _ => Err(io::Error::other("a process in the cgroup does not live")),
    }
}

/// Waits for its end: for children that are about to end on their own.
fn reap(child: &Started) -> Option<i32> {
    let wait = || waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
    rustix::io::retry_on_intr(wait).ok()??.exit_status()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
}

/// What the child reads, and the one thing it writes.
struct Job<'a> {
    program: Option<Program<'a>>,
    /// `cgroup.procs` of the group it was not born in, but is to be in.
    join: Option<RawFd>,
    parent: libc::pid_t,
    failure: Option<(Step, i32)>,
}

#[derive(Clone, Copy)]
struct Program<'a> {
    order: &'a Order<'a>,
    /// Both end with a null.
    args: &'a [*const c_char],
    env: &'a [*const c_char],
}

/// Makes the child in the best way this kernel and its filters allow. Without a program it ends with 0.
fn make(cgroup: Option<Target<'_>>, program: Option<Program<'_>>) -> Result<Started, Refused> {
    let mut stack = Vec::<u8>::with_capacity(STACK_BYTES);
    let mut job = Job { program, join: None, parent: std::process::id().cast_signed(), failure: None };
    let masked = MaskedSignals::all();
    let cloned = match cgroup.and_then(|target| target.directory) {
        Some(directory) => match clone3(directory, &mut job, &mut stack) {
            // No CLONE_INTO_CGROUP, no clone3, or a container's seccomp filter refuses what it can't look into.
            Err(error) if is_any(&error, &[libc::EINVAL, libc::E2BIG, libc::ENOSYS, libc::EPERM]) => None,
            other => Some(other),
        },
        None => None,
    };
    let cloned = cloned.unwrap_or_else(|| {
        job.join = cgroup.map(|target| target.procs.as_raw_fd());
        clone(&mut job, &mut stack)
    });
    drop(masked);
    let child = cloned.map_err(|error| {
        // The cgroup is gone, or nobody may enter it.
        let about_group = is_any(&error, &[libc::ENODEV, libc::EACCES, libc::EBUSY, libc::EOPNOTSUPP]);
        Refused { step: if about_group && cgroup.is_some() { Step::Cgroup } else { Step::Fork }, error }
    })?;
    match job.failure {
        None => Ok(child),
        Some((step, number)) => {
            reap(&child);
            Err(Refused { step, error: io::Error::from_raw_os_error(number) })
        }
    }
}

fn is_any(error: &io::Error, numbers: &[i32]) -> bool {
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
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
const LIKE_VFORK: i32 = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;

/// Straight into a cgroup.
fn clone3(cgroup: BorrowedFd<'_>, job: &mut Job<'_>, stack: &mut Vec<u8>) -> io::Result<Started> {
    let mut pidfd: RawFd = -1;
    let (bottom, top) = bounds(stack);
    let args = CloneArgs {
        flags: LIKE_VFORK as u64 | CLONE_INTO_CGROUP,
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: bottom as u64,
        stack_size: (top as u64) - (bottom as u64),
        cgroup: cgroup.as_raw_fd() as u64,
        ..CloneArgs::default()
    };
    // SAFETY: the structure is as clone3(2) says; the stack is the child's alone and, like the job, lives until this
    // thread goes on, which is after the child's exec or end.
    let result = unsafe { clone3_on_stack(&args, ptr::from_mut(job).cast()) };
    match i32::try_from(result) {
        Ok(pid) if pid > 0 => Ok(started(pid, pidfd)),
        Ok(number) => Err(io::Error::from_raw_os_error(-number)),
        Err(_) => Err(io::Error::other("clone3 answered with no pid")),
    }
}

/// The system call, and the child's first steps on its new stack: no C library has a function for it. Returns the pid or
/// a negative errno, in the parent alone.
///
/// # Safety
///
/// `args` is complete and has a stack; `job` is a [`Job`] that outlives the child's exec.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3_on_stack(args: &CloneArgs, job: *mut c_void) -> isize {
    let result: isize;
    // SAFETY: by the x86-64 system call convention rax, rcx and r11 change and nothing else; the child calls `child`,
    // which never returns, with its stack aligned to 16 (`bounds`) and no caller's frame above.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, {job}",
            "call {child}",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") ptr::from_ref(args),
            in("rsi") size_of::<CloneArgs>(),
            job = in(reg) job,
            child = in(reg) child as extern "C" fn(*mut c_void) -> libc::c_int,
            out("rcx") _,
            out("r11") _,
        );
    }
    result
}

/// As for x86-64.
///
/// # Safety
///
/// As for x86-64.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3_on_stack(args: &CloneArgs, job: *mut c_void) -> isize {
    let result: isize;
    // SAFETY: by the AArch64 system call convention x0 changes and nothing else; the child as on x86-64.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, {job}",
            "blr {child}",
            "brk 1",
            "2:",
            inlateout("x0") ptr::from_ref(args) => result,
            in("x1") size_of::<CloneArgs>(),
            in("x8") libc::SYS_clone3,
            job = in(reg) job,
            child = in(reg) child as extern "C" fn(*mut c_void) -> libc::c_int,
        );
    }
    result
}

/// Elsewhere: clone(2) and a move into the group.
///
/// # Safety
///
/// None needed.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn clone3_on_stack(_args: &CloneArgs, _job: *mut c_void) -> isize {
    -(libc::ENOSYS as isize)
}

/// The C library's clone(2): without a cgroup, or where clone3 is refused.
fn clone(job: &mut Job<'_>, stack: &mut Vec<u8>) -> io::Result<Started> {
    let mut pidfd: RawFd = -1;
    let (_, top) = bounds(stack);
    // SAFETY: as in `clone3`; with CLONE_PIDFD the fifth argument is where the descriptor is stored.
    let pid = unsafe {
        libc::clone(child, top.cast(), LIKE_VFORK | libc::SIGCHLD, ptr::from_mut(job).cast(), ptr::from_mut(&mut pidfd))
    };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(started(pid, pidfd)) }
}

fn started(pid: libc::pid_t, pidfd: RawFd) -> Started {
    // SAFETY: the call succeeded, so it stored a new descriptor that is nobody else's.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Started { pid: pid.cast_unsigned(), pidfd: Pidfd::new(pidfd) }
}

/// The lowest byte of the stack and its end, aligned as every convention wants it.
fn bounds(stack: &mut Vec<u8>) -> (*mut u8, *mut u8) {
    const ALIGN: usize = 16;
    let bottom = stack.as_mut_ptr();
    let unaligned = bottom.wrapping_add(stack.capacity());
    (bottom, unaligned.wrapping_sub(unaligned.addr() % ALIGN))
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

/// The child, on its own stack in our memory: joins, prepares, executes; or says where it failed and ends.
extern "C" fn child(job: *mut c_void) -> libc::c_int {
    let job: *mut Job<'_> = job.cast();
    // SAFETY: `make` passes a job that lives until we have executed or ended, and touches it not before. Everything
    // called is a bare system call or async-signal-safe (signal-safety(7)); nothing allocates, locks or unwinds.
    unsafe {
        let failed = match attempt(&*job) {
            Ok(()) => libc::_exit(0), // there is no program
            Err(step) => step,
        };
        (*job).failure = Some((failed, *libc::__errno_location()));
        libc::_exit(127)
    }
}

/// # Safety
///
/// Only in the child.
unsafe fn attempt(job: &Job<'_>) -> Result<(), Step> {
    if let Some(procs) = job.join {
        join(procs)?;
    }
    let Some(program) = job.program else { return Ok(()) };
    // SAFETY: as for this function; the arrays end with a null each.
    unsafe {
        prepare(program.order, job.parent)?;
        libc::execve(program.order.program.as_ptr(), program.args.as_ptr(), program.env.as_ptr());
    }
    Err(Step::Exec)
}

/// Writes ourselves into a `cgroup.procs`: "0" means the writer (cgroups(7)).
fn join(procs: RawFd) -> Result<(), Step> {
    // SAFETY: one byte of a static string.
    let written = unsafe { libc::write(procs, c"0".as_ptr().cast(), 1) };
    if written == 1 { Ok(()) } else { Err(Step::Cgroup) }
}

/// # Safety
///
/// As for [`attempt`].
unsafe fn prepare(order: &Order<'_>, parent: libc::pid_t) -> Result<(), Step> {
    // SAFETY: system calls on integers, valid strings and sets initialised here, in the child.
    unsafe {
        libc::setsid(); // can't fail: a new child leads no group
        if order.dies_with_us {
            die_with(parent)?;
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
        order.given.apply()?; // with our rights: the program's own may not be enough
        if let Some(identity) = order.identity {
            identity.assume()?;
            if order.dies_with_us {
                die_with(parent)?; // the kernel forgets it when rights change
            }
        }
        // As the program itself, so that it never stands where it may not look.
        if let Some(directory) = order.directory
            && libc::chdir(directory.as_ptr()) != 0
        {
            return Err(Step::Directory);
        }
    }
    Ok(())
}

/// # Safety
///
/// As for [`attempt`].
unsafe fn die_with(parent: libc::pid_t) -> Result<(), Step> {
    // SAFETY: integers only.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
            return Err(Step::Prepare);
        }
        if libc::getppid() != parent {
            libc::_exit(127); // it died before the call: nobody is left to be told
        }
    }
    Ok(())
}

/// Handlers and ignored signals (SIGPIPE, which Rust ignores) become default, and none is blocked.
///
/// # Safety
///
/// As for [`attempt`].
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
