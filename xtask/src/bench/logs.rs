//! Programs that print as fast as they can: who keeps it, at what cost? And how fast is it found again?

mod grep;
mod keeper;
mod ship;
mod wine;

use std::time::Duration;

use super::Bench;
use super::report::Report;
use crate::Failed;
use keeper::{Flood, Keeper, Kind};

pub(crate) use grep::run as grep;
pub(crate) use ship::run as ship;
pub(crate) use wine::run as wine;

const MIB: u64 = 1 << 20;
/// Of a candidate's turns.
const TURNS: usize = 3;
/// What is printed for each sample; with `--quick` a tenth.
const RAW_BYTES: u64 = 4096 * MIB;
const LINES_BYTES: u64 = 1024 * MIB;
/// For those who take seconds for it.
const SLOW_BYTES: u64 = 64 * MIB;
/// At 10 MB/s.
const PACED_BYTES: u64 = 20_000_000;
const PACED_TURNS: usize = 9;
/// A flood must be over within.
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let mut peak =
        Peak(Report::new("logs: memory", "The most that a guard held in memory during a flood (VmHWM).", "MiB"));
    let raw = raw(bench, &mut peak)?;
    let lines = lines(bench, &mut peak)?;
    let mut endless = Vec::new();
    for _ in 0..TURNS {
        endless.extend(flood(bench, Keeper::Lines, Kind::Endless, size(bench, LINES_BYTES))?.peak_mib);
    }
    peak.row("without any line feed, CRI", endless);
    Ok(vec![raw, lines, peak.0, calls(bench)?])
}

fn raw(bench: &mut Bench, peak: &mut Peak) -> Result<Report, Failed> {
    let bytes = size(bench, RAW_BYTES);
    let what = format!(
        "A program prints {} MiB of 64-byte lines in writes of 64 KiB, to a file that gets its exact bytes; its own time from the first byte to the last.",
        bytes / MIB
    );
    let mut report = Report::new("logs: raw", what, "MB/s");
    let (mut cat, mut guard, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        cat.push(flood(bench, Keeper::Cat, Kind::Lines, bytes)?.speed);
        let flooded = flood(bench, Keeper::Raw, Kind::Lines, bytes)?;
        guard.push(flooded.speed);
        peaks.extend(flooded.peak_mib);
    }
    report.row("`prog | cat > file`", cat, "one file that grows");
    report.row("mainstay", guard, "log.stdout = FILE, rotated every 64 MiB, 2 kept");
    report.least("mainstay : cat", report.ratio("mainstay", "`prog | cat > file`"), 0.9, "×");
    peak.row("raw", peaks);
    Ok(report)
}

fn lines(bench: &mut Bench, peak: &mut Peak) -> Result<Report, Failed> {
    let what = "The same program's lines with a time before each, in files that are rotated every 64 MiB; each keeper prints as much as it can in seconds.";
    let mut report = Report::new("logs: lines", what, "MB/s");
    let (mut guard, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let flooded = flood(bench, Keeper::Lines, Kind::Lines, size(bench, LINES_BYTES))?;
        guard.push(flooded.speed);
        peaks.extend(flooded.peak_mib);
    }
    report.row("mainstay", guard, "CRI lines: time to the nanosecond, stream, tag");
    for (keeper, bytes) in [
        (Keeper::S6, LINES_BYTES),
        (Keeper::Svlogd, LINES_BYTES),
        (Keeper::Supervisord, SLOW_BYTES),
        (Keeper::Pm2, SLOW_BYTES),
    ] {
        let samples: Result<Vec<f64>, Failed> =
            (0..TURNS).map(|_| Ok(flood(bench, keeper, Kind::Lines, size(bench, bytes))?.speed)).collect();
        match samples {
            Ok(samples) => report.row(keeper.name(), samples, keeper.how()),
            Err(why) => report.lacks(keeper.name(), why),
        }
    }
    report.least("mainstay", report.median("mainstay"), 500.0, "MB/s");
    peak.row("lines, CRI", peaks);
    Ok(report)
}

fn calls(bench: &mut Bench) -> Result<Report, Failed> {
    let what = "A program prints 64-byte lines one by one, 10 MB a second: its time in write(2) for each.";
    let mut report = Report::new("logs: print calls", what, "ns");
    let (mut null, mut guard) = (Vec::new(), Vec::new());
    for _ in 0..bench.samples(PACED_TURNS) {
        null.push(flood(bench, Keeper::Null, Kind::Paced, PACED_BYTES)?.call_ns);
        guard.push(flood(bench, Keeper::Lines, Kind::Paced, PACED_BYTES)?.call_ns);
    }
    report.row("`prog | cat > /dev/null`", null, "");
    report.row("mainstay", guard, "CRI lines");
    report.bound("mainstay : /dev/null", report.ratio("mainstay", "`prog | cat > /dev/null`"), 1.1, "×");
    Ok(report)
}

/// The memory rows that the other tables find on their way.
struct Peak(Report);

impl Peak {
    fn row(&mut self, who: &str, samples: Vec<f64>) {
        self.0.row(who, samples, "");
        self.0.bound(who, self.0.median(who), 8.0, "MiB");
    }
}

fn size(bench: &Bench, wanted: u64) -> u64 {
    if bench.quick { wanted / 10 } else { wanted }
}

/// Lets a program flood a keeper, and takes what it says.
fn flood(bench: &mut Bench, keeper: Keeper, kind: Kind, bytes: u64) -> Result<Flooded, Failed> {
    let folder = bench.folder("flood")?;
    let flood = Flood::begin(&bench.tools, &folder, keeper, kind, bytes)?;
    let flooded = flood.wait(&mut bench.stopwatch, LIMIT);
    flood.end(&mut bench.stopwatch)?;
    // Gigabytes: not to be kept until the end.
    std::fs::remove_dir_all(folder)?;
    flooded.map_err(|why| format!("{}: {why}", keeper.name()).into())
}

/// What a flood took.
#[derive(Debug, Clone, Copy)]
struct Flooded {
    /// MB/s
    speed: f64,
    /// Of one write, on average.
    call_ns: f64,
    peak_mib: Option<f64>,
}
