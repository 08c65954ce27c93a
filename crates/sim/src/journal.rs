//! The lines of a simulated life, and their text form: `MONO_NS WALL_NS WHAT …`, one event a line, `#` begins a comment.

use std::fmt;
use std::str::FromStr;

use mainstay_core::event::{Event, HookEnd, Limit, Order, Pid, RunId, Sight, Verb};
use mainstay_core::exit::Exit;
use mainstay_core::spec::{Ask, HookPoint};
use mainstay_core::status::Standing;
use mainstay_core::time::{Mono, Now, Wall};

/// One thing that happens to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub now: Now,
    /// What.
    pub input: Input,
}

/// What may happen to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The guard is started, anew if there was one before (then that one has crashed and everything it guarded is gone). With
    /// the machine's seed and, the first time, the number of the spec.
    Guard {
        /// For the machine's jitter.
        seed: u64,
        /// The number of the first spec.
        spec: u64,
    },
    /// The spec with this number comes into force.
    Spec(u64),
    /// Any event but a new spec.
    Event(Event),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.now.mono.0, self.now.wall.0)?;
        match &self.input {
            Input::Guard { seed, spec } => write!(f, "guard {seed} {spec}"),
            Input::Spec(number) => write!(f, "spec {number}"),
            Input::Event(event) => write_event(f, event),
        }
    }
}

fn write_event(f: &mut fmt::Formatter<'_>, event: &Event) -> fmt::Result {
    match event {
        Event::Order(order) => write!(f, "order {}", verb_name(order.verb)),
        Event::Spawned(run, pid) => write!(f, "spawned {} {pid}", run.0),
        Event::SpawnFailed(run, _) => write!(f, "nospawn {}", run.0),
        Event::Exited(run, Exit::Code(code)) => write!(f, "exit {} {code}", run.0),
        Event::Exited(run, Exit::Signal(signal)) => write!(f, "signal {} {signal}", run.0),
        Event::Emptied(run) => write!(f, "emptied {}", run.0),
        Event::Asked(run, ask, Ok(())) => write!(f, "asked {} {}", run.0, ask_name(ask)),
        Event::Asked(run, ask, Err(_)) => write!(f, "unasked {} {}", run.0, ask_name(ask)),
        Event::Ready(run) => write!(f, "ready {}", run.0),
        Event::NotReady(run, _) => write!(f, "notready {}", run.0),
        Event::Hooked(run, point, end) => write!(f, "hooked {} {} {}", run.0, point.word(), hook_end(end)),
        Event::Adopted(run, pid) => write!(f, "adopted {} {pid}", run.0),
        Event::AdoptFailed(run, _) => write!(f, "unadopted {}", run.0),
        Event::Paused(run, Ok(())) => write!(f, "paused {}", run.0),
        Event::Paused(run, Err(_)) => write!(f, "unpaused {}", run.0),
        Event::Reloaded(run, Ok(())) => write!(f, "reloaded {}", run.0),
        Event::Reloaded(run, Err(_)) => write!(f, "unreloaded {}", run.0),
        Event::LimitHit(run, Limit::Memory) => write!(f, "limit {} memory", run.0),
        Event::LimitHit(run, Limit::Processes) => write!(f, "limit {} processes", run.0),
        Event::Awaiting(list) => {
            write!(f, "awaiting")?;
            list.iter().try_for_each(|(place, name)| write!(f, " {place}:{name}"))
        }
        Event::Seen(name, None) => write!(f, "seen {name} none"),
        Event::Seen(name, Some(sight)) => write!(f, "seen {name} {} {}", standing_name(sight.standing), sight.run.0),
        Event::Dependents(count) => write!(f, "dependents {count}"),
        Event::FileChanged(path) => write!(f, "changed {path}"),
        Event::Rotating(path) => write!(f, "rotating {path}"),
        Event::Rotated(path) => write!(f, "rotated {path}"),
        Event::Suspending => write!(f, "suspending"),
        Event::Resumed => write!(f, "resumed"),
        // Kept as `Input::Spec`; written as what can't be read, should one ever get here.
        Event::SpecChanged(_) => write!(f, "spec ?"),
        Event::Resume => write!(f, "resume"),
        Event::Deadline => write!(f, "deadline"),
    }
}

