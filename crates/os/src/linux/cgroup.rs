//! Cgroups v2 of the service's own: cgroups(7) and the kernel's Documentation/admin-guide/cgroup-v2.rst.
//!
//! A service has a *home*, and each run a group of its own in it. The home is made where the next guard with the same
//! mark finds it again:
//!
//! 1. in a systemd unit with `Delegate=yes`: the guard moves itself into `UNIT/guard`, the home is `UNIT/run` (a cgroup
//!    has processes or children, never both, once controllers are on);
//! 2. without systemd: `mainstay-MARK` at the root of the mount, wherever the guard was started from;
//! 3. else `mainstay-MARK` below our own cgroup: found again only from there, so [`Home::is_stable`] says no and
//!    leftovers are looked for among all processes as well.
//!
//! A run's group is used again by a later run only if it is empty and was never killed: kernels since 6.14 kill at birth
//! whatever is cloned into a group that `cgroup.kill` was used on before (the group's `kill_seq` is compared with that
//! of the *parent's* group; seen on 6.18). A new one costs a restart 60 to 250 µs, one that waits costs 10. Neither is one
//! that was limited or frozen lent again: what an earlier run was told must not hold for a later one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;

use super::fork::{self, Target};
use super::limits::lists;
use super::readiness::{self, UNTOLD_POLL_MS};

/// Deeper trees of groups inside a program's own are not looked into (the kernel's own default limit is 2^31).
const DEPTH_MAX: usize = 64;

/// A run that starts before the last one's tree was dropped needs a second group; more are for checks beside it.
const SPARE_MAX: usize = 4;

/// Names for runs that an earlier guard's dying processes still hold are skipped, this many at most.
const TAKEN_MAX: u64 = 1000;

/// A service's own part of the hierarchy.
#[derive(Debug)]
pub(crate) struct Home {
    /// Groups for the next runs; dropped, and so removed, before the home itself.
    spare: Mutex<Vec<Arc<Cgroup>>>,
    group: Cgroup,
    /// The highest group that is ours to hand controllers down from: the home or one above it.
    top: PathBuf,
    stable: bool,
    /// Whether a process can be born in a group here; else it has to move there.
    births: bool,
    next: AtomicU64,
}

impl Home {
    /// Makes or finds the home for `mark` and proves that a process can be started in it.
    pub(crate) fn claim(mark: &str) -> io::Result<Home> {
        let chosen = choose(mark)?;
        let group = Cgroup::at(&chosen.path)?;
        // Frozen by an earlier guard that died while it killed, or by a person: nothing would start. Kernels before 5.2
        // have no such file.
        let _ = write_to(&chosen.path.join("cgroup.freeze"), "0");
        remove_below(&chosen.path, DEPTH_MAX); // what earlier guards left empty
        let spare = Mutex::default();
        let mut home =
            Home { spare, group, top: chosen.top, stable: chosen.stable, births: true, next: AtomicU64::new(1) };
        let trial = home.new_run()?;
        if fork::try_joining(home.target(&trial)).is_err() {
            home.births = false;
            fork::try_joining(home.target(&trial))?;
        }
        home.give_back(&Arc::new(trial));
        Ok(home)
    }

    /// A group that waits for a run.
    fn take_spare(&self) -> Option<Arc<Cgroup>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// When the home was killed as a whole, those that waited in it were killed too, empty as they are.
    pub(crate) fn forget_spare(&self) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// After a run. What can't be used again is removed.
    fn give_back(&self, run: &Arc<Cgroup>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX && !run.used_up.load(Ordering::Relaxed) && !run.is_populated() {
            run.remove_below();
            spare.push(Arc::clone(run));
        }
    }

    /// Whether the next guard finds it wherever it is started.
    pub(crate) fn is_stable(&self) -> bool {
        self.stable
    }

    /// The home itself: all runs together.
    pub(crate) fn group(&self) -> &Cgroup {
        &self.group
    }

