//! Services that come after each other, instances one after the other, and a thousand specs: how long, and what is missing meanwhile?

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mainstay_wire::layout::Layout;
use mainstay_wire::record::{Record, What};

use super::Bench;
use super::peer::quiet;
use super::report::Report;
use super::stopwatch::{SIGTERM, Stopwatch};
use super::tools::text;
use crate::Failed;

const LEVELS: usize = 5;
const SERVICES: usize = 200;
const STARTS: usize = 5;
/// As `ready.c` has it.
const READY_AFTER_MS: u32 = 50;
const INSTANCES: u16 = 10;
const SPECS: usize = 1_000;
const VALIDATIONS: usize = 20;
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at one port.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    Ok(vec![start(bench)?, roll(bench)?, validate(bench)?])
}

fn start(bench: &mut Bench) -> Result<Report, Failed> {
    let what = format!(
        "{SERVICES} services in {LEVELS} levels, each after two of the level before, ready {READY_AFTER_MS} ms after their start: from the \
         first order to the last readiness, as the journals have it. The critical path is one such chain of {LEVELS} alone, measured the \
         same way."
    );
    let mut report = Report::new("order: start", what, "ms");
    let samples = bench.samples(STARTS * 2);
    let rows = [("one chain alone", 1), ("200 services", SERVICES / LEVELS)];
    for (who, width) in rows {
        let home = graph(bench, width)?;
        let mut up = Up::begin(bench, &home, width * LEVELS)?;
        let cold = up.last_ready(&home, 0)? - up.began_ms;
        let mut warm = Vec::new();
        for number in 0..samples {
            up.ask(&["stop", "--all", "--json"])?;
            bench.stopwatch.rest(Duration::from_millis(300))?;
            up.ask(&["start", "--all", "--json"])?;
            let run = number as u64 + 2;
            warm.push(up.last_ready(&home, run)? - first_order(&home)?);
        }
        report.row(&format!("{who}: `start --all`"), warm, "guards are there");
        report.row(&format!("{who}: `mainstay up`"), vec![cold], "from the start of `up`, with that of all guards");
        up.stop(&mut bench.stopwatch)?;
    }
    let ratio = report.ratio("200 services: `start --all`", "one chain alone: `start --all`");
    report.bound("200 services : critical path, `start --all`", ratio, 1.2, "×");
    // Nothing is asked of the start of 200 guards' own processes here; `many` measures that of 500.
    Ok(report)
}

fn roll(bench: &mut Bench) -> Result<Report, Failed> {
    let what = format!(
        "`mainstay restart web` of {INSTANCES} instances behind a port each, every port asked every {} ms: at how many ports at once did \
         nobody answer? And how long did it take?",
        LOOK_AGAIN.as_millis()
    );
    let mut report = Report::new("order: rolling restart", what, "ports, ms");
    let first = free_ports(INSTANCES)?;
    let home = Home::make(bench.folder("roll")?)?;
    let last = first + INSTANCES - 1;
    home.spec(
        "web",
        &format!(
            "program = '{}'\nargs = ['listen', '${{MAINSTAY_PORT}}', 'forever']\ninstances = {INSTANCES}\nports = '{first}-{last}'\n\
             [ready]\ntcp = '127.0.0.1:${{MAINSTAY_PORT}}'\n",
            bench.tools.fixture()?.display()
        ),
    )?;
    let mut up = Up::begin(bench, &home, INSTANCES.into())?;
    let (mut missing, mut took) = (Vec::new(), Vec::new());
    for _ in 0..bench.samples(STARTS) {
        let over = Arc::new(AtomicBool::new(false));
        let watches: Vec<_> = (first..=last).map(|port| watch(port, Arc::clone(&over))).collect();
        let began = Instant::now();
        let restarted = up.ask(&["restart", "web"]);
        took.push(began.elapsed().as_secs_f64() * 1e3);
        over.store(true, Ordering::Relaxed);
        let mut gaps = Vec::new();
        for watch in watches {
            gaps.extend(watch.join().map_err(|_| "a watch over a port failed")?);
        }
        restarted?;
        missing.push(most_at_once(&gaps));
    }
    report.bound("ports without an answer at once", missing.iter().copied().reduce(f64::max), 1.0, "ports");
    report.row("ports without an answer at once", missing, "");
    report.row("the whole restart", took, "");
    up.stop(&mut bench.stopwatch)?;
    Ok(report)
}

