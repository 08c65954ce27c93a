//! What a run may use: its own settings here, inherited by its descendants; the limits of the whole tree in `limits`.
#![expect(unsafe_code, reason = "what a child calls before its exec must be bare system calls")]

use std::fs;
use std::io::{self, ErrorKind};

use rustix::process::{Resource, getpriority_process, getrlimit};
use rustix::thread::CapabilitySet;

use super::fork::Step;
use super::limits;
use crate::resources::{Cpu, IoPriority, Priority, Resources, Rlimit, RlimitValue, Unsupported};

/// What could not be set: the key of the spec, and why.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) key: &'static str,
    pub(crate) source: io::Error,
}

pub(crate) const AFFINITY: &str = "resources.affinity";
const IO: &str = "resources.io";
const NICE: &str = "resources.nice";
const PRIORITY: &str = "resources.priority";
const RLIMITS: &str = "resources.limits";

/// Tells, before anything is started, what of this can't be kept on this machine, by us.
pub fn check(resources: &Resources) -> Vec<Unsupported> {
    let mut refused = limits::check(resources);
    refused.extend(known_cpus(&resources.affinity).err());
    refused.extend(may_be_nice(resources).err());
    refused.extend(resources.rlimits.iter().find_map(|&(which, value)| may_be_raised(which, value).err()));
    let told = |Refused { key, source }| Unsupported { key, reason: format!("cannot set {key}: {source}") };
    refused.into_iter().map(told).collect()
}

/// A run's own settings, in the kernel's numbers.
#[derive(Debug, Default)]
pub(crate) struct Given {
    nice: Option<(i32, &'static str)>,
    io: Option<i32>,
    /// One bit for each processor; empty: all.
    affinity: Vec<u64>,
    umask: Option<u32>,
    /// Number of the limit, and both values.
    rlimits: Vec<(u32, libc::rlimit64)>,
}

impl Given {
    /// Errors: a processor that is not there.
    pub(crate) fn of(resources: &Resources) -> Result<Given, Refused> {
        known_cpus(&resources.affinity)?;
        let both = |value| libc::rlimit64 { rlim_cur: value, rlim_max: value };
        Ok(Given {
            nice: nice_of(resources),
            io: resources.io.map(io_priority),
            affinity: mask(&resources.affinity),
            umask: resources.umask,
            rlimits: resources.rlimits.iter().map(|&(which, value)| (number(which), both(amount(value)))).collect(),
        })
    }

    /// # Safety
    ///
    /// Only in a child between fork and exec.
    pub(crate) unsafe fn apply(&self) -> Result<(), Step> {
        const IOPRIO_WHO_PROCESS: libc::c_int = 1; // ioprio_set(2)
        // SAFETY: system calls on integers and on arrays that outlive the calls; 0 is the caller itself.
        unsafe {
            if let Some((nice, key)) = self.nice {
                done(libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, nice), key)?;
            }
            if let Some(priority) = self.io {
                done(libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priority), IO)?;
            }
            if !self.affinity.is_empty() {
                let bytes = size_of_val(self.affinity.as_slice());
                done(libc::syscall(libc::SYS_sched_setaffinity, 0, bytes, self.affinity.as_ptr()), AFFINITY)?;
            }
            for (number, limit) in &self.rlimits {
                let old = std::ptr::null_mut::<libc::rlimit64>();
                done(libc::syscall(libc::SYS_prlimit64, 0, *number, std::ptr::from_ref(limit), old), RLIMITS)?;
            }
            if let Some(umask) = self.umask {
                libc::umask(umask); // can't fail
            }
        }
        Ok(())
    }
}

fn done(result: libc::c_long, key: &'static str) -> Result<(), Step> {
    if result < 0 { Err(Step::Resource(key)) } else { Ok(()) }
}

/// With the key it comes from.
fn nice_of(resources: &Resources) -> Option<(i32, &'static str)> {
    let by_priority = resources.priority.map(|priority| (nice(priority), PRIORITY));
    resources.nice.map(|nice| (i32::from(nice), NICE)).or(by_priority)
}

fn nice(priority: Priority) -> i32 {
    match priority {
        Priority::Idle => 19,
        Priority::BelowNormal => 10,
        Priority::Normal => 0,
        Priority::AboveNormal => -5,
        Priority::High => -10,
        Priority::Realtime => -15,
    }
}

/// ioprio_set(2): class 2 is best effort with 0 (first) to 7 (last), class 3 is idle.
fn io_priority(priority: IoPriority) -> i32 {
    const CLASS_SHIFT: i32 = 13;
    let (class, level) = match priority {
        IoPriority::Idle => (3, 0),
        IoPriority::Low => (2, 7),
        IoPriority::Normal => (2, 4),
        IoPriority::High => (2, 0),
    };
    (class << CLASS_SHIFT) | level
}

fn mask(cpus: &[Cpu]) -> Vec<u64> {
    let words = cpus.iter().map(|cpu| usize::from(cpu.number) / 64 + 1).max().unwrap_or(0);
    let mut mask = vec![0; words];
    for cpu in cpus {
        if let Some(word) = mask.get_mut(usize::from(cpu.number) / 64) {
            *word |= 1 << (cpu.number % 64);
        }
    }
    mask
}