    /// An empty group for one run.
    fn new_run(&self) -> io::Result<Cgroup> {
        for _ in 0..TAKEN_MAX {
            let path = self.group.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // Somebody removed the empty home.
                Err(error) if error.kind() == ErrorKind::NotFound => fs::create_dir(&self.group.path)?,
                other => {
                    other?;
                    return Cgroup::at(&path);
                }
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "too many cgroups of earlier runs"))
    }

    /// Lets the groups of runs have this controller. Only when it is needed: some cost every process a little.
    pub(crate) fn hand_down(&self, controller: &str) -> io::Result<()> {
        for folder in [&self.top, &self.group.path] {
            let control = folder.join("cgroup.subtree_control");
            if lists(&control, controller) {
                continue;
            }
            if !lists(&folder.join("cgroup.controllers"), controller) {
                return Err(absent(controller));
            }
            write_to(&control, &format!("+{controller}"))
                .map_err(|error| not_handed_down(controller, folder, &error))?;
        }
        Ok(())
    }

    /// For starting a process in `run`.
    fn target<'a>(&self, run: &'a Cgroup) -> Target<'a> {
        Target { directory: self.births.then(|| run.directory.as_fd()), procs: run.procs.as_fd() }
    }
}

/// A run's group, given back to its home at the end.
#[derive(Debug)]
pub(crate) struct Lent {
    run: Arc<Cgroup>,
    home: Arc<Home>,
}

impl Lent {
    /// `Freshness::New`: none of those that waited, which somebody may have removed meanwhile.
    pub(crate) fn new(home: &Arc<Home>, freshness: Freshness) -> io::Result<Lent> {
        let waiting = match freshness {
            Freshness::Any => home.take_spare(),
            Freshness::New => None,
        };
        let run = match waiting {
            Some(run) => run,
            None => Arc::new(home.new_run()?),
        };
        Ok(Lent { run, home: Arc::clone(home) })
    }

    pub(crate) fn target(&self) -> Target<'_> {
        self.home.target(&self.run)
    }

    pub(crate) fn group(&self) -> &Cgroup {
        &self.run
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_back(&self.run);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    Any,
    New,
}

/// One group with all below it. Dropping it removes it if it is empty by then.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    directory: File,
    procs: File,
    events: File,
    /// Killed, limited or frozen once: not for another run.
    used_up: AtomicBool,
}

