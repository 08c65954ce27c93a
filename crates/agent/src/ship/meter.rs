//! What is told of a sink: counted here, written down for `mainstay sinks`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mainstay_os::files;
use mainstay_wire::sinks::status::{State, Status};

/// A status that changed is written down as often.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// One sink's numbers.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) status: Status,
    path: PathBuf,
    written: Option<(Instant, Status)>,
}

impl Meter {
    pub(super) fn new(name: &str, place: &str, path: &Path) -> Self {
        Self { status: Status::new(name, place, Timestamp::now()), path: path.to_owned(), written: None }
    }

    /// An attempt has failed; `true` if the one before had not.
    pub(super) fn failed(&mut self, state: State, why: &str, pause: Duration) -> bool {
        let now = Timestamp::now();
        let status = &mut self.status;
        let is_news = status.state != state || status.why.as_deref() != Some(why);
        if status.state != state {
            status.since = now;
        }
        status.state = state;
        status.why = Some(why.to_owned());
        status.next_try = now.checked_add(pause).ok();
        status.failures = status.failures.saturating_add(1);
        self.write(true);
        is_news
    }

    /// A batch is there; `true` if the attempt before had failed.
    pub(super) fn delivered(&mut self, lines: u64, bytes: u64, refused: u64) -> bool {
        let now = Timestamp::now();
        let status = &mut self.status;
        status.lines += lines.saturating_sub(refused);
        status.bytes += bytes;
        status.refused += refused;
        status.batches += 1;
        status.delivered_at = Some(now);
        self.mended()
    }

    /// Nothing stands in the way any more; `true` if something did.
    pub(super) fn mended(&mut self) -> bool {
        let status = &mut self.status;
        let was_in_trouble = status.state != State::Shipping;
        if was_in_trouble {
            status.state = State::Shipping;
            status.since = Timestamp::now();
        }
        (status.why, status.next_try, status.failures) = (None, None, 0);
        was_in_trouble
    }

    /// Writes it down if it is time and anything has changed. A status that can't be written harms nobody.
    pub(super) fn write(&mut self, at_once: bool) {
        let rests = self
            .written
            .as_ref()
            .is_some_and(|(at, status)| (!at_once && at.elapsed() < WRITE_EVERY) || *status == self.status);
        if rests {
            return;
        }
        self.written = Some((Instant::now(), self.status.clone()));
        let status = Status { written_at: Timestamp::now(), ..self.status.clone() };
        if let Ok(text) = serde_json::to_vec(&status) {
            drop(files::replace(&self.path, &text));
        }
    }
}
