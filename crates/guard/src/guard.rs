//! The loop: the next thing that happened → the machine → its effects.

mod answer;
mod perform;

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::event::{Event, Limit, Order, RunId, Verb};
use mainstay_core::exit::Exit;
use mainstay_core::service::Service;
use mainstay_core::spec::{HookPoint, Kind, Watch};
use mainstay_core::status::Phase;
use mainstay_core::time::Mono;
use mainstay_os::owner::{Owner, Report, Request};
use mainstay_os::power::{self, Power};
use mainstay_os::resources::LimitHit;
use mainstay_os::tree::{self, News, Place, Tree};
use mainstay_wire::control::Answer;
use mainstay_wire::layout::Layout;
use mainstay_wire::record::What;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::control::Question;
use crate::depend::Dependencies;
use crate::help::{self, Hook};
use crate::input::Input;
use crate::journal::Journal;
use crate::launch::Setting;
use crate::output::{FileNews, Plane, PlaneNews};
use crate::pack;
use crate::specs::SpecFile;
use crate::start::First;
use crate::status::{Dates, now};
use crate::watch::{Changes, Watching};
use crate::{EXIT_GAVE_UP, OwnerKind, Setup};

use answer::{Follower, Waiter};

/// The last words of a program must be in the files by then; a disk that hangs can't hold a restart up longer.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// A pid file that is awaited is looked at this often.
const ADOPT_EVERY: Duration = Duration::from_millis(20);
/// Turns that the control server gets to pass the last answers on.
const ANSWER_TURNS: u32 = 8;
/// Records that the disk refused are tried again this often.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// One guard with everything it owns.
pub(crate) struct Guard {
    pub(crate) service: Service,
    pub(crate) owner_kind: OwnerKind,
    layout: Layout,
    name: String,
    owner: Owner,
    spec_file: SpecFile,
    journal: Journal,
    place: Place,
    containment: String,
    plane: Plane,
    plane_news: mpsc::Receiver<PlaneNews>,
    questions: mpsc::Receiver<Question>,
    /// Woken when a client that followed has gone.
    left: Arc<Notify>,
    /// Control server and orphan reaper; they end with the guard.
    _background: JoinSet<()>,
    /// Logs of which a file was set aside that is not packed yet.
    to_pack: BTreeSet<PathBuf>,
    /// Who ordered a rotation that waits for its hook.
    rotations: Vec<oneshot::Sender<Answer>>,
    /// Answers that wait for the disk.
    errands: JoinSet<()>,
    /// Attempts under way; each ends with the event that answers it.
    performers: JoinSet<Event>,
    running: Option<Running>,
    /// The newest run whose beginning is written down.
    begun: RunId,
    /// What was made of the spec for the last start that was wanted; `None`: the next start makes it anew.
    setting: Option<Arc<Setting>>,
    /// A stop command under way. Dropping it ends it.
    helper: Option<Tree>,
    /// Hooks under way.
    hooks: Vec<Hook>,
    /// How long the hook took that is over now, for its record.
    hook_took: Option<Duration>,
    /// The services that this one comes after.
    dependencies: Dependencies,
    /// Files that are watched for changes, with the rule they are watched by.
    watching: Option<(Watching, Changes)>,
    watched: Option<(Watch, PathBuf)>,
    power: Option<power::Watch>,
    waiters: Vec<Waiter>,
    followers: Vec<Follower>,
    /// Services that come after this one and live, as the machine was told.
    dependents: u32,
    /// When this guard began.
    began: Mono,
    /// Why the last order was refused, for the client that gave it.
    refused: Option<String>,
    /// The last words of the run that ended last, for its exit record.
    tail: Vec<String>,
    /// The calendar times of the state told last.
    dates: Dates,
    /// When the owner wants to hear from us next.
    pulse_at: Option<Instant>,
    /// When records that the disk refused are tried again.
    save_at: Option<Instant>,
    /// The owner has been told that the start is over: from then on restarts are our own business.
    settled: bool,
    /// The owner wants us gone.
    retiring: bool,
    /// Set when the work is over.
    ending: Option<Ending>,
}

/// What `start` has made ready for the loop.
pub(crate) struct Parts {
    pub(crate) service: Service,
    pub(crate) spec_file: SpecFile,
    pub(crate) journal: Journal,
    pub(crate) place: Place,
    pub(crate) containment: String,
    pub(crate) plane: Plane,
    pub(crate) plane_news: mpsc::Receiver<PlaneNews>,
    pub(crate) questions: mpsc::Receiver<Question>,
    pub(crate) left: Arc<Notify>,
    pub(crate) background: JoinSet<()>,
    pub(crate) first: First,
}

