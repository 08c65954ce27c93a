//! signal(7).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::shutdown::Kind;

/// SIGINT, SIGTERM and SIGHUP, caught from [`Signals::new`] on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Starts catching; needs a tokio runtime.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) -> Kind {
        match self.caught().await {
            Caught::Interrupt => Kind::Interrupt,
            Caught::Terminate | Caught::HangUp => Kind::Terminate,
        }
    }

    /// The same by its own name. Cancel-safe.
    pub(crate) async fn caught(&mut self) -> Caught {
        tokio::select! {
            _ = self.interrupt.recv() => Caught::Interrupt,
            _ = self.terminate.recv() => Caught::Terminate,
            _ = self.hang_up.recv() => Caught::HangUp,
        }
    }
}

/// SIGINT, SIGTERM, SIGHUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caught {
    Interrupt,
    Terminate,
    HangUp,
}

/// For commands that print: when whoever read the output is gone (`| head`), end quietly as other commands do, by SIGPIPE.
pub fn end_with_reader() {
    // Refused never: the signal and the disposition exist.
    let _ = super::signals::default_sigpipe();
}
