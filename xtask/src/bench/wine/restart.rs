//! A Windows service crashes: how long until its successor answers?

use std::time::Duration;

use super::{KEEPERS, Keeper, Prefix, Server};
use crate::Failed;
use crate::bench::Bench;
use crate::bench::report::Report;

const CRASHES: usize = 20;
/// NSSM waits when a run was shorter than 1.5 s.
const STABLE: Duration = Duration::from_millis(2_200);
/// Crashes in a row, each as soon as the server is healthy.
const IN_A_ROW: [&str; 3] = ["1st in a row", "2nd in a row", "3rd in a row"];
/// Fresh services that crash in a row.
const ROWS: usize = 3;
/// As many restarts as we like, and a run of 2 s is a stable one.
const OFTEN: [&str; 2] = ["restart.stable-after=2s", "restart.quarantine=never"];

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let what = "A Go server is a Windows service under Wine 10 and ends with code 3: from just before the request that does it to the \
                first healthy answer, asked for every 3 ms. Stable: it ran 2.2 s before.";
    let mut report = Report::new("restart-wine", what, "ms");
    let mut beds = Vec::new();
    for keeper in KEEPERS {
        match Bed::make(bench, keeper) {
            Ok(bed) => beds.push(bed),
            Err(why) => report.lacks(keeper.name(), why),
        }
    }
    for _ in 0..bench.samples(CRASHES) {
        for bed in &mut beds {
            bed.stable.grow(&mut bench.stopwatch, STABLE)?;
            bed.after_stable.push(bed.stable.crash(&mut bench.stopwatch)?);
        }
    }
    for row in 0..ROWS {
        for bed in &mut beds {
            bed.crash_in_a_row(bench, row)?;
        }
    }
    for bed in &beds {
        report.row(bed.keeper.name(), bed.after_stable.clone(), how(bed.keeper));
        for (name, samples) in IN_A_ROW.iter().zip(&bed.in_a_row) {
            report.row(&format!("{}, {name}", bed.keeper.name()), samples.clone(), "");
        }
    }
    bounds(&mut report);
    Ok(vec![report])
}

fn how(keeper: Keeper) -> &'static str {
    match keeper {
        Keeper::Loop => "CreateProcess + WaitForSingleObject, no service",
        Keeper::Nssm => "defaults",
        Keeper::Mainstay => "stable-after = 2s, quarantine = never; in a row: defaults",
    }
}

fn bounds(report: &mut Report) {
    let (ours, theirs) = (Keeper::Mainstay.name(), Keeper::Nssm.name());
    report.bound("mainstay, aim", report.median(ours), 120.0, "ms");
    report.bound("mainstay : NSSM", report.ratio(ours, theirs), 1.0, "×");
    for name in IN_A_ROW {
        let ratio = report.ratio(&format!("{ours}, {name}"), &format!("{theirs}, {name}"));
        report.bound(&format!("mainstay : NSSM, {name}"), ratio, 1.0, "×");
    }
}

/// A candidate in its prefix.
struct Bed {
    keeper: Keeper,
    prefix: Prefix,
    stable: Server,
    after_stable: Vec<f64>,
    in_a_row: [Vec<f64>; 3],
}

impl Bed {
    fn make(bench: &mut Bench, keeper: Keeper) -> Result<Self, Failed> {
        let mut prefix = Prefix::make(bench, keeper)?;
        let stable = prefix.serve(&mut bench.stopwatch, "stable", &OFTEN)?;
        Ok(Self { keeper, prefix, stable, after_stable: Vec::new(), in_a_row: Default::default() })
    }

    fn crash_in_a_row(&mut self, bench: &mut Bench, row: usize) -> Result<(), Failed> {
        let mut server = self.prefix.serve(&mut bench.stopwatch, &format!("row{row}"), &[])?;
        server.grow(&mut bench.stopwatch, STABLE)?;
        for samples in &mut self.in_a_row {
            samples.push(server.crash(&mut bench.stopwatch)?);
        }
        Ok(())
    }
}
