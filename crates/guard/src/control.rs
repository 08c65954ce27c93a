//! The private control channel: NDJSON over a named pipe or Unix socket. A slow, rude or flooding client costs only itself.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mainstay_os::control::{Address, Listener, Peer, Stream};
use mainstay_wire::control::{Answer, Ask, Code, REQUEST_BYTES_MAX, Refusal, Reply, Request, VERSION};
use mainstay_wire::status::ServiceStatus;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Clients at once; for the next one a silent one has to go, and if none is silent it is turned away.
const CLIENTS_MAX: usize = 32;
/// Clients that follow the service, beside those: one for each service that comes after this one, and people who look on.
const FOLLOWERS_MAX: usize = 1024;
/// News under way to a follower; one that is this far behind is dropped.
const NEWS_MAX: usize = 16;
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
    /// Of `Ask::Follow`: where later changes go.
    pub(crate) news: Option<mpsc::Sender<ServiceStatus>>,
}

/// Starts listening.
pub(crate) fn listen(address: &Address) -> io::Result<Listener> {
    Listener::bind(address)
}

/// Serves clients for ever; each has one question under way.
/// `left` is woken when one that followed has gone.
pub(crate) async fn serve(mut listener: Listener, questions: mpsc::Sender<Question>, left: Arc<Notify>) {
    let mut clients = JoinSet::new();
    let mut places: VecDeque<Place> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    places.retain(|place| !place.client.is_finished());
                    if has_room(&mut places) {
                        let mood = Arc::new(Mood::default());
                        let client = Client { peer, questions: questions.clone(), mood: Arc::clone(&mood) };
                        let left = Arc::clone(&left);
                        let client = clients.spawn(async move {
                            client.serve(BufReader::new(stream)).await;
                            left.notify_one();
                        });
                        places.push_back(Place { client, mood });
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
    mood: Arc<Mood>,
}

/// What a client is doing.
#[derive(Debug, Default)]
struct Mood {
    /// It has a question under way.
    asks: AtomicBool,
    /// It follows the service.
    follows: AtomicBool,
}

/// Whether one more fits, for whom the client that came first of the silent ones has to go.
fn has_room(places: &mut VecDeque<Place>) -> bool {
    let followers = places.iter().filter(|place| place.mood.follows.load(Ordering::Relaxed)).count();
    if followers <= FOLLOWERS_MAX && places.len() - followers < CLIENTS_MAX {
        return true;
    }
    let silent =
        |place: &Place| !place.mood.asks.load(Ordering::Relaxed) && !place.mood.follows.load(Ordering::Relaxed);
    let silent = places.iter().position(silent);
    silent.and_then(|silent| places.remove(silent)).inspect(|place| place.client.abort()).is_some()
}

struct Client {
    peer: Peer,
    questions: mpsc::Sender<Question>,
    mood: Arc<Mood>,
}

impl Client {
    async fn serve(self, mut stream: BufReader<Stream>) {
        let by = match self.peer.pid {
            Some(pid) => format!("{} (pid {pid})", self.peer.user),
            None => self.peer.user.clone(),
        };
        loop {
            let mut line = Vec::new();
            let limit = REQUEST_BYTES_MAX as u64 + 1;
            let read = timeout(SILENCE_LIMIT, (&mut stream).take(limit).read_until(b'\n', &mut line)).await;
            let Ok(Ok(1..)) = read else { return };
            self.mood.asks.store(true, Ordering::Relaxed);
            let whole = line.ends_with(b"\n");
            let (news, later) = mpsc::channel(NEWS_MAX);
            let reply = if whole { answer(&line, &self.peer, &by, &self.questions, news).await } else { too_long() };
            let (id, follows) = (reply.id, later.sender_strong_count() > 0);
            if write(&mut stream, &reply).await.is_err() || !whole {
                return;
            }
            self.mood.asks.store(false, Ordering::Relaxed);
            if follows {
                self.mood.follows.store(true, Ordering::Relaxed);
                return follow(stream, id, later).await;
            }
        }
    }
}

/// Passes news on until either side has enough.
async fn follow(mut stream: BufReader<Stream>, id: u64, mut news: mpsc::Receiver<ServiceStatus>) {
    let mut nothing = [0; 1];
    loop {
        tokio::select! {
            status = news.recv() => {
                let Some(status) = status else { return };
                let reply = Reply { v: VERSION, id, answer: Answer::Ok(status) };
                if write(&mut stream, &reply).await.is_err() {
                    return;
                }
            }
            // It closed the connection, or said something out of turn.
            _ = stream.read(&mut nothing) => return,
        }
    }
}

async fn write(stream: &mut BufReader<Stream>, reply: &Reply) -> io::Result<()> {
    let write = async {
        stream.write_all(reply.line().as_bytes()).await?;
        stream.flush().await
    };
    timeout(WRITE_LIMIT, write).await?
}

async fn answer(
    line: &[u8],
    peer: &Peer,
    by: &str,
    questions: &mpsc::Sender<Question>,
    news: mpsc::Sender<ServiceStatus>,
) -> Reply {
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
    let news = matches!(request.ask, Ask::Follow { .. }).then_some(news);
    let question = Question { ask: request.ask, by: by.to_owned(), reply, news };
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