fn validate(bench: &mut Bench) -> Result<Report, Failed> {
    let what = format!("`mainstay validate` of {SPECS} specs, from its start to its end.");
    let mut report = Report::new("order: validate", what, "ms");
    let home = Home::make(bench.folder("validate")?)?;
    for number in 0..SPECS {
        let after = if number == 0 { String::new() } else { format!("after = ['service-{:04}']\n", number / 2) };
        home.spec(
            &format!("service-{number:04}"),
            &format!(
                "program = '/usr/bin/env'\nargs = ['--port', '{number}']\ngroups = ['shop']\n{after}env = {{ GIN_MODE = 'release' }}\n\
                 [ready]\nhttp = 'http://127.0.0.1:8080/health'\n[restart]\ndelay = '1s'\n[log]\nrotate = {{ size = '10MiB' }}\n"
            ),
        )?;
    }
    let mut samples = Vec::new();
    for _ in 0..bench.samples(VALIDATIONS) {
        let began = Instant::now();
        let mut command = Command::new(bench.tools.mainstay()?);
        let status = quiet(command.args(["--home", &home.text(), "validate"])).status()?;
        samples.push(began.elapsed().as_secs_f64() * 1e3);
        if !status.success() {
            return Err(format!("`mainstay validate` found problems ({status})").into());
        }
    }
    report.row("mainstay", samples, "");
    report.bound("mainstay", report.median("mainstay"), 300.0, "ms");
    Ok(report)
}

/// `width` chains that are also woven into each other.
fn graph(bench: &mut Bench, width: usize) -> Result<Home, Failed> {
    let home = Home::make(bench.folder("graph")?)?;
    let program = bench.tools.program("ready");
    for level in 0..LEVELS {
        for place in 0..width {
            let mut after: Vec<String> = Vec::new();
            if let Some(before) = level.checked_sub(1) {
                after.push(format!("'{}'", name(before, place)));
                after.push(format!("'{}'", name(before, (place + 1) % width)));
                after.dedup();
            }
            let text = format!(
                "program = '{}'\nafter = [{}]\n\
                 [ready]\nlog = 'ready'\n",
                program.display(),
                after.join(", ")
            );
            home.spec(&name(level, place), &text)?;
        }
    }
    Ok(home)
}

fn name(level: usize, place: usize) -> String {
    format!("l{level}-{place:03}")
}

/// A home of mainstay's.
struct Home {
    layout: Layout,
    folder: PathBuf,
}

impl Home {
    fn make(folder: PathBuf) -> Result<Self, Failed> {
        // As mainstay names it.
        let folder = std::fs::canonicalize(folder)?;
        std::fs::create_dir(folder.join("services"))?;
        Ok(Self { layout: Layout::home(&folder), folder })
    }

    fn spec(&self, name: &str, text: &str) -> Result<(), Failed> {
        Ok(std::fs::write(self.layout.spec(name), text)?)
    }

    fn text(&self) -> String {
        text(&self.folder)
    }

    /// What the services' journals say.
    fn journals(&self) -> Result<Vec<Vec<Record>>, Failed> {
        let mut journals = Vec::new();
        for entry in std::fs::read_dir(&self.layout.state)? {
            let name = entry?.file_name();
            let text = std::fs::read(self.layout.journal(&name.to_string_lossy())).unwrap_or_default();
            journals.push(String::from_utf8_lossy(&text).lines().filter_map(Record::parse).collect());
        }
        Ok(journals)
    }
}

