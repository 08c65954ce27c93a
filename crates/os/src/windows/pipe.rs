//! A child's output and input through named pipes with random names, read and written by overlapped I/O.
//!
//! Not by tokio's pipes: they read ahead into a buffer of their own and learn of arrived bytes only by a turn of the
//! event loop, so "nothing is there" could be said while a dead program's last words wait in the pipe. Here the pipe
//! itself is asked (`PeekNamedPipe`), and only sleeping needs an overlapped operation: a read of no bytes, which
//! completes when there is something to read. Its event wakes the task ([`super::wait::Wait`]).

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_IO_PENDING, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED, GENERIC_READ,
    GENERIC_WRITE, STATUS_PENDING,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_READ_ATTRIBUTES, PIPE_ACCESS_INBOUND,
    PIPE_ACCESS_OUTBOUND, ReadFile, WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT, PeekNamedPipe,
};
use windows_sys::Win32::System::Threading::CreateEventW;

use super::wait::Wait;
use super::{create, win32};

/// What a program may print ahead of us; as much as a Linux pipe holds.
const BUFFER_BYTES: u32 = 64 * 1024;

/// Somebody else at our pipe before we are: very unlikely, so this often and no more.
const TRIES_MAX: u32 = 4;

/// The read end of a child's output, not opened yet: it may be sent to another thread first.
#[derive(Debug)]
pub struct RawReader(OwnedHandle);

/// The write end of a child's input, not opened yet: it may be sent to another thread first.
#[derive(Debug)]
pub struct RawWriter(OwnedHandle);

/// A pipe for output: our end, and the inheritable end for the child.
pub(super) fn output() -> io::Result<(RawReader, OwnedHandle)> {
    // Synchronous, as programs expect; the attributes let them find out that it is a pipe (Cygwin and Node do).
    let (ours, theirs) = pipe(PIPE_ACCESS_INBOUND, GENERIC_WRITE | FILE_READ_ATTRIBUTES)?;
    Ok((RawReader(ours), theirs))
}

/// A pipe for input: our end, and the inheritable end for the child.
pub(super) fn input() -> io::Result<(RawWriter, OwnedHandle)> {
    let (ours, theirs) = pipe(PIPE_ACCESS_OUTBOUND, GENERIC_READ)?;
    Ok((RawWriter(ours), theirs))
}

fn pipe(direction: u32, their_rights: u32) -> io::Result<(OwnedHandle, OwnedHandle)> {
    let mut tries = 1;
    loop {
        match pair(&random_name(), direction, their_rights) {
            Err(_) if tries < TRIES_MAX => tries += 1,
            answer => return answer,
        }
    }
}

/// 128 bits nobody can guess: the hash of nothing under random keys from the system.
fn random_name() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!(r"\\.\pipe\mainstay-output\{}.{:016x}{:016x}", std::process::id(), random(), random())
}

fn pair(name: &str, direction: u32, their_rights: u32) -> io::Result<(OwnedHandle, OwnedHandle)> {
    let units = win32::wide(name)?;
    // SAFETY: the name ends with a NUL; the handle is ours. One instance, and it must be the first: nobody else's pipe
    // answers to that name. No security attributes: not inheritable; the one instance is taken by the next line.
    let ours = unsafe {
        win32::own(CreateNamedPipeW(
            units.as_ptr(),
            direction | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            BUFFER_BYTES,
            BUFFER_BYTES,
            0,
            ptr::null(),
        ))
    }?;
    let theirs = create::inheritable(name, their_rights, 0)?;
    Ok((ours, theirs))
}

/// A child's output, read as it comes.
pub struct Reader {
    pipe: OwnedHandle,
    /// Told when the read of no bytes has completed.
    arrival: Wait,
    arrival_event: Arc<OwnedHandle>,
    /// The read of no bytes, while the system has it. Boxed, because the system keeps its address.
    sleeping: Option<Box<OVERLAPPED>>,
    /// For reads of bytes that are there already.
    read_event: OwnedHandle,
}

