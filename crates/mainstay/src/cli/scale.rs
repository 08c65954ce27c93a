//! `scale`: how many instances of a service there are.

use std::time::Duration;

use clap::Args;
use mainstay_agent::client::{self, AskError};
use mainstay_agent::services::{self, Services};
use mainstay_os::{clock, files};
use mainstay_wire::control::Ask;
use mainstay_wire::layout::base_name;
use mainstay_wire::spec::{self, Platform, StartMode};
use mainstay_wire::status::{ServiceStatus, State};
use mainstay_wire::units;

use super::edit::refused;
use super::orders::{Patience, line, one_of};
use super::{Context, apply, select};
use crate::failure::Failure;
use crate::{exit, systems};

/// Between two looks at guards that come or go: only `mainstay up` or the service manager knows when.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Set how many instances of a service there are.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// The service; with instances it is NAME@1, NAME@2 …
    name: String,
    /// How many there shall be.
    #[arg(value_parser = clap::value_parser!(u32).range(1..=9999))]
    count: u32,
    #[command(flatten)]
    patience: Patience,
}

impl Scale {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let services = select::services(context)?;
        let base = self.base(context)?;
        let before = services.of(&base);
        if services.count(&base) == Some(self.count) {
            context.told(&base, &format!("has {} already", instances(self.count)));
            return Ok(());
        }
        let text = self.save(context, &services, &base)?;
        let after: Vec<String> = (1..=self.count).map(|number| services::instance(&base, number)).collect();
        let new: Vec<String> = after.iter().filter(|name| !before.contains(name)).cloned().collect();
        let gone: Vec<String> = before.iter().filter(|name| !after.contains(name)).rev().cloned().collect();
        if services.count(&base).is_none() {
            context.warn(&format!("{base} ends; {} takes its place", named(&new)));
        }
        let mode = spec::read(&base, &text, platform()).map_or(StartMode::Manual, |spec| spec.start);
        if let Some(manager) = systems::manager(&context.layout)
            && !systems::registered(&manager, &base).is_empty()
        {
            apply::register(context, &base, &text)?;
            for name in new.iter().filter(|_| matches!(mode, StartMode::Auto | StartMode::Delayed)) {
                manager.start(name, self.patience.timeout)?;
            }
        } else if !is_up(context)? {
            let home = context.layout.home.as_ref().map(|home| format!(" {}", home.display())).unwrap_or_default();
            context.told(&base, &format!("saved; `mainstay up{home}` guards {}", instances(self.count)));
            return Ok(());
        }
        if self.patience.no_wait {
            context.told(&base, &format!("saved; {} to come", instances(self.count)));
            return Ok(());
        }
        let done = self.wait(context, mode, &new, &gone).await;
        if done.is_ok() {
            context.told(&base, &format!("has {} now", instances(self.count)));
        }
        done
    }

    /// The spec that is meant; an instance can't be scaled.
    fn base(&self, context: &Context) -> Result<String, Failure> {
        let name = select::one(context, &self.name)?;
        let (base, number) = base_name(&name);
        match number {
            None => Ok(name),
            Some(_) => {
                let text = format!("cannot scale {name}: it is one of several; `mainstay scale {base} {}`", self.count);
                Err(Failure::new(exit::USAGE, text))
            }
        }
    }

    /// Writes the count into the spec; a spec that is no good with it (too few ports) is shown and stays as it was.
    fn save(&self, context: &Context, services: &Services, base: &str) -> Result<String, Failure> {
        let path = context.layout.spec(base);
        let old = services.text(base).unwrap_or_default();
        let text = spec::set(base, old, "instances", &self.count.to_string(), platform())
            .map_err(|error| refused(&path, old, error))?;
        files::replace(&path, text.as_bytes()).map_err(Failure::io(format!("write {}", path.display())))?;
        Ok(text)
    }

    /// Until the new ones are up and nobody guards the others any more.
    async fn wait(&self, context: &Context, mode: StartMode, new: &[String], gone: &[String]) -> Result<(), Failure> {
        let limit = u64::try_from(self.patience.timeout.as_nanos()).unwrap_or(u64::MAX);
        let end = clock::now().0.saturating_add(limit);
        let mut failures = Vec::new();
        for name in gone {
            match self.gone(context, name, end).await {
                Ok(()) => context.told(name, "gone"),
                Err(failure) => failures.push(failure),
            }
        }
        for name in new {
            match self.come(context, mode, name, end).await {
                Ok(status) if context.json => context.told(name, status.state.word()),
                Ok(status) => anstream::println!("{}", line(&status)),
                Err(failure) => failures.push(failure),
            }
        }
        one_of(failures)
    }

    async fn gone(&self, context: &Context, name: &str, end: u64) -> Result<(), Failure> {
        let mut look = tokio::time::interval(LOOK_AGAIN);
        while clock::now().0 < end {
            look.tick().await;
            if matches!(files::lock_note(&context.layout.lock(name)), Ok(None)) {
                return Ok(());
            }
        }
        Err(self.too_late(&client::status(&context.layout, name).await, "is still there"))
    }

    async fn come(&self, context: &Context, mode: StartMode, name: &str, end: u64) -> Result<ServiceStatus, Failure> {
        let mut look = tokio::time::interval(LOOK_AGAIN);
        let starts = matches!(mode, StartMode::Auto | StartMode::Delayed);
        let mut last: Option<ServiceStatus> = None;
        while clock::now().0 < end {
            look.tick().await;
            let status = match client::ask(&context.layout, name, Ask::Status).await {
                Ok(status) => status,
                // Not there yet, or just being made.
                Err(AskError::NotRunning(_) | AskError::Channel { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            match status.state {
                State::Up | State::Done => return Ok(status),
                // One that only a person starts is there as soon as it is guarded.
                State::Down if !starts => return Ok(status),
                State::Quarantined | State::Skipped => {
                    let note = status.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
                    let text = format!("cannot scale {}: {name} is {}{note}", self.name, status.state.word());
                    return Err(Failure::failed(text));
                }
                State::Down | State::Waiting | State::Starting | State::Paused | State::Stopping | State::Backoff => {}
            }
            last = Some(status);
        }
        match last {
            Some(status) => Err(self.too_late(&status, &format!("is {}", status.state.word()))),
            None => Err(self.too_late(&client::status(&context.layout, name).await, "has no guard")),
        }
    }

    fn too_late(&self, status: &ServiceStatus, how: &str) -> Failure {
        let limit = units::duration_text(self.patience.timeout);
        Failure::new(exit::TIMED_OUT, format!("cannot scale {} within {limit}: {} {how}", self.name, status.name))
    }
}

fn is_up(context: &Context) -> Result<bool, Failure> {
    let lock = context.layout.up_lock();
    Ok(files::lock_note(&lock).map_err(Failure::io(format!("look at {}", lock.display())))?.is_some())
}

fn instances(count: u32) -> String {
    if count == 1 { "1 instance".to_owned() } else { format!("{count} instances") }
}

fn named(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, .., last] => format!("{first} to {last}"),
    }
}

fn platform() -> Platform {
    Platform::named(mainstay_os::NAME)
}
