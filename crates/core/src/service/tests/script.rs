//! A little language for tests. Steps are separated by `;` and may begin with a time that passes first (`+1s`, `+250ms`) and end with
//! the run they speak of (`@3`; otherwise the newest). Words: an order's verb, `resume`, `spawned`, `nospawn`, `exit N`, `signal N`,
//! `emptied`, `asked`, `unasked` (the last ask failed), `ready`, `notready`, `tick` (Deadline now), `due` (jump to the deadline, send it),
//! `spec KEY=VALUE` (see `adjust`).
//!
//! The trace has one line per step: time, step, phase after it, effects.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::Expect;

use crate::event::{Order, Record, Verb};
use crate::spec::{
    Ask, Env, ExitKey, Launch, Log, OnExit, Probe, Quarantine, Ready, Restart, RestartOn, Rotate, Step, Stop,
};
use crate::time::Wall;

use super::super::*;

/// A service with a clock, driven by a script.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) service: Service,
    pub(super) now: Now,
    last_ask: Ask,
}

/// Drives the default spec, changed by the `spec …` lines of `setup`, and compares the trace.
pub(super) fn check_with(setup: &str, script: &str, expected: Expect) {
    let mut spec = spec();
    setup.split_whitespace().for_each(|change| adjust(&mut spec, change));
    expected.assert_eq(&Stage::new(spec, History::default()).play(script));
}

/// `check_with` the default spec: restart on failure at once, a ladder of Ctrl-C 10 s and SIGTERM 5 s, no probe.
pub(super) fn check(script: &str, expected: Expect) {
    check_with("", script, expected);
}

pub(super) fn spec() -> Spec {
    Spec {
        name: "payment".into(),
        description: String::new(),
        start: StartMode::Auto,
        launch: Launch {
            program: "/srv/payment".into(),
            args: Vec::new(),
            directory: None,
            env: Env::default(),
            breakaway: false,
        },
        ready: Ready { probe: None, every: ms(500), timeout: None },
        restart: Restart {
            on: RestartOn::Failure,
            exits: BTreeMap::new(),
            delay: Duration::ZERO,
            delay_max: ms(60_000),
            stable_after: ms(10_000),
            quarantine: Some(Quarantine { restarts: 3, within: ms(300_000), release_after: None }),
        },
        stop: Stop {
            ladder: vec![
                Step { ask: Ask::CtrlC, wait: ms(10_000) },
                Step { ask: Ask::Signal(15), wait: ms(5_000) },
                Step { ask: Ask::Terminate, wait: Duration::ZERO },
            ],
        },
        log: Log { managed: true, stdout: None, stderr: None, rotate: Rotate { size_bytes: 1 << 20, keep: 3 } },
    }
}

