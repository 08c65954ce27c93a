//! How much memory do a hundred guards with idle programs take?

use std::time::Duration;

use super::peer::{Group, Peer};
use super::report::Report;
use super::{Bench, procfs};
use crate::Failed;

/// Programs of each candidate.
pub(crate) const GUARDS: usize = 100;
/// Who takes part here and in `idle-cpu`.
pub(crate) const PEERS: [Peer; 5] = [Peer::Respawn, Peer::Mainstay, Peer::Runit, Peer::S6, Peer::Supervisord];
/// What a start leaves to do is done by then.
pub(crate) const SETTLED: Duration = Duration::from_secs(3);

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let what =
        format!("PSS of the guards of {GUARDS} idle programs, per program; neither programs nor `mainstay up` count.");
    let mut report = Report::new("memory", what, "KiB");
    for peer in PEERS {
        match measure(bench, peer) {
            Ok((samples, note)) => report.row(peer.name(), samples, &note),
            Err(why) => report.lacks(peer.name(), why),
        }
    }
    report.bound("mainstay", report.median(Peer::Mainstay.name()), 512.0, "KiB");
    report.bound("mainstay, aim", report.median(Peer::Mainstay.name()), 307.0, "KiB");
    Ok(vec![report])
}

/// PSS of each guard, or of the one process for all divided by the programs.
fn measure(bench: &mut Bench, peer: Peer) -> Result<(Vec<f64>, String), Failed> {
    let (group, _) = Group::start(bench, peer, GUARDS)?;
    bench.stopwatch.rest(SETTLED)?;
    let guards = group.guards(&bench.tools)?;
    let found: Vec<procfs::Memory> = guards.iter().filter_map(|&pid| procfs::memory(pid)).collect();
    group.stop(&mut bench.stopwatch)?;
    let (first, count) = (found.first().copied().unwrap_or_default(), found.len());
    if count == 1 {
        let note = format!("one process of {:.0} KiB for all", first.pss);
        return Ok((vec![first.pss / f64::from(u32::try_from(GUARDS)?)], note));
    }
    if count != GUARDS {
        return Err(format!("found {count} guards instead of {GUARDS}").into());
    }
    let samples = found.iter().map(|memory| memory.pss).collect();
    Ok((samples, format!("of one: RSS {:.0} KiB, private {:.0} KiB", first.rss, first.private)))
}
