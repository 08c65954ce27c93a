//! A little language for tests. Steps are separated by `;` and may begin with a time that passes first (`+1s`, `+250ms`) and end with
//! the run they speak of (`@3`; otherwise the newest). Words: an order's verb (`start-now`), `resume`, `spawned`, `nospawn`, `exit N`,
//! `signal N`, `emptied`, `asked`, `unasked` (the last ask failed), `ready`, `notready`, `tick` (Deadline now), `due` (jump to the
//! deadline, send it), `hooked POINT N` (or `timeout`, `ended`, `missing` instead of an exit code), `adopted`, `unadopted`, `paused`,
//! `unpaused` (the pause failed), `reloaded`, `unreloaded`, `limit`, `awaiting 0:db 1:cache`, `seen db ready:3` (a standing and a run,
//! or `none`), `dependents N`, `changed PATH`, `rotating PATH`, `rotated PATH`, `suspending`, `resumed`, `spec KEY=VALUE` (see `adjust`).
//!
//! The trace has one line per step: time, step, phase after it, effects.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::Expect;

use crate::event::{HookEnd, Limit, Order, Record, Sight, Verb};
use crate::spec::{
    Account, After, Ask, Awaited, Env, ExitKey, Follow, Hook, Hooks, Launch, Log, OnExit, Probe, Quarantine, Ready,
    Reload, Resources, Restart, RestartOn, Stdin, Step, Stop, Until, Watch,
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
        display_name: String::new(),
        description: String::new(),
        groups: Vec::new(),
        start: StartMode::Auto,
        kind: Kind::Simple,
        instances: None,
        instance: None,
        after: Vec::new(),
        after_timeout: Some(ms(300_000)),
        launch: Launch {
            program: "/srv/payment".into(),
            args: Vec::new(),
            directory: None,
            env: Env::default(),
            stdin: Stdin::Closed,
            account: Account::default(),
            resources: Resources::default(),
            breakaway: false,
        },
        hooks: Hooks::default(),
        max_runtime: None,
        reload: None,
        watch: None,
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
        log: Log::default(),
    }
}

