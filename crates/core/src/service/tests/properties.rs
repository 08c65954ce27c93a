//! What holds whatever comes in, in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::state::State;
use super::script::{Stage, adjust, spec};
use crate::event::{Effect, RunId};
use crate::status::{History, Phase};

const STEPS: [&str; 24] = [
    "start",
    "stop",
    "restart",
    "kill",
    "resume",
    "spawned",
    "nospawn",
    "exit 0",
    "exit 1",
    "emptied",
    "asked",
    "unasked",
    "ready",
    "notready",
    "tick",
    "spec delay=1s",
    "spec program=a",
    "spec program=b",
    "spec ready=tcp:1",
    "spec ready=log:x",
    "spec disabled=yes",
    "spec disabled=no",
    "spec quarantine=1",
    "spec ready=none",
];

fn steps() -> impl Strategy<Value = Vec<(usize, u64, u64)>> {
    // A step, the time before it, and how many runs back it speaks of.
    prop::collection::vec((0..STEPS.len(), 0u64..20_000, 0u64..3), 0..120)
}

fn stage() -> Stage {
    let mut spec = spec();
    ["ready=tcp:80", "timeout=30s", "release=60s"].iter().for_each(|change| adjust(&mut spec, change));
    Stage::new(spec, History::default())
}

fn play(stage: &mut Stage, steps: &[(usize, u64, u64)]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (step, wait_ms, back) in steps {
        let run = stage.service.status().run.0.saturating_sub(back / 2);
        effects.extend(stage.step(&format!("+{wait_ms}ms {} @{run}", STEPS[*step])));
    }
    effects
}

proptest! {
    #[test]
    fn a_stop_always_ends_with_nothing_alive(before in steps(), between in steps()) {
        let mut stage = stage();
        play(&mut stage, &before);
        stage.step("stop");
        // Whatever happens to the run meanwhile, as long as nobody orders anything else.
        let calm: Vec<_> = between.into_iter().filter(|(step, ..)| !matches!(STEPS[*step], "start" | "restart" | "resume")).collect();
        let effects = play(&mut stage, &calm);
        prop_assert!(!effects.iter().any(|effect| matches!(effect, Effect::Spawn(..))), "spawned after a stop: {effects:?}");
        // The shell goes on to answer: every ask is ignored, the kill works.
        for _ in 0..20 {
            match &stage.service.state {
                State::Stopping(_) if stage.service.deadline().is_none() => drop(stage.step("spawned")),
                State::Stopping(_) => drop(stage.step("due")),
                _ => break,
            }
        }
        stage.step("exit 1");
        stage.step("emptied");
        prop_assert_eq!(stage.service.status().phase, Phase::Down);
        prop_assert_eq!(stage.service.status().pid, None);
    }

    #[test]
    fn no_deadline_lies_in_the_past_after_it_was_served(steps in steps()) {
        let mut stage = stage();
        for step in steps {
            play(&mut stage, &[step]);
            stage.step("tick");
            let now = stage.now.mono;
            prop_assert!(stage.service.deadline().is_none_or(|due| due >= now), "{:?} at {now:?}", stage.service.state);
        }
    }

    #[test]
    fn run_numbers_grow_and_only_emptied_runs_are_followed(steps in steps()) {
        let mut stage = stage();
        let mut last = RunId(0);
        let mut inhabited = BTreeSet::new();
        for step in steps {
            let word = STEPS[step.0];
            let current = stage.service.status().run;
            let speaks_of_current = step.2 < 2;
            if speaks_of_current && matches!(word, "emptied" | "nospawn") {
                inhabited.remove(&current);
            }
            for effect in play(&mut stage, &[step]) {
                if let Effect::Spawn(run, _) = effect {
                    prop_assert!(run > last);
                    last = run;
                    prop_assert!(inhabited.is_empty(), "{run:?} beside {inhabited:?}");
                    inhabited.insert(run);
                }
            }
        }
    }

    #[test]
    fn equal_arguments_give_equal_effects(steps in steps()) {
        prop_assert_eq!(play(&mut stage(), &steps), play(&mut stage(), &steps));
    }

    #[test]
    fn a_report_comes_exactly_when_phase_run_or_pid_changed(steps in steps()) {
        let mut stage = stage();
        for step in steps {
            let before = stage.service.status();
            let reports = play(&mut stage, &[step]).iter().filter(|effect| **effect == Effect::Report).count();
            let after = stage.service.status();
            let changed = (before.phase, before.run, before.pid) != (after.phase, after.run, after.pid);
            prop_assert_eq!(reports, usize::from(changed));
        }
    }
}
