//! How long to wait between two attempts.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(500);

/// The pause after so many failures in a row: doubled each time up to `max`, then a random part of up to a half taken away, so that many
/// machines don't come back at once. Never less than the receiver asks for, who is believed (by `mainstay-ship`) up to an hour.
pub(super) fn pause(failures: u32, asked: Option<Duration>, max: Duration, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(max);
    let own = doubled.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0);
    own.max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let max = Duration::from_secs(60);
        let ms = |failures, asked: Option<u64>, chance| {
            pause(failures, asked.map(Duration::from_secs), max, chance).as_millis()
        };
        assert_eq!(
            [1, 2, 3, 8, 9, 40].map(|failures| ms(failures, None, 0.0)),
            [500, 1000, 2000, 60_000, 60_000, 60_000]
        );
        assert_eq!([0.0, 0.5, 1.0].map(|chance| ms(3, None, chance)), [2000, 1500, 1000]);
        assert_eq!((ms(1, Some(7), 0.3), ms(1, Some(3600), 0.3)), (7000, 3_600_000));
    }
}