/// One change of a spec.
pub(super) fn adjust(spec: &mut Spec, change: &str) {
    let (key, value) = change.split_once('=').expect("KEY=VALUE");
    let limit = spec.restart.quarantine;
    match key {
        "name" => spec.name = value.into(),
        "kind" => {
            spec.kind = match value.split_once(':') {
                _ if value == "once" => Kind::Once,
                Some((_, file)) => Kind::Forking { pid_file: Some(file.into()) },
                None if value == "forking" => Kind::Forking { pid_file: None },
                None => Kind::Simple,
            }
        }
        "after" => spec.after = value.split(',').filter(|one| !one.is_empty()).map(after).collect(),
        "after-timeout" => spec.after_timeout = (value != "never").then(|| span(value)),
        "hook" => {
            let (word, rest) = value.split_once(':').unwrap_or((value, ""));
            let abort_on = rest.strip_prefix("abort:").map(|code| code.parse().unwrap()).into_iter().collect();
            let ignore_failure = rest == "ignore";
            let hook = Hook { command: vec![word.into()], timeout: ms(30_000), abort_on, ignore_failure };
            spec.hooks.at.insert(point(word), hook);
        }
        "unhook" => drop(spec.hooks.at.remove(&point(value))),
        "max" => spec.max_runtime = (value != "never").then(|| span(value)),
        "reload" => spec.reload = value.parse().ok().map(Reload::Signal),
        "watch" => {
            let (settle, how) = value.split_once(':').unwrap_or((value, ""));
            let (paths, reload) = (vec![".".into()], how == "reload");
            let watch = || Watch { paths, only: Vec::new(), ignore: Vec::new(), settle: span(settle), reload };
            spec.watch = (settle != "no").then(watch);
        }
        "description" => spec.description = value.into(),
        "program" => spec.launch.program = value.into(),
        "stdout" => spec.log.stdout = Some(value.into()),
        "keep" => spec.log.keeping.rotate.keep = value.parse().unwrap(),
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

/// `db`, `db:started`, `@web:ready:stop:restart` (what follows when it fails, and when it comes anew), `os:postgres`, `target:x`.
fn after(text: &str) -> After {
    let words: Vec<&str> = text.split(':').collect();
    let follow = |word: Option<&&str>| match word {
        Some(&"stop") => Follow::Stop,
        Some(&"restart") => Follow::Restart,
        _ => Follow::Keep,
    };
    let until = match words.get(1) {
        Some(&"started") => Until::Started,
        Some(&"done") => Until::Done,
        _ => Until::Ready,
    };
    let what = match (words[0], words[0].strip_prefix('@')) {
        ("os", _) => Awaited::Os(words[1].into()),
        ("target", _) => Awaited::OsGroup(words[1].into()),
        (_, Some(group)) => Awaited::Group(group.into(), until),
        (name, None) => Awaited::Service(name.into(), until),
    };
    After { what, fails: follow(words.get(2)), restarts: follow(words.get(3)) }
}

fn point(word: &str) -> HookPoint {
    HookPoint::ALL.into_iter().find(|point| point.word() == word).expect("a hook point")
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
            "start-now" => order(Verb::StartNow),
            "shutdown" => order(Verb::Shutdown),
            "pause" => order(Verb::Pause),
            "continue" => order(Verb::Continue),
            "reload" => order(Verb::Reload),
            "hooked" => Event::Hooked(run, point(words[1]), hook_end(words[2])),
            "adopted" => Event::Adopted(run, 200 + run.0 as Pid),
            "unadopted" => Event::AdoptFailed(run, "two are left".into()),
            "paused" => Event::Paused(run, Ok(())),
            "unpaused" => Event::Paused(run, Err("no freezer".into())),
            "reloaded" => Event::Reloaded(run, Ok(())),
            "unreloaded" => Event::Reloaded(run, Err("no such event".into())),
            "limit" => Event::LimitHit(run, Limit::Memory),
            "awaiting" => Event::Awaiting(words[1..].iter().map(|word| other(word)).collect()),
            "seen" => Event::Seen(words[1].into(), sight(words[2])),
            "dependents" => Event::Dependents(number()),
            "changed" => Event::FileChanged(words[1].into()),
            "rotating" => Event::Rotating(words[1].into()),
            "rotated" => Event::Rotated(words[1].into()),
            "suspending" => Event::Suspending,
            "resumed" => Event::Resumed,
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

fn hook_end(word: &str) -> HookEnd {
    match word {
        "timeout" => HookEnd::TimedOut,
        "ended" => HookEnd::Ended,
        "missing" => HookEnd::NotStarted("no such file".into()),
        code => HookEnd::Exited(Exit::Code(code.parse().unwrap())),
    }
}

fn other(word: &str) -> (usize, String) {
    let (place, name) = word.split_once(':').expect("PLACE:NAME");
    (place.parse().unwrap(), name.into())
}

fn sight(word: &str) -> Option<Sight> {
    let (standing, run) = word.split_once(':')?;
    let standing = match standing {
        "failed" => Standing::Failed,
        "pending" => Standing::Pending,
        "started" => Standing::Started,
        "ready" => Standing::Ready,
        "done" => Standing::Done,
        _ => panic!("no such standing: {standing}"),
    };
    Some(Sight { standing, run: RunId(run.parse().unwrap()) })
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
        Effect::Hook(run, point, about) => {
            format!(
                "HOOK {} {}{}",
                run.0,
                point.word(),
                about.as_ref().map_or(String::new(), |about| format!(" {about}"))
            )
        }
        Effect::EndHook(run, point) => format!("END HOOK {} {}", run.0, point.word()),
        Effect::Adopt(run, file) => format!("ADOPT {} {}", run.0, file.as_deref().unwrap_or("-")),
        Effect::Pause(run) => format!("PAUSE {}", run.0),
        Effect::Continue(run) => format!("CONTINUE {}", run.0),
        Effect::Reload(run, how) => format!("RELOAD {} {how:?}", run.0),
        Effect::Await(after) => format!("AWAIT {}", after.len()),
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
        Record::Adopted(_, pid) => format!("adopted {pid}"),
        Record::AdoptFailed(_, why) => format!("adopt failed: {why}"),
        Record::Waiting(names) => format!("waiting for {}", names.join(" ")),
        Record::Skipped(why) => format!("skipped: {why}"),
        Record::Followed { reason, restart } => {
            format!("followed: {reason}{}", if *restart { ", restart" } else { "" })
        }
        Record::Hooked { run: _, point, end } => format!("{} hook {end:?}", point.word()),
        Record::Paused(_) => "paused".into(),
        Record::PauseFailed(_, why) => format!("pause failed: {why}"),
        Record::Continued(_) => "continued".into(),
        Record::Reloaded(_) => "reloaded".into(),
        Record::ReloadFailed(_, why) => format!("reload failed: {why}"),
        Record::LimitHit(_, limit) => format!("limit hit: {limit:?}"),
        Record::FileChanged(path) => format!("file changed: {path}"),
        Record::Overdue { run: _, after } => format!("overdue after {after:?}"),
        Record::Holding(count) => format!("holding for {count}"),
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
