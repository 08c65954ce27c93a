//! Holds the real machine, carries it over guard crashes by `History`, and has every step checked.

use mainstay_core::event::{Effect, Event};
use mainstay_core::service::Service;
use mainstay_core::spec::Spec;
use mainstay_core::status::History;
use mainstay_core::time::{Mono, Now};

use crate::checker::Checker;
use crate::journal::{Input, Line};
use crate::specs;
use crate::stats::Stats;

/// The machine under test.
#[derive(Debug, Default)]
pub(crate) struct Driver {
    service: Option<Service>,
    disk: Option<Disk>,
    checker: Checker,
    began: Option<Mono>,
    pub(crate) stats: Stats,
}

/// What a guard keeps on disk for the next one.
#[derive(Debug, Clone)]
struct Disk {
    written: Mono,
    history: History,
    wanted: bool,
    spec: Spec,
}

impl Driver {
    /// One line; returns what is to be done, or the broken promise.
    pub(crate) fn feed(&mut self, line: &Line) -> Result<Vec<Effect>, String> {
        let now = line.now;
        let began = *self.began.get_or_insert(now.mono);
        self.stats.events += 1;
        self.stats.hours = now.mono.since(began).as_secs() / 3_600;
        match &line.input {
            Input::Guard { seed, spec } => {
                self.guard(now, *seed, *spec);
                Ok(Vec::new())
            }
            Input::Spec(number) => self.handle(now, Event::SpecChanged(Box::new(specs::spec(*number)))),
            Input::Event(event) => self.handle(now, event.clone()),
        }
    }

    /// The machine, if a guard has been started.
    pub(crate) fn service(&self) -> Option<&Service> {
        self.service.as_ref()
    }

    /// A guard started now would send `Resume`.
    pub(crate) fn is_wanted_on_disk(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.wanted)
    }

    fn guard(&mut self, now: Now, seed: u64, spec: u64) {
        self.stats.guard_starts += 1;
        let (spec, history) = match self.disk.take() {
            Some(disk) => (disk.spec, disk.history.aged(now.mono.since(disk.written))),
            None => (specs::spec(spec), History::default()),
        };
        let service = Service::new(spec, history, seed, now);
        self.checker.guard_started(&service, now);
        self.write(&service, now);
        self.service = Some(service);
    }

    fn handle(&mut self, now: Now, event: Event) -> Result<Vec<Effect>, String> {
        let Some(mut service) = self.service.take() else {
            return Ok(Vec::new());
        };
        let before = service.status();
        let mut effects = Vec::new();
        service.handle(now, event.clone(), &mut effects);
        effects.iter().for_each(|effect| self.stats.count(effect));
        if !effects.is_empty() {
            self.write(&service, now);
        }
        let checked = self.checker.check(now, &event, &before, &effects, &service);
        self.service = Some(service);
        checked.map(|()| effects)
    }

    fn write(&mut self, service: &Service, now: Now) {
        let (history, wanted, spec) = (service.history(now), service.wanted(), service.spec().clone());
        self.disk = Some(Disk { written: now.mono, history, wanted, spec });
    }
}
