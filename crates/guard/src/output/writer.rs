//! The thread that writes log files. It alone waits for the disk.

use std::io::ErrorKind;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mainstay_core::spec::OnFull;
use mainstay_core::time::Mono;
use mainstay_os::clock;
use mainstay_wire::record::Missing;

use super::cri::{self, Stamp, Stream};
use super::file::{Clock, LogFile, Rotation};
use super::filter::LeftOut;
use super::queue::{Item, Lane, Shared, State};
use super::{FileNews, PlaneNews, series};

/// A file that can't be written is tried again after this.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// The calendar may be set anew: its times are looked at as often, while one is awaited.
const CALENDAR_LOOK: Duration = Duration::from_secs(60);

/// Writes until the queue is closed and what can be written is.
pub(super) fn run(shared: &Shared) {
    let mut state = shared.lock();
    let mut clock = Clock { mono: Mono(0), wall: Timestamp::UNIX_EPOCH, zone: TimeZone::system() };
    loop {
        let now = Instant::now();
        (clock.mono, clock.wall) = read_clocks();
        if let Some(index) = state.next_lane(now) {
            state = serve(shared, state, index, &clock);
            continue;
        }
        if state.closed {
            return;
        }
        // Also after a change of the machine's zone.
        clock.zone = TimeZone::system();
        match begin_due(&mut state, &clock) {
            Some(index) => state = serve(shared, state, index, &clock),
            None => state = sleep(shared, state, now, clock.wall),
        }
    }
}

/// A file whose time has come gets the order to be begun anew.
fn begin_due(state: &mut State, clock: &Clock) -> Option<usize> {
    let is_due = |lane: &Lane| lane.file.as_ref().and_then(LogFile::due).is_some_and(|due| due <= clock.wall);
    let index = state.lanes.iter().position(|lane| is_due(lane) && lane.retry_at.is_none())?;
    let lane = state.lanes.get_mut(index)?;
    lane.begin();
    lane.items.push_front(Item::Due);
    Some(index)
}

fn sleep<'s>(
    shared: &'s Shared,
    mut state: MutexGuard<'s, State>,
    now: Instant,
    wall: Timestamp,
) -> MutexGuard<'s, State> {
    let retry = state.lanes.iter().filter(|lane| !lane.items.is_empty()).filter_map(|lane| lane.retry_at).min();
    let due = state.lanes.iter().filter_map(|lane| lane.file.as_ref()?.due()).min();
    let until_due = due.map(|due| Duration::try_from(due.duration_since(wall)).unwrap_or_default().min(CALENDAR_LOOK));
    let until_retry = retry.map(|at| at.saturating_duration_since(now));
    state.idle = true;
    match [until_due, until_retry].into_iter().flatten().min() {
        None => shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
        Some(time) => {
            let (mut state, _) = shared.work.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
            state.idle = false;
            state
        }
    }
}

