//! Invents what happens: performs effects on the fake OS and lets people, clocks and crashes interfere.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_core::event::{Effect, Event, HookEnd, Limit, Pid, RunId, Verb};
use mainstay_core::exit::Exit;
use mainstay_core::service::Service;
use mainstay_core::spec::{Ask, HookPoint, Kind};
use mainstay_core::time::{Mono, Now, Wall};

use crate::Failure;
use crate::chance::Chance;
use crate::driver::Driver;
use crate::journal::{Input, Line, NO_ASK, NO_HOOK, NO_MAIN, NO_PAUSE, NO_RELOAD, NO_SPAWN, NOT_READY, order};
use crate::os::{DELIVERY_MAX, HOOK_MAX, SPAWN_MAX, Tree};
use crate::others::Others;
use crate::stats::Stats;

/// A simulated machine with one guard and its people.
pub(crate) struct World {
    seed: u64,
    chance: Chance,
    mono: Mono,
    wall_ns: i64,
    queue: BTreeMap<(Mono, u64), Happening>,
    queued: u64,
    /// What really lives.
    trees: Vec<Tree>,
    /// The hooks that run.
    hooks: Vec<(RunId, HookPoint)>,
    others: Others,
    /// No news of another service overtakes older news of it.
    others_until: Mono,
    driver: Driver,
    lines: Vec<Line>,
    temper: Temper,
    /// Until then every spawn fails and all news is slow: the disk is full.
    disk_full_until: Mono,
    /// The deadline that was last put into the queue.
    armed: Option<Mono>,
}

/// What this world's people and clocks are like.
struct Temper {
    /// The longest pause between two interferences.
    patience: Duration,
    /// Of a hundred news, so many come late, and so many twice.
    late: u64,
    twice: u64,
}

