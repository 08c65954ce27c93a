//! clock_gettime(2).

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since boot, suspend included (`CLOCK_BOOTTIME`), and nanoseconds since 1970-01-01 UTC (`CLOCK_REALTIME`).
pub fn now() -> (u64, i64) {
    let boot = clock_gettime(ClockId::Boottime);
    let wall = clock_gettime(ClockId::Realtime);
    let boot_ns = u64::try_from(nanoseconds(boot)).unwrap_or(0); // never negative: it counts from boot
    (boot_ns, nanoseconds(wall))
}

fn nanoseconds(t: rustix::time::Timespec) -> i64 {
    t.tv_sec.saturating_mul(1_000_000_000).saturating_add(t.tv_nsec)
}

/// The same for the whole life of one boot, never again after it: random(4), `boot_id`.
pub fn boot_id() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => id.trim().to_owned(),
        // No /proc, no guard; still: never let two boots look alike by accident.
        Err(_) => "unknown".to_owned(),
    }
}
