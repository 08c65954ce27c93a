//! Commands at certain moments of a service's life.

use std::time::Duration;

use mainstay_core::spec::{Hook, HookPoint, Hooks, Names};
use toml::de::DeValue;

use crate::spec::Platform;
use crate::spec::section::{Reader, Value};

/// A start or a stop waits for these two, so they have less time.
const WAITED_FOR: Duration = Duration::from_secs(20);
/// All others.
const TIMEOUT: Duration = Duration::from_secs(60);

const NAMES: [(&str, Names); 2] = [("own", Names::Own), ("nssm", Names::Nssm)];

pub(super) fn hooks<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Hooks> {
    let section = reader.section(key, value)?;
    let mut hooks = Hooks::default();
    for point in HookPoint::ALL {
        if let Some(hook) = section.take(point.word(), |key, value| hook(reader, key, value, point)) {
            hooks.at.insert(point, hook);
        }
    }
    hooks.names = section.take("names", |key, value| reader.choice(key, value, &NAMES)).unwrap_or_default();
    section.finish();
    Some(hooks)
}

/// What it may take when its spec doesn't say.
pub(in crate::spec) fn default_timeout(point: HookPoint) -> Duration {
    match point {
        HookPoint::PreStart | HookPoint::PreStop => WAITED_FOR,
        HookPoint::PreRotate => WAITED_FOR,
        HookPoint::PostStart | HookPoint::PostStop | HookPoint::OnExit | HookPoint::OnRotate => TIMEOUT,
        HookPoint::OnQuarantine | HookPoint::OnSuspend | HookPoint::OnResume => TIMEOUT,
    }
}

fn hook<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>, point: HookPoint) -> Option<Hook> {
    match value.get_ref() {
        DeValue::Array(_) => {
            let command = reader.command(key, value)?;
            Some(Hook { command, timeout: default_timeout(point), abort_on: Vec::new(), ignore_failure: false })
        }
        DeValue::Table(_) => table(reader, key, value, point),
        other => {
            let wanted = "a command such as [\"program\", \"argument\"] or a table such as { command = [\"program\"], timeout = \"30s\" }";
            reader.wrong_kind(key, wanted, other, value.span())
        }
    }
}

fn table<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>, point: HookPoint) -> Option<Hook> {
    let section = reader.section(key, value)?;
    let command = section.take("command", |key, value| reader.command(key, value));
    let timeout = section.take("timeout", |key, value| reader.nonzero(key, value));
    let (mut abort_on, mut ignore_failure) = (Vec::new(), false);
    if point == HookPoint::PreStart {
        abort_on = section.take("abort-on", |key, value| codes(reader, key, value)).unwrap_or_default();
        ignore_failure = section.take("ignore-failure", |key, value| reader.boolean(key, value)).unwrap_or(false);
    }
    if !section.has("command") {
        let help = Some("add command = [\"program\", \"argument\"]".to_owned());
        reader.problem(section.span(), format!("`{key}.command` is missing"), help);
    }
    section.finish();
    Some(Hook { command: command?, timeout: timeout.unwrap_or(default_timeout(point)), abort_on, ignore_failure })
}

/// Exit codes as the OS will report them.
fn codes<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Vec<u32>> {
    let array = reader.array(key, value, "a list of exit codes such as [99]")?;
    let read = array.iter().filter_map(|element| {
        let number = reader.number(key, element, -0x8000_0000..=0xFFFF_FFFF)?;
        let code = match reader.platform {
            // The kernel keeps 8 bits of what a program passes to exit(3).
            Platform::Linux if number < 0 => u32::try_from(number & 0xFF).unwrap_or(0),
            Platform::Linux | Platform::Windows => u32::try_from(number & 0xFFFF_FFFF).unwrap_or(u32::MAX),
        };
        if code == 0 {
            reader.problem(element.span(), format!("`{key}`: 0 is success, which can't forbid a run"), None);
            return None;
        }
        Some(code)
    });
    let mut codes: Vec<u32> = read.collect();
    codes.sort_unstable();
    codes.dedup();
    Some(codes)
}
