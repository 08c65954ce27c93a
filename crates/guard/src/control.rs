//! The private control channel: NDJSON over a named pipe or Unix socket. A slow, rude or flooding client costs only itself.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mainstay_os::control::{Address, Listener, Peer, Stream};
use mainstay_wire::control::{Answer, Ask, Code, REQUEST_BYTES_MAX, Refusal, Reply, Request, VERSION};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Clients at once; for the next one a silent one has to go, and if none is silent it is turned away.
const CLIENTS_MAX: usize = 32;
/// A client that does not take its answer within this is dropped.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// A client that says nothing for this long is dropped.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);
/// After an error of the listener (no descriptors left) it pauses.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// A question on its way to the loop.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) ask: Ask,
    /// `root (pid 812)`.
    pub(crate) by: String,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// Starts listening.
pub(crate) fn listen(address: &Address) -> io::Result<Listener> {
    Listener::bind(address)
}

/// Serves clients for ever; each has one question under way.
pub(crate) async fn serve(mut listener: Listener, questions: mpsc::Sender<Question>) {
    let mut clients = JoinSet::new();
    let mut places: VecDeque<Place> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    places.retain(|place| !place.client.is_finished());
                    if has_room(&mut places) {
                        let silent = Arc::new(AtomicBool::new(true));
                        let client = clients.spawn(client(stream, peer, questions.clone(), Arc::clone(&silent)));
                        places.push_back(Place { client, silent });
                    }
                    // Else dropping the stream is all the answer that fits a guard under attack.
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// One client as the listener sees it.
struct Place {
    client: AbortHandle,
    /// It has no question under way.
    silent: Arc<AtomicBool>,
}

/// Whether one more fits, for whom the client that came first of the silent ones has to go.
fn has_room(places: &mut VecDeque<Place>) -> bool {
    if places.len() < CLIENTS_MAX {
        return true;
    }
    let silent = places.iter().position(|place| place.silent.load(Ordering::Relaxed));
    silent.and_then(|silent| places.remove(silent)).inspect(|place| place.client.abort()).is_some()
}

async fn client(stream: Stream, peer: Peer, questions: mpsc::Sender<Question>, silent: Arc<AtomicBool>) {
    let mut stream = BufReader::new(stream);
    let by = match peer.pid {
        Some(pid) => format!("{} (pid {pid})", peer.user),
        None => peer.user.clone(),
    };
    loop {
        let mut line = Vec::new();
        let limit = REQUEST_BYTES_MAX as u64 + 1;
        let read = timeout(SILENCE_LIMIT, (&mut stream).take(limit).read_until(b'\n', &mut line)).await;
        let Ok(Ok(1..)) = read else { return };
        silent.store(false, Ordering::Relaxed);
        let whole = line.ends_with(b"\n");
        let reply = if whole { answer(&line, &peer, &by, &questions).await } else { too_long() };
        let write = async {
            stream.write_all(reply.line().as_bytes()).await?;
            stream.flush().await
        };
        if !matches!(timeout(WRITE_LIMIT, write).await, Ok(Ok(()))) || !whole {
            return;
        }
        silent.store(true, Ordering::Relaxed);
    }
}

async fn answer(line: &[u8], peer: &Peer, by: &str, questions: &mpsc::Sender<Question>) -> Reply {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return refuse(number(line), code_of(line), format!("cannot read the request: {error}")),
    };
    let id = request.id;
    if request.v != VERSION {
        return refuse(
            id,
            Code::Version,
            format!("cannot speak version {} of the control protocol, only {VERSION}", request.v),
        );
    }
    if request.ask != Ask::Status && !peer.may_order() {
        return refuse(
            id,
            Code::Forbidden,
            format!("cannot take orders from {by}: only administrators and the guard's own user may"),
        );
    }
    let wait = match &request.ask {
        Ask::Wait { limit, .. } => Some(Duration::from_millis(*limit)),
        _ => None,
    };
    let (reply, receiver) = oneshot::channel();
    let question = Question { ask: request.ask, by: by.to_owned(), reply };
    if questions.send(question).await.is_err() {
        return refuse(id, Code::Refused, "cannot answer: the guard is ending".to_owned());
    }
    let answered = match wait {
        Some(limit) => timeout(limit, receiver).await,
        None => Ok(receiver.await),
    };
    match answered {
        Ok(Ok(answer)) => Reply { v: VERSION, id, answer },
        Ok(Err(_)) => refuse(id, Code::Refused, "cannot answer: the guard is ending".to_owned()),
        Err(_) => refuse(id, Code::TimedOut, "cannot wait any longer: the state did not come in time".to_owned()),
    }
}

/// The number of a question that could not be understood, so that its answer finds back.
fn number(line: &[u8]) -> u64 {
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    value.and_then(|value| value.get("id")?.as_u64()).unwrap_or(0)
}

/// A question of another version is told so, whatever else it says.
fn code_of(line: &[u8]) -> Code {
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    let version = value.and_then(|value| value.get("v")?.as_u64());
    if version.is_some_and(|v| v != u64::from(VERSION)) { Code::Version } else { Code::Malformed }
}

fn too_long() -> Reply {
    refuse(
        0,
        Code::Malformed,
        format!("cannot read the request: it is longer than {REQUEST_BYTES_MAX} bytes or has no end"),
    )
}

fn refuse(id: u64, code: Code, message: String) -> Reply {
    Reply { v: VERSION, id, answer: Answer::Error(Refusal { code, message, problems: Vec::new() }) }
}
