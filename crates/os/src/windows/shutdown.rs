//! Being asked to end, in the foreground.

use std::io;

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown,
};

use windows_sys::Win32::System::Threading::SetProcessShutdownParameters;

use crate::shutdown::Kind;

/// At a shutdown the system goes from high to low, 0x3FF is the highest an application may ask for, and 0x280 what all
/// have: what we look after is asked to end while the rest still lives.
const FIRST: u32 = 0x3FF;

/// The console's events.
///
/// Windows ends a program that was told to close, of a log-off or of a shutdown as soon as its handler returns, and after so
/// long in any case (Microsoft: "HandlerRoutine callback function"): 5 s for the first two, 5 s for a shutdown (20 s for the
/// process of a service, which has controls of its own). Therefore tokio's handler does not return from these three while a
/// [`Signals`] listens: it sleeps in a thread of its own until our `main` has returned and the process ends. Of a log-off and
/// a shutdown only programs without user32 are told, as ours is.
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
        // Best effort: without it we are told in the middle of all programs.
        // SAFETY: a plain call that changes this process's own place in the row.
        unsafe { SetProcessShutdownParameters(FIRST, 0) };
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
