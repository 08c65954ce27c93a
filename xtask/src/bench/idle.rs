//! What do a hundred guards do while nothing happens?

use std::time::Duration;

use super::memory::{GUARDS, PEERS, SETTLED};
use super::peer::{Group, Peer};
use super::report::Report;
use super::{Bench, procfs};
use crate::Failed;

const WATCHED: Duration = Duration::from_secs(10);

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let what = format!(
        "Time on a processor of the guards of {GUARDS} idle programs together, in 10 s; all candidates watched at once."
    );
    let mut report = Report::new("idle-cpu", what, "ms");
    let mut groups = Vec::new();
    for peer in PEERS {
        match Group::start(bench, peer, GUARDS) {
            Ok((group, _)) => groups.push((peer, group.guards(&bench.tools)?, group)),
            Err(why) => report.lacks(peer.name(), why),
        }
    }
    bench.stopwatch.rest(SETTLED)?;
    let before: Vec<_> = groups.iter().map(|(_, guards, _)| total(guards)).collect();
    bench.stopwatch.rest(WATCHED)?;
    for ((peer, guards, group), before) in groups.into_iter().zip(before) {
        let after = total(&guards);
        let note = format!("{} processes, {:.0} voluntary context switches", guards.len(), after.1 - before.1);
        report.row(peer.name(), vec![after.0 - before.0], &note);
        group.stop(&mut bench.stopwatch)?;
    }
    report.bound("mainstay", report.median(Peer::Mainstay.name()), 10.0, "ms");
    Ok(vec![report])
}

fn total(guards: &[u32]) -> (f64, f64) {
    guards.iter().filter_map(|&pid| procfs::activity(pid)).fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}