impl Cgroup {
    fn at(path: &Path) -> io::Result<Cgroup> {
        Ok(Cgroup {
            path: path.to_owned(),
            directory: OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path)?,
            procs: OpenOptions::new().write(true).open(path.join("cgroup.procs"))?,
            events: File::open(path.join("cgroup.events"))?,
            used_up: AtomicBool::new(false),
        })
    }

    /// Removes the empty groups the program made in it. Mostly there are none, which its count of links says at once: two,
    /// and one for each group directly below.
    fn remove_below(&self) {
        if self.directory.metadata().map_or(true, |folder| folder.nlink() > 2) {
            remove_below(&self.path, DEPTH_MAX);
        }
    }

    /// Writes one of its files; from now on it is for this run alone.
    pub(crate) fn set(&self, file: &str, text: &str) -> io::Result<()> {
        self.used_up.store(true, Ordering::Relaxed);
        write_to(&self.path.join(file), text)
    }

    pub(crate) fn open(&self, file: &str) -> io::Result<File> {
        File::open(self.path.join(file))
    }

    /// Whether anything lives in it or below. A group that was removed is empty.
    pub(crate) fn is_populated(&self) -> bool {
        self.says(b"populated 1")
    }

    fn says(&self, wanted: &[u8]) -> bool {
        let mut buffer = [0; 128]; // "populated 1\nfrozen 0\n"
        let read = self.events.read_at(&mut buffer, 0).unwrap_or(0);
        buffer.get(..read).unwrap_or_default().split(|&byte| byte == b'\n').any(|line| line == wanted)
    }

    /// Ends when nothing lives in it; the kernel tells by POLLPRI on `cgroup.events`. Cancel-safe.
    pub(crate) async fn emptied(&self) {
        let watched = readiness::watch(self.events.as_fd(), Interest::PRIORITY);
        while self.is_populated() {
            let told = match &watched {
                Ok(events) => match events.ready(Interest::PRIORITY).await {
                    Ok(mut ready) => {
                        ready.clear_ready(); // before the file is read again: what comes after is a new event
                        true
                    }
                    Err(_) => false,
                },
                Err(_) => false,
            };
            if !told {
                tokio::time::sleep(Duration::from_millis(UNTOLD_POLL_MS)).await;
            }
        }
    }

    /// Ends all in it at once: nothing can be born in it any more while the kernel walks it (`cgroup.kill`, Linux 5.14).
    /// Before that: frozen, so that nothing forks, then SIGKILL to each (Linux 5.2).
    pub(crate) fn kill(&self) -> io::Result<()> {
        if !self.is_populated() {
            return Ok(());
        }
        self.used_up.store(true, Ordering::Relaxed);
        match write_to(&self.path.join("cgroup.kill"), "1") {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound && self.path.exists() => self.freeze_and_kill(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()), // the whole group is gone
            Err(error) => Err(error),
        }
    }

    fn freeze_and_kill(&self) -> io::Result<()> {
        let freeze = self.path.join("cgroup.freeze");
        let frozen = write_to(&freeze, "1");
        for pid in self.members() {
            // A member's number can't be reused by a stranger between the two lines unless it died by itself; the
            // descriptor is checked against the group once more.
            if let Some(held) = super::pidfd::Pidfd::open(pid)?
                && self.members().contains(&pid)
            {
                held.signal(libc::SIGKILL)?;
            }
        }
        if frozen.is_ok() { write_to(&freeze, "0") } else { Ok(()) }
    }

    /// All in it and below.
    pub(crate) fn members(&self) -> Vec<u32> {
        let mut found = Vec::new();
        members_below(&self.path, &mut found, DEPTH_MAX);
        found
    }
}

impl Cgroup {
    /// Blocks until nothing lives in it, at most `limit`.
    pub(crate) fn is_empty_within(&self, limit: Duration) -> bool {
        self.is_within(limit, || !self.is_populated())
    }

    /// Stops all in it; nothing of it runs when this returns. Blocks for at most `limit`; then all goes on and `TimedOut` is
    /// the answer. Linux 5.2.
    pub(crate) fn freeze(&self, limit: Duration) -> io::Result<()> {
        self.set("cgroup.freeze", "1")?;
        if self.is_within(limit, || self.says(b"frozen 1")) {
            return Ok(());
        }
        self.thaw()?;
        let text = "its processes do not come to a halt (waiting for a disk or a network drive?)";
        Err(io::Error::new(ErrorKind::TimedOut, text))
    }

    pub(crate) fn thaw(&self) -> io::Result<()> {
        self.set("cgroup.freeze", "0")
    }

    /// The kernel tells of every change of `cgroup.events`.
    fn is_within(&self, limit: Duration, reached: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + limit;
        while !reached() {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut watched = [PollFd::new(&self.events, PollFlags::PRI)];
            match poll(&mut watched, Timespec::try_from(left).ok().as_ref()) {
                Ok(0) | Err(_) => return reached(),
                Ok(_) => {}
            }
        }
        true
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if !self.is_populated() && crate::files::same_file(&self.directory, &self.path) {
            remove_below(&self.path, DEPTH_MAX);
            let _ = fs::remove_dir(&self.path); // refused when somebody has just moved in: then it stays
        }
    }
}

struct Chosen {
    path: PathBuf,
    top: PathBuf,
    stable: bool,
}

