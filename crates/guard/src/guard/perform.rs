//! Carries effects out. None blocks: what takes time answers with a later event.

use std::time::Duration;

use mainstay_core::event::{Effect, Event, Record as Decided, RunId};
use mainstay_core::spec::{Ask, Launch, Probe};
use mainstay_core::status::{History, Phase};
use mainstay_os::owner::Report;
use mainstay_os::tree::{Method, Place};
use mainstay_os::{memory, oslog, tree::Tree};
use mainstay_wire::record::{self, Weight, What};
use mainstay_wire::units::duration_rough;
use regex_lite::Regex;

use super::{Ending, Guard, Running, Stage};
use crate::status::now;
use crate::{launch, probe};

/// What a start is said to take at most when the spec sets no limit.
const START_LIMIT: Duration = Duration::from_secs(3600);

impl Guard {
    /// Carries one effect out; `Some`: it is answered already.
    pub(super) fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Spawn(run, launch) => Some(self.spawn(run, &launch)),
            Effect::Ask(run, ask) => Some(self.ask(run, &ask)),
            Effect::Kill(run) => {
                self.kill(run);
                None
            }
            Effect::Probe(run, probe) => {
                self.probe(run, probe);
                None
            }
            Effect::Record(record) => {
                self.decided(record);
                None
            }
            Effect::Report => {
                self.report();
                None
            }
            Effect::Retire { exit } => {
                let failed = exit.is_some_and(|exit| !self.service.spec().restart.is_fine(exit));
                self.ending = Some(Ending { exit, failed });
                None
            }
        }
    }

    fn spawn(&mut self, run: RunId, wanted: &Launch) -> Event {
        let History { restarts, failures, .. } = self.service.history(now());
        self.record(What::Starting { run: run.0, restarts, failures });
        let spec = self.service.spec();
        let pattern = match &spec.ready.probe {
            Some(Probe::Log(pattern)) => Regex::new(pattern).ok(),
            _ => None,
        };
        let to = launch::destinations(&self.layout, &self.name, wanted, &spec.log);
        match launch::spawn(&self.place, &self.layout, &self.name, run, wanted) {
            Ok((tree, output)) => {
                let pid = tree.pid();
                self.plane.begin(run, output, to, pattern);
                self.running = Some(Running { run, tree, stage: Stage::Alive });
                Event::Spawned(run, pid)
            }
            Err(why) => Event::SpawnFailed(run, why),
        }
    }

    fn ask(&mut self, run: RunId, ask: &Ask) -> Event {
        self.helper = None;
        let method = match ask {
            Ask::CtrlC => Method::CtrlC,
            Ask::CtrlBreak => Method::CtrlBreak,
            Ask::CloseWindows => Method::CloseWindows,
            Ask::QuitThreads => Method::QuitThreads,
            Ask::Signal(number) => Method::Signal(*number),
            Ask::Command(command) => return Event::Asked(run, ask.clone(), self.stop_command(run, command)),
            Ask::Terminate => {
                self.kill(run);
                return Event::Asked(run, ask.clone(), Ok(()));
            }
        };
        let asked = self.tree_of(run).map_or(Ok(()), |tree| tree.ask(method));
        Event::Asked(run, ask.clone(), asked.map_err(|error| error.to_string()))
    }

    fn stop_command(&mut self, run: RunId, command: &[String]) -> Result<(), String> {
        let Some(pid) = self.tree_of(run).map(Tree::pid) else { return Ok(()) };
        let mark = format!("{}.stop", self.layout.mark(&self.name));
        let place = Place::claim(&mark).map_err(|error| error.to_string())?;
        let launch = &self.service.spec().launch;
        let started = launch::stop_command(&place, &self.layout, (&self.name, run, pid), launch, command);
        let (tree, output) = started?;
        self.plane.beside(output);
        self.helper = Some(tree);
        Ok(())
    }

    fn kill(&mut self, run: RunId) {
        self.helper = None;
        let killed = self.tree_of(run).filter(|tree| !tree.is_empty()).map_or(Ok(()), Tree::kill);
        if let Err(error) = killed {
            self.record(What::Fault { what: format!("cannot end run {}: {error}; it is tried again", run.0) });
        }
    }

    fn tree_of(&self, run: RunId) -> Option<&Tree> {
        self.running.as_ref().filter(|running| running.run == run).map(|running| &running.tree)
    }

    fn probe(&mut self, run: RunId, probe: Probe) {
        let told = move |result| match result {
            Ok(()) => Event::Ready(run),
            Err(why) => Event::NotReady(run, why),
        };
        match probe {
            Probe::Tcp(address) => drop(self.performers.spawn(async move { told(probe::tcp(&address).await) })),
            Probe::Http(address) => drop(self.performers.spawn(async move { told(probe::http(&address).await) })),
            // Of a new run the data plane watches for the line since the spawn; this is for a spec that changed meanwhile.
            Probe::Log(pattern) => self.plane.watch(run, Regex::new(&pattern).ok()),
            // The machine keeps the time of a delay.
            Probe::Delay(_) => {}
        }
    }

    fn decided(&mut self, decided: Decided) {
        if let Decided::OrderRefused(_, why) = &decided {
            self.refused = Some(why.clone());
        }
        let stamp = self.running.as_ref().map_or(0, |running| running.tree.start_stamp());
        let mut what = record::decided(decided, stamp, self.service.status().restarts);
        if let What::Exited { last_lines, .. } = &mut what {
            *last_lines = std::mem::take(&mut self.tail);
        }
        self.record(what);
    }

    /// Writes to the journal, and what matters to people who watch the machine also to the OS's log.
    pub(super) fn record(&mut self, what: What) {
        let level = match what.weight() {
            Weight::Quiet => None,
            Weight::Note => Some(oslog::Level::Info),
            Weight::Warning => Some(oslog::Level::Warning),
            Weight::Error => Some(oslog::Level::Error),
        };
        let record = self.journal.append(now(), what);
        if let Some(level) = level {
            oslog::write(level, &self.name, &record.what.to_string());
        }
    }

    /// Tells the owner and everybody who waits.
    pub(super) fn report(&mut self) {
        let phase = self.service.status().phase;
        let (report, limit) = if self.retiring {
            (Report::Stopping, self.service.stop_limit())
        } else if phase == Phase::Starting && !self.settled {
            (Report::Starting, self.service.spec().ready.timeout.unwrap_or(START_LIMIT))
        } else {
            // Whatever becomes of the program now, the guard is up: back-off, quarantine and restarts are its own business.
            if !std::mem::replace(&mut self.settled, true) {
                // What the start needed once: the text of the spec, the journal, the first launch.
                memory::give_back();
            }
            (Report::Up, Duration::ZERO)
        };
        let text = self.status_text();
        self.owner.report(report, limit, &text);
        self.wake_waiters();
    }

    fn status_text(&self) -> String {
        let status = self.service.status();
        let wait = status.next.map(|next| duration_rough(next.since(now().mono)));
        match (status.phase, status.pid, wait) {
            (Phase::Up, Some(pid), _) => format!("up, run {} (pid {pid})", status.run.0),
            (Phase::Backoff, _, Some(wait)) => format!("next start in {wait}"),
            (Phase::Quarantined, ..) => format!("quarantined after {} restarts", status.restarts),
            (phase, ..) => format!("{phase:?}").to_lowercase(),
        }
    }
}
