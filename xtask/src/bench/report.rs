//! What a bench found: rows of samples, the bounds they are held against, and what could not be had. As Markdown and as JSON.

use serde_json::{Value, json};

/// One bench's table.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) name: &'static str,
    /// What is measured, from where to where.
    pub(crate) what: String,
    /// Of every sample.
    pub(crate) unit: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) bounds: Vec<Bound>,
    pub(crate) notes: Vec<String>,
}

/// What one candidate did.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) who: String,
    pub(crate) samples: Vec<f64>,
    /// How it was set, where that matters.
    pub(crate) note: String,
}

/// What must be reached.
#[derive(Debug)]
pub(crate) struct Bound {
    /// What is compared, such as `mainstay : bare loop`.
    pub(crate) what: String,
    pub(crate) found: f64,
    pub(crate) limit: Limit,
    pub(crate) unit: &'static str,
}

/// On which side of it a number must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    Most(f64),
    Least(f64),
}

impl Limit {
    fn allows(self, found: f64) -> bool {
        match self {
            Self::Most(most) => found <= most,
            Self::Least(least) => found >= least,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Most(most) => format!("≤ {}", number(most)),
            Self::Least(least) => format!("≥ {}", number(least)),
        }
    }
}

impl Report {
    pub(crate) fn new(name: &'static str, what: impl Into<String>, unit: &'static str) -> Self {
        Self { name, what: what.into(), unit, rows: Vec::new(), bounds: Vec::new(), notes: Vec::new() }
    }

    /// A row without samples says only that nothing could be measured.
    pub(crate) fn row(&mut self, who: &str, samples: Vec<f64>, note: &str) {
        self.rows.push(Row { who: who.to_owned(), samples, note: note.to_owned() });
    }

    pub(crate) fn lacks(&mut self, who: &str, why: impl std::fmt::Display) {
        self.notes.push(format!("{who}: not measured: {why}"));
    }

    pub(crate) fn bound(&mut self, what: &str, found: Option<f64>, most: f64, unit: &'static str) {
        self.hold(what, found, Limit::Most(most), unit);
    }

    /// Where more is better.
    pub(crate) fn least(&mut self, what: &str, found: Option<f64>, least: f64, unit: &'static str) {
        self.hold(what, found, Limit::Least(least), unit);
    }

    fn hold(&mut self, what: &str, found: Option<f64>, limit: Limit, unit: &'static str) {
        match found {
            Some(found) => self.bounds.push(Bound { what: what.to_owned(), found, limit, unit }),
            None => self.notes.push(format!("{what} {}: could not be measured", limit.words())),
        }
    }

    /// The median of a row.
    pub(crate) fn median(&self, who: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.who == who).and_then(|row| median(&row.samples))
    }

    /// The quotient of two medians.
    pub(crate) fn ratio(&self, who: &str, to: &str) -> Option<f64> {
        self.median(who).zip(self.median(to)).map(|(who, to)| who / to)
    }

    /// `floor` is the row that the others are shown as multiples of.
    pub(crate) fn markdown(&self, floor: Option<&str>) -> String {
        let floor = floor.and_then(|floor| self.median(floor));
        let titles = ["", &format!("median, {}", self.unit), "min – max", "n", "× floor", "how"].map(str::to_owned);
        let mut table = vec![titles.to_vec()];
        table.extend(self.rows.iter().map(|row| row.cells(floor)));
        if floor.is_none() {
            for cells in &mut table {
                cells.remove(TIMES);
            }
        }
        let mut text = format!("### {}\n\n{}\n\n{}", self.name, self.what, lined_up(&table));
        for bound in &self.bounds {
            text.push_str(&format!("\n* {}", bound.words()));
        }
        for note in &self.notes {
            text.push_str(&format!("\n* {note}"));
        }
        text.push('\n');
        text
    }

    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| json!({ "who": row.who, "median": median(&row.samples), "samples": row.samples, "note": row.note }))
            .collect();
        let bounds: Vec<Value> = self
            .bounds
            .iter()
            .map(|b| json!({ "what": b.what, "found": b.found, "limit": b.limit.words(), "unit": b.unit, "met": b.is_met() }))
            .collect();
        json!({ "name": self.name, "what": self.what, "unit": self.unit, "rows": rows, "bounds": bounds, "notes": self.notes })
    }
}

/// The column that only a table with a floor has.
const TIMES: usize = 4;

impl Row {
    fn cells(&self, floor: Option<f64>) -> Vec<String> {
        let times = median(&self.samples).zip(floor).map_or(String::new(), |(own, floor)| number(own / floor));
        let shown = |value: Option<f64>| value.map_or("–".to_owned(), number);
        let least = self.samples.iter().copied().reduce(f64::min);
        let most = self.samples.iter().copied().reduce(f64::max);
        let count = self.samples.len().to_string();
        let range = format!("{} – {}", shown(least), shown(most));
        vec![self.who.clone(), shown(median(&self.samples)), range, count, times, self.note.clone()]
    }
}

impl Bound {
    fn is_met(&self) -> bool {
        self.limit.allows(self.found)
    }

    fn words(&self) -> String {
        let verdict = if self.is_met() { "met" } else { "**missed**" };
        let Self { what, found, limit, unit } = self;
        format!("{what}: {} {unit}, must be {} {unit}: {verdict}", number(*found), limit.words())
    }
}

/// The middle one, or the mean of the middle two.
pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, upper)) }
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.0095 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A Markdown table that can be read without rendering.
fn lined_up(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(|column| width(column).max(3)).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Words to the left, numbers to the right.
            let word = column == 0 || column + 1 == columns;
            text.push_str(&if word { format!("| {cell:<width$} ") } else { format!("| {cell:>width$} ") });
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let right = column > 0 && column + 1 < columns;
                text.push_str(&format!("|{}{}", "-".repeat(width + 1), if right { ":" } else { "-" }));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_report_says_what_was_met_missed_and_not_had() {
        let mut report = Report::new("restart", "killed → executing", "ms");
        report.row("bare loop", vec![1.0, 1.0, 1.5], "");
        report.row("mainstay", vec![1.5, 1.2, 1.3], "no back-off");
        report.bound("mainstay : bare loop", report.ratio("mainstay", "bare loop"), 1.2, "×");
        report.bound("runit : bare loop", report.ratio("runit", "bare loop"), 2.0, "×");
        report.lacks("runit", "it is not there");
        let text = report.markdown(Some("bare loop"));
        assert!(text.contains("| mainstay  |       1.30 | 1.20 – 1.50 |   3 |    1.30 | no back-off |\n"), "{text}");
        assert!(text.contains("* mainstay : bare loop: 1.30 ×, must be ≤ 1.20 ×: **missed**\n"), "{text}");
        assert!(
            text.contains(
                "* runit : bare loop ≤ 2.00: could not be measured\n* runit: not measured: it is not there\n"
            )
        );
        assert_eq!(report.json().pointer("/bounds/0/met"), Some(&Value::Bool(false)));
    }
}
