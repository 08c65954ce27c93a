//! What a run may use: limits of its job object, and two settings of its main process.
//!
//! Microsoft: "JOBOBJECT_EXTENDED_LIMIT_INFORMATION structure", "JOBOBJECT_CPU_RATE_CONTROL_INFORMATION structure". A limit
//! that was asked for and can't be set is an error: a program is never started with less than its spec says.

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Win32::Foundation::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED,
    ERROR_PRIVILEGE_NOT_HELD, HANDLE,
};
use windows_sys::Win32::Security::SE_INC_BASE_PRIORITY_NAME;
use windows_sys::Win32::System::JobObjects::{
    JOB_OBJECT_CPU_RATE_CONTROL_ENABLE, JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP, JOB_OBJECT_CPU_RATE_CONTROL_WEIGHT_BASED,
    JOB_OBJECT_LIMIT_ACTIVE_PROCESS, JOB_OBJECT_LIMIT_AFFINITY, JOB_OBJECT_LIMIT_JOB_MEMORY,
    JOB_OBJECT_LIMIT_PRIORITY_CLASS, JOBOBJECT_CPU_RATE_CONTROL_INFORMATION, JOBOBJECT_CPU_RATE_CONTROL_INFORMATION_0,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectCpuRateControlInformation, JobObjectGroupInformationEx,
};
use windows_sys::Win32::System::SystemInformation::GROUP_AFFINITY;
use windows_sys::Win32::System::Threading::{
    ABOVE_NORMAL_PRIORITY_CLASS, ALL_PROCESSOR_GROUPS, BELOW_NORMAL_PRIORITY_CLASS, GetActiveProcessorCount,
    GetActiveProcessorGroupCount, GetCurrentProcess, HIGH_PRIORITY_CLASS, IDLE_PRIORITY_CLASS, NORMAL_PRIORITY_CLASS,
    PROCESS_CREATION_FLAGS, REALTIME_PRIORITY_CLASS, SetPriorityClass,
};

use super::job::Job;
use super::ntdll::{NtQueryInformationProcess, NtSetInformationProcess, PROCESS_IO_PRIORITY};
use super::{security, win32};
use crate::resources::{Cpu, IoPriority, Priority, Resources, Unsupported};

/// A job's CPU rate counts in hundredths of a percent of all processors together.
const WHOLE_MACHINE: u64 = 10_000;

/// From each of these weights on (Linux: 1 to 10,000, where 100 is everybody's) the job's weight is one more than 1: the
/// nearest of 9 steps, two for each factor of ten, so that 100 is 5, everybody's on Windows.
const WEIGHT_STEPS: [u32; 8] = [2, 6, 18, 57, 178, 563, 1779, 5624];

/// What could not be set, by the key of the spec.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) key: &'static str,
    pub(super) source: io::Error,
}

/// Tells, before anything is started, what of this can't be kept here: each limit is tried on a job without processes.
pub fn check(resources: &Resources) -> Vec<Unsupported> {
    let mut refused: Vec<Refused> = LINUX_ONLY.iter().filter_map(|look| look(resources).err()).collect();
    refused.extend(cpu_rate(resources).err());
    if resources.io.is_some() && refused.iter().all(|refused| refused.key != "resources.io") {
        refused.extend(
            try_io_priority().map_err(|source| Refused { key: "resources.io", source: explained(source) }).err(),
        );
    }
    match Job::new(false) {
        Ok(job) => {
            // Each alone, because one call sets several and says only that one of them is wrong.
            let each = [
                Resources { priority: resources.priority, ..Resources::default() },
                Resources { affinity: resources.affinity.clone(), ..Resources::default() },
                Resources { memory_bytes: resources.memory_bytes, ..Resources::default() },
                Resources { processes: resources.processes, ..Resources::default() },
            ];
            refused.extend(each.iter().filter_map(|one| basic(&job, one, false).err()));
            if let Ok(Some(rate)) = cpu_rate(resources) {
                refused.extend(set_cpu_rate(&job, rate).err());
            }
        }
        Err(source) => refused.push(Refused { key: "resources", source }),
    }
    refused
        .into_iter()
        .map(|Refused { key, source }| Unsupported { key, reason: format!("cannot set {key}: {source}") })
        .collect()
}

