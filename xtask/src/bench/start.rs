//! How long from the start of a guard's process to its program executing?

use std::time::Duration;

use super::Bench;
use super::peer::{Layout, Peer};
use super::report::Report;
use super::stopwatch::SIGTERM;
use super::tools::{Tools, text};
use crate::Failed;

const STARTS: usize = 50;
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let what = "From just before the start of the guard's process to the first instruction of its program's `main`.";
    let mut report = Report::new("start", what, "ms");
    let count = bench.samples(STARTS);
    let mut candidates = Vec::new();
    for peer in [Peer::Respawn, Peer::Mainstay, Peer::Runit, Peer::S6] {
        let (socket, folder) = (text(bench.stopwatch.socket()), bench.folder(peer.name())?);
        let layout = Layout::make(&bench.tools, &folder, peer, &socket, count)?;
        match (0..count).map(|number| command(&bench.tools, peer, &layout, &socket, number)).collect() {
            Ok(commands) => {
                let commands: Vec<Vec<String>> = commands;
                candidates.push((peer, layout, commands, Vec::new()));
            }
            Err(why) => report.lacks(peer.name(), why),
        }
    }
    for number in 0..count {
        for (peer, layout, commands, samples) in &mut candidates {
            let (Some((id, _)), Some(command)) = (layout.programs.get(number), commands.get(number)) else { continue };
            let (took, child) = bench.stopwatch.spawn(id, LIMIT, command)?;
            samples.push(took.ok_or_else(|| format!("{}: the program did not start", peer.name()))?);
            bench.stopwatch.rest(Duration::from_millis(20))?;
            bench.stopwatch.signal(child, SIGTERM)?;
            if !bench.stopwatch.gone(child, LIMIT)? {
                return Err(format!("{} (pid {child}) did not end", peer.name()).into());
            }
        }
    }
    for (peer, _, _, samples) in candidates {
        report.row(peer.name(), samples, if peer == Peer::Mainstay { "first start of a new service" } else { "" });
    }
    report.bound("mainstay", report.median(Peer::Mainstay.name()), 10.0, "ms");
    Ok(vec![report])
}

fn command(tools: &Tools, peer: Peer, layout: &Layout, socket: &str, number: usize) -> Result<Vec<String>, Failed> {
    let (id, folder) = layout.programs.get(number).ok_or("no such program")?;
    Ok(match peer {
        Peer::Mainstay => {
            let words = ["guard", id, "--owner", "up", "--home"].map(str::to_owned);
            [vec![text(&tools.mainstay()?)], words.to_vec(), vec![text(&layout.folder)]].concat()
        }
        Peer::Runit | Peer::S6 => vec![
            format!("BENCH_SOCKET={socket}"),
            format!("BENCH_ID={id}"),
            format!("LD_LIBRARY_PATH={}", tools.debian_libraries().display()),
            text(&layout.keeper(tools)?),
            text(folder),
        ],
        Peer::Respawn | Peer::Supervisord | Peer::Monit | Peer::Pm2 => {
            vec![text(&tools.program("respawn")), text(&tools.program("program")), socket.to_owned(), id.clone()]
        }
    })
}
