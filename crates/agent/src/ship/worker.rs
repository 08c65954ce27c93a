//! One sink: takes batches of all its services, one after the other, and sends each until it has arrived.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_logs::lines::Events;
use mainstay_os::{files, host};
use mainstay_ship::{Batch, Outcome, Route, Sink};
use mainstay_wire::layout::{Layout, base_name};
use mainstay_wire::sinks;
use mainstay_wire::sinks::status::State;
use mainstay_wire::spec::{self, Platform};
use tokio::sync::watch;

use super::Setup;
use super::lane::Lane;
use super::letters::Letters;
use super::meter::Meter;
use super::pause::pause;
use super::positions::Positions;

/// Between two looks at logs that had nothing new.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Between two looks for services that are new.
const RESCAN_EVERY: Duration = Duration::from_secs(1);

/// Text of all services together that waits in memory: with more of it, batches go out before their time.
const HELD_BYTES_MAX: u64 = 16 << 20;

/// At the end, what is there may be sent for so long.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A position is written down as often although nothing was sent: lines that nobody wanted were read.
const PUT_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Worker {
    config: Arc<sinks::Sink>,
    layout: Layout,
    print: fn(&str),
    route: Route,
    sink: Option<Sink>,
    lanes: BTreeMap<String, Lane>,
    positions: Positions,
    letters: Letters,
    meter: Meter,
    /// The sink is not wanted any more, or wanted otherwise: at once.
    stop: watch::Receiver<bool>,
    /// The agent ends: after what is there.
    end: watch::Receiver<bool>,
    end_by: Option<Instant>,
    scanned: Option<Instant>,
    put: Instant,
    /// The last trouble with a log that was told; it is looked at again five times a second.
    told: BTreeMap<String, String>,
}

/// What came of trying to send a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Arrived,
    /// It was given up, because too much waits.
    GivenUp,
    /// We end; it is sent by the next one.
    Ended,
}

impl Worker {
    pub(super) fn new(
        setup: &Setup,
        config: &Arc<sinks::Sink>,
        stop: watch::Receiver<bool>,
        end: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let (layout, name) = (&setup.layout, &config.name);
        files::make_private_dir(&layout.sinks())?;
        let letters = config.delivery.dead_letter.then(|| layout.dead_letters(name));
        Ok(Self {
            config: config.clone(),
            layout: layout.clone(),
            print: setup.print,
            route: Route::new(&config.route).map_err(io::Error::other)?,
            sink: None,
            lanes: BTreeMap::new(),
            positions: Positions::open(&layout.sink_positions(name))?,
            letters: Letters::new(letters),
            meter: Meter::new(name, config.kind.word(), &layout.sink_status(name)),
            stop,
            end,
            end_by: None,
            scanned: None,
            put: Instant::now(),
            told: BTreeMap::new(),
        })
    }

