//! Which lines somebody asked for.

use mainstay_wire::level::Level;
use regex::bytes::{Regex, RegexBuilder};

use crate::entry::{Stamp, Stream};
use crate::lines::Line;

/// All that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not before this.
    pub since: Option<Stamp>,
    /// Before this.
    pub until: Option<Stamp>,
    /// Only this one's.
    pub stream: Option<Stream>,
    /// At least as grave.
    pub level: Option<Level>,
    /// The text matches.
    pub pattern: Option<Pattern>,
}

/// A regular expression over the text of a line.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub(crate) regex: Regex,
    /// It looks at nothing around a match, so a match in a line is one in the block of lines too.
    pub(crate) is_local: bool,
}

impl Pattern {
    /// Reads the syntax of the `regex` crate, which is Perl's without look-around and back references.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn new(text: &str, ignores_case: bool) -> Result<Self, String> {
        let cannot = |error: &dyn std::fmt::Display| format!("cannot read the pattern: {error}");
        let regex = RegexBuilder::new(text).case_insensitive(ignores_case).build().map_err(|error| cannot(&error))?;
        let hir = regex_syntax::ParserBuilder::new().utf8(false).case_insensitive(ignores_case).build().parse(text);
        let is_local = hir.map_err(|error| cannot(&error))?.properties().look_set().is_empty();
        // What matches nothing at all matches everywhere: then looking ahead saves nothing.
        let is_local = is_local && !regex.is_match(b"");
        Ok(Self { regex, is_local })
    }

    /// Where it matches, for those who show it.
    pub fn places<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = std::ops::Range<usize>> + 't {
        self.regex.find_iter(text).map(|found| found.range()).filter(|range| !range.is_empty())
    }
}

impl Filter {
    /// Everything but the level, which needs the lines before.
    pub(crate) fn wants(&self, stamp: &Stamp, stream: Stream, text: &[u8]) -> bool {
        self.since.is_none_or(|since| *stamp >= since)
            && self.until.is_none_or(|until| *stamp < until)
            && self.stream.is_none_or(|wanted| stream == wanted)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.regex.is_match(text))
    }

    pub(crate) fn wants_line(&self, line: &Line<'_>) -> bool {
        self.level.is_none_or(|least| line.level.is_some_and(|level| level >= least))
            && self.wants(&line.stamp, line.stream, line.text)
    }

    /// Lines can be found without looking at each.
    pub(crate) fn leaps(&self) -> Option<&Regex> {
        let pattern = self.pattern.as_ref().filter(|pattern| pattern.is_local && self.level.is_none())?;
        Some(&pattern.regex)
    }
}
