//! A program is killed: how long until its successor executes?

use std::time::Duration;

use super::Bench;
use super::peer::{Group, Peer};
use super::report::Report;
use crate::Failed;

/// Kills of each of the quick ones; they take turns.
const KILLS: usize = 200;
/// Not counted: caches are cold.
const WARM_UP: usize = 5;
/// runit starts at once only what ran for a second. So many of its programs are killed in turn that each has.
const IN_TURN: usize = 30;
/// Between a successor's start and the next kill.
const REST: Duration = Duration::from_millis(10);
/// The slow ones: how many kills, and how long a run lasts before. s6 waits a second after every run. monit must have read
/// the new pid before it can miss it.
const ALONE: [(Peer, usize, Duration); 5] = [
    (Peer::Runit, 10, Duration::from_millis(50)),
    (Peer::S6, 20, Duration::from_millis(1_200)),
    (Peer::Pm2, 50, Duration::from_millis(50)),
    (Peer::Supervisord, 20, Duration::from_millis(50)),
    (Peer::Monit, 10, Duration::from_millis(1_300)),
];
/// A successor must come within.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let what = "A program is killed by SIGKILL, from just before the signal to the first instruction of its successor's `main`.";
    let mut report = Report::new("restart", what, "ms");
    in_turns(bench, &mut report)?;
    for (peer, kills, ran) in ALONE {
        let kills = bench.samples(kills);
        alone(bench, &mut report, peer, kills, ran);
    }
    let ratio = report.ratio(Peer::Mainstay.name(), Peer::Respawn.name());
    report.bound("mainstay : bare C loop", ratio, 1.3, "×");
    Ok(vec![report])
}

/// Those that take milliseconds: A B C D A B C D, so that a busy moment of the machine hits all of them.
fn in_turns(bench: &mut Bench, report: &mut Report) -> Result<(), Failed> {
    let mut groups = Vec::new();
    for (peer, count) in [(Peer::Respawn, 1), (Peer::Mainstay, 1), (Peer::Runit, IN_TURN)] {
        match Group::start(bench, peer, count) {
            Ok((group, _)) => groups.push((peer, group, Vec::new())),
            Err(why) => report.lacks(peer.name(), why),
        }
    }
    bench.stopwatch.rest(Duration::from_millis(1500))?;
    for turn in 0..bench.samples(KILLS) + WARM_UP {
        for (_, group, samples) in &mut groups {
            let took = group.kill(&mut bench.stopwatch, turn, LIMIT)?;
            if turn >= WARM_UP {
                samples.push(took);
            }
            bench.stopwatch.rest(REST)?;
        }
    }
    for (peer, group, samples) in groups {
        let how = if group.count() > 1 { format!("{}; ran > 1.2 s", peer.how()) } else { peer.how().to_owned() };
        report.row(peer.name(), samples, &how);
        group.stop(&mut bench.stopwatch)?;
    }
    Ok(())
}

/// One after the other: those that take seconds, or wait because the last run was short.
fn alone(bench: &mut Bench, report: &mut Report, peer: Peer, kills: usize, ran: Duration) {
    let (who, how) = match peer {
        Peer::Runit => ("runit, in a row", "ran < 1 s: it waits a second then"),
        _ => (peer.name(), peer.how()),
    };
    match kill_alone(bench, peer, kills, ran) {
        Ok(samples) => report.row(who, samples, how),
        Err(why) => report.lacks(who, why),
    }
}

fn kill_alone(bench: &mut Bench, peer: Peer, kills: usize, ran: Duration) -> Result<Vec<f64>, Failed> {
    let (mut group, _) = Group::start(bench, peer, 1)?;
    let samples = (0..kills)
        .map(|_| {
            bench.stopwatch.rest(ran)?;
            group.kill(&mut bench.stopwatch, 0, LIMIT)
        })
        .collect();
    group.stop(&mut bench.stopwatch)?;
    samples
}
