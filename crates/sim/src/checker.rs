//! The promises of the machine, checked after every event from what went in and what came out alone.

mod others;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mainstay_core::event::{Effect, Event, HookEnd, Record, RunId, Verb};
use mainstay_core::exit::Exit;
use mainstay_core::ladder::SHUTDOWN_HOLD_MAX;
use mainstay_core::service::Service;
use mainstay_core::spec::{Hook, HookPoint, Probe, StartMode};
use mainstay_core::status::{Phase, Status};
use mainstay_core::time::{Mono, Now};

use crate::os::{DELIVERY_MAX, HOOK_MAX, KILL_MAX, SPAWN_MAX};
use crate::specs::LADDER_MAX;
use others::Others;

/// No event may make more work than this.
const EFFECTS_MAX: usize = 12;

/// Every order has settled after this long: those that come after it, the longest ladder with a hook before it and one after it, the
/// slowest spawn before it, the most stubborn tree, and each of the news about them as late as it may be (the answer to the spawn, the
/// end, the hooks, and a few late deadlines).
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(
    SHUTDOWN_HOLD_MAX.as_secs()
        + LADDER_MAX.as_secs()
        + 3 * HOOK_MAX.as_secs()
        + SPAWN_MAX.as_secs()
        + KILL_MAX.as_secs()
        + 12 * DELIVERY_MAX.as_secs(),
);

/// What is known from the events and effects so far.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// The run that was asked for and is not known to be gone.
    tree: Option<Tree>,
    /// Hooks that are not known to be over, with what they were when they began. True: it was told to end.
    hooks: BTreeMap<(RunId, HookPoint), (Hook, bool)>,
    /// What the last hook before a run said to it.
    prepared: Option<(RunId, Prepared)>,
    others: Others,
    last_run: RunId,
    /// The latest automatic restarts.
    restarts: VecDeque<Mono>,
    pending: Option<Pending>,
    /// A person, or something else, wants it down: nothing may be spawned until somebody says otherwise.
    held: Held,
    /// A start without waiting was ordered and has not begun.
    start_now: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Held {
    #[default]
    Free,
    /// After a stop.
    Down,
    /// After the hook before a run said that it shall not be.
    Forbidden,
    /// After a retire: for ever.
    Retired,
}

/// How much of a run is alive, as far as the machine was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tree {
    run: RunId,
    main: Main,
    /// The main process is looked for in what the first left.
    adopting: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Main {
    Unanswered,
    Alive,
    Gone,
}

/// What the end of the hook before a run means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prepared {
    Yes,
    No,
    /// And there shall be no other.
    Forbidden,
}

impl Prepared {
    fn new(hook: &Hook, end: &HookEnd) -> Self {
        match end {
            HookEnd::Exited(Exit::Code(code)) if hook.abort_on.contains(code) => Self::Forbidden,
            HookEnd::Exited(Exit::Code(0)) => Self::Yes,
            _ if hook.ignore_failure => Self::Yes,
            _ => Self::No,
        }
    }
}

/// An order that was taken and has not settled.
#[derive(Debug, Clone, Copy)]
struct Pending {
    verb: Verb,
    by: Mono,
}

/// One event with all that was before, and came out of it.
#[derive(Debug, Clone, Copy)]
struct Step<'s> {
    now: Mono,
    event: &'s Event,
    before: &'s Status,
    after: &'s Status,
    effects: &'s [Effect],
    service: &'s Service,
}

type Check = Result<(), String>;

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(why()) }
}

impl Step<'_> {
    fn records(&self) -> impl Iterator<Item = &Record> {
        self.effects.iter().filter_map(|effect| if let Effect::Record(record) = effect { Some(record) } else { None })
    }

    /// The run that begins with it: by its hook, or its program if there was no hook.
    fn begins(&self) -> Option<RunId> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Hook(run, HookPoint::PreStart, _) | Effect::Spawn(run, _) if *run > self.before.run => Some(*run),
            _ => None,
        })
    }
}