/// The living run, or what is left of it.
struct Running {
    run: RunId,
    tree: Tree,
    stage: Stage,
    began: Mono,
    /// Its standard input, kept open.
    input: Option<Input>,
}

enum Stage {
    /// The main process lives.
    Alive,
    /// The first process ended well; the one that it left behind is looked for until then.
    Adopting { pid_file: Option<PathBuf>, next: Instant },
    /// It ended; its last words are being written.
    Draining { exit: Exit, reply: oneshot::Receiver<Vec<String>>, until: Instant },
    /// Only descendants may live.
    Ended,
}

/// How the guard ends.
#[derive(Debug, Clone, Copy)]
struct Ending {
    exit: Option<Exit>,
    failed: bool,
}

/// The next thing that happened.
enum Incoming {
    Exited(tree::Exit),
    Drained(Vec<String>),
    Emptied,
    Adopt,
    Limit(LimitHit),
    Plane(PlaneNews),
    Performed(Event),
    Seen(Event),
    FileChanged(String),
    Power(Power),
    FollowerLeft,
    Question(Question),
    Owner(Request),
    Deadline,
    Pulse,
    Save,
}

impl Guard {
    pub(crate) fn new(setup: Setup, owner: Owner, parts: Parts) -> Self {
        let Parts { service, spec_file, journal, place, containment, plane, plane_news, .. } = parts;
        let Parts { questions, left, background, .. } = parts;
        Self {
            service,
            owner_kind: setup.owner,
            layout: setup.layout,
            name: setup.name,
            owner,
            spec_file,
            journal,
            place,
            containment,
            plane,
            plane_news,
            questions,
            left,
            _background: background,
            to_pack: BTreeSet::new(),
            rotations: Vec::new(),
            errands: JoinSet::new(),
            performers: JoinSet::new(),
            running: None,
            begun: RunId(0),
            setting: None,
            helper: None,
            hooks: Vec::new(),
            hook_took: None,
            dependencies: Dependencies::new(),
            watching: None,
            watched: None,
            // Without it timers are late after a sleep of the machine, no worse.
            power: power::Watch::new().ok(),
            waiters: Vec::new(),
            followers: Vec::new(),
            dependents: 0,
            began: now().mono,
            refused: None,
            tail: Vec::new(),
            dates: Dates::default(),
            pulse_at: None,
            save_at: None,
            settled: false,
            retiring: false,
            ending: None,
        }
    }

    /// Runs until the work is over; returns the exit code of the process.
    pub(crate) async fn watch(mut self) -> i32 {
        self.report();
        while self.ending.is_none() {
            match self.next().await {
                Incoming::Exited(exit) => self.main_ended(exit),
                Incoming::Drained(tail) => self.drained(tail),
                Incoming::Emptied => self.emptied(),
                Incoming::Adopt => self.adopt(),
                Incoming::Limit(hit) => self.limit_hit(hit),
                Incoming::Plane(PlaneNews::Ready(run)) => self.handle(Event::Ready(run)),
                Incoming::Plane(PlaneNews::File(FileNews::Due { current })) => self.rotation_due(&current),
                Incoming::Plane(PlaneNews::File(FileNews::Rotated { current, old })) => self.rotated(current, &old),
                Incoming::Plane(PlaneNews::File(FileNews::Broken(what))) => self.record(What::Fault { what }),
                Incoming::Plane(PlaneNews::File(FileNews::Mended(what))) => self.record(What::Mended { what }),
                Incoming::Plane(PlaneNews::File(FileNews::LeftOut { path, lines, bytes, why })) => {
                    self.record(What::LeftOut { file: path.display().to_string(), lines, bytes, why });
                }
                Incoming::Performed(event) => self.performed(event),
                Incoming::Seen(event) => self.handle(event),
                Incoming::FileChanged(path) => self.handle(Event::FileChanged(path)),
                Incoming::Power(Power::Suspending) => self.handle(Event::Suspending),
                Incoming::Power(Power::Resumed) => self.handle(Event::Resumed),
                // The next turn looks at every deadline anew, and no deadline is one of the calendar's.
                Incoming::Power(Power::ClockSet) => {}
                Incoming::FollowerLeft => self.count_dependents(),
                Incoming::Question(question) => self.answer(question),
                Incoming::Owner(request) => self.requested(request),
                Incoming::Deadline => self.handle(Event::Deadline),
                Incoming::Pulse => {
                    self.pulse_at = None;
                    self.owner.pulse();
                }
                Incoming::Save => {
                    self.save_at = None;
                    // What still fails is tried again at the next turn.
                    drop(self.journal.save());
                }
            }
            self.journal.sync_behind();
        }
        // The client whose order ended us is answered before its connection goes down with us.
        for _ in 0..ANSWER_TURNS {
            tokio::task::yield_now().await;
        }
        self.finish()
    }

