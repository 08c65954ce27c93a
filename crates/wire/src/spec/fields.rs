//! The meaning of every key of a spec, one file for each owner. Names and documents of the keys are in `keys.rs`.

mod account;
mod after;
mod env;
mod hooks;
mod launch;
mod log;
mod ready;
mod reload;
mod resources;
mod restart;
mod service;
mod stop;

use mainstay_core::spec::Spec;

pub(super) use log::day_name;

use super::section::{Reader, Section};

pub(super) fn spec(reader: &Reader<'_>, name: &str) -> Option<Spec> {
    let document = reader.document();
    let root = Section::new(reader, "", document.get_ref(), 0..0);
    // First of all: what these say is put into many of the others.
    let (instances, instance) = service::instances(reader, &root, name);
    let display_name = root.take("display-name", |key, value| service::display_name(reader, key, value));
    let description = root.take("description", |key, value| reader.string(key, value)).unwrap_or_default();
    let groups = root.take("groups", |key, value| service::groups(reader, key, value)).unwrap_or_default();
    let start = root.take("start", |key, value| reader.choice(key, value, &service::START));
    let kind = service::kind(reader, &root);
    let max_runtime = root.take("max-runtime", |key, value| reader.duration(key, value));
    let after = root.take("after", |key, value| after::after(reader, key, value, name, &groups)).unwrap_or_default();
    let after_timeout = root.take("after-timeout", |key, value| reader.duration(key, value));
    let after_timeout = after_timeout.unwrap_or(after::TIMEOUT);
    let launch = launch::launch(reader, &root);
    let hooks = root.take("hooks", |key, value| hooks::hooks(reader, key, value)).unwrap_or_default();
    let ready = root.take("ready", |key, value| ready::ready(reader, key, value)).unwrap_or_else(ready::default);
    let restart = root.take("restart", |key, value| restart::restart(reader, key, value));
    let stop = root.take("stop", |key, value| stop::stop(reader, key, value));
    let reload = root.take("reload", |key, value| reload::reload(reader, key, value));
    let can_reload = root.has("reload");
    let watch = root.take("watch", |key, value| reload::watch(reader, key, value, can_reload));
    let log = root.take("log", |key, value| log::log(reader, key, value)).unwrap_or_default();
    root.finish();
    Some(Spec {
        name: name.to_owned(),
        display_name: display_name.unwrap_or_default(),
        description,
        groups,
        start: start.unwrap_or(service::START_DEFAULT),
        kind,
        instances,
        instance,
        after,
        after_timeout: (!after_timeout.is_zero()).then_some(after_timeout),
        launch: launch?,
        hooks,
        ready,
        restart: restart.unwrap_or_else(restart::default),
        max_runtime: max_runtime.filter(|limit| !limit.is_zero()),
        stop: stop.unwrap_or_else(|| stop::default(reader.platform)),
        reload,
        watch,
        log,
    })
}
