//! When a log file is begun anew by the calendar.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use mainstay_core::spec::{Every, Period};

/// The first of the rule's times after `after`; `None` only at the end of the calendar.
///
/// A time that a change of the clock skips is taken right after the gap; one that it repeats is taken once, the first time
/// (RFC 5545's rule, jiff's `compatible`). Full hours are those of the clock on the wall, so a zone may be off by half an hour.
pub(super) fn next(every: Every, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let zone = if every.utc { &TimeZone::UTC } else { zone };
    let at = |span: Span, from: jiff::civil::DateTime| from.checked_add(span).ok();
    let local = zone.to_datetime(after);
    let (first, step) = match every.period {
        Period::Hour => {
            let hour = local.with().minute(0).second(0).subsec_nanosecond(0).build().ok()?;
            (at(Span::new().minutes(i64::from(every.minute)), hour)?, Span::new().hours(1))
        }
        Period::Day => (local.date().to_datetime(time(every.minute)), Span::new().days(1)),
        Period::Week(day) => {
            let behind = (local.date().weekday().to_monday_one_offset() - i8::try_from(day).ok()?).rem_euclid(7);
            let date = local.date().checked_sub(Span::new().days(i64::from(behind))).ok()?;
            (date.to_datetime(time(every.minute)), Span::new().weeks(1))
        }
    };
    // At a change of the clock an hour of the wall may be there twice or not at all: a few steps always suffice.
    let mut candidate = first.checked_sub(step).ok()?;
    for _ in 0..6 {
        let moment = zone.to_timestamp(candidate).ok()?;
        if moment > after {
            return Some(moment);
        }
        candidate = at(step, candidate)?;
    }
    None
}

fn time(minute: u16) -> Time {
    let part = |n: u16| i8::try_from(n).unwrap_or(0);
    Time::new(part(minute / 60), part(minute % 60), 0, 0).unwrap_or(Time::midnight())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        // As POSIX writes it: no database of zones is needed.
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn all(every: Every, zone: &TimeZone, from: &str, count: usize) -> Vec<String> {
        let mut now: Timestamp = from.parse().unwrap();
        (0..count)
            .map(|_| {
                now = next(every, zone, now).unwrap();
                now.to_string()
            })
            .collect()
    }

    #[test]
    fn each_hour_day_and_week_comes_once() {
        let rule = |period, minute, utc| Every { period, minute, utc };
        let zone = TimeZone::posix("CST-8").unwrap();
        assert_eq!(
            all(rule(Period::Hour, 0, false), &zone, "2026-11-23T05:59:59Z", 2),
            ["2026-11-23T06:00:00Z", "2026-11-23T07:00:00Z"]
        );
        // Midnight in Shanghai is 16:00 UTC.
        assert_eq!(
            all(rule(Period::Day, 0, false), &zone, "2026-11-23T16:00:00Z", 2),
            ["2026-11-24T16:00:00Z", "2026-11-25T16:00:00Z"]
        );
        assert_eq!(all(rule(Period::Day, 150, true), &zone, "2026-11-23T02:29:00Z", 1), ["2026-11-23T02:30:00Z"]);
        // 2026-11-23 is a Monday.
        assert_eq!(
            all(rule(Period::Week(7), 180, true), &zone, "2026-11-23T00:00:00Z", 2),
            ["2026-11-29T03:00:00Z", "2026-12-06T03:00:00Z"]
        );
        assert_eq!(all(rule(Period::Week(1), 0, true), &zone, "2026-11-23T00:00:00Z", 1), ["2026-11-30T00:00:00Z"]);
    }

    #[test]
    fn a_change_of_the_clock_neither_skips_nor_repeats_one() {
        let daily = Every { period: Period::Day, minute: 150, utc: false };
        // On 2026-03-29 the clock goes from 02:00 to 03:00, on 2026-10-25 from 03:00 back to 02:00.
        assert_eq!(
            all(daily, &berlin(), "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            all(daily, &berlin(), "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
            "02:30 is there twice and counts once"
        );
        let hourly = Every { period: Period::Hour, minute: 0, utc: false };
        let hours = all(hourly, &berlin(), "2026-10-24T23:30:00Z", 4);
        assert_eq!(hours[0], "2026-10-25T00:00:00Z");
        assert!(hours.windows(2).all(|pair| pair[0] < pair[1]), "{hours:?}");
    }
}
