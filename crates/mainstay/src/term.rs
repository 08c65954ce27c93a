//! What people see: colours only on a terminal (and never with `NO_COLOR`), tables that align wide characters.

use std::fmt::Display;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use mainstay_wire::spec::Problems;
use mainstay_wire::status::State;

/// Colour-blind safe: the words carry the meaning, colours only help.
pub(crate) fn state(state: State) -> String {
    let style = match state {
        State::Up => Style::new().fg_color(Some(AnsiColor::Green.into())),
        State::Waiting | State::Starting | State::Stopping | State::Backoff | State::Paused => {
            Style::new().fg_color(Some(AnsiColor::Yellow.into()))
        }
        State::Quarantined | State::Skipped => Style::new().fg_color(Some(AnsiColor::Red.into())).bold(),
        State::Down | State::Done => Style::new().dimmed(),
    };
    paint(style, state.word())
}

pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

pub(crate) fn dim(text: impl Display) -> String {
    paint(Style::new().dimmed(), text)
}

/// Something that is wrong, in few words.
pub(crate) fn warned(text: impl Display) -> String {
    paint(AnsiColor::Red.on_default(), text)
}

/// Whether lines of box characters are shown as such: everywhere but on a Unix terminal that doesn't speak UTF-8.
pub(crate) fn knows_lines() -> bool {
    let speaks = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| std::env::var(name).ok());
    let first = speaks.filter(|value| !value.is_empty()).map(|value| value.to_ascii_lowercase()).next();
    mainstay_os::NAME == "windows" || first.is_some_and(|value| value.contains("utf-8") || value.contains("utf8"))
}

/// Columns without lines; the first row is the head.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head.to_vec());
    for row in rows {
        table.add_row(row);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().trim_start_matches(' ').to_owned()).collect();
    lines.join("\n")
}

/// Each problem under the line it is about.
pub(crate) fn problems(path: &Path, text: &str, problems: &Problems) -> String {
    let path = path.display().to_string();
    let renderer = Renderer::styled();
    let mut shown = Vec::new();
    for problem in &problems.0 {
        let title = Level::ERROR.primary_title(problem.message.as_str());
        let span = problem.span.start.min(text.len())..problem.span.end.min(text.len());
        let snippet = Snippet::source(text).path(path.as_str()).annotation(AnnotationKind::Primary.span(span));
        let mut group: Group<'_> = title.element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        shown.push(renderer.render(&[group]));
    }
    shown.join("\n")
}
