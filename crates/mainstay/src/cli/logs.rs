//! `logs`: what programs printed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mainstay_agent::follow::Follower;
use mainstay_wire::cri::Entry;
use mainstay_wire::units;

use super::Context;
use super::records::ago;
use super::select::Names;
use crate::failure::Failure;
use crate::{glimpse, term};

/// Between two looks at followed files.
pub(crate) const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// What programs printed.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    names: Names,
    /// Go on with what is printed from now on.
    #[arg(short, long)]
    follow: bool,
    /// The last N lines.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: usize,
    /// Only later lines: 10m (ago), or a time such as 2026-11-23T05:00:00Z or "2026-11-23 05:00".
    #[arg(long, value_parser = moment)]
    since: Option<Timestamp>,
    /// stdout or stderr only.
    #[arg(long, value_parser = ["stdout", "stderr"])]
    stream: Option<String>,
}

impl Logs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let names = self.names.some(context)?;
        let mut followed: Vec<(String, Follower)> =
            names.iter().map(|name| (name.clone(), Follower::from_end(&context.layout.output(name)))).collect();
        let mut lines: Vec<(String, Entry)> = Vec::new();
        for name in &names {
            lines.extend(self.kept(context, name)?.into_iter().map(|entry| (name.clone(), entry)));
        }
        lines.sort_by_key(|(_, entry)| entry.time);
        let skip = lines.len().saturating_sub(self.lines);
        let width = names.iter().map(String::len).max().filter(|_| names.len() > 1);
        lines.iter().skip(skip).for_each(|(name, entry)| print(context, name, entry, width));
        if !self.follow {
            return Ok(());
        }
        let mut turn = tokio::time::interval(FOLLOW_EVERY);
        loop {
            turn.tick().await;
            for (name, follower) in &mut followed {
                let lines = follower.lines().map_err(Failure::io(format!("read the log of {name}")))?;
                let entries = lines.iter().filter_map(|line| Entry::parse(line));
                entries.filter(|entry| self.wants(entry)).for_each(|entry| print(context, name, &entry, width));
            }
        }
    }

    /// The last lines of a service, read from the newest file back only as far as they reach.
    fn kept(&self, context: &Context, name: &str) -> Result<Vec<Entry>, Failure> {
        let mut kept: Vec<Entry> = Vec::new();
        for file in files(&context.layout.output(name)).into_iter().rev() {
            let bytes = std::fs::read(&file).map_err(Failure::io(format!("read {}", file.display())))?;
            let mut older: Vec<Entry> = bytes.split(|byte| *byte == b'\n').filter_map(Entry::parse).collect();
            let reaches = older.first().is_some_and(|first| self.since.is_some_and(|since| first.time < since));
            older.retain(|entry| self.wants(entry));
            older.append(&mut kept);
            kept = older;
            if reaches || kept.len() >= self.lines {
                break;
            }
        }
        Ok(kept.split_off(kept.len().saturating_sub(self.lines)))
    }

    fn wants(&self, entry: &Entry) -> bool {
        let of_stream = self.stream.as_ref().is_none_or(|stream| *stream == entry.stream);
        of_stream && self.since.is_none_or(|since| entry.time >= since)
    }
}

/// The current file and those set aside, oldest first.
fn files(current: &Path) -> Vec<PathBuf> {
    let entries = current.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("output-")));
    files.sort();
    if current.exists() {
        files.push(current.to_owned());
    }
    files
}

fn print(context: &Context, name: &str, entry: &Entry, width: Option<usize>) {
    if context.json {
        let line = serde_json::json!({
            "time": entry.time, "service": name, "stream": entry.stream, "partial": entry.partial, "line": entry.text(),
        });
        anstream::println!("{line}");
        return;
    }
    let name = width.map(|width| format!("{name:<width$}  ")).unwrap_or_default();
    let text = entry.text();
    let text = if entry.stream == "stderr" { term::paint(anstyle::AnsiColor::Yellow.on_default(), text) } else { text };
    anstream::println!("{}  {name}{text}", term::dim(glimpse::local(entry.time)));
}

/// `10m` (ago), a full time, or a local one.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(age) = units::duration(text) {
        return ago(age).ok_or_else(|| format!("`{text}` is too long ago"));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let civil = text
        .parse::<DateTime>()
        .map_err(|_| format!("`{text}` is no time: write 10m, 2026-11-23T05:00:00Z or \"2026-11-23 05:00\""))?;
    civil.to_zoned(TimeZone::system()).map(|zoned| zoned.timestamp()).map_err(|error| error.to_string())
}