/// The moment of the earliest of the last orders to start, in milliseconds of the calendar's clock.
fn first_order(home: &Home) -> Result<f64, Failed> {
    let order = |records: &Vec<Record>| {
        let last = records.iter().rev().find(|r| matches!(&r.what, What::Ordered { verb, .. } if verb == "start"));
        last.map(moment)
    };
    home.journals()?.iter().filter_map(order).reduce(f64::min).ok_or_else(|| "nothing was ordered".into())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age are exact in an f64 to a microsecond")]
fn moment(record: &Record) -> f64 {
    record.time.as_nanosecond() as f64 / 1e6
}

/// A running `mainstay up`.
struct Up {
    child: Child,
    binary: PathBuf,
    folder: PathBuf,
    services: usize,
    /// Just before its start, in milliseconds of the calendar's clock.
    began_ms: f64,
}

impl Up {
    /// Starts it and waits until all of its services are ready.
    fn begin(bench: &mut Bench, home: &Home, services: usize) -> Result<Self, Failed> {
        let binary = bench.tools.mainstay()?;
        let began_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64() * 1e3;
        let child = quiet(Command::new(&binary).arg("up").arg(&home.folder)).spawn()?;
        let up = Self { child, binary, folder: home.folder.clone(), services, began_ms };
        let until = Instant::now() + LIMIT;
        while up.last_ready(home, 1).is_err() {
            if Instant::now() > until {
                return Err(format!("not all of {services} services were ready within {} s", LIMIT.as_secs()).into());
            }
            bench.stopwatch.rest(Duration::from_millis(100))?;
        }
        Ok(up)
    }

    /// When the last service became ready in run `run` or a later one; an error, when not all have.
    fn last_ready(&self, home: &Home, run: u64) -> Result<f64, Failed> {
        let ready = |records: &Vec<Record>| {
            let last = records.iter().rev().find(|r| matches!(&r.what, What::Ready { run: of, .. } if *of >= run));
            last.map(moment)
        };
        let all: Vec<f64> = home.journals()?.iter().filter_map(ready).collect();
        if all.len() < self.services {
            return Err(format!("{} of {} services are ready", all.len(), self.services).into());
        }
        all.into_iter().reduce(f64::max).ok_or_else(|| "no services".into())
    }

    fn ask(&mut self, words: &[&str]) -> Result<(), Failed> {
        let mut command = Command::new(&self.binary);
        let status = quiet(command.arg("--home").arg(&self.folder).args(words)).status()?;
        if status.success() { Ok(()) } else { Err(format!("`mainstay {}` failed: {status}", words.join(" ")).into()) }
    }

    fn stop(mut self, stopwatch: &mut Stopwatch) -> Result<(), Failed> {
        stopwatch.signal(self.child.id(), SIGTERM)?;
        let until = Instant::now() + LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                return Err("`mainstay up` did not end when asked".into());
            }
            stopwatch.rest(Duration::from_millis(5))?;
        }
        Ok(())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Of a bench that failed half-way: guards would outlive their `up`.
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.ask(&["kill", "--all"]));
            let mut command = Command::new("kill");
            drop(quiet(command.arg(self.child.id().to_string())).status());
            drop(self.child.wait());
        }
    }
}

/// From the first to the last attempt in a row that nobody answered: for less long than nobody was there.
type Gap = (Instant, Instant);

/// Asks a port again and again until it is over.
fn watch(port: u16, over: Arc<AtomicBool>) -> thread::JoinHandle<Vec<Gap>> {
    thread::spawn(move || {
        let mut gaps: Vec<Gap> = Vec::new();
        let mut open = false;
        while !over.load(Ordering::Relaxed) {
            let asked = Instant::now();
            match (answers(port), open) {
                (true, _) => open = false,
                (false, true) => gaps.iter_mut().last().into_iter().for_each(|gap| gap.1 = asked),
                (false, false) => {
                    open = true;
                    gaps.push((asked, asked));
                }
            }
            thread::park_timeout(LOOK_AGAIN);
        }
        gaps
    })
}

fn answers(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) else { return false };
    let mut first = [0; 4];
    stream.set_read_timeout(Some(Duration::from_millis(500))).is_ok() && stream.read_exact(&mut first).is_ok()
}

/// At how many ports nobody answered at the same time.
#[expect(clippy::cast_precision_loss, reason = "a handful of ports")]
fn most_at_once(gaps: &[Gap]) -> f64 {
    let at = |moment: Instant| gaps.iter().filter(|(begin, end)| *begin <= moment && moment <= *end).count();
    gaps.iter().map(|(begin, _)| at(*begin)).max().unwrap_or(0) as f64
}

/// So many ports in a row that nobody has. Below those that outgoing connections get.
fn free_ports(count: u16) -> Result<u16, Failed> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let first = (20_000..30_000).step_by(usize::from(count)).find(|first| (*first..first + count).all(is_free));
    first.ok_or_else(|| Failed::from("no free ports"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_count_at_once_only_where_they_meet() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        assert!(most_at_once(&[]).abs() < f64::EPSILON);
        assert!((most_at_once(&[(at(0), at(5)), (at(6), at(9))]) - 1.0).abs() < f64::EPSILON);
        assert!((most_at_once(&[(at(0), at(5)), (at(3), at(9)), (at(8), at(9))]) - 2.0).abs() < f64::EPSILON);
    }
}