/// The word for how a hook ended; an exit is its code (hooks of this world are not ended by a signal).
fn hook_end(end: &HookEnd) -> String {
    match end {
        HookEnd::Exited(Exit::Code(code)) => code.to_string(),
        HookEnd::Exited(Exit::Signal(_)) => "?".into(),
        HookEnd::TimedOut => "timeout".into(),
        HookEnd::Ended => "ended".into(),
        HookEnd::NotStarted(_) => "missing".into(),
    }
}

fn named_hook_end(word: &str) -> Option<HookEnd> {
    match word {
        "timeout" => Some(HookEnd::TimedOut),
        "ended" => Some(HookEnd::Ended),
        "missing" => Some(HookEnd::NotStarted(NO_HOOK.into())),
        code => Some(HookEnd::Exited(Exit::Code(code.parse().ok()?))),
    }
}

const STANDINGS: [(Standing, &str); 5] = [
    (Standing::Failed, "failed"),
    (Standing::Pending, "pending"),
    (Standing::Started, "started"),
    (Standing::Ready, "ready"),
    (Standing::Done, "done"),
];

fn standing_name(standing: Standing) -> &'static str {
    STANDINGS.iter().find(|(known, _)| *known == standing).map_or("?", |(_, name)| name)
}

fn sight(rest: &[&str]) -> Option<Option<Sight>> {
    if rest == ["none"] {
        return Some(None);
    }
    let [word, run] = rest else { return None };
    let (standing, _) = STANDINGS.iter().find(|(_, name)| name == word)?;
    Some(Some(Sight { standing: *standing, run: RunId(run.parse().ok()?) }))
}

const VERBS: [(Verb, &str); 10] = [
    (Verb::StartNow, "start-now"),
    (Verb::Shutdown, "shutdown"),
    (Verb::Pause, "pause"),
    (Verb::Continue, "continue"),
    (Verb::Reload, "reload"),
    (Verb::Start, "start"),
    (Verb::Stop, "stop"),
    (Verb::Restart, "restart"),
    (Verb::Kill, "kill"),
    (Verb::Retire, "retire"),
];

fn verb_name(verb: Verb) -> &'static str {
    VERBS.iter().find(|(known, _)| *known == verb).map_or("?", |(_, name)| name)
}

/// Only the asks that `specs` makes have a name.
fn ask_name(ask: &Ask) -> &'static str {
    match ask {
        Ask::CtrlC => "ctrl-c",
        Ask::Signal(15) => "sigterm",
        Ask::Command(_) => "command",
        Ask::CtrlBreak | Ask::CloseWindows | Ask::QuitThreads | Ask::Signal(_) | Ask::Terminate => "?",
    }
}

fn named_ask(name: &str) -> Option<Ask> {
    match name {
        "ctrl-c" => Some(Ask::CtrlC),
        "sigterm" => Some(Ask::Signal(15)),
        "command" => Some(Ask::Command(vec!["stop-it".into()])),
        _ => None,
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [mono, wall, what, rest @ ..] = words.as_slice() else {
            return Err(format!("cannot read {text:?}: want MONO_NS WALL_NS WHAT …"));
        };
        let now = Now { mono: Mono(number(mono)?), wall: Wall(number(wall)?) };
        let input = input(what, rest).ok_or_else(|| format!("cannot read {text:?}: {what:?} has another form"))?;
        Ok(Self { now, input })
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("cannot read {word:?} as a number"))
}

