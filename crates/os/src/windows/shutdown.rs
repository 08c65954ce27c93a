//! Being asked to end, in the foreground.

use std::io;

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown,
};

use crate::shutdown::Kind;

/// The console's events. After the last three Windows ends us about 5 seconds later, whatever we do (Microsoft:
/// "HandlerRoutine callback function").
#[derive(Debug)]
pub struct Signals {
    c: CtrlC,
    r#break: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// From now on none of them ends us by itself.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals {
            c: ctrl_c()?,
            r#break: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) -> Kind {
        tokio::select! {
            Some(()) = self.c.recv() => Kind::Interrupt,
            Some(()) = self.r#break.recv() => Kind::Interrupt,
            Some(()) = self.close.recv() => Kind::Terminate,
            Some(()) = self.logoff.recv() => Kind::Terminate,
            Some(()) = self.shutdown.recv() => Kind::Terminate,
            else => std::future::pending().await,
        }
    }
}

/// Linux only: here a write to a pipe that nobody reads is an error, and the command ends with it.
pub fn end_with_reader() {}
