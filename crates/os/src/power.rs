//! The machine's sleep: told so that timers can be set anew and hooks be run.
//!
//! | | Windows | Linux |
//! |---|---|---|
//! | going to sleep | `PBT_APMSUSPEND` | not told (that is systemd's `sleep.target`) |
//! | awake again | `PBT_APMRESUMEAUTOMATIC` | a `CLOCK_REALTIME` timer with `TFD_TIMER_CANCEL_ON_SET` is cancelled, and `CLOCK_BOOTTIME` has left `CLOCK_MONOTONIC` behind |
//!
//! A tokio timer stands still during sleep; whoever waits for a deadline on [`crate::clock`] looks at it again at [`Power::Resumed`].

pub use crate::sys::power::Watch;

/// What the machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It goes to sleep in a moment.
    Suspending,
    /// It woke up.
    Resumed,
    /// Somebody set the calendar clock.
    ClockSet,
}
