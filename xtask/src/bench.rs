//! `xtask bench`: mainstay beside its peers, each bench in one run on one machine, so that the ratios mean something.

mod idle;
mod logs;
mod many;
mod memory;
mod order;
mod peer;
mod procfs;
mod report;
mod restart;
mod start;
mod stopwatch;
mod tools;
mod wine;

use std::path::PathBuf;
use std::time::Instant;

use report::Report;
use stopwatch::Stopwatch;
use tempfile::TempDir;
use tools::Tools;

use crate::Failed;

/// A bench: its name, the row that the others are multiples of, and what runs it.
type Entry = (&'static str, Option<&'static str>, fn(&mut Bench) -> Result<Vec<Report>, Failed>);

const BENCHES: [Entry; 12] = [
    ("restart", Some("bare C loop"), restart::run),
    ("start", Some("bare C loop"), start::run),
    ("memory", None, memory::run),
    ("idle-cpu", None, idle::run),
    ("many", None, many::run),
    ("order", None, order::run),
    ("logs", None, logs::run),
    ("logs-grep", None, logs::grep),
    ("logs-ship", None, logs::ship),
    ("restart-wine", Some("bare loop"), wine::restart::run),
    ("memory-wine", Some("bare loop"), wine::memory::run),
    ("logs-wine", None, logs::wine),
];

/// What every bench needs.
#[derive(Debug)]
pub(crate) struct Bench {
    tools: Tools,
    stopwatch: Stopwatch,
    folder: TempDir,
    folders: usize,
    quick: bool,
}

impl Bench {
    /// How many samples: a tenth with `--quick`.
    fn samples(&self, wanted: usize) -> usize {
        if self.quick { (wanted / 10).max(3) } else { wanted }
    }

    /// A new folder of the bench's own.
    fn folder(&mut self, name: &str) -> Result<PathBuf, Failed> {
        self.folders += 1;
        let folder = self.folder.path().join(format!("{}-{}", name.replace(' ', "-"), self.folders));
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }
}

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    names: Vec<String>,
    quick: bool,
    json: Option<PathBuf>,
    binary: Option<PathBuf>,
    windows_binary: Option<PathBuf>,
}

pub(crate) fn run(options: &[&str]) -> Result<(), Failed> {
    let wish = parse(options)?;
    if std::env::consts::OS != "linux" {
        return Err("cannot bench here: the peers and Wine run on Linux".into());
    }
    let tools = Tools::new(wish.binary, wish.windows_binary)?;
    tools.set_up()?;
    let folder = tempfile::Builder::new().prefix("mainstay-bench-").tempdir()?;
    let stopwatch = Stopwatch::start(&tools, folder.path())?;
    let mut bench = Bench { tools, stopwatch, folder, folders: 0, quick: wish.quick };
    println!("{}\n", procfs::machine());
    let (mut reports, mut failed) = (Vec::new(), Vec::new());
    for (name, floor, body) in BENCHES {
        if !wish.names.is_empty() && !wish.names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let (began, load) = (Instant::now(), procfs::load());
        match body(&mut bench) {
            Ok(found) => {
                for mut report in found {
                    let seconds = began.elapsed().as_secs_f64();
                    report
                        .notes
                        .push(format!("load average before {load}, after {}; took {seconds:.0} s", procfs::load()));
                    println!("{}", report.markdown(floor));
                    reports.push(report);
                }
            }
            Err(why) => {
                println!("### {name}\n\ncould not be measured: {why}\n");
                failed.push(name);
            }
        }
    }
    if let Some(path) = wish.json {
        let all: Vec<_> = reports.iter().map(Report::json).collect();
        std::fs::write(path, serde_json::to_string_pretty(&all)?)?;
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("could not be measured: {}", failed.join(", ")).into()) }
}

fn parse(options: &[&str]) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let mut file = || words.next().map(|file| Some(PathBuf::from(file))).ok_or(format!("{word} wants a FILE"));
        match *word {
            "--quick" => wish.quick = true,
            "--json" => wish.json = file()?,
            "--binary" => wish.binary = file()?,
            "--windows-binary" => wish.windows_binary = file()?,
            name if BENCHES.iter().any(|(known, ..)| *known == name) => wish.names.push(name.to_owned()),
            other => {
                let known: Vec<&str> = BENCHES.iter().map(|(name, ..)| *name).collect();
                return Err(format!("cannot bench {other:?}: want some of {}, --quick, --json FILE", known.join(", ")));
            }
        }
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_any_order() {
        assert_eq!(parse(&[]), Ok(Wish::default()));
        let wish = parse(&["restart", "--json", "x", "--quick", "many"]).unwrap();
        assert_eq!((wish.names.len(), wish.quick, wish.json), (2, true, Some("x".into())));
        assert!(parse(&["restrat"]).unwrap_err().contains("restart, start"));
        assert!(parse(&["--json"]).unwrap_err().contains("FILE"));
    }
}
