//! Five hundred services: how long until all run, and how long does it take to ask all of them?

use super::Bench;
use super::peer::{Group, Peer};
use super::report::Report;
use crate::Failed;

const SERVICES: usize = 500;
const STARTS: usize = 3;
const QUESTIONS: usize = 20;

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let what =
        format!("From the start of the first process to the moment when the last of {SERVICES} programs executes.");
    let mut started = Report::new("many: start", what, "ms");
    let what = format!("`mainstay status --json` of {SERVICES} services, from its start to its end.");
    let mut asked = Report::new("many: status", what, "ms");
    let mut answers = Vec::new();
    for peer in [Peer::Respawn, Peer::Mainstay, Peer::Runit, Peer::S6, Peer::Supervisord] {
        let mut samples = Vec::new();
        let starts = if peer == Peer::Mainstay { STARTS } else { 1 };
        for _ in 0..starts {
            match Group::start(bench, peer, SERVICES) {
                Ok((group, took)) => {
                    samples.push(took);
                    if peer == Peer::Mainstay && answers.is_empty() {
                        answers = ask(bench, &group)?;
                    }
                    group.stop(&mut bench.stopwatch)?;
                }
                Err(why) => started.lacks(peer.name(), why),
            }
        }
        started.row(peer.name(), samples, note(peer));
    }
    asked.row(Peer::Mainstay.name(), answers, "");
    started.bound("mainstay", started.median(Peer::Mainstay.name()), 5_000.0, "ms");
    asked.bound("mainstay", asked.median(Peer::Mainstay.name()), 100.0, "ms");
    Ok(vec![started, asked])
}

fn note(peer: Peer) -> &'static str {
    match peer {
        Peer::Mainstay => "`mainstay up`",
        Peer::Supervisord => "one process",
        Peer::Respawn | Peer::Runit | Peer::S6 | Peer::Monit | Peer::Pm2 => "started by the bench one after the other",
    }
}

fn ask(bench: &mut Bench, group: &Group) -> Result<Vec<f64>, Failed> {
    let mut samples = Vec::new();
    for _ in 0..bench.samples(QUESTIONS) {
        let began = std::time::Instant::now();
        let status = group.status(&bench.tools)?;
        samples.push(began.elapsed().as_secs_f64() * 1e3);
        let up = status.iter().filter(|service| service.get("state").is_some_and(|state| state == "up")).count();
        if up != SERVICES {
            return Err(format!("{up} of {SERVICES} services are up").into());
        }
    }
    Ok(samples)
}
