//! Carries effects out. None blocks: what takes time answers with a later event.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::event::{Effect, Event, HookEnd, Record as Decided, RunId};
use mainstay_core::spec::{Ask, HookPoint, Kind, Launch, Probe, Reload};
use mainstay_core::status::{History, Phase};
use mainstay_os::owner::Report;
use mainstay_os::tree::{Method, Place};
use mainstay_os::{event, memory, oslog, tree::Tree};
use mainstay_wire::record::{self, Weight, What};
use mainstay_wire::units::duration_rough;
use regex_lite::Regex;
use tokio::time::Instant;

use super::{Ending, Guard, Running, Stage};
use crate::help::{self, Facts, Hook};
use crate::input::Input;
use crate::launch::{self, Setting};
use crate::status::now;
use crate::{probe, watch};

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
            Effect::Hook(run, point, subject) => self.hook(run, point, subject.as_deref()),
            Effect::EndHook(run, point) => {
                self.hooks.iter_mut().filter(|hook| (hook.run, hook.point) == (run, point)).for_each(Hook::end);
                None
            }
            Effect::Adopt(run, pid_file) => {
                self.begin_adoption(run, pid_file);
                None
            }
            Effect::Pause(run) => Some(self.pause(run)),
            Effect::Continue(run) => {
                self.go_on(run);
                None
            }
            Effect::Reload(run, how) => self.reload(run, &how),
            Effect::Await(after) => Some(self.dependencies.watch(&self.layout, &self.name, &after)),
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
        self.begin(run);
        let spec = self.service.spec();
        let pattern = match &spec.ready.probe {
            Some(Probe::Log(pattern)) => Regex::new(pattern).ok(),
            _ => None,
        };
        let to = launch::destinations(&self.layout, &self.name, spec, wanted);
        let started = self.setting().and_then(|setting| setting.program(&self.place, run, wanted));
        match started {
            Ok((tree, mut output)) => {
                let pid = tree.pid();
                // A pipe that can't be opened is closed: the program sees the end of its input.
                let input = output.stdin.take().and_then(|raw| Input::open(raw).ok());
                self.plane.begin(run, output, to, pattern);
                let began = now().mono;
                self.running = Some(Running { run, tree, stage: Stage::Alive, began, input });
                self.watch_files();
                Event::Spawned(run, pid)
            }
            Err(why) => Event::SpawnFailed(run, why),
        }
    }

    /// Writes down that a run begins, with its first hook or its program: its number is never used again.
    fn begin(&mut self, run: RunId) {
        if std::mem::replace(&mut self.begun, run) != run {
            let History { restarts, failures, .. } = self.service.history(now());
            if restarts == 0 {
                // A start that was wanted: what the spec names is read anew. Restarts find what it finds.
                self.setting = None;
            }
            self.record(What::Starting { run: run.0, restarts, failures });
        }
    }

    /// What programs and helpers start with.
    fn setting(&mut self) -> Result<Arc<Setting>, String> {
        if let Some(setting) = &self.setting {
            return Ok(Arc::clone(setting));
        }
        let setting = Arc::new(Setting::of(&self.layout, self.service.spec())?);
        self.setting = Some(Arc::clone(&setting));
        Ok(setting)
    }

    /// Starts a command that helps the service; `role` names its containment.
    fn helper(&mut self, role: &str, command: &[String], more: &[(String, String)]) -> Result<Tree, String> {
        let mark = launch::helper_mark(&self.layout, &self.name, role);
        let place = Place::claim(&mark).map_err(|error| error.to_string())?;
        let (tree, output) = self.setting()?.helper(&place, command, more)?;
        let spec = self.service.spec();
        self.plane.prepare(launch::destinations(&self.layout, &self.name, spec, &spec.launch));
        self.plane.beside(output);
        Ok(tree)
    }

    fn hook(&mut self, run: RunId, point: HookPoint, subject: Option<&str>) -> Option<Event> {
        let told = |end| Some(Event::Hooked(run, point, end));
        if point == HookPoint::PreStart {
            self.begin(run);
        }
        let spec = self.service.spec().clone();
        let Some(hook) = spec.hooks.at.get(&point) else {
            return told(HookEnd::NotStarted("its spec has no such hook any more".to_owned()));
        };
        if self.hooks.iter().any(|running| running.point == point) {
            return told(HookEnd::NotStarted("the one before still runs".to_owned()));
        }
        let status = self.service.status();
        let facts = Facts {
            name: &self.name,
            display_name: &spec.display_name,
            run,
            status: &status,
            guard_began: self.began,
            run_began: self.running.as_ref().map(|running| running.began),
            now: now().mono,
            failures: self.service.history(now()).failures,
            program: &spec.launch.program,
            subject,
            limit: hook.timeout,
        };
        let more = help::variables(point, spec.hooks.names, &facts);
        match self.helper(point.word(), &hook.command, &more) {
            Ok(tree) => {
                let (running, over) = Hook::watch(run, point, tree, hook.timeout);
                self.hooks.push(running);
                self.performers.spawn(async move { Event::Hooked(run, point, over.await) });
                None
            }
            Err(why) => told(HookEnd::NotStarted(why)),
        }
    }

    fn begin_adoption(&mut self, run: RunId, pid_file: Option<String>) {
        let folder = launch::directory(&self.layout, &self.service.spec().launch);
        if let Some(running) = self.running.as_mut().filter(|running| running.run == run) {
            let pid_file = pid_file.map(|path| folder.join(path));
            running.stage = Stage::Adopting { pid_file, next: Instant::now() };
        }
    }

    fn pause(&self, run: RunId) -> Event {
        let paused = self.tree_of(run).map_or(Ok(()), Tree::pause);
        Event::Paused(run, paused.map_err(|error| error.to_string()))
    }

    fn go_on(&mut self, run: RunId) {
        if let Err(error) = self.tree_of(run).map_or(Ok(()), Tree::resume) {
            self.record(What::Fault { what: format!("cannot let run {} go on: {error}", run.0) });
        }
    }

    fn reload(&mut self, run: RunId, how: &Reload) -> Option<Event> {
        let told = |result: Result<(), String>| Some(Event::Reloaded(run, result));
        match how {
            Reload::Signal(number) => {
                let asked = self.tree_of(run).map_or(Ok(()), |tree| tree.ask(Method::Signal(*number)));
                told(asked.map_err(|error| error.to_string()))
            }
            Reload::Event(name) => told(event::signal(name).map_err(|error| error.to_string())),
            Reload::Command(command, limit) => {
                let limit = *limit;
                match self.helper("reload", command, &self.about(run)) {
                    Ok(tree) => {
                        let done = async move { Event::Reloaded(run, help::command(tree, limit).await) };
                        self.performers.spawn(done);
                        None
                    }
                    Err(why) => told(Err(why)),
                }
            }
        }
    }

    /// What a command for a living run is told.
    fn about(&self, run: RunId) -> Vec<(String, String)> {
        let pid = self.tree_of(run).map(|tree| ("MAINSTAY_PID".to_owned(), tree.pid().to_string()));
        [("MAINSTAY_RUN".to_owned(), run.0.to_string())].into_iter().chain(pid).collect()
    }

    /// Watches the files of the spec in force, if there is something they could restart.
    pub(super) fn watch_files(&mut self) {
        let spec = self.service.spec();
        let folder = launch::directory(&self.layout, &spec.launch);
        let wanted = spec.watch.clone().map(|rule| (rule, folder));
        if wanted == self.watched {
            return;
        }
        self.watching = None;
        if let Some((rule, folder)) = &wanted {
            match watch::watch(rule, folder) {
                Ok(watching) => self.watching = Some(watching),
                Err(what) => self.record(What::Fault { what }),
            }
        }
        self.watched = wanted;
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
        if self.tree_of(run).is_none() {
            return Ok(());
        }
        let about = self.about(run);
        self.helper = Some(self.helper("stop", command, &about)?);
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
        match &mut what {
            What::Exited { last_lines, .. } => *last_lines = std::mem::take(&mut self.tail),
            What::Hooked { took, .. } => {
                *took = self.hook_took.take().and_then(|took| u64::try_from(took.as_millis()).ok());
            }
            _ => {}
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
        } else if !self.settled && self.is_on_its_way(phase) {
            (Report::Starting, self.service.spec().ready.timeout.unwrap_or(START_LIMIT))
        } else if phase == Phase::Paused {
            (Report::Paused, Duration::ZERO)
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

    /// The owner's start is not over yet.
    fn is_on_its_way(&self, phase: Phase) -> bool {
        match phase {
            Phase::Starting | Phase::Waiting => true,
            // Others may wait for its work to be done.
            Phase::Up => self.service.spec().kind == Kind::Once,
            _ => false,
        }
    }

    fn status_text(&self) -> String {
        let status = self.service.status();
        let wait = status.next.map(|next| duration_rough(next.since(now().mono)));
        match (status.phase, status.pid, wait) {
            (Phase::Waiting | Phase::Skipped, ..) if status.note.is_some() => status.note.unwrap_or_default(),
            (Phase::Up, Some(pid), _) => format!("up, run {} (pid {pid})", status.run.0),
            (Phase::Backoff, _, Some(wait)) => format!("next start in {wait}"),
            (Phase::Quarantined, ..) => format!("quarantined after {} restarts", status.restarts),
            (phase, ..) => format!("{phase:?}").to_lowercase(),
        }
    }
}
