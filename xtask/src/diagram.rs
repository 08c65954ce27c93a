//! The state diagram, found by driving the real machine: every situation it can be in × everything that can happen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use mainstay_core::event::{Effect, Event, Order, Verb};
use mainstay_core::exit::Exit;
use mainstay_core::service::Service;
use mainstay_core::spec::{
    Ask, Env, Launch, Log, Probe, Quarantine, Ready, Restart, RestartOn, Rotate, Spec, StartMode, Step, Stop,
};
use mainstay_core::status::{History, Phase};
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
    Stop,
    Restart,
    Kill,
    Retire,
    Resume,
    Spawned,
    SpawnFailed,
    Exited,
    Emptied,
    AskFailed,
    Ready,
    NotReady,
    NewProgram,
    NewPolicy,
    Deadline,
}

use What::{
    AskFailed, Deadline, Emptied, Exited, NotReady, Retire, SpawnFailed, Spawned, Start as Begin, Stop as Halt,
};

const EVERYTHING: [(What, &str); 16] = [
    (What::Start, "start"),
    (What::Stop, "stop"),
    (What::Restart, "restart"),
    (What::Kill, "kill"),
    (What::Retire, "retire"),
    (What::Resume, "resume"),
    (What::Spawned, "spawned"),
    (What::SpawnFailed, "spawn failed"),
    (What::Exited, "exited"),
    (What::Emptied, "emptied"),
    (What::AskFailed, "ask failed"),
    (What::Ready, "ready"),
    (What::NotReady, "not ready"),
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

const SITUATIONS: [Situation; 24] = [
    Situation { name: "down", spec: as_it_is, path: &[] },
    Situation { name: "down: retired", spec: as_it_is, path: &[Retire] },
    Situation { name: "starting: spawn under way, a failure is followed by a restart", spec: as_it_is, path: &[Begin] },
    Situation { name: "starting: spawn under way, … by back-off", spec: waits, path: &[Begin] },
    Situation { name: "starting: spawn under way, … by quarantine", spec: never_twice, path: &[Begin] },
    Situation { name: "starting: spawn under way, … by nothing", spec: never_again, path: &[Begin] },
    Situation { name: "starting: the probe is under way", spec: probed, path: &[Begin, Spawned] },
    Situation { name: "starting: the next probe waits", spec: probed, path: &[Begin, Spawned, NotReady] },
    Situation { name: "starting: a delay is the probe", spec: delayed, path: &[Begin, Spawned] },
    Situation { name: "up", spec: as_it_is, path: &[Begin, Spawned] },
    Situation { name: "stopping: spawn under way", spec: as_it_is, path: &[Begin, Halt] },
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
    Situation { name: "backoff", spec: waits, path: &[Begin, SpawnFailed] },
    Situation { name: "quarantined", spec: never_twice, path: &[Begin, SpawnFailed] },
    Situation { name: "done", spec: never_again, path: &[Begin, Spawned, Exited, Emptied] },
];

/// The machine with a clock.
#[derive(Clone)]
struct Subject {
    service: Service,
    now: Now,
    last_ask: Ask,
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
is the same; `·`: nothing happens. Late news of another run is `·` everywhere. *Exited* is a failure (code 1); a *deadline* is the one the
machine asked for. *Stopping* ends only when nothing of the run lives any more: that is *emptied*.
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
        Phase::Starting => "starting",
        Phase::Up => "up",
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
        let mut subject = Self { service: Service::new(spec, History::default(), 0, now), now, last_ask: Ask::CtrlC };
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
        self.service.handle(self.now, self.event(what), &mut effects);
        for effect in &effects {
            if let Effect::Ask(_, ask) = effect {
                self.last_ask = ask.clone();
            }
        }
        let touched = !effects.is_empty() || self.service.deadline() != deadline;
        (phase_name(self.service.status().phase), if touched { "stays" } else { "·" })
    }

    fn event(&self, what: What) -> Event {
        let run = self.service.status().run;
        let order = |verb| Event::Order(Order { verb, by: String::new() });
        match what {
            What::Start => order(Verb::Start),
            What::Stop => order(Verb::Stop),
            What::Restart => order(Verb::Restart),
            What::Kill => order(Verb::Kill),
            What::Retire => order(Verb::Retire),
            What::Resume => Event::Resume,
            What::Spawned => Event::Spawned(run, 1),
            What::SpawnFailed => Event::SpawnFailed(run, String::new()),
            What::Exited => Event::Exited(run, Exit::Code(1)),
            What::Emptied => Event::Emptied(run),
            What::AskFailed => Event::Asked(run, self.last_ask.clone(), Err(String::new())),
            What::Ready => Event::Ready(run),
            What::NotReady => Event::NotReady(run, String::new()),
            What::NewProgram => self.changed(|spec| spec.launch.args.push("new".into())),
            What::NewPolicy => self.changed(|spec| spec.description.push_str("new")),
            What::Deadline => Event::Deadline,
        }
    }

    fn changed(&self, change: fn(&mut Spec)) -> Event {
        let mut spec = self.service.spec().clone();
        change(&mut spec);
        Event::SpecChanged(Box::new(spec))
    }
}

fn spec() -> Spec {
    let launch =
        Launch { program: "x".into(), args: Vec::new(), directory: None, env: Env::default(), breakaway: false };
    let wait = Duration::from_secs(10);
    let steps = [(Ask::CtrlC, wait), (Ask::Signal(15), wait), (Ask::Terminate, Duration::ZERO)];
    Spec {
        name: "x".into(),
        description: String::new(),
        start: StartMode::Auto,
        launch,
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
        log: Log { managed: true, stdout: None, stderr: None, rotate: Rotate { size_bytes: 1, keep: 1 } },
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
        for phase in ["down", "starting", "up", "stopping", "backoff", "quarantined", "done"] {
            assert!(text.contains(&format!("    {phase} --> ")) && text.contains(&format!(" --> {phase}")), "{phase}");
        }
    }
}
