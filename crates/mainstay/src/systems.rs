//! Services that the OS's service manager knows: their entry follows their spec.

use std::path::PathBuf;
use std::time::Duration;

use mainstay_os::manager::{self, Entry, Kind, Manager, Start};
use mainstay_wire::layout::Layout;
use mainstay_wire::spec::{Spec, StartMode};

use crate::failure::Failure;

/// Time that the guard itself needs beside the ladder: to drain, to write its journal, to report.
const STOP_MARGIN: Duration = Duration::from_secs(15);

/// The service manager that this layout's services belong to: none with `--home`, none on a machine without one.
pub(crate) fn manager(layout: &Layout) -> Option<Manager> {
    if layout.home.is_some() { None } else { manager::detect() }
}

/// Whether the manager knows this service.
pub(crate) fn is_registered(manager: &Manager, name: &str) -> Result<bool, Failure> {
    Ok(manager.state(name)?.is_some())
}

/// What the manager is to know of a service.
pub(crate) fn entry(manager: &Manager, spec: &Spec) -> Result<Entry, Failure> {
    let binary = binary()?;
    let owner = match manager.kind() {
        Kind::Scm => "scm",
        Kind::Systemd => "systemd",
    };
    let args = ["guard", &spec.name, "--owner", owner].map(Into::into).to_vec();
    let description = if spec.description.is_empty() {
        format!("{}, kept running by mainstay", spec.name)
    } else {
        spec.description.clone()
    };
    let start = match spec.start {
        StartMode::Auto => Start::Auto,
        StartMode::Delayed => Start::Delayed,
        StartMode::Manual => Start::Manual,
        StartMode::Disabled => Start::Disabled,
    };
    let ladder: Duration = spec.stop.ladder.iter().map(|step| step.wait).sum();
    Ok(Entry { name: spec.name.clone(), description, binary, args, start, stop_limit: ladder + STOP_MARGIN })
}

/// This very program.
pub(crate) fn binary() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(Failure::io("find my own executable"))
}