/// One change of a spec.
pub(super) fn adjust(spec: &mut Spec, change: &str) {
    let (key, value) = change.split_once('=').expect("KEY=VALUE");
    let limit = spec.restart.quarantine;
    match key {
        "name" => spec.name = value.into(),
        "description" => spec.description = value.into(),
        "program" => spec.launch.program = value.into(),
        "stdout" => spec.log.stdout = Some(value.into()),
        "keep" => spec.log.rotate.keep = value.parse().unwrap(),
        "disabled" => spec.start = if value == "yes" { StartMode::Disabled } else { StartMode::Auto },
        "on" => {
            spec.restart.on = match value {
                "always" => RestartOn::Always,
                "never" => RestartOn::Never,
                _ => RestartOn::Failure,
            }
        }
        "fail" => drop(spec.restart.exits.insert(ExitKey::Code(value.parse().unwrap()), OnExit::Fail)),
        "delay" => spec.restart.delay = span(value),
        "delay-max" => spec.restart.delay_max = span(value),
        "stable" => spec.restart.stable_after = span(value),
        "quarantine" => {
            spec.restart.quarantine =
                value.parse().ok().map(|n| Quarantine { restarts: n, within: ms(300_000), release_after: None });
        }
        "release" => spec.restart.quarantine = limit.map(|q| Quarantine { release_after: Some(span(value)), ..q }),
        "ready" => {
            spec.ready.probe = match value.split_once(':') {
                Some(("delay", d)) => Some(Probe::Delay(span(d))),
                Some(("log", line)) => Some(Probe::Log(line.into())),
                Some(("tcp", port)) => Some(Probe::Tcp(format!("localhost:{port}"))),
                _ => None,
            }
        }
        "timeout" => spec.ready.timeout = Some(span(value)),
        "ladder" => {
            spec.stop.ladder = value
                .split(',')
                .map(|wait| match wait {
                    "kill" => Step { ask: Ask::Terminate, wait: Duration::ZERO },
                    wait => Step { ask: Ask::Command(vec![format!("ask-{wait}")]), wait: span(wait) },
                })
                .collect();
        }
        _ => panic!("no such change: {change}"),
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// `250ms`, `10s`, `5m`, `2h`.
pub(super) fn span(text: &str) -> Duration {
    let unit = text.find(|c: char| !c.is_ascii_digit()).expect("a unit");
    let (number, unit) = text.split_at(unit);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => panic!("no such unit: {unit}"),
    };
    ms(number.parse::<u64>().unwrap() * millis)
}

impl Stage {
    pub(super) fn new(spec: Spec, history: History) -> Self {
        let now = Now { mono: Mono::default().after(ms(3_600_000)), wall: Wall(1_763_856_000_000_000_000) };
        Self { service: Service::new(spec, history, 7, now), now, last_ask: Ask::CtrlC }
    }

    /// One line per step.
    pub(super) fn play(&mut self, script: &str) -> String {
        let mut trace = String::new();
        for step in script.split(';').map(str::trim).filter(|step| !step.is_empty()) {
            let before = self.now.mono;
            let effects = self.step(step);
            let passed = match self.now.mono.since(before) {
                Duration::ZERO => String::new(),
                passed => format!("+{passed:?} "),
            };
            let word = step.trim_start_matches('+').trim_start_matches(char::is_alphanumeric);
            let step = if step.starts_with('+') { word.trim() } else { step };
            let told: Vec<String> = effects.iter().map(told).collect();
            let phase = format!("{:?}", self.service.status().phase).to_lowercase();
            writeln!(trace, "{:<24} {phase:<12}{}", format!("{passed}{step}"), told.join(" | ")).unwrap();
        }
        trace.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// Does one step and returns what is to be done for it.
    pub(super) fn step(&mut self, step: &str) -> Vec<Effect> {
        let mut words: Vec<&str> = step.split_whitespace().collect();
        if let Some(passed) = words.first().and_then(|word| word.strip_prefix('+')) {
            self.pass(span(passed));
            words.remove(0);
        }
        let mut run = self.service.status().run;
        if let Some(named) = words.last().and_then(|word| word.strip_prefix('@')) {
            run = RunId(named.parse().unwrap());
            words.pop();
        }
        if words[0] == "due" {
            let due = self.service.deadline().expect("a deadline");
            self.pass(due.since(self.now.mono));
        }
        let event = self.event(&words, run);
        self.send(event)
    }

    pub(super) fn send(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.service.handle(self.now, event, &mut effects);
        for effect in &effects {
            if let Effect::Ask(_, ask) = effect {
                self.last_ask = ask.clone();
            }
        }
        effects
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now.mono = self.now.mono.after(span);
        self.now.wall.0 += i64::try_from(span.as_nanos()).unwrap();
    }

    fn event(&self, words: &[&str], run: RunId) -> Event {
        let number = || words[1].parse().unwrap();
        match words[0] {
            "start" => order(Verb::Start),
            "stop" => order(Verb::Stop),
            "restart" => order(Verb::Restart),
            "kill" => order(Verb::Kill),
            "retire" => order(Verb::Retire),
            "resume" => Event::Resume,
            "spawned" => Event::Spawned(run, 100 + run.0 as Pid),
            "nospawn" => Event::SpawnFailed(run, "no such file".into()),
            "exit" => Event::Exited(run, Exit::Code(number())),
            "signal" => Event::Exited(run, Exit::Signal(words[1].parse().unwrap())),
            "emptied" => Event::Emptied(run),
            "asked" => Event::Asked(run, self.last_ask.clone(), Ok(())),
            "unasked" => Event::Asked(run, self.last_ask.clone(), Err("no console".into())),
            "ready" => Event::Ready(run),
            "notready" => Event::NotReady(run, "refused".into()),
            "tick" | "due" => Event::Deadline,
            "spec" => {
                let mut spec = self.service.spec().clone();
                words[1..].iter().for_each(|change| adjust(&mut spec, change));
                Event::SpecChanged(Box::new(spec))
            }
            word => panic!("no such step: {word}"),
        }
    }
}

pub(super) fn order(verb: Verb) -> Event {
    Event::Order(Order { verb, by: "root".into() })
}

/// An effect in few words.
fn told(effect: &Effect) -> String {
    match effect {
        Effect::Spawn(run, launch) => format!("SPAWN {} {}", run.0, launch.program.trim_start_matches("/srv/")),
        Effect::Ask(run, ask) => format!("ASK {} {ask:?}", run.0),
        Effect::Kill(run) => format!("KILL {}", run.0),
        Effect::Probe(run, probe) => format!("PROBE {} {probe:?}", run.0),
        Effect::Record(record) => told_record(record),
        Effect::Report => "REPORT".into(),
        Effect::Retire { exit } => format!("RETIRE {}", exit.map_or("-".into(), |exit| exit.to_string())),
    }
}

fn told_record(record: &Record) -> String {
    match record {
        Record::Ordered(order) => format!("ordered {:?}", order.verb).to_lowercase(),
        Record::OrderRefused(_, why) => format!("refused: {why}"),
        Record::Spawned(..) => "spawned".into(),
        Record::SpawnFailed(_, why) => format!("spawn failed: {why}"),
        Record::Ready(_, after) => format!("ready after {after:?}"),
        Record::ReadyTimedOut { run: _, after, last } => format!("not ready after {after:?}: {last:?}"),
        Record::Asked(..) => "asked".into(),
        Record::AskFailed(_, ask, why) => format!("ask failed: {ask:?}: {why}"),
        Record::Killed(_) => "killed".into(),
        Record::Unkillable(_, tries) => format!("unkillable {tries}"),
        Record::Exited { run: _, exit, ran, asked } => {
            format!("{exit} after {ran:?}{}", if *asked { ", asked" } else { "" })
        }
        Record::Down => "down".into(),
        Record::Backoff { wait, failures } => format!("backoff {wait:?}, {failures} failures"),
        Record::Quarantined { restarts, within, release_after } => {
            format!("quarantined: {restarts} in {within:?}, release {release_after:?}")
        }
        Record::Released => "released".into(),
        Record::Done(exit) => format!("done {}", exit.map_or("-".into(), |exit| exit.to_string())),
        Record::SpecChanged { restart } => format!("spec changed{}", if *restart { ", restart" } else { "" }),
    }
}