fn input(what: &str, rest: &[&str]) -> Option<Input> {
    let first = || rest.first()?.parse().ok();
    let second = || rest.get(1)?.parse().ok();
    let run = || first().map(RunId);
    let ask = || rest.get(1).and_then(|name| named_ask(name));
    let event = match what {
        "guard" => return Some(Input::Guard { seed: first()?, spec: second()? }),
        "spec" => return Some(Input::Spec(first()?)),
        "order" => {
            let (verb, _) = VERBS.iter().find(|(_, name)| rest.first() == Some(name))?;
            order(*verb)
        }
        "spawned" => Event::Spawned(run()?, Pid::try_from(second()?).ok()?),
        "nospawn" => Event::SpawnFailed(run()?, NO_SPAWN.into()),
        "exit" => Event::Exited(run()?, Exit::Code(u32::try_from(second()?).ok()?)),
        "signal" => Event::Exited(run()?, Exit::Signal(u8::try_from(second()?).ok()?)),
        "emptied" => Event::Emptied(run()?),
        "asked" => Event::Asked(run()?, ask()?, Ok(())),
        "unasked" => Event::Asked(run()?, ask()?, Err(NO_ASK.into())),
        "ready" => Event::Ready(run()?),
        "notready" => Event::NotReady(run()?, NOT_READY.into()),
        "hooked" => {
            let point = HookPoint::ALL.into_iter().find(|point| rest.get(1) == Some(&point.word()))?;
            Event::Hooked(run()?, point, named_hook_end(rest.get(2)?)?)
        }
        "adopted" => Event::Adopted(run()?, Pid::try_from(second()?).ok()?),
        "unadopted" => Event::AdoptFailed(run()?, NO_MAIN.into()),
        "paused" => Event::Paused(run()?, Ok(())),
        "unpaused" => Event::Paused(run()?, Err(NO_PAUSE.into())),
        "reloaded" => Event::Reloaded(run()?, Ok(())),
        "unreloaded" => Event::Reloaded(run()?, Err(NO_RELOAD.into())),
        "limit" => match *rest.get(1)? {
            "memory" => Event::LimitHit(run()?, Limit::Memory),
            "processes" => Event::LimitHit(run()?, Limit::Processes),
            _ => return None,
        },
        "awaiting" => {
            let other = |word: &&str| word.split_once(':').and_then(|(at, name)| Some((at.parse().ok()?, name.into())));
            Event::Awaiting(rest.iter().map(other).collect::<Option<_>>()?)
        }
        "seen" => Event::Seen((*rest.first()?).into(), sight(rest.get(1..)?)?),
        "dependents" => Event::Dependents(u32::try_from(first()?).ok()?),
        "changed" => Event::FileChanged((*rest.first()?).into()),
        "rotating" => Event::Rotating((*rest.first()?).into()),
        "rotated" => Event::Rotated((*rest.first()?).into()),
        "suspending" => Event::Suspending,
        "resumed" => Event::Resumed,
        "resume" => Event::Resume,
        "deadline" => Event::Deadline,
        _ => return None,
    };
    Some(Input::Event(event))
}

pub(crate) const NO_SPAWN: &str = "too many open files";
pub(crate) const NO_ASK: &str = "no console";
pub(crate) const NOT_READY: &str = "connection refused";
pub(crate) const NO_HOOK: &str = "no such file";
pub(crate) const NO_MAIN: &str = "two processes are left";
pub(crate) const NO_PAUSE: &str = "no freezer";
pub(crate) const NO_RELOAD: &str = "no such event";

/// An order by somebody.
pub(crate) fn order(verb: Verb) -> Event {
    Event::Order(Order { verb, by: "somebody".into() })
}

/// Writes all lines, under a comment that says what broke.
#[must_use]
pub fn write(why: &str, lines: &[Line]) -> String {
    let mut text: String = why.lines().map(|line| format!("# {line}\n")).collect();
    for line in lines {
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

/// Reads what `write` wrote.
///
/// # Errors
///
/// Says which line can't be read, and why.
pub fn read(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if !line.trim().is_empty() && !line.starts_with('#') {
            lines.push(line.parse().map_err(|why| format!("line {}: {why}", index + 1))?);
        }
    }
    Ok(lines)
}
