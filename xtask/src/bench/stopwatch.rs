//! The bench's hands (xtask/bench/stopwatch.c): signals, starts and reports by one clock, without `unsafe` of our own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::tools::Tools;
use crate::Failed;

pub(crate) const SIGTERM: i32 = 15;
pub(crate) const SIGKILL: i32 = 9;

/// A running stopwatch and where programs report to it.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    socket: PathBuf,
}

/// A program told that it runs.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) id: String,
    pub(crate) pid: u32,
    /// Of the stopwatch's clock.
    pub(crate) at_ns: u64,
}

impl Stopwatch {
    pub(crate) fn start(tools: &Tools, folder: &Path) -> Result<Self, Failed> {
        let socket = folder.join("socket");
        let mut child = Command::new(tools.program("stopwatch"))
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| format!("cannot start the stopwatch: {why}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("cannot talk to the stopwatch".into());
        };
        let mut stopwatch = Self { child, stdin, stdout: BufReader::new(stdout), socket };
        stopwatch.now()?; // it listens from here on
        Ok(stopwatch)
    }

    /// Where programs report.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn now(&mut self) -> Result<u64, Failed> {
        Ok(self.ask(&["now"])?.parse()?)
    }

    /// The next program that reports within `limit`.
    pub(crate) fn hear(&mut self, limit: Duration) -> Result<Option<Heard>, Failed> {
        let answer = self.ask(&["hear", &millis(limit)])?;
        let words: Vec<&str> = answer.split(' ').collect();
        match words.as_slice() {
            [id, pid, at] => Ok(Some(Heard { id: (*id).to_owned(), pid: pid.parse()?, at_ns: at.parse()? })),
            _ => Ok(None),
        }
    }

    /// Lets the machine come to rest; what reports meanwhile is no answer to anything.
    pub(crate) fn rest(&mut self, time: Duration) -> Result<(), Failed> {
        let until = self.now()? + u64::try_from(time.as_nanos())?;
        loop {
            let left = until.saturating_sub(self.now()?);
            if left == 0 {
                return Ok(());
            }
            self.hear(Duration::from_nanos(left))?;
        }
    }

    /// Kills `pid` and times the successor that reports as `id`: milliseconds and its pid.
    pub(crate) fn kill(&mut self, pid: u32, id: &str, limit: Duration) -> Result<Option<(f64, u32)>, Failed> {
        let answer = self.ask(&["kill", &pid.to_string(), id, &millis(limit)])?;
        match answer.split_once(' ') {
            Some((ns, pid)) => Ok(Some((ms(ns.parse()?), pid.parse()?))),
            None => Ok(None),
        }
    }

    /// Starts `command` and times the program that reports as `id`: milliseconds (`None`: it never did) and the command's pid.
    pub(crate) fn spawn(
        &mut self,
        id: &str,
        limit: Duration,
        command: &[String],
    ) -> Result<(Option<f64>, u32), Failed> {
        let limit = millis(limit);
        let mut words = vec!["spawn", id, &limit];
        words.extend(command.iter().map(String::as_str));
        let answer = self.ask(&words)?;
        let words: Vec<&str> = answer.split(' ').collect();
        match words.as_slice() {
            [ns, _, child] => Ok((Some(ms(ns.parse()?)), child.parse()?)),
            ["nothing", child] => Ok((None, child.parse()?)),
            _ => Err(format!("cannot understand the stopwatch: {answer}").into()),
        }
    }

    /// `false`: no such process.
    pub(crate) fn signal(&mut self, pid: u32, number: i32) -> Result<bool, Failed> {
        Ok(self.ask(&["signal", &pid.to_string(), &number.to_string()])? == "sent")
    }

    /// Waits for a process to be gone; a child of the stopwatch is reaped by it.
    pub(crate) fn gone(&mut self, pid: u32, limit: Duration) -> Result<bool, Failed> {
        let until = self.now()? + u64::try_from(limit.as_nanos())?;
        while self.signal(pid, 0)? {
            if self.now()? > until {
                return Ok(false);
            }
            self.hear(Duration::from_millis(2))?;
        }
        Ok(true)
    }

    fn ask(&mut self, words: &[&str]) -> Result<String, Failed> {
        if words.iter().any(|word| word.contains(['\t', '\n'])) {
            return Err(format!("cannot pass {words:?} to the stopwatch").into());
        }
        writeln!(self.stdin, "{}", words.join("\t"))?;
        let mut answer = String::new();
        if self.stdout.read_line(&mut answer)? == 0 {
            return Err("the stopwatch has ended".into());
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        // It holds nothing; one that is gone already is fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

#[expect(clippy::cast_precision_loss, reason = "a few seconds in nanoseconds are exact in an f64")]
pub(crate) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
