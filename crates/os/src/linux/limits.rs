//! What a whole run may use, by the controllers of its cgroup: Documentation/admin-guide/cgroup-v2.rst.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use tokio::io::Interest;
use tokio::time::{Instant, sleep, sleep_until};

use super::cgroup::{self, Cgroup, Home};
use super::readiness::{self, UNTOLD_POLL_MS};
use super::resources::Refused;
use crate::resources::{LimitHit, Resources};

/// A program that goes on at its limit hits it thousands of times a second: each kind is told this often at most.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// One file of a run's group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    key: &'static str,
    controller: &'static str,
    file: &'static str,
    text: String,
}

fn settings(resources: &Resources) -> Vec<Setting> {
    /// `cpu.max`: so many microseconds in each period of 100 ms, the kernel's own default.
    const PERIOD_US: u64 = 100_000;
    let setting = |key, controller, file, text| Setting { key, controller, file, text };
    let quota = |percent: u32| format!("{} {PERIOD_US}", u64::from(percent) * (PERIOD_US / 100));
    let wanted = [
        resources.memory_bytes.map(|n| setting("resources.memory", "memory", "memory.max", n.to_string())),
        resources.cpu_percent.map(|n| setting("resources.cpu", "cpu", "cpu.max", quota(n))),
        resources.cpu_weight.map(|n| setting("resources.cpu-weight", "cpu", "cpu.weight", n.to_string())),
        resources.processes.map(|n| setting("resources.processes", "pids", "pids.max", n.to_string())),
    ];
    wanted.into_iter().flatten().collect()
}

/// Whether a run needs a cgroup for these.
pub(crate) fn are_wanted(resources: &Resources) -> bool {
    !settings(resources).is_empty()
}

/// What this machine can't limit.
pub(crate) fn check(resources: &Resources) -> Vec<Refused> {
    let refusal = |setting: Setting| {
        let source = cgroup::may_limit(setting.controller).err()?;
        Some(Refused { key: setting.key, source })
    };
    settings(resources).into_iter().filter_map(refusal).collect()
}

/// There is no group: the first thing it would be needed for.
pub(crate) fn refused_without_group(resources: &Resources) -> Option<Refused> {
    let setting = settings(resources).into_iter().next()?;
    let source = cgroup::may_limit(setting.controller).err().unwrap_or_else(|| {
        io::Error::new(ErrorKind::Unsupported, "the run is held together by its process group, which has no limits")
    });
    Some(Refused { key: setting.key, source })
}

/// Limits an empty group, and watches what it runs into from then on.
pub(crate) fn set(home: &Home, run: &Cgroup, resources: &Resources) -> Result<Hits, Refused> {
    for Setting { key, controller, file, text } in settings(resources) {
        let set = home.hand_down(controller).and_then(|()| run.set(file, &text));
        set.map_err(|source| Refused { key, source })?;
    }
    let watch = |wanted: bool, key, hit, file, name| match wanted.then(|| run.open(file)) {
        Some(Ok(file)) => Ok(Some(Counter { hit, file, name, seen: 0, told: None })),
        Some(Err(source)) => Err(Refused { key, source }),
        None => Ok(None),
    };
    let memory = resources.memory_bytes.is_some();
    let processes = resources.processes.is_some();
    Ok(Hits(
        [
            watch(memory, "resources.memory", LimitHit::Memory, "memory.events", "oom_kill")?,
            watch(processes, "resources.processes", LimitHit::Processes, "pids.events", "max")?,
        ]
        .into_iter()
        .flatten()
        .collect(),
    ))
}

/// The limits that a run has hit.
#[derive(Debug, Default)]
pub(crate) struct Hits(Vec<Counter>);

/// One line of a file that the kernel tells about.
#[derive(Debug)]
struct Counter {
    hit: LimitHit,
    file: File,
    name: &'static str,
    seen: u64,
    told: Option<Instant>,
}

impl Hits {
    /// The next one; never where nothing is limited. Cancel-safe.
    pub(crate) async fn next(&mut self) -> LimitHit {
        loop {
            if let Some(hit) = self.grown() {
                return hit;
            }
            self.news().await;
        }
    }