/// The mount of cgroup v2, and our own group in it.
fn ours() -> io::Result<(Mount, PathBuf)> {
    let mount = mount(&fs::read_to_string("/proc/self/mountinfo")?)
        .ok_or_else(|| io::Error::new(ErrorKind::NotFound, "no cgroup v2 is mounted"))?;
    let own = mount
        .directory_of(&fs::read_to_string("/proc/self/cgroup")?)
        .ok_or_else(|| io::Error::new(ErrorKind::NotFound, "our own cgroup is outside of what is mounted"))?;
    Ok((mount, own))
}

fn has_systemd() -> bool {
    Path::new("/run/systemd/system").exists()
}

fn choose(mark: &str) -> io::Result<Chosen> {
    let (mount, own) = ours()?;
    if let Some(unit) = delegated_unit(&own) {
        let guard = unit.join("guard");
        if own != guard {
            match fs::create_dir(&guard) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => write_to(&guard.join("cgroup.procs"), "0")?,
            }
        }
        return made(unit, "run", true);
    }
    let name = folder_name(mark);
    if !has_systemd()
        && let Ok(chosen) = made(mount.point, &name, true)
    {
        return Ok(chosen); // else not ours to write: a plain user, a container
    }
    made(own, &name, false)
}

fn made(top: PathBuf, name: &str, stable: bool) -> io::Result<Chosen> {
    let path = top.join(name);
    match fs::create_dir(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(Chosen { path, top, stable }),
    }
}

/// Whether runs here could be limited by this controller, found without making anything. With systemd and as root: whether a
/// guard that is a unit could, whoever asks.
pub(crate) fn may_limit(controller: &str) -> io::Result<()> {
    let Ok((mount, own)) = ours() else { return Err(absent(controller)) };
    let offers = |folder: &Path| lists(&folder.join("cgroup.controllers"), controller);
    let hands_down = |folder: &Path| lists(&folder.join("cgroup.subtree_control"), controller);
    let may_write = |folder: &Path| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok();
    if !offers(&mount.point) {
        return Err(absent(controller));
    }
    let from_unit = delegated_unit(&own).is_some_and(|unit| offers(&unit));
    let from_root = if has_systemd() { super::account::is_privileged() } else { may_write(&mount.point) };
    if from_unit || from_root || hands_down(&own) {
        return Ok(());
    }
    let text =
        format!("our own cgroup hands no {controller} controller down; run the guard as a service of the system");
    Err(io::Error::new(ErrorKind::Unsupported, text))
}

/// Why there is no such controller, and what helps.
fn absent(controller: &str) -> io::Error {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let why = if is_version_1(&mounts, controller) {
        format!("it is mounted as version 1; boot with systemd.unified_cgroup_hierarchy=1 or cgroup_no_v1={controller}")
    } else if fs::read_to_string("/proc/cgroups").unwrap_or_default().lines().any(|line| is_off(line, controller)) {
        format!("it is switched off; boot with cgroup_enable={controller}")
    } else {
        "it is not handed down to us, or this kernel was built without it".to_owned()
    };
    let text = format!("this machine gives us no cgroup v2 with the {controller} controller: {why}");
    io::Error::new(ErrorKind::Unsupported, text)
}

/// The controllers of a version 1 hierarchy are its mount's last field.
fn is_version_1(mountinfo: &str, controller: &str) -> bool {
    mountinfo.lines().filter_map(|line| line.split_once(" - cgroup ")).any(|(_, right)| {
        right.rsplit(' ').next().is_some_and(|options| options.split(',').any(|option| option == controller))
    })
}

/// cgroups(7), `/proc/cgroups`: `name hierarchy count enabled`.
fn is_off(line: &str, controller: &str) -> bool {
    let mut fields = line.split_ascii_whitespace();
    fields.next() == Some(controller) && fields.last() == Some("0")
}

fn not_handed_down(controller: &str, folder: &Path, error: &io::Error) -> io::Error {
    let why = match error.raw_os_error() {
        Some(libc::EBUSY) => "processes live in that very group; run the guard as a service of the system".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("{} can't hand the {controller} controller down: {why}", folder.display()))
}