// SAFETY: the OVERLAPPED's pointers are only for the system; a Reader is used by one task at a time (`&mut self`), and
// overlapped operations may be issued and ended by any thread.
unsafe impl Send for Reader {}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("pipe", &self.pipe).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the pipe for the current task.
    pub fn open(raw: RawReader) -> io::Result<Reader> {
        let arrival_event = Arc::new(event(false)?);
        let arrival = Wait::each(&arrival_event)?;
        Ok(Reader { pipe: raw.0, arrival, arrival_event, sleeping: None, read_event: event(true)? })
    }

    /// Lets the pipe hold as much: here its size is that of its making.
    pub fn widen(&self, _bytes: usize) {}

    /// Waits for bytes; 0 at the end, when the last writer has closed its end. Cancel-safe: no byte is lost.
    pub async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.try_read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.sleep().await?,
                answer => return answer,
            }
        }
    }

    /// What is there now: `WouldBlock` when that is nothing, 0 at the end. Every byte that was written before the call
    /// is seen, so after a program's exit its last words are read before `WouldBlock` is said.
    pub fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut there = 0;
        // SAFETY: only the number of bytes is asked for, and it lives.
        let done = unsafe {
            PeekNamedPipe(
                self.pipe.as_raw_handle(),
                ptr::null_mut(),
                0,
                ptr::null_mut(),
                &raw mut there,
                ptr::null_mut(),
            )
        };
        match win32::check(done) {
            Err(error) if is_end(&error) => Ok(0),
            Err(error) => Err(error),
            Ok(()) if there == 0 => Err(io::ErrorKind::WouldBlock.into()),
            Ok(()) => self.read_now(buf),
        }
    }

    /// Reads bytes that are there: we are the only reader, so this does not wait.
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut operation = OVERLAPPED { hEvent: self.read_event.as_raw_handle(), ..OVERLAPPED::default() };
        let length = u32::try_from(buf.len()).unwrap_or(u32::MAX);
        // SAFETY: buffer and operation live until GetOverlappedResult has said that the operation is over.
        let done = unsafe {
            ReadFile(self.pipe.as_raw_handle(), buf.as_mut_ptr(), length, ptr::null_mut(), &raw mut operation)
        };
        match win32::check(done) {
            Err(error) if is_end(&error) => return Ok(0),
            Err(error) if !win32::is(&error, ERROR_IO_PENDING) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut read = 0;
        // SAFETY: the operation was issued on this handle; with TRUE the call returns when it is over.
        let over = unsafe { GetOverlappedResult(self.pipe.as_raw_handle(), &raw const operation, &raw mut read, 1) };
        match win32::check(over) {
            Err(error) if is_end(&error) => Ok(0),
            Err(error) => Err(error),
            Ok(()) => Ok(read as usize),
        }
    }

    /// Returns when there may be something to read, or the end.
    async fn sleep(&mut self) -> io::Result<()> {
        if self.sleeping.is_none() && !self.ask_for_arrival()? {
            return Ok(());
        }
        // The signal may be a late one of an earlier read; only a completed operation is no longer the system's.
        while !self.sleeping.as_deref().is_none_or(is_over) {
            self.arrival.signalled().await;
            self.arrival.forget();
        }
        self.sleeping = None;
        Ok(())
    }

    /// Issues the read of no bytes; `false`: there is something already.
    fn ask_for_arrival(&mut self) -> io::Result<bool> {
        let mut operation =
            Box::new(OVERLAPPED { hEvent: self.arrival_event.as_raw_handle(), ..OVERLAPPED::default() });
        // SAFETY: there is no buffer, since no byte is asked for. The operation is boxed and kept in `sleeping` until it
        // has completed or `drop` has cancelled it.
        let done = unsafe {
            ReadFile(self.pipe.as_raw_handle(), ptr::dangling_mut(), 0, ptr::null_mut(), &raw mut *operation)
        };
        match win32::check(done) {
            Ok(()) => Ok(false),
            Err(error) if is_end(&error) => Ok(false),
            Err(error) if win32::is(&error, ERROR_IO_PENDING) => {
                self.sleeping = Some(operation);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(operation) = &self.sleeping {
            let mut read = 0;
            // SAFETY: the operation is ours and still alive; GetOverlappedResult returns when the system has let go of
            // it, which a cancelled read of a pipe does at once.
            unsafe {
                CancelIoEx(self.pipe.as_raw_handle(), &raw const **operation);
                GetOverlappedResult(self.pipe.as_raw_handle(), &raw const **operation, &raw mut read, 1);
            }
        }
    }
}

/// A child's input, written as it takes it. Dropping it closes the pipe; what the child has not read yet stays there for it.
pub struct Writer {
    pipe: OwnedHandle,
    /// Told when a write has completed.
    done: Wait,
    done_event: Arc<OwnedHandle>,
    /// The write that the system has, also after its caller gave up waiting.
    writing: Option<Box<Writing>>,
}

/// A write and its bytes, which the system reads until it is over. Boxed, because the system keeps the address.
struct Writing {
    operation: OVERLAPPED,
    bytes: Vec<u8>,
}

// SAFETY: as for Reader.
unsafe impl Send for Writer {}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("pipe", &self.pipe).finish_non_exhaustive()
    }
}

