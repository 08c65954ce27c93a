//! Specs by number: a whole spec in one word of a replay file.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_core::spec::{
    Account, After, Ask, Awaited, Env, ExitKey, Follow, Hook, HookPoint, Hooks, Kind, Launch, Log, OnExit, Probe,
    Quarantine, Ready, Reload, Resources, Restart, RestartOn, Spec, StartMode, Stdin, Step, Stop, Until, Watch,
};

use crate::chance::Chance;
use crate::os::HOOK_MAX;

/// The most a ladder of these specs may wait: three steps of this.
const STEP_WAIT_MAX: Duration = Duration::from_secs(20);
const STEPS_MAX: u64 = 3;

/// The longest ladder there is here.
pub(crate) const LADDER_MAX: Duration = Duration::from_secs(60);

/// The spec with this number.
pub(crate) fn spec(number: u64) -> Spec {
    let chance = &mut Chance::new(number);
    Spec {
        name: "payment".into(),
        display_name: String::new(),
        description: format!("number {number}"),
        groups: Vec::new(),
        start: if chance.percent(8) { StartMode::Disabled } else { StartMode::Auto },
        kind: chance.pick(Kind::Simple, &[Kind::Simple, Kind::Simple, Kind::Once, Kind::Forking { pid_file: None }]),
        instances: None,
        instance: None,
        after: if chance.percent(50) { after(chance) } else { Vec::new() },
        after_timeout: chance.percent(60).then(|| chance.span(Duration::from_secs(300))),
        launch: launch(chance),
        hooks: if chance.percent(50) { hooks(chance) } else { Hooks::default() },
        ready: ready(chance),
        restart: restart(chance),
        max_runtime: chance.percent(20).then(|| Duration::from_secs(1 + chance.below(600))),
        stop: stop(chance),
        reload: chance.percent(50).then_some(Reload::Signal(1)),
        watch: chance.percent(40).then(|| watch(chance)),
        log: Log { stdout: chance.percent(20).then(|| "/var/log/out".into()), ..Log::default() },
    }
}

fn after(chance: &mut Chance) -> Vec<After> {
    let mut list = Vec::new();
    for _ in 0..=chance.below(3) {
        let until = chance.pick(Until::Ready, &[Until::Started, Until::Done]);
        let what = chance.pick(
            Awaited::Service("db".into(), until),
            &[
                Awaited::Service("cache".into(), until),
                Awaited::Group("jobs".into(), Until::Started),
                Awaited::Os("postgres".into()),
                Awaited::OsGroup("network".into()),
            ],
        );
        let mut follow = || chance.pick(Follow::Keep, &[Follow::Stop, Follow::Restart]);
        list.push(After { what, fails: follow(), restarts: follow() });
    }
    list
}

fn hooks(chance: &mut Chance) -> Hooks {
    let mut hooks = Hooks::default();
    for point in HookPoint::ALL {
        if chance.percent(40) {
            let abort_on = if chance.percent(40) { vec![3] } else { Vec::new() };
            let (command, ignore_failure) = (vec!["hook".into()], chance.percent(40));
            hooks.at.insert(point, Hook { command, timeout: HOOK_MAX, abort_on, ignore_failure });
        }
    }
    hooks
}

fn watch(chance: &mut Chance) -> Watch {
    let (paths, settle) = (vec![".".into()], chance.span(Duration::from_secs(2)));
    Watch { paths, only: Vec::new(), ignore: Vec::new(), settle, reload: chance.percent(50) }
}

fn launch(chance: &mut Chance) -> Launch {
    let program = chance.pick("/srv/a", &["/srv/a", "/srv/a", "/srv/b"]).into();
    Launch {
        program,
        args: Vec::new(),
        directory: None,
        env: Env::default(),
        stdin: Stdin::Closed,
        account: Account::default(),
        resources: Resources::default(),
        breakaway: false,
    }
}

fn ready(chance: &mut Chance) -> Ready {
    let probes = [
        Some(Probe::Delay(chance.span(Duration::from_secs(20)))),
        Some(Probe::Tcp("localhost:80".into())),
        Some(Probe::Http("http://localhost/health".into())),
        Some(Probe::Log("listening".into())),
    ];
    Ready {
        probe: chance.pick(None, &probes),
        every: Duration::from_millis(10 + chance.below(2_000)),
        timeout: chance.percent(60).then(|| chance.span(Duration::from_secs(120))),
    }
}

fn restart(chance: &mut Chance) -> Restart {
    let mut exits = BTreeMap::new();
    for (key, on) in [(3, OnExit::Fail), (259, OnExit::Restart), (0, OnExit::Done)] {
        if chance.percent(20) {
            exits.insert(ExitKey::Code(key), on);
        }
    }
    let quarantine = Quarantine {
        restarts: u32::try_from(chance.below(6)).unwrap_or(0),
        within: Duration::from_secs(1 + chance.below(600)),
        release_after: chance.percent(50).then(|| chance.span(Duration::from_secs(3_600))),
    };
    Restart {
        on: chance
            .pick(RestartOn::Failure, &[RestartOn::Failure, RestartOn::Always, RestartOn::Always, RestartOn::Never]),
        exits,
        delay: chance.pick(Duration::ZERO, &[Duration::ZERO, Duration::from_millis(100), Duration::from_secs(3)]),
        delay_max: chance.pick(Duration::from_secs(60), &[Duration::from_secs(2), Duration::ZERO]),
        stable_after: chance.pick(Duration::from_secs(10), &[Duration::ZERO, Duration::from_secs(60)]),
        quarantine: chance.percent(60).then_some(quarantine),
    }
}

fn stop(chance: &mut Chance) -> Stop {
    let mut ladder = Vec::new();
    for _ in 0..chance.below(STEPS_MAX + 1) {
        let ask = chance.pick(Ask::CtrlC, &[Ask::Signal(15), Ask::Command(vec!["stop-it".into()])]);
        ladder.push(Step { ask, wait: chance.span(STEP_WAIT_MAX) });
    }
    ladder.push(Step { ask: Ask::Terminate, wait: Duration::ZERO });
    Stop { ladder }
}
