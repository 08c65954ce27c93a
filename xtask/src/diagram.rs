//! The state diagram, found by driving the real machine: every situation it can be in × everything that can happen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use mainstay_core::event::{Effect, Event, HookEnd, Order, Record, RunId, Sight, Verb};
use mainstay_core::exit::Exit;
use mainstay_core::service::Service;
use mainstay_core::spec::{
    Account, After, Ask, Awaited, Env, Follow, Hook, HookPoint, Hooks, Kind, Launch, Log, Probe, Quarantine, Ready,
    Reload, Resources, Restart, RestartOn, Spec, StartMode, Stdin, Step, Stop, Until, Watch,
};
use mainstay_core::status::{History, Phase, Standing};
use mainstay_core::time::{Mono, Now};

/// A situation that answers some event differently from every other: a spec, and the events that lead into it.
struct Situation {
    /// The phase it belongs to, and what is special about it.
    name: &'static str,
    spec: fn(&mut Spec),
    path: &'static [What],
}

/// What can happen, in the order of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Start,
    StartNow,
    Stop,
    Restart,
    Kill,
    Retire,
    Shutdown,
    Pause,
    Continue,
    Reload,
    Resume,
    Spawned,
    SpawnFailed,
    Exited,
    Ended,
    Emptied,
    Adopted,
    AdoptFailed,
    AskFailed,
    Ready,
    NotReady,
    Hooked,
    HookFailed,
    Paused,
    PauseFailed,
    OthersThere,
    OtherFailed,
    OtherAnew,
    Dependents,
    NoDependents,
    FileChanged,
    NewProgram,
    NewPolicy,
    Deadline,
}

use What::{
    AskFailed, Deadline, Dependents, Emptied, Ended, Exited, Hooked, NotReady, OtherFailed, OthersThere, Pause, Paused,
    Retire, Shutdown, SpawnFailed, Spawned, Start as Begin, Stop as Halt,
};

const EVERYTHING: [(What, &str); 34] = [
    (What::Start, "start"),
    (What::StartNow, "start now"),
    (What::Stop, "stop"),
    (What::Restart, "restart"),
    (What::Kill, "kill"),
    (What::Retire, "retire"),
    (What::Shutdown, "shutdown"),
    (What::Pause, "pause"),
    (What::Continue, "continue"),
    (What::Reload, "reload"),
    (What::Resume, "resume"),
    (What::Spawned, "spawned"),
    (What::SpawnFailed, "spawn failed"),
    (What::Exited, "exited"),
    (What::Ended, "ended well"),
    (What::Emptied, "emptied"),
    (What::Adopted, "adopted"),
    (What::AdoptFailed, "adopt failed"),
    (What::AskFailed, "ask failed"),
    (What::Ready, "ready"),
    (What::NotReady, "not ready"),
    (What::Hooked, "hook ended well"),
    (What::HookFailed, "hook failed"),
    (What::Paused, "paused"),
    (What::PauseFailed, "pause failed"),
    (What::OthersThere, "others are there"),
    (What::OtherFailed, "another failed"),
    (What::OtherAnew, "another came anew"),
    (What::Dependents, "dependents live"),
    (What::NoDependents, "no dependents"),
    (What::FileChanged, "file changed"),
    (What::NewProgram, "new program"),
    (What::NewPolicy, "new policy"),
    (What::Deadline, "deadline"),
];

const fn as_it_is(_: &mut Spec) {}

fn waits(spec: &mut Spec) {
    spec.restart.delay = Duration::from_secs(1);
}

fn never_again(spec: &mut Spec) {
    spec.restart.on = RestartOn::Never;
}

fn never_twice(spec: &mut Spec) {
    let release_after = Some(Duration::from_secs(3_600));
    spec.restart.quarantine = Some(Quarantine { restarts: 0, within: Duration::from_secs(300), release_after });
}