fn folder_name(mark: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    format!("mainstay-{}", mark.chars().map(safe).collect::<String>())
}

/// The unit whose cgroup systemd has given us, if it has: it says so in an extended attribute (systemd's
/// CGROUP_DELEGATION.md; `trusted.` for root, `user.` since 5.7).
fn delegated_unit(own: &Path) -> Option<PathBuf> {
    let unit = if own.ends_with("guard") { own.parent()? } else { own };
    let is_delegated = |name: &str| {
        let mut value = [0u8; 8];
        matches!(rustix::fs::getxattr(unit, name, &mut value), Ok(1)) && value.first() == Some(&b'1')
    };
    let is_unit = unit.extension().is_some_and(|kind| kind == "service");
    (is_unit && (is_delegated("trusted.delegate") || is_delegated("user.delegate"))).then(|| unit.to_owned())
}

/// Where cgroup v2 is mounted, and which part of the hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    root: PathBuf,
}

/// proc(5), mountinfo: `id parent major:minor root point options [fields] - type source …`; a space is `\040`.
fn mount(mountinfo: &str) -> Option<Mount> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        if right.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = left.split(' ');
        let root = fields.nth(3)?;
        let point = fields.next()?;
        Some(Mount { point: unescape(point).into(), root: unescape(root).into() })
    })
}

fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

impl Mount {
    /// Of a process with this `/proc/PID/cgroup`: the line `0::/path`. `None`: it isn't below the mounted part.
    fn directory_of(&self, cgroups: &str) -> Option<PathBuf> {
        let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
        if path.starts_with("/..") || path.ends_with(" (deleted)") {
            return None;
        }
        let below = Path::new(path).strip_prefix(&self.root).ok()?;
        Some(if below.as_os_str().is_empty() { self.point.clone() } else { self.point.join(below) })
    }
}

fn write_to(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn folders_in(path: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

fn members_below(path: &Path, found: &mut Vec<u32>, depth: usize) {
    // A threaded group refuses to be read; its processes are listed by the group above it.
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|&pid| pid != 0));
    if depth > 0 {
        folders_in(path).for_each(|folder| members_below(&folder, found, depth - 1));
    }
}

