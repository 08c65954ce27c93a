//! Asks guards over their private control channels.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use mainstay_core::exit::Exit;
use mainstay_os::control::{self, Address};
use mainstay_wire::control::{Answer, Ask, Refusal, Reply, Request, VERSION};
use mainstay_wire::layout::{Layout, base_name};
use mainstay_wire::memory::Memory;
use mainstay_wire::record::{ExitText, Record};
use mainstay_wire::status::{ServiceStatus, Standing, State};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A guard that doesn't answer within this is taken for hung.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// A rotation may have a hook before it, which takes its time.
const ROTATE_LIMIT: Duration = Duration::from_secs(120);
/// Guards asked at the same time.
const AT_ONCE_MAX: usize = 64;
/// The longest answer that is read.
const REPLY_BYTES_MAX: u64 = 1 << 20;

/// Why a guard gave no status.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody guards the service.
    #[error("no guard runs for {0}")]
    NotRunning(String),
    /// The guard said no.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The channel broke or the guard hangs.
    #[error("cannot talk to the guard of {name}: {source}")]
    Channel {
        /// The service.
        name: String,
        /// What the OS said.
        source: io::Error,
    },
}

/// Asks the guard of `name` one thing.
///
/// # Errors
/// See [`AskError`].
pub async fn ask(layout: &Layout, name: &str, ask: Ask) -> Result<ServiceStatus, AskError> {
    let limit = match &ask {
        Ask::Wait { limit, .. } => Duration::from_millis(*limit).saturating_add(ANSWER_LIMIT),
        Ask::Rotate => ROTATE_LIMIT,
        _ => ANSWER_LIMIT,
    };
    let broken = |source| AskError::Channel { name: name.to_owned(), source };
    let ends = matches!(ask, Ask::Retire { .. });
    let reply = match timeout(limit, exchange(layout, name, ask)).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Err(AskError::NotRunning(name.to_owned())),
        // It ended before it could answer, which is what was wanted.
        Ok(Err(error)) if ends && error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(AskError::NotRunning(name.to_owned()));
        }
        Ok(Err(error)) => return Err(broken(error)),
        Err(_) => return Err(broken(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"))),
    };
    match reply.answer {
        Answer::Ok(status) => Ok(status),
        Answer::Error(refusal) => Err(AskError::Refused(refusal)),
    }
}

async fn exchange(layout: &Layout, name: &str, ask: Ask) -> io::Result<Reply> {
    let address = Address::new(&layout.run, &layout.tag(), name);
    let mut stream = BufReader::new(control::connect(&address).await?);
    let request = Request { v: VERSION, id: 1, ask };
    stream.write_all(request.line().as_bytes()).await?;
    stream.flush().await?;
    let mut line = Vec::new();
    (&mut stream).take(REPLY_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer"));
    }
    serde_json::from_slice(&line).map_err(|error| io::Error::other(format!("its answer can't be read: {error}")))
}

/// The status of a service whether it has a guard or not.
pub async fn status(layout: &Layout, name: &str) -> ServiceStatus {
    match ask(layout, name, Ask::Status).await {
        Ok(status) => status,
        Err(AskError::NotRunning(_)) => unguarded(layout, name, "no guard runs"),
        Err(error) => unguarded(layout, name, &error.to_string()),
    }
}

/// The status of many services, in the order of `names`, asked side by side.
pub async fn statuses(layout: &Layout, names: &[String]) -> Vec<ServiceStatus> {
    let mut answers: Vec<(usize, ServiceStatus)> = Vec::with_capacity(names.len());
    let mut asking = JoinSet::new();
    for (index, name) in names.iter().enumerate() {
        if asking.len() >= AT_ONCE_MAX
            && let Some(Ok(answer)) = asking.join_next().await
        {
            answers.push(answer);
        }
        let (layout, name) = (layout.clone(), name.clone());
        asking.spawn(async move { (index, status(&layout, &name).await) });
    }
    while let Some(answer) = asking.join_next().await {
        answers.extend(answer.ok());
    }
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, status)| status).collect()
}

/// What the journal says of a service that nobody guards.
fn unguarded(layout: &Layout, name: &str, note: &str) -> ServiceStatus {
    let text = std::fs::read(layout.journal(name)).unwrap_or_default();
    let mut memory = Memory::default();
    let mut since = Timestamp::now();
    for record in String::from_utf8_lossy(&text).lines().filter_map(Record::parse) {
        memory.take(&record);
        since = record.time;
    }
    let ended_well = memory.last_exit.as_ref().and_then(ExitText::exit).is_some_and(Exit::is_success);
    ServiceStatus {
        name: name.to_owned(),
        state: if memory.done { State::Done } else { State::Down },
        pid: None,
        run: memory.last_run,
        restarts: memory.restarts,
        since,
        guard_pid: None,
        next: None,
        last_exit: memory.last_exit,
        owner: None,
        containment: None,
        note: Some(note.to_owned()),
        standing: if memory.done && ended_well { Standing::Done } else { Standing::Failed },
        instance: base_name(name).1,
        groups: Vec::new(),
        version: None,
    }
}