    pub(super) async fn run(mut self) {
        // What can't work is told before there is anything to send.
        if let Err(why) = self.open() {
            self.trouble(State::Broken, &why, Duration::ZERO);
        }
        loop {
            if self.end_by.is_none() && *self.end.borrow() {
                self.end_by = Some(Instant::now() + END_LIMIT);
                self.scanned = None;
            }
            self.rescan();
            let Some(has_more) = self.turn().await else { break };
            self.meter.write(false);
            if *self.stop.borrow() || self.end_by.is_some_and(|by| !has_more || by <= Instant::now()) {
                break;
            }
            if has_more {
                // Lines that nobody wants are read without waiting for anybody: the other sinks want their turn.
                tokio::task::yield_now().await;
                continue;
            }
            let Self { stop, end, .. } = &mut self;
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = end.wait_for(|end| *end) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        self.put_all();
        self.measure();
        self.meter.write(true);
    }

    /// Every service once; `Some(true)`: some have more now, `None`: we end.
    async fn turn(&mut self) -> Option<bool> {
        let names: Vec<String> = self.lanes.keys().cloned().collect();
        let mut has_more = false;
        for name in names {
            let held: u64 = self.lanes.values().map(Lane::held_bytes).sum();
            let hurry = self.end_by.is_some() || held > HELD_BYTES_MAX;
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            match lane.fill(&self.route, &self.config.batch, Instant::now(), self.end_by.is_some()) {
                Ok(more) => {
                    has_more |= more;
                    self.told.remove(&name);
                }
                Err(error) => {
                    let text = format!("{}: cannot read the log of {name}: {error}", self.config.name);
                    if self.told.get(&name) != Some(&text) {
                        (self.print)(&text);
                        self.told.insert(name.clone(), text);
                    }
                }
            }
            if lane.take_gap() {
                self.meter.status.gaps += 1;
                let why = "their files were removed before they were read, or can't be unpacked";
                (self.print)(&format!("{}: lines of {name} are lost: {why}", self.config.name));
            }
            while self.lanes.get(&name).is_some_and(|lane| lane.is_due(&self.config.batch, Instant::now(), hurry)) {
                match self.send(&name).await {
                    Sent::Arrived => {}
                    Sent::GivenUp => break,
                    Sent::Ended => return None,
                }
            }
        }
        if self.put.elapsed() >= PUT_EVERY {
            self.put_all();
        }
        Some(has_more)
    }

    /// Sends the next batch of a service until it has arrived.
    async fn send(&mut self, name: &str) -> Sent {
        let Some(batch) = self.lanes.get_mut(name).and_then(|lane| lane.batch(&self.config.batch)) else {
            return Sent::GivenUp;
        };
        let bytes = batch.lines.iter().map(|line| line.text.len() as u64).sum();
        loop {
            let (state, why, after) = match self.attempt(&batch).await {
                None => return Sent::Ended,
                Some(Err(why)) => (State::Broken, why, None),
                Some(Ok(Outcome::Later { why, after })) => (State::Retrying, why, after),
                Some(Ok(Outcome::Delivered { refused })) => {
                    if let Err(error) = self.letters.keep(&batch.lines, &refused) {
                        (self.print)(&format!("{}: cannot keep what was refused: {error}", self.config.name));
                    }
                    self.arrived(name, batch.lines.len(), bytes, &refused);
                    return Sent::Arrived;
                }
            };
            let failures = self.meter.status.failures + 1;
            let pause = pause(failures, after, self.config.delivery.retry_max, fastrand::f64());
            self.trouble(state, &why, pause);
            if self.give_up(name) {
                return Sent::GivenUp;
            }
            let Self { stop, end, .. } = self;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = end.wait_for(|end| *end) => return Sent::Ended,
                _ = stop.wait_for(|stop| *stop) => return Sent::Ended,
            }
        }
    }

    /// One attempt; `None`: we end before it has. Nobody waits for a receiver that hangs.
    async fn attempt(&mut self, batch: &Batch) -> Option<Result<Outcome, String>> {
        if let Err(why) = self.open() {
            return Some(Err(why));
        }
        let Self { sink: Some(sink), stop, end, end_by, .. } = self else { return None };
        let ends = async {
            drop(end.wait_for(|end| *end).await);
            tokio::time::sleep(end_by.map_or(END_LIMIT, |by| by.saturating_duration_since(Instant::now()))).await;
        };
        tokio::select! {
            outcome = sink.deliver(batch) => Some(Ok(outcome)),
            () = ends => None,
            _ = stop.wait_for(|stop| *stop) => None,
        }
    }

    fn trouble(&mut self, state: State, why: &str, pause: Duration) {
        if self.meter.failed(state, why, pause) {
            (self.print)(&format!("{}: {why}; tried again", self.config.name));
        }
    }

