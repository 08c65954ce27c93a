//! timerfd_create(2): a timer on the calendar clock is cancelled when that clock jumps, which it does after each sleep too.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::readiness;
use crate::power::Power;

/// A date the timer never reaches.
const NEVER_S: i64 = 1 << 40;

/// Two clocks can't be read at the same moment: less than this between them is the time we lost there.
const SLEEP_NS_MIN: i64 = 50_000_000;

/// Tells of sleep and of a clock that was set.
#[derive(Debug)]
pub struct Watch {
    timer: AsyncFd<OwnedFd>,
    /// How long the machine has slept since boot.
    slept_ns: i64,
}

impl Watch {
    /// Watches from now on, on the current tokio runtime. Errors: no room in the kernel's tables.
    pub fn new() -> io::Result<Watch> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let never = Itimerspec { it_interval: none, it_value: Timespec { tv_sec: NEVER_S, tv_nsec: 0 } };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &never)?;
        Ok(Watch { timer: readiness::own(timer, Interest::READABLE)?, slept_ns: slept_ns() })
    }

    /// What happens next; [`Power::Suspending`] is never told here. Cancel-safe.
    pub async fn next(&mut self) -> Power {
        loop {
            let Ok(mut ready) = self.timer.readable().await else {
                return std::future::pending().await; // the runtime shuts down
            };
            let mut expirations = [0; 8];
            // The kernel arms it again by itself.
            match ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?)) {
                Ok(Err(error)) if error.raw_os_error() == Some(libc::ECANCELED) => {
                    drop(ready);
                    let before = std::mem::replace(&mut self.slept_ns, slept_ns());
                    return judge(before, self.slept_ns);
                }
                Ok(Ok(_) | Err(_)) | Err(_) => {}
            }
        }
    }
}

/// How long the machine has slept since boot, a little more at most: what the clock that goes on has before the other.
fn slept_ns() -> i64 {
    let ns = |id| {
        let time = clock_gettime(id);
        time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
    };
    let awake = ns(ClockId::Monotonic);
    ns(ClockId::Boottime).saturating_sub(awake)
}

/// The clock jumped, and the machine had slept so long before and after.
fn judge(before_ns: i64, after_ns: i64) -> Power {
    if after_ns.saturating_sub(before_ns) >= SLEEP_NS_MIN { Power::Resumed } else { Power::ClockSet }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_after_sleep_is_a_wake_up_and_any_other_a_clock_that_was_set() {
        let hour = 3_600_000_000_000;
        for (before, after, expected) in [
            (0, 0, Power::ClockSet),
            (hour, hour, Power::ClockSet),
            (hour, hour + 2_000_000, Power::ClockSet), // we were interrupted between two looks
            (hour + 2_000_000, hour, Power::ClockSet),
            (0, hour, Power::Resumed),
            (hour, hour + 1_000_000_000, Power::Resumed),
        ] {
            assert_eq!(judge(before, after), expected, "{before} {after}");
        }
    }

    #[tokio::test]
    async fn nothing_is_told_while_nothing_happens() {
        let mut watch = Watch::new().unwrap();
        for _ in 0..100 {
            tokio::select! {
                biased;
                told = watch.next() => panic!("{told:?} out of nowhere"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert!(slept_ns() >= 0);
    }
}