/// The kernel takes a mask that names one processor too many without a word.
fn known_cpus(cpus: &[Cpu]) -> Result<(), Refused> {
    if cpus.is_empty() {
        return Ok(());
    }
    let refuse = |text| Refused { key: AFFINITY, source: io::Error::new(ErrorKind::Unsupported, text) };
    if let Some(cpu) = cpus.iter().find(|cpu| cpu.group != 0) {
        return Err(refuse(format!("there is no processor group {}: Linux has only 0", cpu.group)));
    }
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let online = online.trim();
    match cpus.iter().find(|cpu| !is_in(online, cpu.number)) {
        Some(cpu) if !online.is_empty() => {
            Err(refuse(format!("there is no processor {}: this machine has {online}", cpu.number)))
        }
        _ => Ok(()),
    }
}

/// The kernel's lists: `0-3,6`.
fn is_in(list: &str, number: u16) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let within = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
        within.is_some_and(|(first, last)| (first..=last).contains(&number))
    })
}

fn have(capability: CapabilitySet) -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
}

/// setpriority(2): without `CAP_SYS_NICE` down to 20 minus `RLIMIT_NICE`.
fn may_be_nice(resources: &Resources) -> Result<(), Refused> {
    let Some((nice, key)) = nice_of(resources) else { return Ok(()) };
    let ours = getpriority_process(None).unwrap_or(0);
    let room = getrlimit(Resource::Nice).current.unwrap_or(u64::MAX);
    let allowed = i64::try_from(room).map_or(i64::MIN, |room| 20_i64.saturating_sub(room));
    if nice >= ours || i64::from(nice) >= allowed || have(CapabilitySet::SYS_NICE) {
        return Ok(());
    }
    let text = format!("nice {nice} is before others (we have {ours}), which needs root or CAP_SYS_NICE");
    Err(Refused { key, source: io::Error::new(ErrorKind::PermissionDenied, text) })
}

/// setrlimit(2): nobody goes above the hard limit without `CAP_SYS_RESOURCE`.
fn may_be_raised(which: Rlimit, value: RlimitValue) -> Result<(), Refused> {
    let refuse = |text| Refused { key: RLIMITS, source: io::Error::new(ErrorKind::PermissionDenied, text) };
    let wanted = amount(value);
    if matches!(which, Rlimit::OpenFiles)
        && let Ok(text) = fs::read_to_string("/proc/sys/fs/nr_open")
        && text.trim().parse().is_ok_and(|most: u64| wanted > most)
    {
        return Err(refuse(format!("nobody may have more than {} open files (sysctl fs.nr_open)", text.trim())));
    }
    let hard = getrlimit(resource(which)).maximum.unwrap_or(u64::MAX);
    if wanted <= hard || have(CapabilitySet::SYS_RESOURCE) {
        return Ok(());
    }
    Err(refuse(format!("{which:?} may be {hard} at most; more needs root or CAP_SYS_RESOURCE")))
}

fn amount(value: RlimitValue) -> u64 {
    match value {
        RlimitValue::At(amount) => amount,
        RlimitValue::Unlimited => u64::MAX, // RLIM64_INFINITY
    }
}

fn resource(which: Rlimit) -> Resource {
    match which {
        Rlimit::OpenFiles => Resource::Nofile,
        Rlimit::Core => Resource::Core,
        Rlimit::Stack => Resource::Stack,
        Rlimit::Data => Resource::Data,
        Rlimit::AddressSpace => Resource::As,
        Rlimit::FileSize => Resource::Fsize,
        Rlimit::LockedMemory => Resource::Memlock,
        Rlimit::CpuSeconds => Resource::Cpu,
        Rlimit::UserProcesses => Resource::Nproc,
    }
}

fn number(which: Rlimit) -> u32 {
    resource(which) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(group: u16, number: u16) -> Cpu {
        Cpu { group, number }
    }

    #[test]
    fn each_processor_is_a_bit() {
        assert_eq!(mask(&[]), []);
        assert_eq!(mask(&[cpu(0, 0), cpu(0, 3)]), [0b1001]);
        assert_eq!(mask(&[cpu(0, 64), cpu(0, 1)]), [0b10, 1]);
        assert!(is_in("0-1", 1) && is_in("0,2-5", 2) && !is_in("0,2-5", 1) && !is_in("", 0));
    }

    #[test]
    fn the_kernels_numbers_are_those_of_the_manual() {
        assert_eq!(io_priority(IoPriority::Idle), 3 << 13);
        assert_eq!(io_priority(IoPriority::Low), (2 << 13) | 7);
        assert_eq!(number(Rlimit::OpenFiles), libc::RLIMIT_NOFILE as _);
        assert_eq!(number(Rlimit::UserProcesses), libc::RLIMIT_NPROC as _);
        let both = Resources { nice: Some(3), priority: Some(Priority::High), ..Resources::default() };
        assert_eq!(nice_of(&both), Some((3, NICE)));
    }

    #[test]
    fn what_this_machine_can_not_do_is_told_with_its_key() {
        let found = check(&Resources { affinity: vec![cpu(0, 60_000)], ..Resources::default() });
        assert_eq!(found.iter().map(|u| u.key).collect::<Vec<_>>(), [AFFINITY]);
        assert!(found[0].reason.starts_with("cannot set resources.affinity: there is no processor 60000"), "{found:?}");
        let found = check(&Resources { affinity: vec![cpu(1, 0)], ..Resources::default() });
        assert!(found[0].reason.contains("processor group 1"), "{found:?}");
        let files = (Rlimit::OpenFiles, RlimitValue::Unlimited);
        let found = check(&Resources { rlimits: vec![files], ..Resources::default() });
        assert_eq!(found.iter().map(|u| u.key).collect::<Vec<_>>(), [RLIMITS]);
        assert_eq!(check(&Resources::default()), []);
    }
}