impl Checker {
    /// The guard before is dead, and what it guarded is gone with it.
    pub(crate) fn guard_started(&mut self, service: &Service, now: Now) {
        self.tree = None;
        self.hooks.clear();
        self.others = Others::default();
        self.pending = None;
        self.start_now = false;
        if self.held == Held::Retired {
            self.held = Held::Down;
        }
        // A restart that was decided but not carried out is known to the next guard alone.
        let ages = service.history(now).recent_restarts;
        self.restarts = ages.iter().map(|age| Mono(now.mono.0.saturating_sub(age.as_nanos() as u64))).collect();
    }

    /// Everything there is to check about one event.
    pub(crate) fn check(
        &mut self,
        now: Now,
        event: &Event,
        before: &Status,
        effects: &[Effect],
        service: &Service,
    ) -> Check {
        let after = &service.status();
        let step = Step { now: now.mono, event, before, after, effects, service };
        self.hear(step);
        self.obey(step);
        ensure(effects.len() <= EFFECTS_MAX, || format!("{} effects of one event", effects.len()))?;
        self.check_begin(step)?;
        for (index, effect) in effects.iter().enumerate() {
            let earlier = effects.get(..index).unwrap_or_default();
            self.check_effect(effect, earlier, step)?;
        }
        self.take_records(step)?;
        check_report(step)?;
        check_halt(step)?;
        self.check_phase(step)?;
        check_deadline(step)?;
        self.check_restarts(step)?;
        self.check_settled(step)
    }

    /// Learns from an event what lives.
    fn hear(&mut self, step: Step<'_>) {
        self.others.hear(step.event);
        if let Event::Hooked(run, point, end) = step.event
            && let Some((hook, false)) = self.hooks.remove(&(*run, *point))
            && *point == HookPoint::PreStart
        {
            let prepared = Prepared::new(&hook, end);
            self.prepared = Some((*run, prepared));
            if prepared == Prepared::Forbidden {
                self.held = Held::Forbidden;
            }
        }
        let Some(tree) = &mut self.tree else { return };
        match step.event {
            Event::Spawned(run, _) if *run == tree.run && tree.main == Main::Unanswered => tree.main = Main::Alive,
            Event::Exited(run, _) if *run == tree.run && tree.main == Main::Alive => tree.main = Main::Gone,
            Event::SpawnFailed(run, _) if *run == tree.run && tree.main == Main::Unanswered => self.tree = None,
            Event::Emptied(run) if *run == tree.run && tree.main != Main::Unanswered => self.tree = None,
            Event::Adopted(run, _) if *run == tree.run && tree.adopting && step.before.phase == Phase::Starting => {
                (tree.main, tree.adopting) = (Main::Alive, false);
            }
            _ => {}
        }
    }

    /// Learns from an order that was taken what is wanted.
    fn obey(&mut self, step: Step<'_>) {
        if step.service.spec().start == StartMode::Disabled
            && let Some(Pending { verb: Verb::Start | Verb::StartNow | Verb::Restart, .. }) = self.pending
        {
            self.pending = None; // The spec took the order back.
        }
        let Event::Order(order) = step.event else { return };
        let refused = step.records().any(|record| matches!(record, Record::OrderRefused(..)));
        if refused || self.held == Held::Retired && matches!(order.verb, Verb::Stop | Verb::Kill) {
            return;
        }
        let running = matches!(step.before.phase, Phase::Starting | Phase::Up | Phase::Paused);
        self.held = match order.verb {
            Verb::Start | Verb::StartNow | Verb::Restart => Held::Free,
            Verb::Stop | Verb::Kill => Held::Down,
            Verb::Retire | Verb::Shutdown => Held::Retired,
            Verb::Pause | Verb::Continue | Verb::Reload => return,
        };
        self.start_now = match order.verb {
            Verb::StartNow => !running,
            // They change nothing where a start without waiting follows already.
            Verb::Start | Verb::Restart => self.start_now,
            _ => false,
        };
        self.pending = Some(Pending { verb: order.verb, by: step.now.after(SETTLE_MAX) });
        if matches!(order.verb, Verb::Start | Verb::StartNow) && running {
            self.pending = None;
        }
    }