fn probed(spec: &mut Spec) {
    spec.ready.probe = Some(Probe::Tcp("localhost:80".into()));
    spec.ready.timeout = Some(Duration::from_secs(60));
}

fn delayed(spec: &mut Spec) {
    spec.ready.probe = Some(Probe::Delay(Duration::from_secs(1)));
}

fn after_another(spec: &mut Spec) {
    let what = Awaited::Service(OTHER.into(), Until::Ready);
    spec.after = vec![After { what, fails: Follow::Restart, restarts: Follow::Restart }];
}

fn bound_to_another(spec: &mut Spec) {
    let what = Awaited::Service(OTHER.into(), Until::Ready);
    spec.after = vec![After { what, fails: Follow::Stop, restarts: Follow::Keep }];
}

fn bound_and_waits(spec: &mut Spec) {
    bound_to_another(spec);
    waits(spec);
}

fn hooked(spec: &mut Spec) {
    for point in [HookPoint::PreStart, HookPoint::PreStop, HookPoint::PostStop] {
        let (command, timeout) = (Vec::new(), Duration::from_secs(30));
        spec.hooks.at.insert(point, Hook { command, timeout, abort_on: Vec::new(), ignore_failure: false });
    }
}

fn forking(spec: &mut Spec) {
    spec.kind = Kind::Forking { pid_file: None };
    spec.ready.timeout = Some(Duration::from_secs(60));
}

fn limited(spec: &mut Spec) {
    spec.max_runtime = Some(Duration::from_secs(3_600));
}

/// The service that others wait for here.
const OTHER: &str = "db";

const SITUATIONS: [Situation; 42] = [
    Situation { name: "down", spec: as_it_is, path: &[] },
    Situation { name: "down, comes after another", spec: after_another, path: &[] },
    Situation { name: "down: retired", spec: as_it_is, path: &[Retire] },
    Situation { name: "waiting", spec: after_another, path: &[Begin] },
    Situation { name: "skipped", spec: after_another, path: &[Begin, OtherFailed] },
    Situation { name: "starting: the hook before it runs", spec: hooked, path: &[Begin] },
    Situation { name: "starting: spawn under way, a failure is followed by a restart", spec: as_it_is, path: &[Begin] },
    Situation { name: "starting: spawn under way, … by back-off", spec: waits, path: &[Begin] },
    Situation { name: "starting: spawn under way, … by quarantine", spec: never_twice, path: &[Begin] },
    Situation { name: "starting: spawn under way, … by nothing", spec: never_again, path: &[Begin] },
    Situation { name: "starting: forks", spec: forking, path: &[Begin, Spawned] },
    Situation { name: "starting: has forked", spec: forking, path: &[Begin, Spawned, Ended] },
    Situation { name: "starting: the probe is under way", spec: probed, path: &[Begin, Spawned] },
    Situation { name: "starting: the next probe waits", spec: probed, path: &[Begin, Spawned, NotReady] },
    Situation { name: "starting: a delay is the probe", spec: delayed, path: &[Begin, Spawned] },
    Situation { name: "up", spec: as_it_is, path: &[Begin, Spawned] },
    Situation { name: "up, for a limited time", spec: limited, path: &[Begin, Spawned] },
    Situation { name: "up, restarts with another", spec: after_another, path: &[Begin, OthersThere, Spawned] },
    Situation { name: "up, stops with another", spec: bound_to_another, path: &[Begin, OthersThere, Spawned] },
    Situation { name: "up, to be paused", spec: as_it_is, path: &[Begin, Spawned, Pause] },
    Situation { name: "up, others come after it", spec: as_it_is, path: &[Begin, Spawned, Dependents] },
    Situation { name: "paused", spec: as_it_is, path: &[Begin, Spawned, Pause, Paused] },
    Situation { name: "paused: before it was ready", spec: probed, path: &[Begin, Spawned, Pause, Paused] },
    Situation { name: "stopping: the hook before the run ends", spec: hooked, path: &[Begin, Halt] },
    Situation { name: "stopping: spawn under way", spec: as_it_is, path: &[Begin, Halt] },
    Situation { name: "stopping: others come first", spec: as_it_is, path: &[Begin, Spawned, Dependents, Shutdown] },
    Situation { name: "stopping: the hook before it runs", spec: hooked, path: &[Begin, Hooked, Spawned, Halt] },
    Situation { name: "stopping: asked", spec: as_it_is, path: &[Begin, Spawned, Halt] },
    Situation { name: "stopping: asked, a start follows", spec: as_it_is, path: &[Begin, Spawned, Halt, Begin] },
    Situation { name: "stopping: asked, retires", spec: as_it_is, path: &[Begin, Spawned, Retire] },
    Situation { name: "stopping: not ready in time", spec: probed, path: &[Begin, Spawned, Deadline] },
    Situation { name: "stopping: descendants linger", spec: as_it_is, path: &[Begin, Spawned, Halt, Exited] },
    Situation { name: "stopping: killed", spec: as_it_is, path: &[Begin, Spawned, Halt, AskFailed, AskFailed] },
    Situation { name: "stopping: crashed, restart follows", spec: as_it_is, path: &[Begin, Spawned, Exited] },
    Situation { name: "stopping: crashed, back-off follows", spec: waits, path: &[Begin, Spawned, Exited] },
    Situation { name: "stopping: crashed, quarantine follows", spec: never_twice, path: &[Begin, Spawned, Exited] },
    Situation { name: "stopping: ended, nothing follows", spec: never_again, path: &[Begin, Spawned, Exited] },
    Situation {
        name: "stopping: the hook after it runs",
        spec: hooked,
        path: &[Begin, Hooked, Spawned, Exited, Emptied],
    },
    Situation { name: "backoff", spec: waits, path: &[Begin, SpawnFailed] },
    Situation { name: "backoff, stops with another", spec: bound_and_waits, path: &[Begin, OthersThere, SpawnFailed] },
    Situation { name: "quarantined", spec: never_twice, path: &[Begin, SpawnFailed] },
    Situation { name: "done", spec: never_again, path: &[Begin, Spawned, Exited, Emptied] },
];

