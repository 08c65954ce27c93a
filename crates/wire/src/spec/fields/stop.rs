//! How a run is ended.

use std::time::Duration;

use mainstay_core::signal;
use mainstay_core::spec::{Ask, Step, Stop};

use crate::spec::Platform;
use crate::spec::section::{Reader, Value};

/// What a step waits when it doesn't say.
const STEP_WAIT: Duration = Duration::from_secs(10);
/// The most steps a ladder may have.
const LADDER_STEPS_MAX: usize = 16;

pub(super) fn default(platform: Platform) -> Stop {
    let step = |ask, seconds| Step { ask, wait: Duration::from_secs(seconds) };
    let ladder = match platform {
        Platform::Windows => vec![step(Ask::CtrlC, 10), step(Ask::CloseWindows, 2), step(Ask::Terminate, 0)],
        Platform::Linux => vec![step(Ask::Signal(15), 10), step(Ask::Terminate, 0)],
    };
    Stop { ladder }
}

pub(super) fn stop<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Stop> {
    let section = reader.section(key, value)?;
    let steps = section.take("ladder", |key, value| {
        let array = reader.array(key, value, "a list of steps such as [{ ask = \"ctrl-c\", wait = \"10s\" }]")?;
        if array.is_empty() || array.len() > LADDER_STEPS_MAX {
            let message = format!("`{key}` has {} steps; it must have 1 to {LADDER_STEPS_MAX}", array.len());
            reader.problem(value.span(), message, None);
        }
        let steps: Vec<Option<Step>> = array.iter().map(|value| step(reader, key, value)).collect();
        steps.into_iter().collect::<Option<Vec<Step>>>()
    });
    section.finish();
    let mut ladder = steps?;
    // Every stop has an end: what no step has ended is terminated.
    if ladder.last().is_none_or(|step| step.ask != Ask::Terminate) {
        ladder.push(Step { ask: Ask::Terminate, wait: Duration::ZERO });
    }
    Some(Stop { ladder })
}

fn step<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Step> {
    let section = reader.section(key, value)?;
    let command = section.take("command", |key, value| reader.filled_list(key, value));
    let ask = section.take("ask", |key, value| Some((reader.string(key, value)?, key.to_owned(), value.span())));
    let wait = section.take("wait", |key, value| reader.duration(key, value)).unwrap_or(STEP_WAIT);
    let span = section.span();
    section.finish();
    let ask = match (ask, command) {
        (Some((text, key, span)), None) if text != "command" => {
            reader.parsed(&key, span, read_ask(&text, reader.platform))?
        }
        (_, Some(command)) if !command.is_empty() => Ask::Command(command),
        (Some((_, key, span)), _) => {
            let help = Some("add command = [\"program\", \"argument\"]".to_owned());
            reader.problem(span, format!("`{key}` names a command, but there is none"), help);
            return None;
        }
        (None, _) => {
            reader.problem(span, "a step needs `ask` or `command`", Some(asks(reader.platform)));
            return None;
        }
    };
    Some(Step { ask, wait })
}

fn read_ask(text: &str, platform: Platform) -> Result<Ask, String> {
    let refused = |what: &str| Err(format!("cannot {what} on {}: {}", platform.title(), asks(platform)));
    match (text, platform) {
        ("terminate", _) => Ok(Ask::Terminate),
        ("ctrl-c", _) => Ok(Ask::CtrlC),
        ("ctrl-break", Platform::Windows) => Ok(Ask::CtrlBreak),
        ("close-windows", Platform::Windows) => Ok(Ask::CloseWindows),
        ("quit-threads", Platform::Windows) => Ok(Ask::QuitThreads),
        ("ctrl-break" | "close-windows" | "quit-threads", Platform::Linux) => refused(&format!("use \"{text}\"")),
        _ => match (signal::number(text).filter(|_| text.starts_with("SIG")), platform) {
            (Some(9), Platform::Linux) => Ok(Ask::Terminate),
            (Some(number), Platform::Linux) => Ok(Ask::Signal(number)),
            (Some(_), Platform::Windows) => refused(&format!("use stop signal {text}")),
            (None, _) => Err(format!("\"{text}\" is no way to stop: {}", asks(platform))),
        },
    }
}

fn asks(platform: Platform) -> String {
    match platform {
        Platform::Windows => "use ctrl-c, ctrl-break, close-windows, quit-threads, command or terminate".to_owned(),
        Platform::Linux => "use a signal such as SIGTERM, ctrl-c (SIGINT), command or terminate".to_owned(),
    }
}