    /// A run begins only when nothing of the one before is left, when it may, and when everything is there that it waits for.
    fn check_begin(&mut self, step: Step<'_>) -> Check {
        let Some(run) = step.begins() else { return Ok(()) };
        ensure(self.tree.is_none(), || format!("run {} begins beside {:?}", run.0, self.tree))?;
        ensure(run > self.last_run, || format!("run {} comes after {}", run.0, self.last_run.0))?;
        let awaited = [HookPoint::PreStart, HookPoint::PostStop];
        let hook = awaited.into_iter().find(|point| self.hooks.contains_key(&(self.last_run, *point)));
        ensure(hook.is_none(), || format!("run {} begins beside the {hook:?} of the one before", run.0))?;
        let file_changed = step.records().any(|record| matches!(record, Record::FileChanged(_)));
        let free = self.held == Held::Free || self.held == Held::Forbidden && file_changed;
        ensure(free, || format!("run {} begins though {:?}", run.0, self.held))?;
        let disabled = step.service.spec().start == StartMode::Disabled;
        ensure(!disabled, || format!("run {} begins though disabled", run.0))?;
        // What follows an end by the policy does not wait.
        let restarted =
            step.after.restarts > step.before.restarts && !step.effects.contains(&Effect::Record(Record::Released));
        if !restarted && !std::mem::take(&mut self.start_now) {
            let unmet = self.others.unmet(&step.service.spec().after);
            ensure(unmet.is_none(), || format!("run {} begins though {unmet:?} is not there", run.0))?;
        }
        self.last_run = run;
        Ok(())
    }

    fn check_effect(&mut self, effect: &Effect, earlier: &[Effect], step: Step<'_>) -> Check {
        let spec = step.service.spec();
        match effect {
            Effect::Spawn(run, launch) => {
                let disabled = spec.start == StartMode::Disabled;
                ensure(!disabled, || format!("run {} is spawned though disabled", run.0))?;
                ensure(*run == self.last_run && self.tree.is_none(), || format!("run {} is spawned again", run.0))?;
                ensure(**launch == spec.launch, || format!("run {} is spawned from an old spec", run.0))?;
                let prepared = self.prepared == Some((*run, Prepared::Yes));
                let fine = prepared || !spec.hooks.at.contains_key(&HookPoint::PreStart) && step.before.run != *run;
                ensure(fine, || format!("run {} is spawned without its hook", run.0))?;
                self.tree = Some(Tree { run: *run, main: Main::Unanswered, adopting: false });
                Ok(())
            }
            Effect::Ask(run, _) => self.ensure_tree(*run, &[Main::Alive], "asked"),
            Effect::Kill(run) => self.ensure_tree(*run, &[Main::Alive, Main::Gone], "killed"),
            Effect::Probe(run, Probe::Log(_)) => {
                self.ensure_tree(*run, &[Main::Unanswered, Main::Alive, Main::Gone], "watched")
            }
            Effect::Probe(run, _) => self.ensure_tree(*run, &[Main::Alive], "probed"),
            Effect::Hook(run, point, _) => self.check_hook(*run, *point, step),
            Effect::EndHook(run, point) => {
                let hook = self.hooks.get_mut(&(*run, *point));
                let began = hook.map(|(_, ended)| std::mem::replace(ended, true));
                ensure(began == Some(false), || format!("the {point:?} of run {} is ended: {began:?}", run.0))
            }
            Effect::Adopt(run, _) => {
                self.ensure_tree(*run, &[Main::Gone], "searched")?;
                self.tree = self.tree.map(|tree| Tree { adopting: true, ..tree });
                Ok(())
            }
            Effect::Pause(run) | Effect::Reload(run, _) => self.ensure_tree(*run, &[Main::Alive], "told"),
            Effect::Continue(run) => self.ensure_tree(*run, &[Main::Alive, Main::Gone], "let go on"),
            Effect::Await(list) => {
                self.others.watch(list);
                Ok(())
            }
            Effect::Record(Record::Backoff { wait, failures: _ }) => {
                let max = spec.restart.delay_max.max(spec.restart.delay);
                ensure(*wait <= max, || format!("a back-off of {wait:?} is longer than {max:?}"))
            }
            Effect::Record(_) => Ok(()),
            Effect::Report => ensure(!earlier.contains(effect), || "two reports of one event".into()),
            Effect::Retire { .. } => {
                ensure(self.tree.is_none(), || format!("retired while {:?} lives", self.tree))?;
                ensure(self.held == Held::Retired, || "retired though nobody wanted it".into())
            }
        }
    }

