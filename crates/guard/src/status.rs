//! The status of a service in the form that leaves the guard.

use jiff::Timestamp;
use mainstay_core::status::Status;
use mainstay_core::time::{Mono, Now};
use mainstay_os::clock;
use mainstay_wire::record::ExitText;
use mainstay_wire::status::ServiceStatus;

use crate::OwnerKind;

/// Both clocks, now.
pub(crate) fn now() -> Now {
    let (mono, wall) = clock::now();
    Now { mono: Mono(mono), wall: mainstay_core::time::Wall(wall) }
}

/// The calendar time of an instant of the monotonic clock, as far as the calendar is right now.
fn time_of(instant: Mono, now: Now) -> Timestamp {
    let offset = i128::from(instant.0) - i128::from(now.mono.0);
    Timestamp::from_nanosecond(i128::from(now.wall.0) + offset).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn of(name: &str, status: &Status, owner: OwnerKind, containment: &str, now: Now) -> ServiceStatus {
    ServiceStatus {
        name: name.to_owned(),
        state: status.phase.into(),
        pid: status.pid,
        run: status.run.0,
        restarts: status.restarts,
        since: time_of(status.since, now),
        guard_pid: Some(std::process::id()),
        next: status.next.map(|next| time_of(next, now)),
        last_exit: status.last_exit.map(ExitText::from),
        containment: Some(containment.to_owned()),
        owner: Some(owner.word().to_owned()),
        note: None,
    }
}
