//! One HTTP/1.1 connection to one server, kept and made anew, with a limit on every answer.

use std::pin::Pin;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use mainstay_wire::sinks::{Tls, Url};

use crate::later::{Later, Tried, excerpt};
use crate::net::{Dialer, Socket};
use crate::pieces::Piece;

/// What every request says of its sender.
const USER_AGENT: &str = concat!("mainstay/", env!("CARGO_PKG_VERSION"));

/// The longest answer that is only read for its reason.
pub(crate) const REASON_BYTES_MAX: usize = 64 * 1024;

/// The longest pause that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A server.
pub(crate) struct Client {
    dialer: Dialer,
    host: String,
    connection: Option<Connection>,
}

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Carries the bytes; it is driven while a request is under way and rests between them.
    driver: Pin<Box<http1::Connection<TokioIo<Socket>, Full<Bytes>>>>,
}

/// What a server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request without what every one has.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(url: &Url, tls: &Tls, timeout: Duration) -> Result<Self, String> {
        let dialer = Dialer::new(&url.address, url.https.then_some(tls), timeout)?;
        Ok(Self { dialer, host: url.host_header(), connection: None })
    }

    /// Sends a request and reads the answer, at most `body_max` bytes of it.
    pub(crate) async fn ask(&mut self, asked: Asked, body_max: usize) -> Result<Answer, String> {
        let request = self.request(asked)?;
        if let Some(kept) = self.connection.take() {
            // A kept connection may have been closed by the server just now: that is no failure, a new one is made.
            match self.exchange(kept, request.clone(), body_max).await {
                Err(Broken { why, is_stale: false }) => return Err(why),
                Err(Broken { is_stale: true, .. }) => {}
                Ok(answer) => return Ok(answer),
            }
        }
        let socket = self.dialer.connect().await?;
        let (sender, driver) = self
            .dialer
            .limit("speak HTTP with", async { http1::handshake(TokioIo::new(socket)).await.map_err(other) })
            .await?;
        let fresh = Connection { sender, driver: Box::pin(driver) };
        self.exchange(fresh, request, body_max).await.map_err(|broken| broken.why)
    }

    fn request(&self, asked: Asked) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::new(Full::new(asked.body));
        *request.method_mut() = asked.method;
        *request.uri_mut() = asked.target.parse().map_err(|_| format!("`{}` cannot be asked for", asked.target))?;
        let own = [(header::HOST, self.host.clone()), (header::USER_AGENT, USER_AGENT.to_owned())];
        for (name, value) in own.into_iter().chain(asked.headers) {
            // Not the value: it may be a secret.
            let value = HeaderValue::from_str(&value)
                .map_err(|_| format!("the header {name} has a character it can't have"))?;
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    async fn exchange(
        &mut self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        body_max: usize,
    ) -> Result<Answer, Broken> {
        let limit = self.dialer.timeout();
        let step = tokio::time::timeout(limit, exchange(&mut connection, request, body_max));
        match step.await {
            Err(_) => Err(Broken { why: format!("{} did not answer within {limit:?}", self.host), is_stale: false }),
            Ok(Err(Broken { why, is_stale })) => Err(Broken { why: format!("{}: {why}", self.host), is_stale }),
            Ok(Ok((answer, is_open))) => {
                self.connection = is_open.then_some(connection);
                Ok(answer)
            }
        }
    }
}

/// Why there is no answer.
struct Broken {
    why: String,
    /// Nothing came of the connection at all: it may have ended before the request.
    is_stale: bool,
}

/// The answer, and whether the connection can be used again.
async fn exchange(
    connection: &mut Connection,
    request: Request<Full<Bytes>>,
    body_max: usize,
) -> Result<(Answer, bool), Broken> {
    let Connection { sender, driver } = connection;
    let answering = async {
        let sent = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        let stale = |error: hyper::Error| Broken { why: format!("no answer: {}", with_causes(&error)), is_stale: true };
        let (head, body) = sent.await.map_err(stale)?.into_parts();
        let body = Limited::new(body, body_max).collect().await.map_err(|error| {
            let is_long = error.downcast_ref::<http_body_util::LengthLimitError>().is_some();
            let why = if is_long {
                format!("the answer is longer than {body_max} bytes (status {})", head.status)
            } else {
                format!("the answer broke off: {}", with_causes(&*error))
            };
            Broken { why, is_stale: false }
        })?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    };
    let mut answering = std::pin::pin!(answering);
    tokio::select! {
        biased;
        answer = &mut answering => Ok((answer?, true)),
        // The connection has ended; what came before that is still there to be read.
        _ = driver => Ok((answering.await?, false)),
    }
}

/// `connection error: received fatal alert: …`: hyper tells only the first of these.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        if !told.contains(&words) {
            told.push_str(": ");
            told.push_str(&words);
        }
        cause = deeper.source();
    }
    told
}

fn other(error: hyper::Error) -> std::io::Error {
    std::io::Error::other(error)
}

impl Answer {
    /// What the status means for a request with lines in it; `Ok` only for 2xx.
    pub(crate) fn judge(&self) -> Tried<Result<(), Piece>> {
        let status = self.status.as_u16();
        let said = excerpt(&self.body);
        let told = format!("{}{}{said}", self.status, if said.is_empty() { "" } else { ": " });
        let why = match status {
            200..=299 => return Ok(Ok(())),
            413 => return Ok(Err(Piece::TooLarge(told))),
            400 | 422 => return Ok(Err(Piece::Wrong(told))),
            300..=399 => {
                let to = self.headers.get(header::LOCATION).map(|to| excerpt(to.as_bytes())).unwrap_or_default();
                format!("the receiver is elsewhere ({}): set the URL to {to}", self.status)
            }
            401 | 403 => format!("the receiver refuses who we are: {told}"),
            404 | 405 => format!("there is no such receiver at this URL: {told}"),
            _ => told,
        };
        Err(Later { why, after: self.retry_after() })
    }

    /// `Retry-After` in seconds, or as a date (RFC 9110, section 10.2.3).
    fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        let pause = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
                Duration::try_from(then.duration_since(jiff::Timestamp::now())).ok()?
            }
        };
        Some(pause.min(RETRY_AFTER_MAX))
    }
}

/// The body, compressed on demand, with the headers that tell of it.
pub(crate) fn body(plain: Vec<u8>, kind: &str, gzip: bool) -> Tried<(Bytes, Vec<(HeaderName, String)>)> {
    let mut headers = vec![(header::CONTENT_TYPE, kind.to_owned())];
    if !gzip {
        return Ok((plain.into(), headers));
    }
    headers.push((header::CONTENT_ENCODING, "gzip".to_owned()));
    let packed = self::gzip(&plain).map_err(|error| Later::new(format!("cannot compress a request: {error}")))?;
    Ok((packed.into(), headers))
}

/// RFC 1952, without a time: the same text gives the same bytes.
fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write;
    let room = Vec::with_capacity(plain.len() / 4);
    let mut encoder = flate2::write::GzEncoder::new(room, flate2::Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}