    fn check_hook(&mut self, run: RunId, point: HookPoint, step: Step<'_>) -> Check {
        let alive = self.tree.is_some_and(|tree| tree.run == run && tree.main == Main::Alive);
        let fits = run == self.last_run
            && match point {
                HookPoint::PreStart | HookPoint::PostStop | HookPoint::OnQuarantine => self.tree.is_none(),
                HookPoint::PreStop | HookPoint::PostStart | HookPoint::OnSuspend | HookPoint::OnResume => alive,
                HookPoint::OnExit => !alive,
                HookPoint::PreRotate | HookPoint::OnRotate => true,
            };
        ensure(fits, || format!("the {point:?} of run {} is run while there is {:?}", run.0, self.tree))?;
        let hook = step.service.spec().hooks.at.get(&point).cloned();
        let hook = hook.ok_or_else(|| format!("there is no {point:?}"))?;
        self.hooks.insert((run, point), (hook, false));
        Ok(())
    }

    fn ensure_tree(&self, run: RunId, mains: &[Main], what: &str) -> Check {
        let fine = self.tree.is_some_and(|tree| tree.run == run && mains.contains(&tree.main));
        ensure(fine, || format!("run {} is {what} while there is {:?}", run.0, self.tree))
    }

    /// What is decided by other services, files and hooks instead of a person.
    fn take_records(&mut self, step: Step<'_>) -> Check {
        for record in step.records() {
            match record {
                Record::Followed { restart: false, .. } => {
                    self.held = Held::Down;
                    if let Some(Pending { verb: Verb::Start | Verb::StartNow | Verb::Restart, .. }) = self.pending {
                        self.pending = None;
                    }
                }
                Record::FileChanged(_) if self.held == Held::Forbidden => self.held = Held::Free,
                Record::FileChanged(_) => {
                    ensure(self.held == Held::Free, || format!("a file is looked at though {:?}", self.held))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_phase(&self, step: Step<'_>) -> Check {
        let after = step.after;
        let main = self.tree.map(|tree| tree.main);
        let hooked = |point| main.is_none() && self.hooks.contains_key(&(self.last_run, point));
        let adopting = self.tree.is_some_and(|tree| tree.adopting && tree.main == Main::Gone);
        let fits = match after.phase {
            Phase::Down | Phase::Done | Phase::Quarantined | Phase::Backoff => main.is_none(),
            Phase::Waiting | Phase::Skipped => {
                main.is_none() && !others::awaited(&step.service.spec().after).is_empty()
            }
            Phase::Starting => {
                matches!(main, Some(Main::Unanswered | Main::Alive)) || adopting || hooked(HookPoint::PreStart)
            }
            Phase::Up | Phase::Paused => main == Some(Main::Alive),
            Phase::Stopping => main.is_some() || hooked(HookPoint::PreStart) || hooked(HookPoint::PostStop),
        };
        ensure(fits, || format!("it says {:?} while there is {:?}, {:?}", after.phase, self.tree, self.hooks))?;
        let pre_stop = self.hooks.get(&(self.last_run, HookPoint::PreStop));
        let useless = main != Some(Main::Alive) && matches!(pre_stop, Some((_, false)));
        ensure(!useless, || format!("the hook before the stop goes on while there is {:?}", self.tree))?;
        let forbidden = self.held == Held::Forbidden && after.phase != Phase::Done;
        ensure(!forbidden, || format!("it says {:?} though its hook forbids it", after.phase))?;
        let pid_fits = after.pid.is_some() == (main == Some(Main::Alive));
        ensure(pid_fits, || format!("it says pid {:?} while there is {:?}", after.pid, self.tree))?;
        ensure(after.run == self.last_run, || format!("it says run {}, not {}", after.run.0, self.last_run.0))?;
        let preceding = self.hooks.contains_key(&(self.last_run, HookPoint::PreStop));
        let waits = match after.phase {
            Phase::Backoff => true,
            Phase::Stopping => !matches!(main, None | Some(Main::Unanswered)) && !preceding,
            Phase::Waiting => step.service.spec().after_timeout.is_some(),
            Phase::Down | Phase::Done | Phase::Quarantined | Phase::Skipped => false,
            Phase::Starting | Phase::Up | Phase::Paused => false,
        };
        ensure(!waits || step.service.deadline().is_some(), || format!("{:?} waits for nothing", after.phase))?;
        let watched = others::awaited(&step.service.spec().after).is_empty()
            || matches!(after.phase, Phase::Down | Phase::Done | Phase::Quarantined);
        ensure(watched != self.others.is_watching(), || format!("{:?} watches others: {}", after.phase, !watched))
    }

    /// No more automatic restarts in the window than the spec allowed when they were decided on.
    fn check_restarts(&mut self, step: Step<'_>) -> Check {
        let Step { now, before, after, .. } = step;
        let released = step.effects.contains(&Effect::Record(Record::Released));
        let forgiven = step.records().any(|record| {
            matches!(record, Record::SpecChanged { .. } | Record::Followed { .. } | Record::FileChanged(_))
        });
        let ordered = matches!(step.event, Event::Order(_)) && after.restarts == 0;
        if released || forgiven || ordered || after.restarts < before.restarts {
            self.restarts.clear();
        }
        let restarted = after.restarts > before.restarts;
        let decided = after.phase == Phase::Backoff && before.phase != Phase::Backoff
            || restarted && before.phase != Phase::Backoff && !released;
        if let Some(limit) = step.service.spec().restart.quarantine
            && decided
        {
            let lately = self.restarts.iter().filter(|at| now.since(**at) < limit.within).count();
            ensure(lately < limit.restarts as usize, || format!("{lately} restarts before this, in {limit:?}"))?;
        }
        if restarted && !released {
            self.restarts.push_back(now);
        }
        Ok(())
    }

    fn check_settled(&mut self, step: Step<'_>) -> Check {
        let Some(pending) = self.pending else { return Ok(()) };
        let settled = match pending.verb {
            Verb::Stop | Verb::Kill => step.after.phase == Phase::Down,
            Verb::Start | Verb::StartNow | Verb::Restart => {
                step.begins().is_some() || matches!(step.after.phase, Phase::Waiting | Phase::Skipped)
            }
            Verb::Retire | Verb::Shutdown => self.tree.is_none() && step.after.phase == Phase::Down,
            Verb::Pause | Verb::Continue | Verb::Reload => true,
        };
        if settled {
            self.pending = None;
            return Ok(());
        }
        ensure(step.now <= pending.by, || format!("{:?} has not settled after {SETTLE_MAX:?}", pending.verb))
    }
}

fn check_report(step: Step<'_>) -> Check {
    let face = |status: &Status| (status.phase, status.run, status.pid, status.standing, status.note.clone());
    let changed = face(step.before) != face(step.after);
    let reported = step.effects.contains(&Effect::Report);
    ensure(reported == changed, || format!("reported wrongly: {:?} to {:?}", step.before, step.after))
}

/// What is halted stays so, goes on, or is ended by force; nobody asks it for anything.
fn check_halt(step: Step<'_>) -> Check {
    let halted =
        matches!(step.event, Event::Paused(run, Ok(())) if *run == step.after.run) && step.before.pid.is_some();
    if step.before.phase != Phase::Paused && !halted || step.after.phase == Phase::Paused {
        return Ok(());
    }
    let first = step.effects.iter().find(|effect| {
        matches!(
            effect,
            Effect::Continue(_) | Effect::Kill(_) | Effect::Ask(..) | Effect::Hook(_, HookPoint::PreStop, _)
        )
    });
    let killed = halted && step.before.phase == Phase::Stopping; // Or asked for it before.
    let fine = matches!(first, Some(Effect::Continue(_) | Effect::Kill(_))) || killed;
    ensure(fine, || format!("a halted run is forgotten: {:?} to {:?}", step.before.phase, step.after.phase))
}

fn check_deadline(step: Step<'_>) -> Check {
    let past = step.service.deadline().is_some_and(|due| due < step.now);
    let served = *step.event == Event::Deadline;
    ensure(!(past && served), || format!("{:?} is past at {:?}", step.service.deadline(), step.now))
}
