//! Templates filled in.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mainstay_wire::sinks::{Part, Template};

/// What stands for the places of a template.
pub(crate) struct Places<'p> {
    pub(crate) service: &'p str,
    pub(crate) host: &'p str,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) id: &'p str,
}

impl<'p> Places<'p> {
    /// For templates without times and id.
    pub(crate) fn of_service(service: &'p str, host: &'p str, time: Timestamp) -> Self {
        Self { service, host, from: time, to: time, id: "" }
    }

    /// The template's text; years and days are those of the first line, UTC.
    pub(crate) fn fill(&self, template: &Template) -> String {
        let day = TimeZone::UTC.to_datetime(self.from);
        let mut text = String::with_capacity(64);
        for part in &template.0 {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::Service => text.push_str(self.service),
                Part::Host => text.push_str(self.host),
                Part::Year => text.push_str(&format!("{:04}", day.year())),
                Part::Month => text.push_str(&format!("{:02}", day.month())),
                Part::Day => text.push_str(&format!("{:02}", day.day())),
                Part::Hour => text.push_str(&format!("{:02}", day.hour())),
                Part::From => text.push_str(&compact(self.from)),
                Part::To => text.push_str(&compact(self.to)),
                Part::Id => text.push_str(self.id),
            }
        }
        text
    }
}

/// `20261128T070327Z`, the basic format of ISO 8601.
pub(crate) fn compact(time: Timestamp) -> String {
    let at = TimeZone::UTC.to_datetime(time);
    format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", at.year(), at.month(), at.day(), at.hour(), at.minute(), at.second())
}
