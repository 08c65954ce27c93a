//! The private control channel: a named pipe that only the system, administrators and the guard's own account may open.
//!
//! Microsoft: "Named Pipe Security and Access Rights". Without an access list of our own everybody could read from it.
//! Clients from other machines are rejected by the pipe itself, not by an entry against NETWORK: an administrator who came
//! by SSH or WinRM carries that group too.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};
use tokio::time::Instant;
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::System::Pipes::GetNamedPipeClientProcessId;
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION};

use super::security::{self, Descriptor, User};
use super::win32;
use crate::control::Peer;

/// "The entire pipe name string can be up to 256 characters long" (Microsoft: "CreateNamedPipeW function").
const NAME_UNITS_MAX: usize = 256;

/// Between two instances every client finds the pipe busy for a moment, and for longer when many call at once: this long it tries
/// again, after pauses that double up to a limit.
const BUSY_LIMIT: Duration = Duration::from_secs(10);
const BUSY_PAUSE: Duration = Duration::from_millis(2);
const BUSY_PAUSE_MAX: Duration = Duration::from_millis(50);

/// The names of so many other accounts are remembered; asking for one may take a domain controller's time.
const KNOWN_NAMES_MAX: usize = 64;

/// Where a service's guard listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// `tag` keeps the installations (homes) of one machine apart; the folder is not used on Windows.
    pub fn new(_run_dir: &Path, tag: &str, name: &str) -> Address {
        Address(format!(r"\\.\pipe\mainstay\{tag}\{name}"))
    }

    fn check(&self) -> io::Result<()> {
        let units = self.0.encode_utf16().count();
        if units > NAME_UNITS_MAX {
            let text = format!("cannot use {self} as a pipe: {units} characters, Windows allows {NAME_UNITS_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The guard's side. One instance of the pipe always waits for the next client.
pub struct Listener {
    address: Address,
    access: Descriptor,
    waiting: NamedPipeServer,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Listener {
    /// Listens from now on. Refused when somebody else has a pipe of that name.
    pub fn bind(address: &Address) -> io::Result<Listener> {
        address.check()?;
        let access = Descriptor::new(&security::private_sddl("")?)?;
        let waiting = instance(address, &access, true)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
        Ok(Listener { address: address.clone(), access, waiting })
    }

    /// The next client. Cancel-safe.
    pub async fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        while let Err(error) = self.waiting.connect().await {
            // It came and went before we looked: the instance is used again.
            if self.waiting.disconnect().is_err() {
                return Err(error);
            }
        }
        let next = match instance(&self.address, &self.access, false) {
            Ok(next) => next,
            Err(error) => {
                // Without another instance nobody could call any more: this client has to come again.
                self.waiting.disconnect()?;
                return Err(error);
            }
        };
        let connected = std::mem::replace(&mut self.waiting, next);
        let peer = peer(&connected);
        Ok((Stream(End::Server(connected)), peer))
    }
}

fn instance(address: &Address, access: &Descriptor, first: bool) -> io::Result<NamedPipeServer> {
    let mut attributes = access.attributes();
    // SAFETY: the attributes and the descriptor they point to live during the call.
    unsafe {
        ServerOptions::new()
            .first_pipe_instance(first)
            .reject_remote_clients(true)
            .create_with_security_attributes_raw(&address.0, (&raw mut attributes).cast())
    }
}

/// Whoever got through the access list may order; its name is for the records.
fn peer(pipe: &NamedPipeServer) -> Peer {
    let mut pid = 0;
    // SAFETY: the handle is open during the call, the result lives.
    let done = unsafe { GetNamedPipeClientProcessId(pipe.as_raw_handle(), &raw mut pid) };
    let pid = (done != 0).then_some(pid);
    let user = pid.and_then(|pid| user_of(pid).ok()).unwrap_or_else(|| "unknown".to_owned());
    Peer { pid, user, may_order: true }
}

fn user_of(pid: u32) -> io::Result<String> {
    static KNOWN: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);
    // SAFETY: a plain call; the handle is ours.
    let process = unsafe { win32::own(OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid)) }?;
    let user = User::of_process(process.as_handle())?;
    let sid = user.sid_text()?;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(name) = known.get(&sid) {
        return Ok(name.clone());
    }
    let name = user.name().unwrap_or_else(|_| sid.clone());
    if known.len() < KNOWN_NAMES_MAX {
        known.insert(sid, name.clone());
    }
    Ok(name)
}

/// Connects to a guard. `NotFound`: nobody listens there.
pub async fn connect(address: &Address) -> io::Result<Stream> {
    address.check()?;
    let mut pause = BUSY_PAUSE;
    let until = Instant::now() + BUSY_LIMIT;
    loop {
        // By default the server may find out who we are, but not act as us (SECURITY_IDENTIFICATION).
        match ClientOptions::new().open(&address.0) {
            Ok(client) => return Ok(Stream(End::Client(client))),
            Err(error) if win32::is(&error, ERROR_PIPE_BUSY) && Instant::now() < until => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BUSY_PAUSE_MAX);
            }
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("cannot connect to {address}: {error}")));
            }
        }
    }
}