impl Writer {
    /// Opens the pipe for the current task.
    pub fn open(raw: RawWriter) -> io::Result<Writer> {
        let done_event = Arc::new(event(false)?);
        let done = Wait::each(&done_event)?;
        Ok(Writer { pipe: raw.0, done, done_event, writing: None })
    }

    /// Writes all of it, as fast as the child reads. `BrokenPipe`: nobody can read it any more. When the caller gives up
    /// waiting, a part of the bytes may have been written, and a later call comes after them.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written().await?;
        for part in bytes.chunks(BUFFER_BYTES as usize) {
            self.begin(part)?;
            self.written().await?;
        }
        Ok(())
    }

    fn begin(&mut self, part: &[u8]) -> io::Result<()> {
        let operation = OVERLAPPED { hEvent: self.done_event.as_raw_handle(), ..OVERLAPPED::default() };
        let writing = self.writing.insert(Box::new(Writing { operation, bytes: part.to_vec() }));
        // SAFETY: operation and bytes are boxed and kept in `writing` until the system has completed them or `drop` has
        // cancelled them.
        let done = unsafe {
            WriteFile(
                self.pipe.as_raw_handle(),
                writing.bytes.as_ptr(),
                writing.bytes.len() as u32,
                ptr::null_mut(),
                &raw mut writing.operation,
            )
        };
        match win32::check(done) {
            Err(error) if !win32::is(&error, ERROR_IO_PENDING) => {
                self.writing = None;
                Err(broken(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Waits for the write that the system has, if it has one.
    async fn written(&mut self) -> io::Result<()> {
        // As in `Reader::sleep`.
        while self.writing.as_deref().is_some_and(|writing| !is_over(&writing.operation)) {
            self.done.signalled().await;
            self.done.forget();
        }
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let mut count = 0;
        // SAFETY: the operation was issued on this handle, and is over.
        win32::check(unsafe {
            GetOverlappedResult(self.pipe.as_raw_handle(), &raw const writing.operation, &raw mut count, 1)
        })
        .map_err(broken)?;
        // A write of a pipe that waits is whole.
        if count as usize == writing.bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(writing) = &self.writing {
            let mut count = 0;
            // SAFETY: as in the drop of Reader.
            unsafe {
                CancelIoEx(self.pipe.as_raw_handle(), &raw const writing.operation);
                GetOverlappedResult(self.pipe.as_raw_handle(), &raw const writing.operation, &raw mut count, 1);
            }
        }
    }
}

/// The ways to say that the reader is gone, as one.
fn broken(error: io::Error) -> io::Error {
    if is_end(&error) { io::Error::new(io::ErrorKind::BrokenPipe, error) } else { error }
}

/// Whether the system has completed it: the macro HasOverlappedIoCompleted of Microsoft's headers.
fn is_over(operation: &OVERLAPPED) -> bool {
    // SAFETY: a valid reference; volatile, because the system writes to it behind the compiler's back.
    unsafe { ptr::read_volatile(&raw const operation.Internal) != STATUS_PENDING as usize }
}

/// The last writer is gone, and everything has been read.
fn is_end(error: &io::Error) -> bool {
    [ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED]
        .iter()
        .any(|&code| win32::is(error, code))
}

fn event(manual_reset: bool) -> io::Result<OwnedHandle> {
    // SAFETY: no attributes, no name; the handle is ours.
    unsafe { win32::own(CreateEventW(ptr::null(), i32::from(manual_reset), 0, ptr::null())) }
}
