//! The same flood to Windows services under Wine.

use super::keeper::{Kind, flooded};
use super::{MIB, TURNS};
use crate::Failed;
use crate::bench::Bench;
use crate::bench::report::Report;
use crate::bench::wine::{Keeper, Prefix};

const BYTES: u64 = 256 * MIB;

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let what = "A Windows program under Wine prints 64-byte lines in writes of 64 KiB; its own time from the first byte to the last.";
    let mut report = Report::new("logs-wine", what, "MB/s");
    let bytes = if bench.quick { BYTES / 10 } else { BYTES };
    for (who, keeper, settings, how) in [
        ("mainstay, lines", Keeper::Mainstay, &[][..], "CRI lines, rotated every 64 MiB"),
        (
            "mainstay, raw",
            Keeper::Mainstay,
            &["log.managed=false", r"log.stdout=C:\bench\out.log"][..],
            "exact bytes, rotated every 64 MiB",
        ),
        ("NSSM 2.24", Keeper::Nssm, &[][..], "exact bytes; AppRotateOnline, AppRotateBytes 64 MiB"),
    ] {
        match turns(bench, keeper, settings, bytes) {
            Ok(samples) => report.row(who, samples, how),
            Err(why) => report.lacks(who, why),
        }
    }
    report.least("mainstay, raw : NSSM", report.ratio("mainstay, raw", "NSSM 2.24"), 1.0, "×");
    Ok(vec![report])
}

fn turns(bench: &mut Bench, keeper: Keeper, settings: &[&str], bytes: u64) -> Result<Vec<f64>, Failed> {
    (0..TURNS)
        .map(|_| {
            let prefix = Prefix::make(bench, keeper)?;
            let report = prefix.flood(&mut bench.stopwatch, &bench.tools, settings, bytes)?;
            Ok(flooded(&report, Kind::Lines, bytes, None)?.speed)
        })
        .collect()
}