    fn arrived(&mut self, name: &str, lines: usize, bytes: u64, refused: &[mainstay_ship::Refused]) {
        let was_in_trouble = self.meter.delivered(lines as u64, bytes, refused.len() as u64);
        if was_in_trouble {
            (self.print)(&format!("{}: shipping again", self.config.name));
        }
        if let Some(first) = refused.first() {
            let text =
                format!("{}: {} lines of {name} were refused: {}", self.config.name, refused.len(), first.reason);
            (self.print)(&text);
        }
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let position = lane.delivered(lines);
        self.note(name, &position);
    }

    /// Makes the sink if it could not be made before: a missing file may have come.
    fn open(&mut self) -> Result<(), String> {
        if self.sink.is_none() {
            let sink = Sink::open(&self.config, &host::name())?;
            self.meter.status.place = sink.place().to_owned();
            self.sink = Some(sink);
        }
        Ok(())
    }

    /// Keeps what waits within `spool`; `true`: also lines of the service that is being sent are given up.
    fn give_up(&mut self, sending: &str) -> bool {
        let Some(spool) = self.config.delivery.spool_bytes else { return false };
        let waits = |lane: &Lane| lane.waiting_bytes().unwrap_or_default();
        let mut waiting: Vec<(u64, String)> =
            self.lanes.iter().map(|(name, lane)| (waits(lane), name.clone())).collect();
        let mut excess = waiting.iter().map(|(bytes, _)| bytes).sum::<u64>().saturating_sub(spool);
        let mut given_up = Vec::new();
        // Where most waits, most is given up: a flood of one service costs the others nothing.
        waiting.sort_unstable();
        while excess > 0
            && let Some((bytes, name)) = waiting.pop()
        {
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            let Ok(bytes @ 1..) = lane.give_up(bytes.saturating_sub(excess)) else { continue };
            excess = excess.saturating_sub(bytes);
            self.meter.status.given_up_bytes += bytes;
            let why = "more than `spool` waited";
            (self.print)(&format!("{}: {bytes} bytes of {name} are given up: {why}", self.config.name));
            given_up.push((name, lane.position()));
        }
        given_up.iter().for_each(|(name, position)| self.note(name, position));
        given_up.iter().any(|(name, _)| name == sending)
    }

    fn note(&mut self, name: &str, position: &mainstay_logs::cursor::Position) {
        if let Err(error) = self.positions.put(name, position) {
            (self.print)(&format!("{}: cannot note how far {name} is shipped: {error}", self.config.name));
        }
    }

    fn put_all(&mut self) {
        self.put = Instant::now();
        let positions: Vec<_> = self.lanes.iter().map(|(name, lane)| (name.clone(), lane.position())).collect();
        positions.iter().for_each(|(name, position)| self.note(name, position));
    }

    /// Finds logs that are new, and how much waits.
    fn rescan(&mut self) {
        if self.scanned.is_some_and(|scanned| scanned.elapsed() < RESCAN_EVERY) {
            return;
        }
        self.scanned = Some(Instant::now());
        if self.sink.is_none() && self.open().is_ok() {
            self.meter.mended();
        }
        let entries = std::fs::read_dir(&self.layout.logs).into_iter().flatten().flatten();
        for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            if name.starts_with('.') || self.lanes.contains_key(&name) || !self.route.takes_service(&name) {
                continue;
            }
            let lane = Lane::new(&name, &self.layout, self.positions.get(&name), self.events(&name));
            self.lanes.insert(name, lane);
        }
        self.measure();
    }

    fn measure(&mut self) {
        self.meter.status.waiting_bytes = self.lanes.values().filter_map(|lane| lane.waiting_bytes().ok()).sum();
        self.meter.status.oldest = self.lanes.values().filter_map(Lane::oldest).min();
    }

    /// Which lines of a service are one event; as its spec was when its log was found.
    fn events(&self, name: &str) -> Events {
        let text = std::fs::read_to_string(self.layout.spec(name)).unwrap_or_default();
        let spec = spec::read(base_name(name).0, &text, Platform::named(mainstay_os::NAME));
        spec.map_or(Events::Off, |spec| Events::of(&spec.log.multiline))
    }
}