/// The machine with a clock.
#[derive(Clone)]
struct Subject {
    service: Service,
    now: Now,
    last_ask: Ask,
    /// The hook that runs.
    hook: Option<HookPoint>,
    /// The newest run of the other service.
    other_run: u64,
}

/// The document: the diagram of phases, and the table of situations.
pub(crate) fn markdown() -> String {
    let mut edges: BTreeMap<(&str, &str), BTreeSet<What>> = BTreeMap::new();
    let mut table = heading();
    for situation in &SITUATIONS {
        let subject = Subject::led(situation);
        let from = phase_name(subject.service.status().phase);
        let _ = write!(table, "| {} |", situation.name);
        for (what, _) in EVERYTHING {
            let (to, touched) = subject.clone().answer(what);
            let _ = write!(table, " {} |", if to != from { to } else { touched });
            if to != from {
                edges.entry((from, to)).or_default().insert(what);
            }
        }
        table.push('\n');
    }
    format!("{INTRODUCTION}\n{}\n{LEGEND}\n{table}", mermaid(&edges))
}

const INTRODUCTION: &str = "\
# The states of a service

Generated by `cargo xtask gen` from the machine itself (`crates/core/src/service.rs`), by driving it into every situation and
trying everything; don't edit.
";

const LEGEND: &str = "\
Every situation × everything that can happen. A cell names the phase that follows; `stays`: something is done or remembered and the phase
is the same; `refused`: the order is not taken; `·`: nothing happens. Late news of another run is `·` everywhere. *Exited* is a failure (code 1), *ended well* code 0; a
*deadline* is the one the machine asked for; *hook* is the one that is waited for. Watched files that changed count at once here.
*Stopping* ends only when nothing of the run lives any more: that is *emptied*, and the end of the hook after it if there is one.
";