    async fn next(&mut self) -> Incoming {
        let deadline = self.service.deadline().map(|at| Instant::now() + at.since(now().mono));
        self.pulse_at = self.owner.pulse_every().map(|every| self.pulse_at.unwrap_or_else(|| Instant::now() + every));
        self.save_at = self.journal.waits().then(|| self.save_at.unwrap_or_else(|| Instant::now() + SAVE_EVERY));
        let (pulse, save) = (self.pulse_at, self.save_at);
        tokio::select! {
            biased;
            request = self.owner.request() => Incoming::Owner(request),
            incoming = of_run(&mut self.running) => incoming,
            Some(news) = self.plane_news.recv() => Incoming::Plane(news),
            Some(Ok(event)) = self.performers.join_next() => Incoming::Performed(event),
            event = self.dependencies.next() => Incoming::Seen(event),
            changed = change(&mut self.watching) => Incoming::FileChanged(changed),
            power = sleep_news(&mut self.power) => Incoming::Power(power),
            () = self.left.notified() => Incoming::FollowerLeft,
            () = at(deadline) => Incoming::Deadline,
            () = at(save) => Incoming::Save,
            () = at(pulse) => Incoming::Pulse,
            Some(question) = self.questions.recv() => Incoming::Question(question),
        }
    }

