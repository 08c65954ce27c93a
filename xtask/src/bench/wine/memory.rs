//! How much memory does the guard of a Windows service take?

use std::time::Duration;

use super::{KEEPERS, Keeper, Prefix};
use crate::Failed;
use crate::bench::report::Report;
use crate::bench::{Bench, procfs};

/// Services of each candidate.
const SERVICES: usize = 3;
const SETTLED: Duration = Duration::from_secs(3);

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let what =
        "Resident memory of the process that guards one idle Go server under Wine 10, Wine's own share included.";
    let mut report = Report::new("memory-wine", what, "MiB");
    for keeper in KEEPERS {
        match measure(bench, keeper) {
            Ok((resident, anonymous)) => {
                report.row(keeper.name(), resident, "RSS");
                report.row(&format!("{}, anonymous", keeper.name()), anonymous, "RssAnon");
            }
            Err(why) => report.lacks(keeper.name(), why),
        }
    }
    let ours = report.median(Keeper::Mainstay.name());
    report.bound("mainstay, aim", ours, 20.0, "MiB");
    report.bound("mainstay : NSSM", report.ratio(Keeper::Mainstay.name(), Keeper::Nssm.name()), 1.0, "×");
    Ok(vec![report])
}

fn measure(bench: &mut Bench, keeper: Keeper) -> Result<(Vec<f64>, Vec<f64>), Failed> {
    let mut prefix = Prefix::make(bench, keeper)?;
    for number in 1..=SERVICES {
        prefix.serve(&mut bench.stopwatch, &format!("web{number}"), &[])?;
    }
    bench.stopwatch.rest(SETTLED)?;
    let guards = prefix.keepers();
    if guards.len() != SERVICES {
        return Err(format!("found {} guards instead of {SERVICES}", guards.len()).into());
    }
    Ok(guards.iter().filter_map(|&pid| procfs::resident(pid)).map(|(rss, anon)| (rss / 1024.0, anon / 1024.0)).unzip())
}
