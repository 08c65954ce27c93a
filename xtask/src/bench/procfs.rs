//! What the kernel says of a process: proc(5).

use std::fs;

/// Parts of `/proc/PID/smaps_rollup`, in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Each page divided by the number of processes that share it.
    pub(crate) pss: f64,
    /// Pages that nobody shares.
    pub(crate) private: f64,
    pub(crate) rss: f64,
}

pub(crate) fn memory(pid: u32) -> Option<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let value = |name: &str| field(&text, name);
    let private = value("Private_Clean:")? + value("Private_Dirty:")?;
    Some(Memory { pss: value("Pss:")?, private, rss: value("Rss:")? })
}

/// `VmRSS` and `RssAnon` in KiB.
pub(crate) fn resident(pid: u32) -> Option<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some((field(&text, "VmRSS:")?, field(&text, "RssAnon:")?))
}

/// `VmHWM`, the most that it ever had in memory, in KiB.
pub(crate) fn peak(pid: u32) -> Option<f64> {
    field(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:")
}

/// Time on a processor in ms, of all threads, and how often they gave it up by themselves.
pub(crate) fn activity(pid: u32) -> Option<(f64, f64)> {
    let (mut ran, mut switches) = (0.0, 0.0);
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let thread = thread.ok()?.path();
        let schedstat = fs::read_to_string(thread.join("schedstat")).ok()?;
        ran += schedstat.split(' ').next()?.parse::<f64>().ok()? / 1e6;
        switches += field(&fs::read_to_string(thread.join("status")).ok()?, "voluntary_ctxt_switches:")?;
    }
    Some((ran, switches))
}

fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// The processes whose command line has all of `words` and whose environment has `variable`.
pub(crate) fn find(words: &[&str], variable: &str) -> Vec<u32> {
    let Ok(listing) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let read = |pid: u32, file: &str| {
        fs::read(format!("/proc/{pid}/{file}"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    };
    pids.filter(|&pid| {
        let line = read(pid, "cmdline");
        words.iter().all(|word| line.contains(word)) && read(pid, "environ").split('\0').any(|entry| entry == variable)
    })
    .collect()
}

/// Is this our program, started with this socket? A pid alone may be somebody else's by now.
pub(crate) fn mentions(pid: u32, socket: &str) -> bool {
    ["cmdline", "environ"].iter().any(|file| {
        fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(socket))
    })
}

/// The three load averages: who reads a number should know who else was busy.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// What the numbers were measured on.
pub(crate) fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: String = kernel.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, name)| name);
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("").trim_matches('"');
    format!("{cores} cores ({model}), Linux {kernel}, {system}")
}
