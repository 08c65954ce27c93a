//! Durations and sizes as people write them: `1m30s`, `250ms`, `64MiB`.

use std::time::Duration;

use jiff::fmt::friendly::{Designator, Spacing, SpanParser, SpanPrinter};
use jiff::{SignedDuration, SpanRelativeTo, Unit};

/// The longest time that a spec may name: ten years. Longer ones are mistakes and would only overflow clocks.
pub const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// `10s`, `250ms`, `1m30s`, `2h`, `1d`. A day is 24 hours; a number needs its unit.
///
/// # Errors
/// Says what is wrong and shows the form.
pub fn duration(text: &str) -> Result<Duration, String> {
    let form = "write a number with its unit, such as \"250ms\", \"10s\", \"1m30s\", \"2h\" or \"1d\"";
    let span = SpanParser::new().parse_span(text).map_err(|_| format!("`{text}` is not a duration: {form}"))?;
    let signed = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| format!("`{text}` has a unit without a fixed length: {form}"))?;
    let value = Duration::try_from(signed).map_err(|_| format!("`{text}` is negative: {form}"))?;
    if value > DURATION_MAX {
        return Err(format!("`{text}` is longer than ten years"));
    }
    Ok(value)
}

/// The shortest text that [`duration`] reads back as the same value, to the millisecond.
#[must_use]
pub fn duration_text(value: Duration) -> String {
    if value.is_zero() {
        return "0s".to_owned();
    }
    let millis = i64::try_from(value.as_millis()).unwrap_or(i64::MAX);
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let printer = SpanPrinter::new().spacing(Spacing::None).designator(Designator::Compact);
    let rest_text = printer.duration_to_string(&SignedDuration::from_millis(rest));
    match (days, rest) {
        (0, _) => rest_text,
        (_, 0) => format!("{days}d"),
        _ => format!("{days}d{rest_text}"),
    }
}

/// For people: the two largest units, `3d 4h`, `12m 5s`, `250ms`.
#[must_use]
pub fn duration_rough(value: Duration) -> String {
    let unit = match value.as_secs() {
        0 => Unit::Millisecond,
        1..3600 => Unit::Second,
        3600..86_400 => Unit::Minute,
        _ => Unit::Hour,
    };
    let signed = SignedDuration::try_from(value).unwrap_or(SignedDuration::MAX);
    let rounded = signed.round(jiff::SignedDurationRound::new().smallest(unit).mode(jiff::RoundMode::Trunc));
    let text = duration_text(Duration::try_from(rounded.unwrap_or(signed)).unwrap_or(value));
    // "3d4h" → "3d 4h": a space before each number but the first.
    let mut spaced = String::with_capacity(text.len() + 4);
    let mut after_letter = false;
    for c in text.chars() {
        if c.is_ascii_digit() && after_letter {
            spaced.push(' ');
        }
        after_letter = c.is_ascii_alphabetic();
        spaced.push(c);
    }
    spaced
}

/// `64MiB`, `2GiB`, `10MB`, `4096` (bytes). KiB, MiB, GiB, TiB count 1024; kB, MB, GB, TB count 1000 (IEC 80000-13).
///
/// # Errors
/// Says what is wrong and shows the form.
pub fn size(text: &str) -> Result<u64, String> {
    let bad = || {
        format!(
            "`{text}` is not a size: write a whole number of bytes or one with its unit, such as \"64MiB\" or \"2GiB\""
        )
    };
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(bad()),
    };
    number.checked_mul(factor).ok_or_else(bad)
}

/// For people: `17 B`, `3.4 MiB`.
#[must_use]
pub fn size_rough(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut shown = bytes as f64 / 1024.0;
    if shown < 1.0 {
        return format!("{bytes} B");
    }
    let mut unit = units.iter();
    let mut name = unit.next();
    while shown >= 1024.0
        && let Some(next) = unit.next()
    {
        shown /= 1024.0;
        name = Some(next);
    }
    format!("{shown:.1} {}", name.unwrap_or(&"TiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        let cases = [
            ("250ms", 250),
            ("0s", 0),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "ten seconds", "-5s", "1y", "99999d", "5 parsecs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_printed_duration_reads_back() {
        for millis in [0, 1, 250, 1000, 61_001, 3_600_000, 86_400_000, 90_061_001] {
            let value = Duration::from_millis(millis);
            assert_eq!(duration(&duration_text(value)), Ok(value), "{}", duration_text(value));
        }
    }

    #[test]
    fn rough_durations_show_two_units() {
        let shown: Vec<String> = [250, 5_250, 725_000, 90_061_001, 273_600_000]
            .map(|millis| duration_rough(Duration::from_millis(millis)))
            .to_vec();
        assert_eq!(shown, ["250ms", "5s", "12m 5s", "1d 1h", "3d 4h"]);
    }

    #[test]
    fn rough_sizes_have_one_unit() {
        let shown = [0, 1023, 1024, 3_565_158, 1 << 30, 1 << 50].map(size_rough);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "3.4 MiB", "1.0 GiB", "1024.0 TiB"]);
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in
            [("4096", 4096), ("64MiB", 64 << 20), ("10MB", 10_000_000), ("2 GiB", 2 << 30), ("1k", 1024)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1.5GiB", "-1", "5 apples", "99999999999TiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
