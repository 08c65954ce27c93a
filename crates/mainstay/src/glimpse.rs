//! How statuses and records look: a table for many services, a page for one.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mainstay_wire::record::Record;
use mainstay_wire::status::ServiceStatus;
use mainstay_wire::units::duration_rough;

use crate::term;

/// Local time to the second.
pub(crate) fn local(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// How long ago.
pub(crate) fn ago(time: Timestamp) -> String {
    duration_rough(Duration::try_from(Timestamp::now().duration_since(time)).unwrap_or_default())
}

/// One line a service.
pub(crate) fn table(statuses: &[ServiceStatus]) -> String {
    let dash = || "-".to_owned();
    let rows = statuses.iter().map(|status| {
        vec![
            status.name.clone(),
            status.state.word().to_owned(),
            status.pid.map_or_else(dash, |pid| pid.to_string()),
            status.run.to_string(),
            status.restarts.to_string(),
            ago(status.since),
            note(status),
        ]
    });
    let plain = term::table(&["NAME", "STATE", "PID", "RUN", "RESTARTS", "SINCE", ""], rows);
    let mut lines = plain.lines().map(str::to_owned).collect::<Vec<_>>();
    for (line, status) in lines.iter_mut().skip(1).zip(statuses) {
        // Coloured only now: escape sequences would count as width in the table.
        let (name, rest) = line.split_at(status.name.len().min(line.len()));
        *line = format!("{name}{}", rest.replacen(status.state.word(), &term::state(status.state), 1));
    }
    lines.join("\n")
}

/// What needs a word beside the state.
fn note(status: &ServiceStatus) -> String {
    let until = status
        .next
        .map(|next| duration_rough(Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or_default()));
    match (reason(status), until, &status.last_exit) {
        (Some(note), ..) => note.to_owned(),
        (None, Some(until), Some(exit)) => format!("next in {until}; last: {exit}"),
        (None, Some(until), None) => format!("next in {until}"),
        (None, None, Some(exit)) => format!("last: {exit}"),
        (None, None, None) => String::new(),
    }
}

/// Why the state is what it is, without the state itself before it.
pub(crate) fn reason(status: &ServiceStatus) -> Option<&str> {
    let note = status.note.as_deref()?;
    Some(note.strip_prefix(status.state.word()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(note))
}

/// Everything about one service and the last things that happened to it.
pub(crate) fn page(status: &ServiceStatus, records: &[Record]) -> String {
    let mut lines = vec![format!("{}  {}  for {}", status.name, term::state(status.state), ago(status.since))];
    let mut line = |label: &str, text: String| lines.push(format!("  {label:<12}{text}"));
    if let Some(pid) = status.pid {
        line("program", format!("pid {pid}, run {}", status.run));
    }
    let own = env!("CARGO_PKG_VERSION");
    // One that runs an older binary goes on with it until it is started anew.
    let version = status.version.as_ref().filter(|version| *version != own);
    let version = version.map(|version| format!(", version {version} (this is {own})")).unwrap_or_default();
    match (status.guard_pid, &status.containment) {
        (Some(pid), Some(containment)) => line("guard", format!("pid {pid}, holds the tree by {containment}{version}")),
        (Some(pid), None) => line("guard", format!("pid {pid}{version}")),
        (None, _) => line("guard", "none runs".to_owned()),
    }
    if let Some(reason) = reason(status).filter(|_| status.guard_pid.is_some()) {
        line("why", reason.to_owned());
    }
    if !status.groups.is_empty() {
        line("groups", status.groups.iter().map(|group| format!("@{group}")).collect::<Vec<_>>().join(" "));
    }
    line("restarts", status.restarts.to_string());
    if let Some(next) = status.next {
        line("next", local(next));
    }
    if let Some(exit) = &status.last_exit {
        line("last exit", exit.to_string());
    }
    if !records.is_empty() {
        lines.push(String::new());
        lines.extend(records.iter().map(|record| format!("  {}  {}", term::dim(local(record.time)), record.what)));
    }
    lines.join("\n")
}
