//! What holds whatever comes in, in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::state::State;
use super::script::{Stage, adjust, spec};
use crate::event::{Effect, RunId};
use crate::spec::HookPoint;
use crate::status::{History, Phase, Status};

const STEPS: [&str; 69] = [
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
    "start-now",
    "pause",
    "paused",
    "unpaused",
    "continue",
    "reload",
    "reloaded",
    "adopted",
    "adopted",
    "unadopted",
    "hooked pre-start 0",
    "hooked pre-start 0",
    "hooked pre-start 3",
    "hooked pre-start timeout",
    "hooked pre-stop 0",
    "hooked post-stop 1",
    "hooked post-start 0",
    "awaiting 0:db",
    "awaiting 0:db 0:cache",
    "awaiting",
    "seen db ready:1",
    "seen db ready:2",
    "seen db pending:2",
    "seen db failed:2",
    "seen cache done:1",
    "seen db none",
    "dependents 2",
    "changed a",
    "resumed",
    "limit",
    "spec hook=pre-start",
    "spec hook=pre-start:abort:3",
    "spec unhook=pre-start",
    "spec hook=pre-stop",
    "spec hook=post-stop",
    "spec unhook=post-stop",
    "spec kind=forking",
    "spec kind=once",
    "spec kind=simple",
    "spec after=db:ready:stop:restart",
    "spec after=db:ready:restart:stop",
    "spec after=",
    "spec max=20s",
    "spec watch=100ms",
    "spec watch=100ms:reload reload=1",
];

/// What ends a stop: somebody wants it to run again.
const STARTS: [&str; 4] = ["start", "restart", "resume", "start-now"];

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

/// The shell goes on to answer: every ask is ignored, the kill works, hooks end.
fn end(stage: &mut Stage) {
    for _ in 0..20 {
        match &stage.service.state {
            State::Stopping(_) if stage.service.deadline().is_some() => drop(stage.step("due")),
            State::Stopping(_) => {
                for answer in ["spawned", "hooked pre-start ended", "hooked pre-stop 0", "hooked post-stop 0"] {
                    stage.step(answer);
                }
            }
            _ => break,
        }
    }
    ["exit 1", "emptied", "hooked post-stop 0"].iter().for_each(|answer| drop(stage.step(answer)));
}

proptest! {
    #[test]
    fn a_stop_always_ends_with_nothing_alive(before in steps(), between in steps()) {
        let mut stage = stage();
        play(&mut stage, &before);
        stage.step("stop");
        // Whatever happens to the run meanwhile, as long as nobody orders anything else.
        let calm: Vec<_> = between.into_iter().filter(|(step, ..)| !STARTS.contains(&STEPS[*step])).collect();
        let effects = play(&mut stage, &calm);
        prop_assert!(!effects.iter().any(|effect| matches!(effect, Effect::Spawn(..))), "spawned after a stop: {effects:?}");
        end(&mut stage);
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
    fn a_shutdown_always_ends_the_guard_and_starts_nothing(before in steps(), between in steps()) {
        let mut stage = stage();
        play(&mut stage, &before);
        let mut effects = stage.step("shutdown");
        effects.extend(play(&mut stage, &between));
        end(&mut stage);
        prop_assert!(!effects.iter().any(|effect| matches!(effect, Effect::Spawn(..))), "spawned after it: {effects:?}");
        prop_assert!(matches!(stage.service.state, State::Retired), "{:?}", stage.service.state);
    }

    #[test]
    fn no_run_begins_while_something_that_must_be_there_is_not(steps in steps()) {
        let mut stage = stage();
        stage.step("spec after=db:ready:restart:restart");
        // A start waits; only a crash and an order to start now do not, and those whose list was taken away.
        let mut there = false;
        for (step, wait, back) in steps {
            let word = STEPS[step];
            if word == "start-now" || word.starts_with("spec") || matches!(word, "nospawn" | "emptied" | "tick" | "resumed") {
                continue;
            }
            match word {
                "seen db ready:1" | "seen db ready:2" => there = true,
                word if word.starts_with("seen db") => there = false,
                _ => {}
            }
            let watched = stage.service.status().phase != Phase::Down;
            let effects = play(&mut stage, &[(step, wait, back)]);
            let spawned = effects.iter().any(|effect| matches!(effect, Effect::Spawn(..)));
            prop_assert!(!spawned || there && watched, "{word}: {effects:?}");
        }
    }

    #[test]
    fn a_halted_run_is_let_go_before_it_is_asked(steps in steps()) {
        let mut stage = stage();
        for step in steps {
            let before = stage.service.status().phase;
            let effects = play(&mut stage, &[step]);
            if before == Phase::Paused && stage.service.status().phase != Phase::Paused {
                let first = effects.iter().find(|effect| {
                    matches!(effect, Effect::Continue(_) | Effect::Kill(_) | Effect::Ask(..) | Effect::Hook(_, HookPoint::PreStop, _))
                });
                prop_assert!(matches!(first, Some(Effect::Continue(_) | Effect::Kill(_))), "{effects:?}");
            }
        }
    }

    #[test]
    fn equal_arguments_give_equal_effects(steps in steps()) {
        prop_assert_eq!(play(&mut stage(), &steps), play(&mut stage(), &steps));
    }

    #[test]
    fn a_report_comes_exactly_when_what_others_see_has_changed(steps in steps()) {
        let mut stage = stage();
        for step in steps {
            let before = stage.service.status();
            let reports = play(&mut stage, &[step]).iter().filter(|effect| **effect == Effect::Report).count();
            let after = stage.service.status();
            let face = |status: &Status| (status.phase, status.run, status.pid, status.standing, status.note.clone());
            let changed = face(&before) != face(&after);
            prop_assert_eq!(reports, usize::from(changed));
        }
    }
}
