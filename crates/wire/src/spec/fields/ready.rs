//! When a run counts as up.

use std::time::Duration;

use mainstay_core::spec::{Probe, Ready};

use crate::spec::section::{Reader, Value};

/// Between two attempts of a probe.
const READY_EVERY: Duration = Duration::from_millis(250);
/// A program that is not up by then has failed to start.
const READY_TIMEOUT: Duration = Duration::from_secs(300);

pub(super) fn default() -> Ready {
    Ready { probe: None, every: READY_EVERY, timeout: Some(READY_TIMEOUT) }
}

pub(super) fn ready<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Ready> {
    let section = reader.section(key, value)?;
    let probes: Vec<Probe> = [
        section.take("delay", |key, value| reader.duration(key, value).map(Probe::Delay)),
        section.take("tcp", |key, value| {
            let text = reader.filled(key, value)?;
            reader.parsed(key, value.span(), check_address(&reader.sample(&text)).map(|()| Probe::Tcp(text)))
        }),
        section.take("http", |key, value| {
            let text = reader.filled(key, value)?;
            reader.parsed(key, value.span(), check_http(&reader.sample(&text)).map(|()| Probe::Http(text)))
        }),
        section.take("log", |key, value| {
            let text = reader.string(key, value)?;
            let pattern = regex_lite::Regex::new(&text).map_err(|error| format!("`{text}` is not a pattern: {error}"));
            reader.parsed(key, value.span(), pattern.map(|_| Probe::Log(text)))
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    if probes.len() > 1 {
        reader.problem(
            section.span(),
            "`ready` has several probes",
            Some("keep one of delay, tcp, http, log".to_owned()),
        );
    }
    let every = section.take("every", |key, value| reader.nonzero(key, value)).unwrap_or(READY_EVERY);
    let timeout = section.take("timeout", |key, value| reader.duration(key, value)).unwrap_or(READY_TIMEOUT);
    section.finish();
    Some(Ready { probe: probes.into_iter().next(), every, timeout: (!timeout.is_zero()).then_some(timeout) })
}

/// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`.
fn check_address(text: &str) -> Result<(), String> {
    let form = || format!("`{text}` is not HOST:PORT, such as \"127.0.0.1:8080\"");
    let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
    let port: u16 = port.parse().map_err(|_| form())?;
    let host_ok = !host.is_empty() && !host.contains(['/', ' ']) && (!host.contains(':') || host.starts_with('['));
    if host_ok && port > 0 { Ok(()) } else { Err(form()) }
}

fn check_http(text: &str) -> Result<(), String> {
    let Some(rest) = text.strip_prefix("http://") else {
        return Err(format!("`{text}` is not a plain http:// address, such as \"http://127.0.0.1:8080/health\""));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    if authority.contains('@') {
        return Err(format!("`{text}` carries a user name: credentials can't stand in an address"));
    }
    let with_port = if authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("`{text}` contains white space: write %20"));
    }
    check_address(&with_port).map_err(|_| format!("`{text}` has no valid host and port"))
}
