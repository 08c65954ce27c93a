//! Names with places to fill in: `app.{service}`, `{yyyy}/{mm}/{dd}`.

/// A text with places to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

/// A piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// The service's name.
    Service,
    /// The machine's name.
    Host,
    /// The year, UTC.
    Year,
    /// The month.
    Month,
    /// The day of the month.
    Day,
    /// The hour.
    Hour,
    /// The time of the first line.
    From,
    /// The time of the last line.
    To,
    /// What names the batch.
    Id,
}

/// Every place with its name.
const NAMES: [(&str, Part); 9] = [
    ("service", Part::Service),
    ("host", Part::Host),
    ("yyyy", Part::Year),
    ("mm", Part::Month),
    ("dd", Part::Day),
    ("hh", Part::Hour),
    ("from", Part::From),
    ("to", Part::To),
    ("id", Part::Id),
];

impl Template {
    /// Reads a text in which only the places of `allowed` may stand.
    ///
    /// # Errors
    /// Says which place is unknown, and which there are.
    pub fn parse(text: &str, allowed: &[&str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, behind)) = behind.split_once('}') else {
                return Err(format!("`{text}` has a {{ without its }}"));
            };
            let known = NAMES.iter().find(|(known, _)| *known == name && allowed.contains(known));
            let Some((_, part)) = known else {
                let choice: Vec<String> = allowed.iter().map(|name| format!("{{{name}}}")).collect();
                return Err(format!("there is no `{{{name}}}` here; it can be {}", choice.join(", ")));
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(part.clone());
            rest = behind;
        }
        if rest.contains('}') {
            return Err(format!("`{text}` has a }} without its {{"));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(Self(parts))
    }

    /// Whether this place is in it.
    #[must_use]
    pub fn has(&self, part: &Part) -> bool {
        self.0.contains(part)
    }

    /// Its texts alone, as they stand.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }
}