/// Does one thing of one lane, without holding the queue while the disk works.
fn serve<'s>(
    shared: &'s Shared,
    mut state: MutexGuard<'s, State>,
    index: usize,
    clock: &Clock,
) -> MutexGuard<'s, State> {
    let (rotate, asks, drops_oldest) = (state.rotate, state.asks, state.on_full == OnFull::DropOldest);
    let Some(lane) = state.lanes.get_mut(index) else { return state };
    let (Some(mut file), Some(item)) = (lane.file.take(), lane.take()) else { return state };
    let (path, is_managed, was_broken) = (Arc::clone(&lane.path), lane.is_managed, lane.retry_at.is_some());
    drop(state);

    file.set_rotate(clock, rotate, asks);
    let mut rotated = Vec::new();
    let mut told = None;
    let (back, result) = match item {
        Item::Bytes(bytes) => {
            let (mut written, mut result) = file.write(clock, &bytes, &mut rotated);
            while drops_oldest && is_full(&result) && series::remove_oldest(&path) {
                let (more, again) = file.write(clock, bytes.get(written..).unwrap_or_default(), &mut rotated);
                written += more;
                result = again;
            }
            (left(bytes, written, result.is_err()), result)
        }
        Item::Gap(left_out, why) => {
            let marker = if is_managed { marker(clock.wall, left_out, why) } else { Vec::new() };
            let (written, result) = file.write(clock, &marker, &mut rotated);
            let whole = result.is_ok() || written > 0;
            let LeftOut { lines, bytes } = left_out;
            told = whole.then(|| PlaneNews::File(FileNews::LeftOut { path: path.to_path_buf(), lines, bytes, why }));
            (if whole { Left::Nothing(None) } else { Left::Item(Item::Gap(left_out, why)) }, result)
        }
        Item::Rotate(rotation) => {
            if let Some(begun) = file.rotate_now(clock) {
                rotation.add(begun.clone());
                rotated.push(begun.into());
            }
            (Left::Nothing(None), Ok(()))
        }
        Item::Due => {
            rotated.extend(file.rotate_due(clock));
            (Left::Nothing(None), Ok(()))
        }
        Item::Allow => {
            rotated.extend(file.rotate_allowed(clock));
            (Left::Nothing(None), Ok(()))
        }
        Item::Mark(_) => (Left::Nothing(None), Ok(())),
    };

    let of_rotation = |rotation: Rotation| match rotation {
        Rotation::Begun(old) => PlaneNews::File(FileNews::Rotated { current: path.to_path_buf(), old }),
        Rotation::Stuck(why) => PlaneNews::File(FileNews::Broken(why)),
        Rotation::Waits => PlaneNews::File(FileNews::Due { current: path.to_path_buf() }),
    };
    let mut news: Vec<PlaneNews> = rotated.into_iter().map(of_rotation).collect();
    news.extend(told);
    match &result {
        Err(error) if !was_broken => news.push(PlaneNews::File(FileNews::Broken(format!(
            "cannot write to {}: {error}; the program goes on by its rule `log.on-full`",
            path.display()
        )))),
        Ok(()) if was_broken => {
            news.push(PlaneNews::File(FileNews::Mended(format!("{} is written again", path.display()))))
        }
        Ok(()) | Err(_) => {}
    }
    for item in news {
        shared.tell(item);
    }

    let mut state = shared.lock();
    let Some(lane) = state.lanes.iter_mut().find(|lane| lane.path == path) else { return state };
    lane.file = Some(file);
    let buffer = match back {
        Left::Item(item) => {
            lane.give_back(item);
            None
        }
        Left::Nothing(buffer) => buffer,
    };
    if let Err(error) = result {
        lane.retry_at = Some(Instant::now() + RETRY_EVERY);
        lane.excuse_waiters(&error.to_string());
        if state.closed {
            // The guard goes and its service with it: one try was all there is.
            state.lanes.retain(|lane| lane.path != path);
        }
    } else {
        lane.retry_at = None;
        shared.done(&mut state, &path, buffer);
    }
    state
}

/// What remains of an item.
enum Left {
    Item(Item),
    /// Its buffer may be used again.
    Nothing(Option<Vec<u8>>),
}

fn left(mut bytes: Vec<u8>, written: usize, failed: bool) -> Left {
    if failed && written < bytes.len() {
        bytes.drain(..written);
        return Left::Item(Item::Bytes(bytes));
    }
    Left::Nothing(Some(bytes))
}

fn is_full(result: &std::io::Result<()>) -> bool {
    result.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

/// A line among the program's own that says what is missing there.
fn marker(wall: Timestamp, left_out: LeftOut, why: Missing) -> Vec<u8> {
    let why = match why {
        Missing::Full => "could not be written in time (log.on-full)",
        Missing::RateLimit => "were more than log.rate-limit",
    };
    let LeftOut { lines, bytes } = left_out;
    let text = format!("[mainstay] {lines} lines, {bytes} bytes of output are missing here: they {why}");
    let mut out = Vec::new();
    cri::entry(Stamp::at(wall), Stream::Stderr, b'F', [text.as_bytes(), b""], &mut out);
    out
}

fn read_clocks() -> (Mono, Timestamp) {
    let (mono, wall) = clock::now();
    (Mono(mono), Timestamp::from_nanosecond(i128::from(wall)).unwrap_or(Timestamp::UNIX_EPOCH))
}
