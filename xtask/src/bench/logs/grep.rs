//! `mainstay logs --grep` over files that were set aside and packed.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::MIB;
use crate::Failed;
use crate::bench::Bench;
use crate::bench::report::Report;
use crate::bench::tools::text;

const PLAIN_BYTES: u64 = 10 << 30;
const FILE_BYTES: u64 = 64 * MIB;
/// Files that differ; the others are links to them, under names of their own.
const DISTINCT: u64 = 8;
const TURNS: usize = 3;
/// In one line of the last file.
const NEEDLE: &str = "needle-in-the-hay";

pub(crate) fn run(bench: &mut Bench) -> Result<Vec<Report>, Failed> {
    let plain_bytes = if bench.quick { PLAIN_BYTES / 10 } else { PLAIN_BYTES };
    let home = bench.folder("grep")?;
    let logs = home.join("logs/big");
    fs::create_dir_all(&logs)?;
    fs::create_dir_all(home.join("services"))?;
    fs::write(home.join("services/big.toml"), "program = '/bin/true'\n")?;
    let mainstay = bench.tools.mainstay()?;
    let files = plain_bytes / FILE_BYTES;
    let name = |number: u64| format!("output-20261123T{:02}{:02}00.000000000Z.log", number / 60, number % 60);
    for number in 0..DISTINCT.min(files) {
        write_log(&logs.join(name(number)), number)?;
    }
    let packed = Command::new(&mainstay).args(["__pack", "zstd"]).arg(logs.join("output.log")).status()?;
    if !packed.success() {
        return Err(format!("cannot pack: {packed}").into());
    }
    let packed = |number: u64| logs.join(name(number) + ".zst");
    for number in DISTINCT..files {
        fs::hard_link(packed(number % DISTINCT), packed(number))?;
    }
    let size: u64 = (0..DISTINCT).filter_map(|number| Some(fs::metadata(packed(number)).ok()?.len())).sum();
    let what = format!(
        "One line is looked for in {} MiB of CRI lines, in files of 64 MiB packed by mainstay itself ({:.1} : 1), on one core.",
        plain_bytes / MIB,
        (DISTINCT * FILE_BYTES) as f64 / size as f64
    );
    let mut report = Report::new("logs-grep", what, "MB/s");
    let all: Vec<String> = (0..files).map(|number| text(&packed(number))).collect();
    let home = text(&home);
    let ours = ["--home", &home, "logs", "big", "--grep"];
    let candidates: [(&str, &str, Vec<String>, String); 4] = [
        (
            "mainstay, a word",
            "`logs --grep needle-in-the-hay`",
            [&ours[..], &[NEEDLE]].concat().iter().map(|w| (*w).to_owned()).collect(),
            text(&mainstay),
        ),
        (
            "mainstay, a pattern",
            "`logs --grep 'needle-[a-z]+-the'`",
            [&ours[..], &["needle-[a-z]+-the"]].concat().iter().map(|w| (*w).to_owned()).collect(),
            text(&mainstay),
        ),
        (
            "`zstd -dc | grep`",
            "LC_ALL=C, two processes on two cores",
            vec!["-c".to_owned(), format!("zstd -dc {} | LC_ALL=C grep {NEEDLE}", all.join(" "))],
            "sh".to_owned(),
        ),
        (
            "`zstd -dc > /dev/null`",
            "unpacking alone",
            vec!["-c".to_owned(), format!("zstd -dc {} > /dev/null", all.join(" "))],
            "sh".to_owned(),
        ),
    ];
    for (who, how, args, program) in candidates {
        let mut samples = Vec::new();
        for _ in 0..TURNS {
            let began = Instant::now();
            let output = Command::new(&program).args(&args).stdin(Stdio::null()).output()?;
            samples.push(plain_bytes as f64 / began.elapsed().as_secs_f64() / 1e6);
            let found = String::from_utf8_lossy(&output.stdout).lines().count() as u64;
            if !output.status.success() || (!who.contains("null") && found != files / DISTINCT) {
                report.lacks(who, format!("it found {found} lines: {}", String::from_utf8_lossy(&output.stderr)));
                samples.clear();
                break;
            }
        }
        report.row(who, samples, how);
    }
    report.least("mainstay, a word", report.median("mainstay, a word"), 1000.0, "MB/s");
    report.least("mainstay, a pattern", report.median("mainstay, a pattern"), 1000.0, "MB/s");
    Ok(vec![report])
}

/// Lines as servers print them, no two alike; how many.
pub(super) fn write_log(path: &Path, number: u64) -> Result<u64, Failed> {
    let mut file = BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    let (mut written, mut line, mut seed) = (0, 0_u64, number + 1);
    while written < FILE_BYTES {
        // A linear congruential generator with Knuth's numbers: the same files on every machine.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (random, status) = (seed >> 33, if seed >> 60 == 7 { 500 } else { 200 });
        let needle = if number == DISTINCT - 1 && line == 100_000 { NEEDLE } else { "" };
        let (minute, second, nano) =
            (line / 60_000 % 60, line / 1000 % 60, line % 1000 * 1_000_000 + random % 1_000_000);
        let text = format!(
            "2026-11-23T05:{minute:02}:{second:02}.{nano:09}Z stdout F INFO request id={random:08x} path=/api/v1/orders/{} status={status} took={}us{needle}\n",
            random % 100_000,
            random % 9_973,
        );
        file.write_all(text.as_bytes())?;
        written += text.len() as u64;
        line += 1;
    }
    file.flush()?;
    Ok(line)
}