/// A job with these limits, for a run.
pub(super) fn job(resources: &Resources, breakaway: bool) -> Result<Job, Refused> {
    LINUX_ONLY.iter().try_for_each(|look| look(resources))?;
    let job = Job::new(breakaway).map_err(|source| Refused { key: "resources", source })?;
    basic(&job, resources, breakaway)?;
    if let Some(rate) = cpu_rate(resources)? {
        set_cpu_rate(&job, rate)?;
    }
    Ok(job)
}

/// The settings of the main process itself, which its descendants inherit.
pub(super) fn prepare(process: BorrowedHandle<'_>, resources: &Resources) -> Result<(), Refused> {
    if let Some(priority) = resources.priority {
        // The job forces it on every member; Wine's does not.
        // SAFETY: the handle is open during the call.
        win32::check(unsafe { SetPriorityClass(process.as_raw_handle(), class_of(priority)) })
            .map_err(|source| Refused { key: "resources.priority", source })?;
    }
    if let Some(io) = resources.io {
        set_io_priority(process, io).map_err(|source| Refused { key: "resources.io", source: explained(source) })?;
    }
    Ok(())
}

pub(super) fn prepares(resources: &Resources) -> bool {
    resources.priority.is_some() || resources.io.is_some()
}

type Look = fn(&Resources) -> Result<(), Refused>;

const LINUX_ONLY: [Look; 4] = [
    |resources| only_linux(resources.nice.is_none(), "resources.nice", "Windows has no nice values; use priority"),
    |resources| only_linux(resources.umask.is_none(), "resources.umask", "Windows has no umask"),
    |resources| only_linux(resources.rlimits.is_empty(), "resources.limits", "Windows has no limits of one process"),
    |resources| {
        let kept = "Windows keeps the high I/O priority for itself; use normal";
        only_linux(resources.io != Some(IoPriority::High), "resources.io", kept)
    },
];

fn only_linux(fine: bool, key: &'static str, why: &str) -> Result<(), Refused> {
    if fine { Ok(()) } else { Err(Refused { key, source: io::Error::new(io::ErrorKind::Unsupported, why) }) }
}

