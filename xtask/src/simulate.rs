//! `xtask sim`: many simulated worlds, or one failure again.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use mainstay_sim::{Failure, Stats, journal, replay};

use crate::{Failed, workspace};

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Worlds { first: u64, seeds: u64, steps: u64 },
    Replay { file: PathBuf },
}

const SEEDS: u64 = 1_000;
const STEPS: u64 = 2_000;

pub(crate) fn run(options: &[&str]) -> Result<(), Failed> {
    match parse(options)? {
        Wish::Worlds { first, seeds, steps } => live(first, seeds, steps),
        Wish::Replay { file } => again(&file),
    }
}

fn parse(options: &[&str]) -> Result<Wish, String> {
    if let ["--replay", file] = options {
        return Ok(Wish::Replay { file: file.into() });
    }
    let (mut first, mut seeds, mut steps) = (0, SEEDS, STEPS);
    for pair in options.chunks(2) {
        let [name, value] = pair else { return Err(format!("cannot read {pair:?}: the number is missing")) };
        let target = match *name {
            "--first" => &mut first,
            "--seeds" => &mut seeds,
            "--steps" => &mut steps,
            _ => return Err(format!("cannot read {name:?}: want --seeds N, --steps M, --first S or --replay FILE")),
        };
        *target = value.parse().map_err(|_| format!("cannot read {value:?} as a number for {name}"))?;
    }
    Ok(Wish::Worlds { first, seeds, steps })
}

/// Lives through every world and tells of each that failed; the first one's lines are kept in a file.
fn live(first: u64, seeds: u64, steps: u64) -> Result<(), Failed> {
    let began = Instant::now();
    let (mut total, mut failures) = (Stats::default(), Vec::new());
    for seed in first..first.saturating_add(seeds) {
        match mainstay_sim::run(seed, steps) {
            Ok(stats) => total += stats,
            Err(failure) => failures.push(failure),
        }
    }
    if let Some(failure) = failures.first() {
        let kept = keep(failure)?;
        let told: Vec<String> = failures.iter().take(FAILURES_TOLD).map(|failure| failure.to_string()).collect();
        let told = told.join("\n");
        return Err(format!(
            "{} of {seeds} worlds failed\n{told}  or: cargo xtask sim --replay {kept}",
            failures.len()
        )
        .into());
    }
    println!("{seeds} worlds in {:.1} s: {total}", began.elapsed().as_secs_f64());
    Ok(())
}

/// More than these are told only as a number.
const FAILURES_TOLD: usize = 3;

/// Keeps the lines of a failure where `--replay` and a person find them.
fn keep(failure: &Failure) -> Result<String, Failed> {
    let name = format!("sim-{}.txt", failure.seed.unwrap_or_default());
    let folder = workspace::root().join("target");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(&name), journal::write(&failure.why, &failure.lines))?;
    Ok(format!("target/{name}"))
}

fn again(file: &PathBuf) -> Result<(), Failed> {
    let text = fs::read_to_string(file).map_err(|why| format!("cannot read {}: {why}", file.display()))?;
    let lines = journal::read(&text).map_err(|why| format!("{}: {why}", file.display()))?;
    let stats = replay(&lines).map_err(|failure| failure.to_string())?;
    println!("nothing broke: {stats}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_any_order() {
        assert_eq!(parse(&[]), Ok(Wish::Worlds { first: 0, seeds: SEEDS, steps: STEPS }));
        let all = parse(&["--steps", "9", "--first", "7", "--seeds", "2"]);
        assert_eq!(all, Ok(Wish::Worlds { first: 7, seeds: 2, steps: 9 }));
        assert_eq!(parse(&["--replay", "x"]), Ok(Wish::Replay { file: "x".into() }));
        assert!(parse(&["--seeds"]).unwrap_err().contains("missing"));
        assert!(parse(&["--seeds", "many"]).unwrap_err().contains("as a number"));
        assert!(parse(&["--sleds", "1"]).unwrap_err().contains("--replay"));
    }
}