fn heading() -> String {
    let names: Vec<&str> = EVERYTHING.iter().map(|(_, name)| *name).collect();
    format!("| | {} |\n|---{}|\n", names.join(" | "), "|---".repeat(names.len()))
}

fn mermaid(edges: &BTreeMap<(&str, &str), BTreeSet<What>>) -> String {
    let mut text = String::from("```mermaid\nstateDiagram-v2\n    [*] --> down\n");
    for ((from, to), whats) in edges {
        let names = EVERYTHING.iter().filter(|(what, _)| whats.contains(what)).map(|(_, name)| *name);
        let _ = writeln!(text, "    {from} --> {to}: {}", names.collect::<Vec<_>>().join(", "));
    }
    text.push_str("```\n");
    text
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Down => "down",
        Phase::Waiting => "waiting",
        Phase::Skipped => "skipped",
        Phase::Starting => "starting",
        Phase::Up => "up",
        Phase::Paused => "paused",
        Phase::Stopping => "stopping",
        Phase::Backoff => "backoff",
        Phase::Quarantined => "quarantined",
        Phase::Done => "done",
    }
}

impl Subject {
    /// The machine in that situation.
    fn led(situation: &Situation) -> Self {
        let mut spec = spec();
        (situation.spec)(&mut spec);
        let now = Now { mono: Mono(1_000_000_000), ..Now::default() };
        let service = Service::new(spec, History::default(), 0, now);
        let last_ask = Ask::CtrlC;
        let mut subject = Self { service, now, last_ask, hook: None, other_run: 1 };
        for what in situation.path {
            subject.answer(*what);
        }
        subject
    }

    /// The phase after this, and what is said if the phase is the same.
    fn answer(&mut self, what: What) -> (&'static str, &'static str) {
        if what == What::Deadline {
            self.now.mono = self.service.deadline().unwrap_or(self.now.mono);
        }
        let deadline = self.service.deadline();
        let mut effects = Vec::new();
        for event in self.events(what) {
            self.service.handle(self.now, event, &mut effects);
        }
        for effect in &effects {
            match effect {
                Effect::Ask(_, ask) => self.last_ask = ask.clone(),
                Effect::Hook(_, point, _) => self.hook = Some(*point),
                _ => {}
            }
        }
        let refused = effects.iter().any(|effect| matches!(effect, Effect::Record(Record::OrderRefused(..))));
        let touched = !effects.is_empty() || self.service.deadline() != deadline;
        let same = match (refused, touched) {
            (true, _) => "refused",
            (false, true) => "stays",
            (false, false) => "·",
        };
        (phase_name(self.service.status().phase), same)
    }

    fn events(&mut self, what: What) -> Vec<Event> {
        let run = self.service.status().run;
        let order = |verb| Event::Order(Order { verb, by: String::new() });
        let others = Event::Awaiting(vec![(0, OTHER.to_owned())]);
        let one = match what {
            What::OthersThere => return vec![others, self.other(Standing::Ready)],
            What::OtherFailed => return vec![others, self.other(Standing::Failed)],
            What::OtherAnew => {
                self.other_run += 1;
                return vec![others, self.other(Standing::Ready)];
            }
            What::Hooked => return self.hooked(HookEnd::Exited(Exit::Code(0))),
            What::HookFailed => return self.hooked(HookEnd::TimedOut),
            What::FileChanged => return vec![Event::FileChanged(String::new()), Event::Deadline],
            What::Start => order(Verb::Start),
            What::StartNow => order(Verb::StartNow),
            What::Stop => order(Verb::Stop),
            What::Restart => order(Verb::Restart),
            What::Kill => order(Verb::Kill),
            What::Retire => order(Verb::Retire),
            What::Shutdown => order(Verb::Shutdown),
            What::Pause => order(Verb::Pause),
            What::Continue => order(Verb::Continue),
            What::Reload => order(Verb::Reload),
            What::Resume => Event::Resume,
            What::Spawned => Event::Spawned(run, 1),
            What::SpawnFailed => Event::SpawnFailed(run, String::new()),
            What::Exited => Event::Exited(run, Exit::Code(1)),
            What::Ended => Event::Exited(run, Exit::Code(0)),
            What::Emptied => Event::Emptied(run),
            What::Adopted => Event::Adopted(run, 2),
            What::AdoptFailed => Event::AdoptFailed(run, String::new()),
            What::AskFailed => Event::Asked(run, self.last_ask.clone(), Err(String::new())),
            What::Ready => Event::Ready(run),
            What::NotReady => Event::NotReady(run, String::new()),
            What::Paused => Event::Paused(run, Ok(())),
            What::PauseFailed => Event::Paused(run, Err(String::new())),
            What::Dependents => Event::Dependents(1),
            What::NoDependents => Event::Dependents(0),
            What::NewProgram => self.changed(|spec| spec.launch.args.push("new".into())),
            What::NewPolicy => self.changed(|spec| spec.description.push_str("new")),
            What::Deadline => Event::Deadline,
        };
        vec![one]
    }

