//! How log lines look: on a terminal with colours, or as JSON.

use std::io::{self, BufWriter, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use mainstay_logs::entry::{self, Stream};
use mainstay_logs::filter::Pattern;
use mainstay_logs::lines::Line;
use mainstay_wire::level::Level;

use super::Failed;
use crate::{glimpse, term};

/// One after the other for the services; none of them is a level's.
const NAMES: [AnsiColor; 5] =
    [AnsiColor::Cyan, AnsiColor::Magenta, AnsiColor::Blue, AnsiColor::Green, AnsiColor::BrightCyan];

/// Writes lines.
pub(super) struct Show {
    out: BufWriter<AutoStream<io::Stdout>>,
    is_json: bool,
    names: Vec<String>,
    width: usize,
    pattern: Option<Pattern>,
    /// The last second that was shown, as text: most lines share it with the one before.
    second: Option<(i64, String)>,
}

impl Show {
    pub(super) fn new(is_json: bool, names: &[String], pattern: Option<Pattern>) -> Self {
        let out = BufWriter::new(anstream::stdout());
        let width = names.iter().map(String::len).max().unwrap_or_default();
        Self { out, is_json, names: names.to_vec(), width, pattern, second: None }
    }

    /// One line of the service with this number.
    pub(super) fn line(&mut self, service: usize, line: &Line<'_>) -> io::Result<()> {
        let name = self.names.get(service).map(String::as_str).unwrap_or_default();
        let text = String::from_utf8_lossy(line.text);
        if self.is_json {
            let mut object = serde_json::json!({
                "time": std::str::from_utf8(&line.stamp).unwrap_or_default(),
                "service": name,
                "stream": line.stream.word(),
                "level": line.level.map(Level::word),
                "line": text,
            });
            if let (Some(fields), Some(object)) = (fields(line.text), object.as_object_mut()) {
                object.insert("fields".to_owned(), fields);
            }
            return writeln!(self.out, "{object}");
        }
        let mut head = String::new();
        if self.names.len() > 1 {
            let color = NAMES.get(service % NAMES.len()).copied().unwrap_or(AnsiColor::Cyan);
            head = term::paint(color.on_default(), format!("{name:<width$}  ", width = self.width));
        }
        let time = self.time(entry::time(&line.stamp));
        let shown = painted(&text, style(line), self.pattern.as_ref());
        writeln!(self.out, "{time}  {head}{shown}")
    }

    fn time(&mut self, time: Option<Timestamp>) -> String {
        let Some(time) = time else { return String::new() };
        if self.second.as_ref().is_none_or(|(second, _)| *second != time.as_second()) {
            self.second = Some((time.as_second(), term::dim(glimpse::local(time))));
        }
        self.second.as_ref().map(|(_, text)| text.clone()).unwrap_or_default()
    }

    pub(super) fn flush(&mut self) -> Result<(), Failed> {
        self.flush_now().map_err(Failed::Shown)
    }

    pub(super) fn flush_now(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The words carry the meaning, colours only help.
fn style(line: &Line<'_>) -> Style {
    match (line.level, line.stream) {
        (Some(Level::Error | Level::Fatal), _) => AnsiColor::Red.on_default(),
        (Some(Level::Warn), _) | (None, Stream::Stderr) => AnsiColor::Yellow.on_default(),
        (Some(Level::Trace | Level::Debug), _) => Style::new().dimmed(),
        (Some(Level::Info), _) | (None, Stream::Stdout) => Style::new(),
    }
}

/// What a line of JSON says.
fn fields(text: &[u8]) -> Option<serde_json::Value> {
    text.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(text).ok()).flatten()
}

fn painted(text: &str, style: Style, pattern: Option<&Pattern>) -> String {
    let Some(pattern) = pattern else {
        return if style.is_plain() { text.to_owned() } else { term::paint(style, text) };
    };
    let (mut shown, mut from) = (String::new(), 0);
    for place in pattern.places(text.as_bytes()) {
        // A match of bytes need not end where a character does.
        let (Some(before), Some(found)) = (text.get(from..place.start), text.get(place.clone())) else { continue };
        shown += &term::paint(style, before);
        shown += &term::paint(style.bold().underline(), found);
        from = place.end;
    }
    shown + &term::paint(style, text.get(from..).unwrap_or_default())
}
