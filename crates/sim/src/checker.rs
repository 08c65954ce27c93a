//! The promises of the machine, checked after every event from what went in and what came out alone.

use std::collections::VecDeque;
use std::time::Duration;

use mainstay_core::event::{Effect, Event, Record, RunId, Verb};
use mainstay_core::service::Service;
use mainstay_core::spec::{Probe, StartMode};
use mainstay_core::status::{Phase, Status};
use mainstay_core::time::{Mono, Now};

use crate::os::{DELIVERY_MAX, KILL_MAX, SPAWN_MAX};
use crate::specs::LADDER_MAX;

/// No event may make more work than this.
const EFFECTS_MAX: usize = 10;

/// Every order has settled after this long: the longest ladder, the slowest spawn before it, the most stubborn tree, and each of the
/// news about them as late as it may be (the answer to the spawn, the end, and a few late deadlines).
pub(crate) const SETTLE_MAX: Duration =
    Duration::from_secs(LADDER_MAX.as_secs() + SPAWN_MAX.as_secs() + KILL_MAX.as_secs() + 8 * DELIVERY_MAX.as_secs());

/// What is known from the events and effects so far.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// The run that was asked for and is not known to be gone.
    tree: Option<Tree>,
    last_run: RunId,
    /// The latest automatic restarts.
    restarts: VecDeque<Mono>,
    pending: Option<Pending>,
    /// A person wants it down: nothing may be spawned until another says otherwise.
    held: Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Held {
    #[default]
    Free,
    /// After a stop.
    Down,
    /// After a retire: for ever.
    Retired,
}

/// How much of a run is alive, as far as the machine was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tree {
    run: RunId,
    main: Main,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Main {
    Unanswered,
    Alive,
    Gone,
}

/// An order that was taken and has not settled.
#[derive(Debug, Clone, Copy)]
struct Pending {
    verb: Verb,
    by: Mono,
}

type Check = Result<(), String>;

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(why()) }
}

impl Checker {
    /// The guard before is dead, and what it guarded is gone with it.
    pub(crate) fn guard_started(&mut self, service: &Service, now: Now) {
        self.tree = None;
        self.pending = None;
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
        before: Status,
        effects: &[Effect],
        service: &Service,
    ) -> Check {
        let after = service.status();
        self.hear(event);
        self.obey(now.mono, event, before, effects, service);
        ensure(effects.len() <= EFFECTS_MAX, || format!("{} effects of one event", effects.len()))?;
        for (index, effect) in effects.iter().enumerate() {
            let earlier = effects.get(..index).unwrap_or_default();
            self.check_effect(effect, earlier, service)?;
        }
        check_report(before, after, effects)?;
        self.check_phase(after, service)?;
        check_deadline(now.mono, event, service)?;
        self.check_restarts(now.mono, event, before, effects, service)?;
        self.check_settled(now.mono, after, effects)
    }

    /// Learns from an event what lives.
    fn hear(&mut self, event: &Event) {
        let Some(tree) = &mut self.tree else { return };
        match event {
            Event::Spawned(run, _) if *run == tree.run && tree.main == Main::Unanswered => tree.main = Main::Alive,
            Event::Exited(run, _) if *run == tree.run && tree.main == Main::Alive => tree.main = Main::Gone,
            Event::SpawnFailed(run, _) if *run == tree.run && tree.main == Main::Unanswered => self.tree = None,
            Event::Emptied(run) if *run == tree.run && tree.main != Main::Unanswered => self.tree = None,
            Event::Spawned(..) | Event::Exited(..) | Event::SpawnFailed(..) | Event::Emptied(_) => {}
            Event::Order(_) | Event::Asked(..) | Event::Ready(_) | Event::NotReady(..) => {}
            Event::SpecChanged(_) | Event::Resume | Event::Deadline => {}
        }
    }

    /// Learns from an order that was taken what is wanted.
    fn obey(&mut self, now: Mono, event: &Event, before: Status, effects: &[Effect], service: &Service) {
        if service.spec().start == StartMode::Disabled
            && let Some(Pending { verb: Verb::Start | Verb::Restart, .. }) = self.pending
        {
            self.pending = None; // The spec took the order back.
        }
        let Event::Order(order) = event else { return };
        let refused = effects.iter().any(|effect| matches!(effect, Effect::Record(Record::OrderRefused(..))));
        if refused || self.held == Held::Retired && matches!(order.verb, Verb::Stop | Verb::Kill) {
            return;
        }
        let running = matches!(before.phase, Phase::Starting | Phase::Up);
        self.held = match order.verb {
            Verb::Start | Verb::Restart => Held::Free,
            Verb::Stop | Verb::Kill => Held::Down,
            Verb::Retire => Held::Retired,
        };
        self.pending = Some(Pending { verb: order.verb, by: now.after(SETTLE_MAX) });
        if order.verb == Verb::Start && running {
            self.pending = None;
        }
    }

