//! What a test stands on: sinks from text, batches, and receivers that do one thing.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mainstay_ship::{Batch, Line, Outcome, Refused, Sink, Stream};
use mainstay_wire::level::Level;
use mainstay_wire::sinks;
use mainstay_wire::spec::Platform;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The longest that anything in a test may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A sink of the keys in `text`.
pub(crate) fn sink(text: &str) -> Sink {
    sink_in(Path::new("/"), text)
}

/// The same with relative paths from `folder`.
pub(crate) fn sink_in(folder: &Path, text: &str) -> Sink {
    try_sink(folder, text).unwrap_or_else(|why| panic!("{why}"))
}

pub(crate) fn try_sink(folder: &Path, text: &str) -> Result<Sink, String> {
    let text = format!("[sinks.test]\n{text}\n");
    let platform = Platform::named(std::env::consts::OS);
    let read = sinks::read(&text, platform, folder).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    Sink::open(&read[0], "machine")
}

pub(crate) fn line(service: &str, second: i64, text: &[u8]) -> Line {
    Line {
        time: jiff::Timestamp::new(1_795_849_407 + second, 5).unwrap(),
        service: service.into(),
        stream: Stream::Stdout,
        level: None,
        run: None,
        text: text.to_vec(),
    }
}

/// Two lines: one with everything, one with as little as possible and bytes that are no text.
pub(crate) fn two() -> Batch {
    let mut first = line("web@2", 0, "pay \"1\" \u{4e2d}".as_bytes());
    (first.stream, first.level, first.run) = (Stream::Stderr, Some(Level::Warn), Some(3));
    batch("two", vec![first, line("db", 1, b"a\xffb\0")])
}

pub(crate) fn many(lines: usize) -> Batch {
    let texts = (0..lines).map(|number| line("web", 0, format!("line {number}").as_bytes()));
    batch("many", texts.collect())
}

pub(crate) fn batch(id: &str, lines: Vec<Line>) -> Batch {
    Batch { id: id.to_owned(), lines }
}

/// Sends a batch, within the test's limit.
pub(crate) async fn deliver(sink: &mut Sink, batch: &Batch) -> Outcome {
    within(sink.deliver(batch)).await
}

pub(crate) async fn within<T>(step: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, step).await.expect("it takes too long")
}

pub(crate) fn delivered() -> Outcome {
    Outcome::Delivered { refused: Vec::new() }
}

pub(crate) fn refused(outcome: Outcome) -> Vec<(usize, String)> {
    match outcome {
        Outcome::Delivered { refused } => {
            refused.into_iter().map(|Refused { index, reason }| (index, reason)).collect()
        }
        Outcome::Later { why, .. } => panic!("not delivered: {why}"),
    }
}

/// Why a batch must be sent again, and when.
pub(crate) fn later(outcome: Outcome) -> (String, Option<Duration>) {
    match outcome {
        Outcome::Later { why, after } => (why, after),
        Outcome::Delivered { refused } => panic!("delivered, with {refused:?} refused"),
    }
}

/// A receiver on a free port; it and its connections end with the value.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start<F, T>(treat: F) -> Self
    where
        F: Fn(usize, TcpStream) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                connections.spawn(treat(number, stream));
            }
        });
        Self { address, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(crate) fn first_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// Unpacked by its header.
    pub(crate) fn text(&self) -> String {
        use std::io::Read;
        let mut text = Vec::new();
        match self.header("content-encoding") {
            None => text.clone_from(&self.body),
            Some("gzip") => drop(flate2::read::GzDecoder::new(&*self.body).read_to_end(&mut text).expect("gzip")),
            Some(other) => panic!("unknown encoding {other}"),
        }
        String::from_utf8(text).expect("UTF-8")
    }
}

/// Reads one request; `None` when the connection ended before it.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let body = read.split_off(end + 4);
    let head = String::from_utf8(read).expect("a head is text");
    let mut request = Request { head, body };
    let length: usize = request.header("content-length").expect("a length").parse().expect("a number");
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await.ok()? == 0 {
            return None;
        }
    }
    assert_eq!(request.body.len(), length, "nothing behind the body");
    Some(request)
}

pub(crate) async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: impl AsRef<[u8]>) {
    // A sink may have gone away in the middle: its own outcome is what the test looks at.
    if stream.write_all(bytes.as_ref()).await.is_ok() {
        drop(stream.flush().await);
    }
}

pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// An HTTP server: `answer` gets the number of the request and the request.
pub(crate) async fn http<F>(answer: F) -> Receiver
where
    F: Fn(usize, &Request) -> String + Send + Sync + 'static,
{
    let count = std::sync::atomic::AtomicUsize::new(0);
    let shared = std::sync::Arc::new((count, answer));
    Receiver::start(move |_, mut stream| {
        let shared = std::sync::Arc::clone(&shared);
        async move {
            while let Some(request) = request(&mut stream).await {
                let number = shared.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                say(&mut stream, (shared.1)(number, &request)).await;
            }
        }
    })
    .await
}

/// What a receiver saw, for the test to look at.
pub(crate) type Seen<T> = std::sync::Arc<std::sync::Mutex<Vec<T>>>;

pub(crate) fn note<T>(seen: &Seen<T>, value: T) {
    seen.lock().expect("no panic before").push(value);
}

pub(crate) fn taken<T>(seen: &Seen<T>) -> Vec<T> {
    std::mem::take(&mut *seen.lock().expect("no panic before"))
}
