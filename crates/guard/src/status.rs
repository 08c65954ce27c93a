//! The status of a service in the form that leaves the guard.

use jiff::Timestamp;
use mainstay_core::spec::Spec;
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

/// Remembers the calendar time of one instant: asked again, it must not wobble with the clocks.
#[derive(Debug, Default)]
pub(crate) struct Dated(Option<(Mono, Timestamp)>);

impl Dated {
    fn date(&mut self, instant: Mono, now: Now) -> Timestamp {
        match self.0 {
            Some((dated, time)) if dated == instant => time,
            _ => self.0.insert((instant, time_of(instant, now))).1,
        }
    }
}

/// The instants of a status that are told again and again.
#[derive(Debug, Default)]
pub(crate) struct Dates {
    since: Dated,
    next: Dated,
}

pub(crate) fn of(
    spec: &Spec,
    status: &Status,
    owner: OwnerKind,
    containment: &str,
    dates: &mut Dates,
) -> ServiceStatus {
    let now = now();
    ServiceStatus {
        name: spec.name.clone(),
        state: status.phase.into(),
        pid: status.pid,
        run: status.run.0,
        restarts: status.restarts,
        since: dates.since.date(status.since, now),
        guard_pid: Some(std::process::id()),
        next: status.next.map(|next| dates.next.date(next, now)),
        last_exit: status.last_exit.map(ExitText::from),
        containment: Some(containment.to_owned()),
        owner: Some(owner.word().to_owned()),
        note: status.note.clone(),
        standing: status.standing.into(),
        instance: spec.instance.map(|instance| instance.number),
        groups: spec.groups.clone(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    }
}