    /// One that was hit and not told yet, without waiting to be woken.
    pub(crate) fn grown(&mut self) -> Option<LimitHit> {
        let now = Instant::now();
        let grown = self.0.iter_mut().find(|counter| counter.may_be_told(now) && counter.count() > counter.seen)?;
        grown.seen = grown.count();
        grown.told = Some(now);
        Some(grown.hit)
    }

    /// Ends when a file has changed since it was read, or may be told of again. Dropped, and begun anew, at each news.
    async fn news(&self) {
        let mut files = self.0.iter();
        match (files.next(), files.next()) {
            (None, _) => std::future::pending().await,
            (Some(one), None) => one.news().await,
            (Some(one), Some(other)) => tokio::select! {
                () = one.news() => {}
                () = other.news() => {}
            },
        }
    }
}

impl Counter {
    fn may_be_told(&self, now: Instant) -> bool {
        self.told.is_none_or(|told| now.duration_since(told) >= TOLD_EVERY)
    }

    /// 0 when the group is gone.
    fn count(&self) -> u64 {
        let mut buffer = [0; 512]; // a dozen lines
        let read = self.file.read_at(&mut buffer, 0).unwrap_or(0);
        let text = String::from_utf8_lossy(buffer.get(..read).unwrap_or_default());
        value_in(&text, self.name)
    }

    async fn news(&self) {
        if let Some(told) = self.told.filter(|_| !self.may_be_told(Instant::now())) {
            return sleep_until(told + TOLD_EVERY).await;
        }
        // Registered before the last look, so that nothing falls between.
        let watched = readiness::watch(self.file.as_fd(), Interest::PRIORITY);
        if self.count() > self.seen {
            return;
        }
        let told = match &watched {
            Ok(file) => file.ready(Interest::PRIORITY).await.is_ok(),
            Err(_) => false,
        };
        if !told {
            sleep(Duration::from_millis(UNTOLD_POLL_MS)).await;
        }
    }
}

/// `name 3`, one a line.
fn value_in(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.split_once(' ').filter(|(found, _)| *found == name));
    value.and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// Whether a file of words, such as `cgroup.controllers`, has this one.
pub(crate) fn lists(file: &Path, word: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.split_ascii_whitespace().any(|found| found == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_one_line_in_one_file() {
        let resources = Resources {
            memory_bytes: Some(64 << 20),
            cpu_percent: Some(150),
            cpu_weight: Some(50),
            processes: Some(20),
            ..Resources::default()
        };
        let written: Vec<String> = settings(&resources).iter().map(|s| format!("{} {}", s.file, s.text)).collect();
        assert_eq!(written, ["memory.max 67108864", "cpu.max 150000 100000", "cpu.weight 50", "pids.max 20"]);
        assert!(!are_wanted(&Resources { nice: Some(3), ..Resources::default() }));
    }

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let events = "low 0\nhigh 1\nmax 12\noom 2\noom_kill 3\noom_group_kill 4\n";
        assert_eq!(value_in(events, "oom_kill"), 3);
        assert_eq!(value_in(events, "max"), 12);
        assert_eq!(value_in("", "max"), 0);
    }

    fn counted(folder: &Path, text: &str) -> Hits {
        let path = folder.join("events");
        fs::write(&path, text).unwrap();
        let file = File::open(path).unwrap();
        Hits(vec![Counter { hit: LimitHit::Processes, file, name: "max", seen: 0, told: None }])
    }

    /// The kernel's own files are tried in the machine of `vm_limits`.
    #[tokio::test]
    async fn a_hit_is_told_once_until_there_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let mut hits = counted(folder.path(), "max 2\n");
        assert_eq!(hits.next().await, LimitHit::Processes);
        assert_eq!(hits.grown(), None);
        fs::write(folder.path().join("events"), "max 3\n").unwrap();
        assert_eq!(hits.grown(), None, "too soon");
        hits.0[0].told = Instant::now().checked_sub(TOLD_EVERY);
        assert_eq!(hits.grown(), Some(LimitHit::Processes));
    }

    #[tokio::test]
    async fn without_limits_nothing_is_ever_hit() {
        let mut hits = Hits::default();
        tokio::select! {
            biased;
            hit = hits.next() => panic!("{hit}"),
            () = tokio::task::yield_now() => {}
        }
    }
}