/// Removes the empty groups below; those that are not stay.
fn remove_below(path: &Path, depth: usize) {
    if depth == 0 {
        return;
    }
    for folder in folders_in(path) {
        remove_below(&folder, depth - 1);
        let _ = fs::remove_dir(folder); // refused while something lives there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:2 - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_mount_is_found_among_others() {
        let mount = mount(HYBRID).unwrap();
        assert_eq!(mount, Mount { point: "/sys/fs/cgroup/unified".into(), root: "/".into() });
        let own = mount.directory_of("4:memory:/x\n0::/system.slice/a.service\n").unwrap();
        assert_eq!(own, Path::new("/sys/fs/cgroup/unified/system.slice/a.service"));
        assert_eq!(mount.directory_of("0::/\n").unwrap(), Path::new("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn a_container_sees_its_part_only() {
        let mount = mount("1 2 0:3 /docker/abc /sys/fs/cg\\040roup ro - cgroup2 cgroup2 ro\n").unwrap();
        assert_eq!(mount.directory_of("0::/docker/abc/x\n").unwrap(), Path::new("/sys/fs/cg roup/x"));
        assert_eq!(mount.directory_of("0::/docker/other\n"), None);
        assert_eq!(mount.directory_of("0::/../other\n"), None);
        assert_eq!(mount.directory_of("3:cpu:/\n"), None);
    }

    #[test]
    fn a_controller_of_version_1_is_known_by_its_mount() {
        assert!(is_version_1(HYBRID, "cpu"));
        assert!(!is_version_1(HYBRID, "memory") && !is_version_1(HYBRID, "unified"));
        assert!(is_off("memory\t0\t70\t0", "memory"));
        assert!(!is_off("memory\t0\t70\t1", "memory") && !is_off("cpu\t0\t70\t0", "memory"));
    }

    /// A home of the test's own; `None` where no cgroup may be made, as for a plain user.
    fn home(name: &str) -> Option<Home> {
        let home = Home::claim(&format!("unit-test-{name}-{}", std::process::id()));
        let root = rustix::process::geteuid().is_root();
        let mounted = fs::read_to_string("/proc/self/mounts").unwrap().contains(" cgroup2 rw");
        assert!(home.is_ok() || !(root && mounted), "root gets no cgroup: {home:?}");
        home.ok()
    }

    /// As on kernels before 5.14.
    #[test]
    fn a_group_is_killed_without_cgroup_kill() {
        let Some(home) = home("freeze") else { return };
        let run = home.new_run().unwrap();
        let mut sleepers: Vec<_> =
            (0..5).map(|_| std::process::Command::new("sleep").arg("1000").spawn().unwrap()).collect();
        for sleeper in &sleepers {
            write_to(&run.path.join("cgroup.procs"), &sleeper.id().to_string()).unwrap();
        }
        assert_eq!(run.members().len(), 5);
        run.freeze_and_kill().unwrap();
        assert!(run.is_empty_within(Duration::from_secs(10)));
        for sleeper in &mut sleepers {
            sleeper.wait().unwrap();
        }
    }

    /// As on kernels before 5.7, and on those that kill at birth what is cloned into a killed group.
    #[test]
    fn a_process_can_move_where_it_can_not_be_born() {
        let Some(mut home) = home("move") else { return };
        let run = home.new_run().unwrap();
        home.births = false;
        fork::try_joining(home.target(&run)).unwrap();
        write_to(&run.path.join("cgroup.kill"), "1").unwrap();
        fork::try_joining(home.target(&run)).unwrap();
    }

    #[test]
    fn a_group_that_used_up_is_not_lent_again() {
        let Some(home) = home("lend") else { return };
        let home = Arc::new(home);
        let first = Lent::new(&home, Freshness::Any).unwrap();
        let path = first.group().path.clone();
        drop(first);
        let again = Lent::new(&home, Freshness::Any).unwrap();
        assert_eq!(again.group().path, path);
        again.group().used_up.store(true, Ordering::Relaxed);
        drop(again);
        assert_ne!(Lent::new(&home, Freshness::Any).unwrap().group().path, path);
        assert!(!path.exists());
    }

    #[test]
    fn a_home_that_used_up_lends_only_new_groups() {
        let Some(home) = home("killed") else { return };
        let home = Arc::new(home);
        drop(Lent::new(&home, Freshness::Any).unwrap()); // one that waits
        write_to(&home.group.path.join("cgroup.kill"), "1").unwrap();
        home.forget_spare();
        fork::try_joining(Lent::new(&home, Freshness::Any).unwrap().target()).unwrap();
    }

    #[test]
    fn a_home_that_somebody_removed_is_made_again() {
        let Some(home) = home("removed") else { return };
        let home = Arc::new(home);
        let path = home.group.path.clone();
        remove_below(&path, DEPTH_MAX);
        fs::remove_dir(&path).unwrap();
        let waiting = Lent::new(&home, Freshness::Any).unwrap();
        assert!(fork::try_joining(waiting.target()).is_err(), "it is gone");
        let fresh = Lent::new(&home, Freshness::New).unwrap();
        fork::try_joining(fresh.target()).unwrap();
        drop((waiting, fresh));
        remove_below(&path, DEPTH_MAX);
        fs::remove_dir(&path).unwrap(); // not the folder the home knows: it leaves it alone
    }

    #[test]
    fn a_mark_can_not_leave_its_folder() {
        assert_eq!(folder_name("a/../b c"), "mainstay-a_.._b_c");
    }
}
