//! `logs`: what programs printed.

mod reading;
mod show;

use std::io::{self, ErrorKind};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mainstay_agent::services::Services;
use mainstay_logs::entry::{self, Stream};
use mainstay_logs::filter::{Filter, Pattern};
use mainstay_logs::lines::Events;
use mainstay_wire::level::Level;
use mainstay_wire::record::What;
use mainstay_wire::units;

use self::reading::Reading;
use self::show::Show;
use super::Context;
use super::records::{self, ago};
use super::select::Names;
use crate::exit;
use crate::failure::Failure;

/// Between two looks at followed files.
pub(crate) const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// A line whose rest does not come is shown as it is after so many looks.
const PATIENCE: u32 = 5;

/// Shown if nothing says how many.
const LINES: u64 = 100;

/// What programs printed.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    names: Names,
    /// Go on with what is printed from now on.
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines; without it 100, or all when a time, a run, a level or a pattern is given.
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,
    /// Not before: 10m (ago), or a time such as 2026-11-23T05:00:00Z or "2026-11-23 05:00".
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Before: as for --since.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "follow")]
    until: Option<Timestamp>,
    /// Only what was printed from the start of this run to that of the next; 0 is the newest run, -1 the one before.
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with_all = ["since", "until", "follow"])]
    run: Option<i64>,
    /// Only lines at least as grave: trace, debug, info, warn, error or fatal.
    #[arg(long, value_parser = level)]
    level: Option<Level>,
    /// Only lines that match a regular expression.
    #[arg(long, value_name = "PATTERN")]
    grep: Option<String>,
    /// Upper and lower case are the same to --grep.
    #[arg(short, long, requires = "grep")]
    ignore_case: bool,
    /// stdout or stderr only.
    #[arg(long, value_parser = ["stdout", "stderr"])]
    stream: Option<String>,
}

