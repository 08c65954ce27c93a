//! The agent ships a service's log to a receiver of the Fluentd forward protocol that acknowledges every chunk.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::grep::write_log;
use crate::Failed;
use crate::bench::peer::quiet;
use crate::bench::report::Report;
use crate::bench::stopwatch::SIGKILL;
use crate::bench::{Bench, procfs};

/// Files of 64 MiB.
const FILES: u64 = 8;
const TURNS: usize = 3;
/// Everything must be shipped within.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let what = "The agent sends CRI lines of about 130 bytes from files of 64 MiB, in chunks of 5,000 that the receiver acknowledges, each before the next.";
    let mut speed = Report::new("logs-ship", what, "lines/s");
    let mut memory = Report::new("logs-ship: memory", "The most that the agent held meanwhile (VmHWM).", "MiB");
    let (mut wall, mut core, mut peak) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let shipped = turn(bench)?;
        wall.push(shipped.lines / shipped.seconds);
        core.push(shipped.lines / shipped.core_seconds);
        peak.extend(shipped.peak_mib);
    }
    speed.row("a second of time", wall, "the receiver runs on the other core");
    speed.row("a second of one core", core, "all of the agent's threads together");
    speed.least("a second of one core", speed.median("a second of one core"), 100_000.0, "lines/s");
    memory.row("agent", peak, "");
    memory.bound("agent", memory.median("agent"), 64.0, "MiB");
    Ok(vec![speed, memory])
}

struct Shipped {
    lines: f64,
    seconds: f64,
    core_seconds: f64,
    peak_mib: Option<f64>,
}

fn turn(bench: &mut Bench) -> Result<Shipped, Failed> {
    let home = bench.folder("ship")?;
    let logs = home.join("logs/big");
    fs::create_dir_all(&logs)?;
    let files = if bench.quick { 1 } else { FILES };
    let mut lines = 0;
    for number in 0..files {
        lines += write_log(&logs.join(format!("output-20261123T05{number:02}00.000000000Z.log")), number)?;
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut receiver = quiet(Command::new(bench.tools.receiver()?).args(["receive", &port.to_string()])).spawn()?;
    let shipped = ship(bench, &home, port, lines);
    end(bench, &mut receiver)?;
    fs::remove_dir_all(home)?;
    shipped
}

fn ship(bench: &mut Bench, home: &std::path::Path, port: u16, lines: u64) -> Result<Shipped, Failed> {
    let until = Instant::now() + LIMIT;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if Instant::now() > until {
            return Err("the receiver does not listen".into());
        }
        bench.stopwatch.rest(LOOK_EVERY)?;
    }
    fs::write(home.join("agent.toml"), format!("[sinks.main]\ntype = 'fluentd'\naddress = '127.0.0.1:{port}'\n"))?;
    let began = Instant::now();
    let mut agent = quiet(Command::new(bench.tools.mainstay()?).arg("--home").arg(home).arg("agent")).spawn()?;
    let status = home.join("state/.sinks/main.json");
    let sent = || -> Option<u64> {
        serde_json::from_slice::<serde_json::Value>(&fs::read(&status).ok()?).ok()?.get("lines")?.as_u64()
    };
    let mut waited = Ok(());
    while sent() != Some(lines) {
        if Instant::now() > until {
            waited = Err(format!("{:?} of {lines} lines were shipped within {} s", sent(), LIMIT.as_secs()));
            break;
        }
        bench.stopwatch.rest(LOOK_EVERY)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let ran_ms = procfs::activity(agent.id()).map(|(ran, _)| ran);
    let peak_mib = procfs::peak(agent.id()).map(|kib| kib / 1024.0);
    end(bench, &mut agent)?;
    waited?;
    let core_seconds = ran_ms.ok_or("the agent is gone")? / 1e3;
    Ok(Shipped { lines: lines as f64, seconds, core_seconds, peak_mib })
}

fn end(bench: &mut Bench, child: &mut Child) -> Result<(), Failed> {
    bench.stopwatch.signal(child.id(), SIGKILL)?;
    child.wait()?;
    Ok(())
}