/// What is going to happen.
#[derive(Debug, Clone)]
enum Happening {
    /// The machine hears of it.
    News(Input),
    /// The machine hears of it, if it still watches this list of others.
    NewsOfOthers(u64, Event),
    /// The OS has come to the spawn. Whether the program leaves its main process behind.
    Spawn(RunId, bool),
    /// A hook ends so, unless it was ended before.
    HookEnds(RunId, HookPoint, HookEnd),
    /// The main process ends so.
    MainEnds(RunId, Exit),
    /// The last descendant ends.
    TreeEnds(RunId),
    /// Somebody or something interferes.
    Interference,
    /// The guard is started (again).
    Guard,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let patience = chance.pick(
            Duration::from_secs(5),
            &[Duration::from_millis(300), Duration::from_secs(120), Duration::from_secs(1_800)],
        );
        let temper = Temper { patience, late: chance.pick(0, &[10, 50]), twice: chance.pick(0, &[5, 30]) };
        let others = Others::new(&mut chance);
        let mut world = Self {
            seed,
            chance,
            others,
            others_until: Mono::default(),
            hooks: Vec::new(),
            mono: Mono::default().after(Duration::from_secs(5)),
            wall_ns: 1_763_856_000_000_000_000,
            queue: BTreeMap::new(),
            queued: 0,
            trees: Vec::new(),
            driver: Driver::default(),
            lines: Vec::new(),
            temper,
            disk_full_until: Mono::default(),
            armed: None,
        };
        world.soon(Duration::ZERO, Happening::Guard);
        world.soon(Duration::ZERO, Happening::News(Input::Event(order(Verb::Start))));
        world.soon(Duration::from_millis(1), Happening::Interference);
        world
    }

    /// Lives until the machine has heard `steps` lines.
    pub(crate) fn live(&mut self, steps: u64) -> Result<Stats, Box<Failure>> {
        while self.driver.stats.events < steps {
            let Some(((at, _), happening)) = self.queue.pop_first() else { break };
            self.pass_until(at);
            if let Err(why) = self.happen(happening) {
                let lines = std::mem::take(&mut self.lines);
                return Err(Box::new(Failure { seed: Some(self.seed), why, lines }));
            }
        }
        Ok(self.driver.stats)
    }

    /// All that the machine has heard.
    pub(crate) fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    fn pass_until(&mut self, at: Mono) {
        let passed = at.since(self.mono);
        self.mono = self.mono.max(at);
        self.wall_ns = self.wall_ns.saturating_add(i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX));
    }

    fn soon(&mut self, after: Duration, happening: Happening) {
        self.at(self.mono.after(after), happening);
    }

    fn at(&mut self, at: Mono, happening: Happening) {
        self.queued += 1;
        self.queue.insert((at, self.queued), happening);
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::News(input) => return self.tell(input),
            Happening::NewsOfOthers(list, event) if list == self.others.list => return self.tell(Input::Event(event)),
            Happening::NewsOfOthers(..) => {}
            Happening::Spawn(run, forks) => self.spawn(run, forks),
            Happening::HookEnds(run, point, end) => self.hook_ends(run, point, end),
            Happening::MainEnds(run, exit) => self.main_ends(run, exit),
            Happening::TreeEnds(run) => self.tree_ends(run),
            Happening::Interference => return self.interfere(),
            Happening::Guard => return self.start_guard(),
        }
        Ok(())
    }

    /// The machine hears something; what it wants is done.
    fn tell(&mut self, input: Input) -> Result<(), String> {
        let line = Line { now: Now { mono: self.mono, wall: Wall(self.wall_ns) }, input };
        self.lines.push(line.clone());
        let effects = self.driver.feed(&line)?;
        for effect in effects {
            self.perform(effect);
        }
        self.check_truth()?;
        let due = self.driver.service().and_then(Service::deadline);
        if due.is_some() && due != self.armed {
            let at = due.unwrap_or_default().max(self.mono).after(self.lateness());
            self.at(at, Happening::News(Input::Event(Event::Deadline)));
        }
        self.armed = due;
        Ok(())
    }

    /// What no news can tell: how many trees really live.
    fn check_truth(&self) -> Result<(), String> {
        let run = self.driver.service().map(|service| service.status().run);
        match self.trees.as_slice() {
            [] => Ok(()),
            [tree] if Some(tree.run) == run => Ok(()),
            trees => Err(format!("these live while the machine is at run {run:?}: {trees:?}")),
        }
    }

    fn lateness(&mut self) -> Duration {
        let slow = self.mono < self.disk_full_until;
        if slow || self.chance.percent(self.temper.late) { self.chance.span(DELIVERY_MAX) } else { Duration::ZERO }
    }

    /// News of a run: in order, perhaps late, perhaps twice.
    fn news(&mut self, run: RunId, event: Event) {
        let mut at = self.mono.after(self.lateness());
        if let Some(tree) = self.trees.iter_mut().find(|tree| tree.run == run) {
            at = at.max(tree.news_until);
            tree.news_until = at;
        }
        let told_once =
            matches!(event, Event::Exited(..)) && self.trees.iter().any(|tree| tree.run == run && tree.forks);
        if !told_once && self.chance.percent(self.temper.twice) {
            let again = at.after(self.chance.span(Duration::from_secs(60)));
            self.at(again, Happening::News(Input::Event(event.clone())));
        }
        self.at(at, Happening::News(Input::Event(event)));
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(run, _) => {
                let takes =
                    if self.chance.percent(20) { self.chance.span(SPAWN_MAX) } else { Duration::from_millis(2) };
                let kind = self.driver.service().map(|service| service.spec().kind.clone());
                self.soon(takes, Happening::Spawn(run, matches!(kind, Some(Kind::Forking { .. }))));
            }
            Effect::Ask(run, ask) => self.ask(run, ask),
            Effect::Kill(run) => self.kill(run),
            Effect::Probe(run, _) => self.probe(run),
            // A retired guard is gone; somebody starts the next one some day.
            Effect::Retire { .. } => {
                let later = self.chance.span(Duration::from_secs(600));
                self.soon(later, Happening::Guard);
            }
            Effect::Hook(run, point, _) => self.hook(run, point),
            Effect::EndHook(run, point) => self.end_hook(run, point),
            Effect::Adopt(run, _) => self.adopt(run),
            Effect::Pause(run) => self.pause(run),
            Effect::Continue(run) => self.go_on(run),
            Effect::Reload(run, _) => {
                let told = if self.chance.percent(80) { Ok(()) } else { Err(NO_RELOAD.into()) };
                self.news(run, Event::Reloaded(run, told));
            }
            Effect::Await(list) => {
                self.others.watch(list);
                self.tell_of_others();
            }
            Effect::Record(_) | Effect::Report => {}
        }
    }

    fn spawn(&mut self, run: RunId, forks: bool) {
        if self.mono < self.disk_full_until || self.chance.percent(12) {
            return self.news(run, Event::SpawnFailed(run, NO_SPAWN.into()));
        }
        let tree = Tree::born(run, forks, self.mono, &mut self.chance);
        if let Some((at, exit)) = tree.fate {
            self.at(at, Happening::MainEnds(run, exit));
        }
        self.trees.push(tree);
        let pid = Pid::try_from(1_000 + run.0 % 30_000).unwrap_or(1);
        self.news(run, Event::Spawned(run, pid));
    }

    fn main_ends(&mut self, run: RunId, exit: Exit) {
        let Some(tree) = self.trees.iter_mut().find(|tree| tree.run == run && tree.main_alive) else { return };
        if tree.halted {
            tree.ends_later = Some(exit);
            return;
        }
        tree.main_alive = false;
        let leftover = tree.leftover;
        self.news(run, Event::Exited(run, exit));
        if let Some(after) = leftover {
            self.soon(after, Happening::TreeEnds(run));
        }
    }

    fn tree_ends(&mut self, run: RunId) {
        // One that was adopted meanwhile goes on.
        if self.trees.iter().any(|tree| tree.run == run && !tree.main_alive) {
            self.news(run, Event::Emptied(run));
            self.trees.retain(|tree| tree.run != run);
        }
    }

    /// Hooks end well, badly, late, or can't be started.
    fn hook(&mut self, run: RunId, point: HookPoint) {
        if self.chance.percent(5) {
            return self.news(run, Event::Hooked(run, point, HookEnd::NotStarted(NO_HOOK.into())));
        }
        self.hooks.push((run, point));
        let well = HookEnd::Exited(Exit::Code(0));
        let ends = [
            well.clone(),
            well.clone(),
            HookEnd::Exited(Exit::Code(1)),
            HookEnd::Exited(Exit::Code(3)),
            HookEnd::TimedOut,
        ];
        let (end, takes) = (self.chance.pick(well, &ends), self.chance.span(HOOK_MAX));
        self.soon(takes, Happening::HookEnds(run, point, end));
    }

    fn hook_ends(&mut self, run: RunId, point: HookPoint, end: HookEnd) {
        if let Some(index) = self.hooks.iter().position(|hook| *hook == (run, point)) {
            self.hooks.swap_remove(index);
            self.news(run, Event::Hooked(run, point, end));
        }
    }

    /// One that has ended by itself has been told already.
    fn end_hook(&mut self, run: RunId, point: HookPoint) {
        let takes = self.chance.span(Duration::from_millis(500));
        self.soon(takes, Happening::HookEnds(run, point, HookEnd::Ended));
    }

    /// The main process that a program left is found, or several are there, or it takes for ever.
    fn adopt(&mut self, run: RunId) {
        let (now, lot) = (self.mono, self.chance.below(100));
        let Some(tree) = self.trees.iter_mut().find(|tree| tree.run == run && !tree.main_alive) else { return };
        match lot {
            0..75 => {
                if let Some((at, exit)) = tree.is_adopted(now, &mut self.chance) {
                    self.at(at, Happening::MainEnds(run, exit));
                }
                let pid = Pid::try_from(2_000 + run.0 % 30_000).unwrap_or(1);
                self.news(run, Event::Adopted(run, pid));
            }
            75..90 => self.news(run, Event::AdoptFailed(run, NO_MAIN.into())),
            _ => {}
        }
    }

    fn pause(&mut self, run: RunId) {
        let works = self.chance.percent(85);
        match self.trees.iter_mut().find(|tree| tree.run == run) {
            Some(tree) if works => {
                tree.halted = true;
                self.news(run, Event::Paused(run, Ok(())));
            }
            Some(_) | None => self.news(run, Event::Paused(run, Err(NO_PAUSE.into()))),
        }
    }

    fn go_on(&mut self, run: RunId) {
        let Some(tree) = self.trees.iter_mut().find(|tree| tree.run == run) else { return };
        tree.halted = false;
        if let Some(exit) = tree.ends_later.take() {
            self.main_ends(run, exit);
        }
    }

    /// What the list stands for, and how each is.
    fn tell_of_others(&mut self) {
        let named = self.others.named();
        self.news_of_others(Event::Awaiting(named.clone()));
        for (_, name) in named {
            let sight = self.others.sight(&name);
            self.news_of_others(Event::Seen(name, sight));
        }
    }

    /// In order, perhaps late.
    fn news_of_others(&mut self, event: Event) {
        let at = self.mono.after(self.lateness()).max(self.others_until);
        self.others_until = at;
        self.at(at, Happening::NewsOfOthers(self.others.list, event));
    }

    fn ask(&mut self, run: RunId, ask: Ask) {
        let outcome = if self.chance.percent(12) { Err(NO_ASK.into()) } else { Ok(()) };
        let obeys = self.trees.iter().find(|tree| tree.run == run).and_then(|tree| tree.obeys);
        if let (Ok(()), Some(takes)) = (&outcome, obeys) {
            let exit = self.chance.pick(Exit::Code(0), &[Exit::Signal(15), Exit::Code(1)]);
            self.soon(takes, Happening::MainEnds(run, exit));
        }
        self.news(run, Event::Asked(run, ask, outcome));
    }

    fn kill(&mut self, run: RunId) {
        let now = self.mono;
        match self.trees.iter_mut().find(|tree| tree.run == run) {
            // Empty already: the answer says it again.
            None => self.news(run, Event::Emptied(run)),
            Some(tree) => {
                if tree.is_killed(now) {
                    (tree.leftover, tree.halted) = (None, false);
                    let takes = self.chance.span(Duration::from_millis(500));
                    self.soon(takes, Happening::MainEnds(run, Exit::Signal(9)));
                    self.soon(takes, Happening::TreeEnds(run));
                }
            }
        }
    }

    /// Probes are right, wrong, slow, or never answered.
    fn probe(&mut self, run: RunId) {
        let takes = self.chance.span(Duration::from_secs(10));
        let event = match self.chance.below(10) {
            0..4 => Event::Ready(run),
            4..8 => Event::NotReady(run, NOT_READY.into()),
            _ => return,
        };
        self.soon(takes, Happening::News(Input::Event(event)));
    }

    fn start_guard(&mut self) -> Result<(), String> {
        // What the guard before had guarded died with it, or is ended by this one before anything else; its unheard news is gone.
        self.trees.clear();
        self.hooks.clear();
        self.others.watch(Vec::new());
        self.queue.retain(|_, happening| matches!(happening, Happening::Interference));
        self.armed = None;
        let (seed, spec) = (self.chance.next(), self.chance.next());
        let wanted = self.driver.is_wanted_on_disk();
        self.tell(Input::Guard { seed, spec })?;
        if wanted { self.tell(Input::Event(Event::Resume)) } else { Ok(()) }
    }

    /// People, clocks and bad luck.
    fn interfere(&mut self) -> Result<(), String> {
        let pause = self.chance.span(self.temper.patience).max(Duration::from_millis(1));
        self.soon(pause, Happening::Interference);
        match self.chance.below(140) {
            0..25 => self.tell(Input::Event(order(Verb::Start))),
            25..40 => self.tell(Input::Event(order(Verb::Stop))),
            40..52 => self.tell(Input::Event(order(Verb::Restart))),
            52..57 => self.tell(Input::Event(order(Verb::Kill))),
            57..59 => self.tell(Input::Event(order(Verb::Retire))),
            59..71 => {
                let number = self.chance.next();
                self.tell(Input::Spec(number))
            }
            71..76 => self.start_guard(),
            76..81 => {
                self.disk_full_until = self.mono.after(self.chance.span(Duration::from_secs(60)));
                Ok(())
            }
            81..88 => {
                self.wall_ns = self.wall_ns.saturating_add(self.chance.pick(-3_600, &[86_400, -1, 1]) * 1_000_000_000);
                Ok(())
            }
            88..94 => self.tell(Input::Event(Event::Deadline)),
            94..100 => self.noise(),
            100..103 => self.tell(Input::Event(order(Verb::StartNow))),
            103..105 => {
                let count = u32::try_from(self.chance.below(3)).unwrap_or(0);
                self.tell(Input::Event(Event::Dependents(count)))?;
                self.tell(Input::Event(order(Verb::Shutdown)))
            }
            105..111 => self.tell(Input::Event(order(Verb::Pause))),
            111..114 => self.tell(Input::Event(order(Verb::Continue))),
            114..116 => self.tell(Input::Event(order(Verb::Reload))),
            116..128 => self.others_change(),
            128..131 => {
                let count = u32::try_from(self.chance.below(3)).unwrap_or(0);
                self.tell(Input::Event(Event::Dependents(count)))
            }
            131..135 => self.tell(Input::Event(Event::FileChanged("main.py".into()))),
            _ => self.small_news(),
        }
    }

    /// Another service changes, or a list stands for others.
    fn others_change(&mut self) -> Result<(), String> {
        if self.chance.percent(15) {
            self.others.come_or_go(&mut self.chance);
            self.tell_of_others();
            return Ok(());
        }
        let name = self.others.change(&mut self.chance);
        if self.others.named().iter().any(|(_, known)| known == name) {
            let sight = self.others.sight(name);
            self.news_of_others(Event::Seen(name.into(), sight));
        }
        Ok(())
    }

    /// What changes nothing but a record or a hook.
    fn small_news(&mut self) -> Result<(), String> {
        let run = self.driver.service().map_or(RunId(0), |service| service.status().run);
        let events = [
            Event::Rotating("out.log".into()),
            Event::Rotated("out.log".into()),
            Event::Suspending,
            Event::Resumed,
            Event::LimitHit(run, Limit::Memory),
            Event::LimitHit(run, Limit::Processes),
        ];
        let event = self.chance.pick(Event::Resumed, &events);
        self.tell(Input::Event(event))
    }

    /// News of a run that never was, or is long gone.
    fn noise(&mut self) -> Result<(), String> {
        let run = self.driver.service().map_or(RunId(0), |service| service.status().run);
        let other = RunId(if self.chance.percent(50) { run.0 + 1 } else { run.0.saturating_sub(1) });
        let exit = Event::Exited(other, Exit::Code(0));
        let hooked = Event::Hooked(other, HookPoint::PreStart, HookEnd::TimedOut);
        let events = [
            exit,
            Event::Emptied(other),
            Event::SpawnFailed(other, NO_SPAWN.into()),
            Event::Ready(other),
            Event::Adopted(other, 1),
            Event::Paused(other, Ok(())),
            hooked,
        ];
        let event = self.chance.pick(Event::Spawned(other, 1), &events);
        self.tell(Input::Event(event))
    }
}