    /// Hands one event to the machine and carries out what follows, including what is answered at once.
    pub(crate) fn handle(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.service.handle(now(), event, &mut effects);
            for effect in effects {
                events.extend(self.perform(effect));
            }
        }
        // One of kind `once` stays *done* until its owner wants it gone: those that come after it look at it.
        let stays = self.owner_kind == OwnerKind::Up || self.service.spec().kind == Kind::Once;
        let over = self.service.status().phase == Phase::Done && !stays;
        if over && self.ending.is_none() {
            self.give_up();
        }
    }

    pub(crate) fn handle_order(&mut self, order: Order) {
        self.refused = None;
        self.retiring |= matches!(order.verb, Verb::Retire | Verb::Shutdown);
        self.handle(Event::Order(order));
    }

    fn main_ended(&mut self, exit: tree::Exit) {
        self.helper = None;
        let reply = self.plane.drain();
        if let Some(running) = &mut self.running {
            running.stage = Stage::Draining { exit: help::exit_of(exit), reply, until: Instant::now() + DRAIN_LIMIT };
        }
    }

    fn drained(&mut self, tail: Vec<String>) {
        let Some(running) = &mut self.running else { return };
        let Stage::Draining { exit, .. } = std::mem::replace(&mut running.stage, Stage::Ended) else { return };
        let run = running.run;
        self.tail = tail;
        self.handle(Event::Exited(run, exit));
        if self.running.as_ref().is_some_and(|running| running.run == run && running.tree.is_empty()) {
            self.emptied();
        }
    }

    fn emptied(&mut self) {
        let Some(Running { run, tree, .. }) = self.running.take() else { return };
        // Before the machine may start the next run: dropping a tree ends it, and both live in one place.
        drop(tree);
        self.handle(Event::Emptied(run));
    }

    fn requested(&mut self, request: Request) {
        let verb = match request {
            Request::Stop => Verb::Retire,
            Request::Shutdown => Verb::Shutdown,
            Request::Pause => Verb::Pause,
            Request::Continue => Verb::Continue,
            Request::Reload => return self.owner_reload(),
        };
        let by = match (request, self.owner_kind) {
            (Request::Shutdown, _) => "the system's shutdown",
            (_, OwnerKind::Scm) => "the Windows service manager",
            (_, OwnerKind::Systemd) => "systemd",
            (_, OwnerKind::Up) => "a signal",
        };
        self.handle_order(Order { verb, by: by.to_owned() });
        // The owner asked in vain, or for what is the case already: it waits to hear how things are.
        self.report();
    }

    /// Looks for the main process that a program of kind `forking` has left.
    fn adopt(&mut self) {
        let Some(running) = &mut self.running else { return };
        let Stage::Adopting { pid_file, next } = &mut running.stage else { return };
        let run = running.run;
        let named = match pid_file {
            Some(path) => match help::pid_in(path) {
                Some(pid) => Some(pid),
                // Not written yet: the machine knows how long that may take.
                None => return *next = Instant::now() + ADOPT_EVERY,
            },
            None => None,
        };
        let event = match running.tree.adopt(named) {
            Ok(pid) => {
                running.stage = Stage::Alive;
                Event::Adopted(run, pid)
            }
            // An old file names a process that is gone; the new one may be on its way.
            Err(_) if pid_file.is_some() && !running.tree.is_empty() => {
                return *next = Instant::now() + ADOPT_EVERY;
            }
            Err(error) => {
                running.stage = Stage::Ended;
                Event::AdoptFailed(run, error.to_string())
            }
        };
        self.handle(event);
    }

    fn limit_hit(&mut self, hit: LimitHit) {
        let Some(run) = self.running.as_ref().map(|running| running.run) else { return };
        let limit = match hit {
            LimitHit::Memory => Limit::Memory,
            LimitHit::Processes => Limit::Processes,
        };
        self.handle(Event::LimitHit(run, limit));
    }

    /// A performer has answered.
    fn performed(&mut self, event: Event) {
        let mut is_allowed = false;
        if let Event::Hooked(run, point, _) = &event {
            is_allowed = *point == HookPoint::PreRotate;
            let over = self.hooks.iter().position(|hook| (hook.run, hook.point) == (*run, *point));
            self.hook_took = over.map(|index| self.hooks.swap_remove(index).began.elapsed());
        }
        self.handle(event);
        self.pack();
        if is_allowed {
            self.go_on_rotating();
        }
    }

    /// A log file is to be begun anew: its hook first. One that runs for another file stands for this one too.
    fn rotation_due(&mut self, current: &Path) {
        if !self.runs(HookPoint::PreRotate) {
            self.handle(Event::Rotating(current.display().to_string()));
        }
        self.go_on_rotating();
    }

    /// The hook is over, or could not be started: no reason to let files grow.
    fn go_on_rotating(&mut self) {
        if self.runs(HookPoint::PreRotate) {
            return;
        }
        self.plane.allow_rotation();
        for reply in std::mem::take(&mut self.rotations) {
            self.rotate(reply);
        }
    }

    fn runs(&self, point: HookPoint) -> bool {
        self.hooks.iter().any(|hook| hook.point == point)
    }

    /// A log file was set aside: its hook first, packed when nobody needs it as it is.
    fn rotated(&mut self, current: PathBuf, old: &Path) {
        self.to_pack.insert(current);
        self.handle(Event::Rotated(old.display().to_string()));
        self.pack();
    }

    fn pack(&mut self) {
        if self.to_pack.is_empty() || self.runs(HookPoint::OnRotate) {
            return;
        }
        let logs = std::mem::take(&mut self.to_pack);
        if let Err(what) = pack::start(&logs, self.service.spec().log.keeping.rotate.compress) {
            self.record(What::Fault { what });
        }
    }

    /// The service has ended and no restart is wanted: an owner that shows states shall show this one.
    fn give_up(&mut self) {
        let exit = self.service.status().last_exit;
        let fine = exit.is_some_and(|exit| self.service.spec().restart.is_fine(exit));
        self.ending = Some(Ending { exit, failed: !fine });
    }

    fn finish(mut self) -> i32 {
        self.record(What::GuardEnded);
        self.journal.finish();
        let Ending { exit, failed } = self.ending.unwrap_or(Ending { exit: None, failed: false });
        let exit = exit.map(|exit| match exit {
            Exit::Code(code) => tree::Exit::Code(code),
            Exit::Signal(signal) => tree::Exit::Signal(signal),
        });
        self.owner.report(Report::Stopped { exit, failed }, Duration::ZERO, if failed { "failed" } else { "ended" });
        if failed { EXIT_GAVE_UP } else { 0 }
    }
}

/// What the living run does next; never, when there is none.
async fn of_run(running: &mut Option<Running>) -> Incoming {
    let Some(Running { tree, stage, .. }) = running else { return pending().await };
    match stage {
        Stage::Alive => match tree.news().await {
            News::Exited(exit) => Incoming::Exited(exit),
            News::Limit(hit) => Incoming::Limit(hit),
        },
        Stage::Adopting { next, .. } => {
            let next = *next;
            tokio::select! {
                biased;
                () = tree.emptied() => Incoming::Emptied,
                () = sleep_until(next) => Incoming::Adopt,
            }
        }
        Stage::Draining { reply, until, .. } => {
            let tail = tokio::time::timeout_at(*until, reply).await;
            Incoming::Drained(tail.ok().and_then(Result::ok).unwrap_or_default())
        }
        Stage::Ended => {
            tree.emptied().await;
            Incoming::Emptied
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

/// The next change of a watched file; never, while none is watched.
async fn change(watching: &mut Option<(Watching, Changes)>) -> String {
    match watching {
        Some((_, changes)) => match changes.recv().await {
            Some(path) => path,
            None => pending().await,
        },
        None => pending().await,
    }
}

async fn sleep_news(power: &mut Option<power::Watch>) -> Power {
    match power {
        Some(watch) => watch.next().await,
        None => pending().await,
    }
}