/// One connection, bytes both ways. A pipe has no half: shutting down the write side does nothing, the other side sees
/// the end when the stream is dropped.
#[derive(Debug)]
pub struct Stream(End);

#[derive(Debug)]
enum End {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

impl AsHandle for Stream {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        match &self.0 {
            End::Server(pipe) => pipe.as_handle(),
            End::Client(pipe) => pipe.as_handle(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let done = ready!(match &mut self.0 {
            End::Server(pipe) => Pin::new(pipe).poll_read(cx, buf),
            End::Client(pipe) => Pin::new(pipe).poll_read(cx, buf),
        });
        // The other side is gone: the end, as with a socket.
        Poll::Ready(match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            answer => answer,
        })
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            End::Server(pipe) => Pin::new(pipe).poll_write(cx, buf),
            End::Client(pipe) => Pin::new(pipe).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            End::Server(pipe) => Pin::new(pipe).poll_flush(cx),
            End::Client(pipe) => Pin::new(pipe).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            End::Server(pipe) => Pin::new(pipe).poll_shutdown(cx),
            End::Client(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;
    use windows_sys::Win32::Foundation::LocalFree;
    use windows_sys::Win32::Security::Authorization::{
        ConvertSecurityDescriptorToStringSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1, SE_KERNEL_OBJECT,
    };
    use windows_sys::Win32::Security::DACL_SECURITY_INFORMATION;

    /// Wine keeps a pipe's access list but does not act on it, so the list itself is read back.
    #[test]
    fn only_the_system_administrators_and_we_may_open_the_pipe() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let address = Address::new(Path::new(""), "unit-test", &std::process::id().to_string());
        let listener = Listener::bind(&address).unwrap();
        let mut descriptor = ptr::null_mut();
        let mut sddl: *mut u16 = ptr::null_mut();
        // SAFETY: the handle is open, the results live; both are freed with LocalFree.
        let sddl = unsafe {
            let code = GetSecurityInfo(
                listener.waiting.as_raw_handle(),
                SE_KERNEL_OBJECT,
                DACL_SECURITY_INFORMATION,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut descriptor,
            );
            assert_eq!(code, 0);
            let done = ConvertSecurityDescriptorToStringSecurityDescriptorW(
                descriptor,
                SDDL_REVISION_1,
                DACL_SECURITY_INFORMATION,
                &raw mut sddl,
                ptr::null_mut(),
            );
            assert_ne!(done, 0);
            let text = win32::text_at(sddl).to_string_lossy().into_owned();
            LocalFree(sddl.cast());
            LocalFree(descriptor);
            text
        };
        // The same rights are written in several ways: only who and how many entries counts.
        assert!(sddl.starts_with("D:P"), "{sddl}");
        assert_eq!(sddl.matches("(A;").count(), 3, "{sddl}");
        for who in [";;;SY)", ";;;BA)"] {
            assert!(sddl.contains(who), "{who} in {sddl}");
        }
    }
}