    /// The hook that runs is over.
    fn hooked(&mut self, end: HookEnd) -> Vec<Event> {
        let run = self.service.status().run;
        self.hook.take().map(|point| Event::Hooked(run, point, end)).into_iter().collect()
    }

    fn other(&self, standing: Standing) -> Event {
        Event::Seen(OTHER.to_owned(), Some(Sight { standing, run: RunId(self.other_run) }))
    }

    fn changed(&self, change: fn(&mut Spec)) -> Event {
        let mut spec = self.service.spec().clone();
        change(&mut spec);
        Event::SpecChanged(Box::new(spec))
    }
}

fn spec() -> Spec {
    let launch = Launch {
        program: "x".into(),
        args: Vec::new(),
        directory: None,
        env: Env::default(),
        stdin: Stdin::Closed,
        account: Account::default(),
        resources: Resources::default(),
        breakaway: false,
    };
    let (paths, only, ignore) = (Vec::new(), Vec::new(), Vec::new());
    let wait = Duration::from_secs(10);
    let steps = [(Ask::CtrlC, wait), (Ask::Signal(15), wait), (Ask::Terminate, Duration::ZERO)];
    Spec {
        name: "x".into(),
        display_name: String::new(),
        description: String::new(),
        groups: Vec::new(),
        start: StartMode::Auto,
        kind: Kind::Simple,
        instances: None,
        instance: None,
        after: Vec::new(),
        after_timeout: Some(Duration::from_secs(300)),
        launch,
        hooks: Hooks::default(),
        max_runtime: None,
        reload: Some(Reload::Signal(1)),
        watch: Some(Watch { paths, only, ignore, settle: Duration::ZERO, reload: false }),
        ready: Ready { probe: None, every: Duration::from_secs(1), timeout: None },
        restart: Restart {
            on: RestartOn::Failure,
            exits: BTreeMap::new(),
            delay: Duration::ZERO,
            delay_max: Duration::from_secs(60),
            stable_after: Duration::from_secs(10),
            quarantine: None,
        },
        stop: Stop { ladder: steps.map(|(ask, wait)| Step { ask, wait }).to_vec() },
        log: Log::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_situation_is_the_one_its_name_says() {
        for situation in &SITUATIONS {
            let phase = phase_name(Subject::led(situation).service.status().phase);
            assert!(situation.name.starts_with(phase), "{} is in {phase}", situation.name);
        }
    }

    #[test]
    fn every_phase_is_left_and_reached() {
        let text = markdown();
        let phases =
            ["down", "waiting", "skipped", "starting", "up", "paused", "stopping", "backoff", "quarantined", "done"];
        for phase in phases {
            assert!(text.contains(&format!("    {phase} --> ")) && text.contains(&format!(" --> {phase}")), "{phase}");
        }
    }
}