impl Logs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let names = self.names.some(context)?;
        let services = Services::read(&context.layout).map_err(Failure::io("read the specs"))?;
        let filter = self.filter()?;
        let mut show = Show::new(context.json, &names, filter.pattern.clone());
        let mut readings = Vec::new();
        for name in &names {
            let multiline = services.spec(name).map(|spec| (spec.log.managed, &spec.log.multiline));
            if let Some((false, _)) = multiline {
                context.warn(&format!(
                    "{name}: `log.managed` is false, so its output is in the files that its spec names, if any"
                ));
            }
            let events = multiline.map_or(Events::Off, |(_, multiline)| Events::of(multiline));
            let filter = self.filter_of(context, name, filter.clone())?;
            readings.push(Reading::new(name, &context.layout.output(name), filter, events, names.len()));
        }
        let told = self.tell(&mut readings, &mut show).and_then(|()| show.flush());
        match told {
            Ok(()) => {}
            // `| head` has seen enough.
            Err(Failed::Shown(error)) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        readings.iter_mut().for_each(|reading| warn_of_gap(context, reading));
        let unknown: u64 = readings.iter().map(Reading::unknown).sum();
        if unknown > 0 {
            context.warn(&format!("{unknown} lines name no level and are left out"));
        }
        if !self.follow {
            return Ok(());
        }
        match follow(context, &mut readings, &mut show).await {
            Failed::Shown(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            error => Err(error.into()),
        }
    }

    /// What is the same for all services.
    fn filter(&self) -> Result<Filter, Failure> {
        let pattern = self.grep.as_deref().map(|text| Pattern::new(text, self.ignore_case)).transpose();
        let pattern = pattern.map_err(|error| Failure::new(exit::USAGE, error))?;
        let stream = self.stream.as_deref().map(|word| if word == "stdout" { Stream::Stdout } else { Stream::Stderr });
        // Without an end a program that prints faster than we show would keep us here for ever.
        let until = self.until.or_else(|| (!self.follow).then(Timestamp::now)).map(entry::stamp);
        Ok(Filter { since: self.since.map(entry::stamp), until, stream, level: self.level, pattern })
    }

    fn filter_of(&self, context: &Context, name: &str, filter: Filter) -> Result<Filter, Failure> {
        let Some(wanted) = self.run else { return Ok(filter) };
        let starts: Vec<(u64, Timestamp)> = records::all(context, name)
            .into_iter()
            .filter_map(|record| match record.what {
                What::Starting { run, .. } => Some((run, record.time)),
                _ => None,
            })
            .collect();
        let place = match u64::try_from(wanted) {
            Ok(run @ 1..) => starts.iter().position(|(one, _)| *one == run),
            _ => usize::try_from(wanted.unsigned_abs()).ok().and_then(|back| starts.len().checked_sub(back + 1)),
        };
        let Some((place, (_, since))) = place.and_then(|place| Some((place, starts.get(place)?))) else {
            let kept = match (starts.first(), starts.last()) {
                (Some((first, _)), Some((last, _))) => format!("its journal knows runs {first} to {last}"),
                _ => "it has not run yet".to_owned(),
            };
            return Err(Failure::failed(format!("cannot find run {wanted} of {name}: {kept}")));
        };
        let next = starts.get(place + 1).map(|(_, time)| entry::stamp(*time));
        Ok(Filter { since: Some(entry::stamp(*since)), until: next.or(filter.until), ..filter })
    }

    /// How many of the last lines; all of them without a number.
    fn last(&self) -> Option<u64> {
        let is_narrow = self.since.is_some()
            || self.until.is_some()
            || self.run.is_some()
            || self.level.is_some()
            || self.grep.is_some();
        self.lines.or_else(|| (!is_narrow).then_some(LINES))
    }

    fn tell(&self, readings: &mut [Reading], show: &mut Show) -> Result<(), Failed> {
        let mut skip = 0;
        if let Some(last) = self.last() {
            let mut found = 0;
            for reading in readings.iter_mut() {
                found += reading.begin_at_last(last)?;
            }
            skip = found.saturating_sub(last);
        }
        if let [reading] = readings {
            return reading.each(&mut |line| {
                let is_skipped = skip > 0;
                skip = skip.saturating_sub(1);
                if is_skipped { Ok(()) } else { show.line(0, &line) }
            });
        }
        // The service whose next line is the oldest comes first.
        let next = |reading: &mut Reading| reading.next();
        let mut heads = Vec::new();
        for reading in readings.iter_mut() {
            heads.push(next(reading)?);
        }
        loop {
            let stamps = heads.iter().enumerate().filter_map(|(n, head)| head.as_ref().map(|head| (head.stamp, n)));
            let Some((_, first)) = stamps.min() else { return Ok(()) };
            let (Some(head), Some(reading)) = (heads.get_mut(first), readings.get_mut(first)) else { return Ok(()) };
            let line = std::mem::replace(head, next(reading)?);
            if skip > 0 {
                skip -= 1;
            } else if let Some(line) = line {
                show.line(first, &line.line()).map_err(Failed::Shown)?;
            }
        }
    }
}

/// Shows what comes, until the output is closed.
async fn follow(context: &Context, readings: &mut [Reading], show: &mut Show) -> Failed {
    let mut turn = tokio::time::interval(FOLLOW_EVERY);
    loop {
        turn.tick().await;
        let mut lines = Vec::new();
        for (n, reading) in readings.iter_mut().enumerate() {
            match reading.new_lines(PATIENCE) {
                Ok(new) => lines.extend(new.into_iter().map(|line| (n, line))),
                Err(error) => return error,
            }
            warn_of_gap(context, reading);
        }
        lines.sort_by_key(|(_, line)| line.stamp);
        let shown = lines.iter().try_for_each(|(n, line)| show.line(*n, &line.line())).and_then(|()| show.flush_now());
        if let Err(error) = shown {
            return Failed::Shown(error);
        }
    }
}

fn warn_of_gap(context: &Context, reading: &mut Reading) {
    if reading.take_gap() {
        let why = "their files were removed before they were read, or can't be unpacked";
        context.warn(&format!("{}: lines are missing here: {why}", reading.name()));
    }
}

/// What may fail between a file and the screen.
#[derive(Debug)]
enum Failed {
    Read { name: String, error: io::Error },
    Shown(io::Error),
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Read { name, error } => Failure::io(format!("read the log of {name}"))(error),
            Failed::Shown(error) => Failure::io("write")(error),
        }
    }
}

fn level(text: &str) -> Result<Level, String> {
    let known = Level::ALL.into_iter().find(|level| level.word() == text.to_ascii_lowercase());
    known.ok_or_else(|| format!("`{text}` is no level: write {}", Level::ALL.map(Level::word).join(", ")))
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