    fn check_effect(&mut self, effect: &Effect, earlier: &[Effect], service: &Service) -> Check {
        match effect {
            Effect::Spawn(run, launch) => {
                ensure(self.tree.is_none(), || format!("run {} is spawned beside {:?}", run.0, self.tree))?;
                ensure(*run > self.last_run, || format!("run {} comes after {}", run.0, self.last_run.0))?;
                ensure(self.held == Held::Free, || format!("run {} is spawned though {:?}", run.0, self.held))?;
                let spec = service.spec();
                ensure(spec.start != StartMode::Disabled, || format!("run {} is spawned though disabled", run.0))?;
                ensure(*launch == spec.launch, || format!("run {} is spawned from an old spec", run.0))?;
                self.last_run = *run;
                self.tree = Some(Tree { run: *run, main: Main::Unanswered });
                Ok(())
            }
            Effect::Ask(run, _) => self.ensure_tree(*run, &[Main::Alive], "asked"),
            Effect::Kill(run) => self.ensure_tree(*run, &[Main::Alive, Main::Gone], "killed"),
            Effect::Probe(run, Probe::Log(_)) => self.ensure_tree(*run, &[Main::Unanswered, Main::Alive], "watched"),
            Effect::Probe(run, _) => self.ensure_tree(*run, &[Main::Alive], "probed"),
            Effect::Record(Record::Backoff { wait, failures: _ }) => {
                let restart = &service.spec().restart;
                let max = restart.delay_max.max(restart.delay);
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

    fn ensure_tree(&self, run: RunId, mains: &[Main], what: &str) -> Check {
        let fine = self.tree.is_some_and(|tree| tree.run == run && mains.contains(&tree.main));
        ensure(fine, || format!("run {} is {what} while there is {:?}", run.0, self.tree))
    }

    fn check_phase(&self, after: Status, service: &Service) -> Check {
        let main = self.tree.map(|tree| tree.main);
        let fits = match after.phase {
            Phase::Down | Phase::Done | Phase::Quarantined | Phase::Backoff => main.is_none(),
            Phase::Starting => matches!(main, Some(Main::Unanswered | Main::Alive)),
            Phase::Up => main == Some(Main::Alive),
            Phase::Stopping => main.is_some(),
        };
        ensure(fits, || format!("it says {:?} while there is {:?}", after.phase, self.tree))?;
        let pid_fits = after.pid.is_some() == (main == Some(Main::Alive));
        ensure(pid_fits, || format!("it says pid {:?} while there is {:?}", after.pid, self.tree))?;
        ensure(after.run == self.last_run, || format!("it says run {}, not {}", after.run.0, self.last_run.0))?;
        let waits = match after.phase {
            Phase::Backoff => true,
            Phase::Stopping => main != Some(Main::Unanswered),
            Phase::Down | Phase::Done | Phase::Quarantined | Phase::Starting | Phase::Up => false,
        };
        ensure(!waits || service.deadline().is_some(), || format!("{:?} waits for nothing", after.phase))
    }

    /// No more automatic restarts in the window than the spec allowed when they were decided on.
    fn check_restarts(
        &mut self,
        now: Mono,
        event: &Event,
        before: Status,
        effects: &[Effect],
        service: &Service,
    ) -> Check {
        let after = service.status();
        let released = effects.contains(&Effect::Record(Record::Released));
        let new_spec = effects.iter().any(|effect| matches!(effect, Effect::Record(Record::SpecChanged { .. })));
        let ordered = matches!(event, Event::Order(_)) && after.restarts == 0;
        if released || new_spec || ordered || after.restarts < before.restarts {
            self.restarts.clear();
        }
        let restarted = after.restarts > before.restarts;
        let decided = after.phase == Phase::Backoff && before.phase != Phase::Backoff
            || restarted && before.phase != Phase::Backoff && !released;
        if let Some(limit) = service.spec().restart.quarantine
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

    fn check_settled(&mut self, now: Mono, after: Status, effects: &[Effect]) -> Check {
        let Some(pending) = self.pending else { return Ok(()) };
        let settled = match pending.verb {
            Verb::Stop | Verb::Kill => after.phase == Phase::Down,
            Verb::Start | Verb::Restart => effects.iter().any(|effect| matches!(effect, Effect::Spawn(..))),
            Verb::Retire => self.tree.is_none(),
        };
        if settled {
            self.pending = None;
            return Ok(());
        }
        ensure(now <= pending.by, || format!("{:?} has not settled after {SETTLE_MAX:?}", pending.verb))
    }
}

fn check_report(before: Status, after: Status, effects: &[Effect]) -> Check {
    let face = |status: Status| (status.phase, status.run, status.pid);
    let changed = face(before) != face(after);
    ensure(effects.contains(&Effect::Report) == changed, || format!("reported wrongly: {before:?} to {after:?}"))
}

fn check_deadline(now: Mono, event: &Event, service: &Service) -> Check {
    let past = service.deadline().is_some_and(|due| due < now);
    ensure(!(past && *event == Event::Deadline), || format!("{:?} is past at {now:?}", service.deadline()))
}