/// The limits that stand in one structure; and the affinity, when it is not within the first group of processors.
fn basic(job: &Job, resources: &Resources, breakaway: bool) -> Result<(), Refused> {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    let mut key = "resources";
    let basic = &mut limits.BasicLimitInformation;
    if let Some(priority) = resources.priority {
        key = "resources.priority";
        if matches!(priority, Priority::High | Priority::Realtime) {
            // Where we don't have the right, the job refuses.
            let _ = security::enable_privilege(SE_INC_BASE_PRIORITY_NAME);
        }
        basic.LimitFlags |= JOB_OBJECT_LIMIT_PRIORITY_CLASS;
        basic.PriorityClass = class_of(priority);
    }
    if let Some(processes) = resources.processes {
        key = "resources.processes";
        basic.LimitFlags |= JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
        basic.ActiveProcessLimit = processes;
    }
    let groups = groups_of(&resources.affinity).map_err(|source| Refused { key: "resources.affinity", source })?;
    match groups.as_slice() {
        [] => {}
        [GROUP_AFFINITY { Group: 0, Mask: mask, .. }] => {
            key = "resources.affinity";
            basic.LimitFlags |= JOB_OBJECT_LIMIT_AFFINITY;
            basic.Affinity = *mask;
        }
        several => {
            // SAFETY: the class takes an array of GROUP_AFFINITY.
            unsafe { job.set(JobObjectGroupInformationEx, several) }
                .map_err(|source| Refused { key: "resources.affinity", source: explained(source) })?;
        }
    }
    if let Some(bytes) = resources.memory_bytes {
        key = "resources.memory";
        limits.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_JOB_MEMORY;
        limits.JobMemoryLimit = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if limits.BasicLimitInformation.LimitFlags == 0 {
        return Ok(());
    }
    job.limit(limits, breakaway).map_err(|source| {
        // The only one of these that needs a right.
        let key = if win32::is(&source, ERROR_PRIVILEGE_NOT_HELD) { "resources.priority" } else { key };
        Refused { key, source: explained(source) }
    })
}

fn class_of(priority: Priority) -> PROCESS_CREATION_FLAGS {
    match priority {
        Priority::Idle => IDLE_PRIORITY_CLASS,
        Priority::BelowNormal => BELOW_NORMAL_PRIORITY_CLASS,
        Priority::Normal => NORMAL_PRIORITY_CLASS,
        Priority::AboveNormal => ABOVE_NORMAL_PRIORITY_CLASS,
        Priority::High => HIGH_PRIORITY_CLASS,
        Priority::Realtime => REALTIME_PRIORITY_CLASS,
    }
}

/// One mask for each group of processors.
fn groups_of(cpus: &[Cpu]) -> io::Result<Vec<GROUP_AFFINITY>> {
    let mut groups: Vec<GROUP_AFFINITY> = Vec::new();
    for &cpu in cpus {
        check_cpu(cpu)?;
        let bit = 1_usize.checked_shl(u32::from(cpu.number)).unwrap_or_default();
        match groups.iter_mut().find(|group| group.Group == cpu.group) {
            Some(group) => group.Mask |= bit,
            None => groups.push(GROUP_AFFINITY { Mask: bit, Group: cpu.group, Reserved: [0; 3] }),
        }
    }
    Ok(groups)
}

fn check_cpu(Cpu { group, number }: Cpu) -> io::Result<()> {
    // SAFETY: plain calls.
    let (groups, there) = unsafe { (GetActiveProcessorGroupCount(), GetActiveProcessorCount(group)) };
    if group < groups && u32::from(number) < there {
        return Ok(());
    }
    let text = if groups > 1 {
        format!("there is no processor {number} in group {group}: it has {there}, and there are {groups} groups")
    } else {
        format!("there is no processor {number} in group {group}: this machine has {there}, in group 0")
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// A job's processor time: at most so much, or its share beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CpuRate {
    /// In hundredths of a percent of the whole machine.
    Cap(u32),
    /// 1 to 9.
    Weight(u32),
}

fn cpu_rate(resources: &Resources) -> Result<Option<CpuRate>, Refused> {
    match (resources.cpu_percent, resources.cpu_weight) {
        (None, None) => Ok(None),
        // SAFETY: a plain call.
        (Some(percent), None) => Ok(Some(cap(percent, unsafe { GetActiveProcessorCount(ALL_PROCESSOR_GROUPS) }))),
        (None, Some(weight)) => Ok(Some(CpuRate::Weight(job_weight(weight)))),
        (Some(_), Some(_)) => {
            let text = "Windows can't have both a most and a share of processor time; leave cpu or cpu_weight out";
            Err(Refused { key: "resources.cpu-weight", source: io::Error::new(io::ErrorKind::Unsupported, text) })
        }
    }
}

/// `percent` is of one processor.
fn cap(percent: u32, processors: u32) -> CpuRate {
    let rate = u64::from(percent) * WHOLE_MACHINE / 100 / u64::from(processors.max(1));
    CpuRate::Cap(u32::try_from(rate.clamp(1, WHOLE_MACHINE)).unwrap_or(1))
}

fn job_weight(weight: u32) -> u32 {
    1 + WEIGHT_STEPS.iter().map(|&step| u32::from(weight >= step)).sum::<u32>()
}

fn set_cpu_rate(job: &Job, rate: CpuRate) -> Result<(), Refused> {
    let (key, flags, value) = match rate {
        CpuRate::Cap(rate) => (
            "resources.cpu",
            JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP,
            JOBOBJECT_CPU_RATE_CONTROL_INFORMATION_0 { CpuRate: rate },
        ),
        CpuRate::Weight(weight) => (
            "resources.cpu-weight",
            JOB_OBJECT_CPU_RATE_CONTROL_WEIGHT_BASED,
            JOBOBJECT_CPU_RATE_CONTROL_INFORMATION_0 { Weight: weight },
        ),
    };
    let control = JOBOBJECT_CPU_RATE_CONTROL_INFORMATION {
        ControlFlags: JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | flags,
        Anonymous: value,
    };
    // SAFETY: the structure belongs to the information class.
    unsafe { job.set(JobObjectCpuRateControlInformation, &control) }
        .map_err(|source| Refused { key, source: explained(source) })
}

/// `IO_PRIORITY_HINT`: very low, low, normal.
fn set_io_priority(process: BorrowedHandle<'_>, io: IoPriority) -> io::Result<()> {
    let hint: u32 = match io {
        IoPriority::Idle => 0,
        IoPriority::Low => 1,
        IoPriority::Normal => 2,
        // Refused before; 3 is the system's.
        IoPriority::High => return Err(io::ErrorKind::Unsupported.into()),
    };
    set_io_hint(process.as_raw_handle(), hint)
}

fn set_io_hint(process: HANDLE, hint: u32) -> io::Result<()> {
    // SAFETY: the handle is open; the class takes a ULONG.
    win32::check_status(unsafe {
        NtSetInformationProcess(process, PROCESS_IO_PRIORITY, (&raw const hint).cast(), size_of_val(&hint) as u32)
    })
}

/// On ourselves, as it is.
fn try_io_priority() -> io::Result<()> {
    let (mut hint, mut used) = (0_u32, 0);
    // SAFETY: the pseudo handle of this process is always valid; the class gives a ULONG.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: as above; the results live.
    win32::check_status(unsafe {
        let size = size_of_val(&hint) as u32;
        NtQueryInformationProcess(process, PROCESS_IO_PRIORITY, (&raw mut hint).cast(), size, &raw mut used)
    })?;
    set_io_hint(process, hint)
}

/// What a system that lacks a limit answers says nothing to people.
fn explained(error: io::Error) -> io::Error {
    let lacking = [ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_FUNCTION];
    if lacking.iter().any(|&code| win32::is(&error, code)) {
        return io::Error::new(io::ErrorKind::Unsupported, format!("this system does not take it: {error}"));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_of_one_processor() {
        let check = |percent, processors, rate| assert_eq!(cap(percent, processors), CpuRate::Cap(rate));
        check(100, 1, 10_000);
        check(100, 4, 2_500);
        check(50, 2, 2_500);
        check(400, 2, 10_000);
        check(1, 128, 1);
        check(0, 4, 1);
        check(u32::MAX, 64, 10_000);
        check(50, 0, 5_000);
    }

    #[test]
    fn a_weight_of_100_is_the_middle_and_each_factor_of_ten_two_steps() {
        for (weight, of_the_job) in [(1, 1), (10, 3), (50, 4), (100, 5), (200, 6), (1000, 7), (9000, 9), (10_000, 9)] {
            assert_eq!(job_weight(weight), of_the_job, "{weight}");
        }
    }

    #[test]
    fn processors_are_gathered_by_group_and_those_that_are_missing_are_named() {
        let first = Cpu { group: 0, number: 0 };
        let groups = groups_of(&[first, first]).unwrap();
        assert_eq!(groups.iter().map(|group| (group.Group, group.Mask)).collect::<Vec<_>>(), [(0, 1)]);
        assert!(groups_of(&[]).unwrap().is_empty());
        for missing in [Cpu { group: 0, number: 64 }, Cpu { group: 999, number: 0 }] {
            let error = groups_of(&[first, missing]).err().unwrap().to_string();
            assert!(error.starts_with("there is no processor "), "{error}");
        }
    }

    #[test]
    fn what_only_linux_has_is_refused_by_its_key() {
        let keys = |resources: &Resources| check(resources).iter().map(|one| one.key).collect::<Vec<_>>();
        assert_eq!(keys(&Resources::default()), Vec::<&str>::new());
        let nice = Resources { nice: Some(5), umask: Some(0o22), ..Resources::default() };
        assert_eq!(keys(&nice), ["resources.nice", "resources.umask"]);
        assert_eq!(keys(&Resources { io: Some(IoPriority::High), ..Resources::default() }), ["resources.io"]);
        let both = Resources { cpu_percent: Some(50), cpu_weight: Some(50), ..Resources::default() };
        assert_eq!(keys(&both), ["resources.cpu-weight"]);
        assert_eq!(job(&nice, false).unwrap_err().key, "resources.nice");
    }

    /// Wine's jobs know no CPU rate, Windows' do: both ways are right answers, but they must agree.
    #[test]
    fn what_is_told_before_is_what_is_refused_then() {
        for resources in [
            Resources { cpu_percent: Some(50), ..Resources::default() },
            Resources { cpu_weight: Some(50), ..Resources::default() },
            Resources { memory_bytes: Some(1 << 30), processes: Some(5), ..Resources::default() },
            Resources { priority: Some(Priority::BelowNormal), ..Resources::default() },
            Resources { affinity: vec![Cpu { group: 0, number: 0 }], ..Resources::default() },
        ] {
            let told = check(&resources);
            let refused = job(&resources, true).err();
            assert_eq!(told.first().map(|one| one.key), refused.map(|one| one.key), "{resources:?}");
            assert!(told.iter().all(|one| one.reason.starts_with("cannot set resources.")), "{told:?}");
            if resources.cpu_percent.or(resources.cpu_weight).is_none() {
                assert!(told.is_empty(), "{told:?}");
            }
        }
    }
}
