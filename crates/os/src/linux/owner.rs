//! systemd by its notify socket: sd_notify(3), sd_watchdog_enabled(3). Without one, nobody: every report is silent.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::shutdown::{Caught, Signals};
use crate::owner::{Report, Request};

/// Runs `body` at once on this thread, which lives as long as the guard. `Unsupported` with `under_scm`.
pub fn run(_name: &str, under_scm: bool, body: impl FnOnce(Owner) -> i32 + Send + 'static) -> io::Result<i32> {
    if under_scm {
        let text = "the Windows service manager is on Windows only";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    Ok(body(Owner::from_environment()))
}

/// What started this guard.
#[derive(Debug)]
pub struct Owner {
    notify: Option<Notify>,
    /// How often at least systemd wants to hear of us.
    watchdog: Option<Duration>,
    /// While a start or stop is pending: how long it may honestly last.
    pending: Option<Duration>,
    /// It was told that the service is up, and not that it goes down.
    up: bool,
    /// It was told that we read our configuration again, and waits for the end of that.
    reloading: bool,
    signals: Option<Signals>,
}

impl Owner {
    fn from_environment() -> Owner {
        let var = |name: &str| std::env::var_os(name);
        let notify = var("NOTIFY_SOCKET").and_then(Notify::open);
        let watchdog = watchdog(var("WATCHDOG_USEC"), var("WATCHDOG_PID"), std::process::id());
        Owner {
            watchdog: watchdog.filter(|_| notify.is_some()),
            notify,
            pending: None,
            up: false,
            reloading: false,
            signals: None,
        }
    }

    /// The next order from outside: SIGTERM or SIGINT means stop; a shutdown can't be told apart. SIGHUP means reload under
    /// systemd (`systemctl reload`), else stop: then it is a terminal that closes. The signals are caught from the first call on,
    /// so it is to be called early; the next call after a reload tells systemd that it is done. Cancel-safe.
    pub async fn request(&mut self) -> Request {
        if std::mem::take(&mut self.reloading) {
            self.tell(&["READY=1".to_owned()]);
        }
        if self.signals.is_none() {
            self.signals = Signals::new().ok();
        }
        let caught = match &mut self.signals {
            Some(signals) => signals.caught().await,
            // Not caught: the signal's default action ends us.
            None => std::future::pending().await,
        };
        match caught {
            Caught::HangUp if self.notify.is_some() => {
                self.begin_reload();
                Request::Reload
            }
            Caught::HangUp | Caught::Interrupt | Caught::Terminate => Request::Stop,
        }
    }

    /// sd_notify(3): with the time, or systemd could take an older READY=1 for the answer. A service that is not up yet must
    /// not become so by the READY=1 at the end.
    fn begin_reload(&mut self) {
        if self.up {
            let now = clock_gettime(ClockId::Monotonic);
            let now_us = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
            self.tell(&["RELOADING=1".to_owned(), format!("MONOTONIC_USEC={now_us}")]);
            self.reloading = true;
        }
    }

    /// Tells the owner. `limit`: how long this state, if pending, may honestly last.
    pub fn report(&mut self, r: Report, limit: Duration, text: &str) {
        let extend = format!("EXTEND_TIMEOUT_USEC={}", limit.as_micros());
        let status = format!("STATUS={}", text.replace('\n', " "));
        let (state, pending) = match r {
            Report::Starting => (vec![status, extend], true),
            Report::Up => (vec!["READY=1".to_owned(), status], false),
            Report::Paused => (vec![status], false),
            Report::Stopping => (vec!["STOPPING=1".to_owned(), status, extend], true),
            Report::Stopped { .. } => (vec![status], false),
        };
        match r {
            Report::Up => (self.up, self.reloading) = (true, false),
            Report::Stopping | Report::Stopped { .. } => (self.up, self.reloading) = (false, false),
            Report::Starting | Report::Paused => {} // systemd knows no way back from up
        }
        self.pending = pending.then_some(limit);
        self.tell(&state);
    }

    /// We live: to be called every [`Owner::pulse_every`].
    pub fn pulse(&mut self) {
        let mut state = Vec::new();
        if self.watchdog.is_some() {
            state.push("WATCHDOG=1".to_owned());
        }
        if let Some(limit) = self.pending {
            state.push(format!("EXTEND_TIMEOUT_USEC={}", limit.as_micros()));
        }
        self.tell(&state);
    }

    /// How often [`Owner::pulse`] is wanted: half the watchdog's time. `None`: never.
    pub fn pulse_every(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    fn tell(&self, state: &[String]) {
        if let Some(notify) = &self.notify
            && !state.is_empty()
        {
            // systemd being away for a moment (its re-execution) must not stop a guard; the next message gets there.
            let _ = notify.socket.send_to_addr(state.join("\n").as_bytes(), &notify.address);
        }
    }
}

/// WATCHDOG_PID, where set, says whom it is meant for.
fn watchdog(usec: Option<OsString>, pid: Option<OsString>, own: u32) -> Option<Duration> {
    let usec: u64 = usec?.to_str()?.parse().ok()?;
    let meant_for_us = match pid {
        Some(pid) => pid.to_str()?.parse() == Ok(own),
        None => true,
    };
    (meant_for_us && usec > 0).then(|| Duration::from_micros(usec))
}

#[derive(Debug)]
struct Notify {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notify {
    /// A path, or `@name` in the abstract namespace.
    fn open(place: OsString) -> Option<Notify> {
        let address = match place.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&place),
        };
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?; // a full queue must not stop a guard
        Some(Notify { socket, address: address.ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let read = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    }

    fn owner(place: &std::ffi::OsStr, watchdog: Option<Duration>) -> Owner {
        Owner {
            notify: Notify::open(place.to_owned()),
            watchdog,
            pending: None,
            up: false,
            reloading: false,
            signals: None,
        }
    }

    #[test]
    fn systemd_hears_each_report_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&place).unwrap();
        let mut owner = owner(place.as_os_str(), Some(Duration::from_secs(30)));
        owner.report(Report::Starting, Duration::from_secs(2), "starting");
        assert_eq!(heard(&systemd), "STATUS=starting\nEXTEND_TIMEOUT_USEC=2000000");
        owner.pulse();
        assert_eq!(heard(&systemd), "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=2000000");
        owner.report(Report::Up, Duration::ZERO, "up,\npid 7");
        assert_eq!(heard(&systemd), "READY=1\nSTATUS=up, pid 7");
        owner.pulse();
        assert_eq!(heard(&systemd), "WATCHDOG=1");
        owner.report(Report::Stopping, Duration::from_secs(1), "stopping");
        assert_eq!(heard(&systemd), "STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=1000000");
        owner.report(Report::Paused, Duration::ZERO, "paused");
        assert_eq!(heard(&systemd), "STATUS=paused");
        assert_eq!(owner.pulse_every(), Some(Duration::from_secs(15)));
    }

    #[tokio::test]
    async fn a_reload_begins_with_its_time_and_ends_with_the_next_wait() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&place).unwrap();
        let mut owner = owner(place.as_os_str(), None);
        owner.begin_reload(); // not up yet: nothing to hear, and nothing to end
        owner.report(Report::Up, Duration::ZERO, "up");
        assert_eq!(heard(&systemd), "READY=1\nSTATUS=up");
        owner.begin_reload();
        assert!(heard(&systemd).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        for _ in 0..2 {
            tokio::select! {
                biased;
                request = owner.request() => panic!("{request:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(heard(&systemd), "READY=1");
        owner.report(Report::Paused, Duration::ZERO, "paused");
        assert_eq!(heard(&systemd), "STATUS=paused", "the reload ended twice");
    }

    #[test]
    fn an_abstract_socket_is_reached() {
        let name = format!("mainstay-test-{}", std::process::id());
        let systemd = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        owner(std::ffi::OsStr::new(&format!("@{name}")), None).report(Report::Up, Duration::ZERO, "up");
        assert_eq!(heard(&systemd), "READY=1\nSTATUS=up");
    }

    #[test]
    fn a_watchdog_meant_for_another_process_is_not_fed() {
        let limit = Some(Duration::from_secs(3));
        assert_eq!(watchdog(Some("3000000".into()), Some("7".into()), 7), limit);
        assert_eq!(watchdog(Some("3000000".into()), None, 7), limit);
        assert_eq!(watchdog(Some("3000000".into()), Some("8".into()), 7), None);
        assert_eq!(watchdog(Some("0".into()), None, 7), None);
        assert_eq!(watchdog(Some("soon".into()), None, 7), None);
        assert_eq!(watchdog(None, None, 7), None);
    }
}
