//! A receiver of Elasticsearch's `_bulk` that does what a test wants.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes everything but lines with `poison` in them.
    Takes,
    /// Answers 503.
    Overloaded,
    /// Accepts and never answers.
    Hangs,
}

/// On a port of its own, until it is dropped.
pub(crate) struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    manner: Mutex<Manner>,
    lines: Mutex<Vec<String>>,
    /// Of what is kept; a document is kept once.
    ids: Mutex<HashSet<String>>,
    requests: AtomicU64,
    ends: AtomicBool,
}

impl Receiver {
    pub(crate) fn begin(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            lines: Mutex::default(),
            ids: Mutex::default(),
            requests: AtomicU64::new(0),
            ends: AtomicBool::new(false),
        });
        let served = shared.clone();
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if served.ends.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, shared) = (stream.unwrap(), served.clone());
                thread::spawn(move || drop(serve(&shared, &stream)));
            }
        });
        Self { port, shared, thread: Some(thread) }
    }

    /// The sink that sends to it.
    pub(crate) fn sink(&self, name: &str, rest: &str) -> String {
        format!(
            "[sinks.{name}]\ntype = 'elasticsearch'\nurl = 'http://127.0.0.1:{}'\ncompress = 'none'\nbatch-age = '50ms'\ntimeout = '5s'\n{rest}\n",
            self.port
        )
    }

    pub(crate) fn set(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// The texts of all lines that are kept.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.shared.lines.lock().unwrap().len()
    }

    /// How often it was asked.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// One connection.
fn serve(shared: &Shared, stream: &TcpStream) -> std::io::Result<()> {
    let mut input = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        shared.requests.fetch_add(1, Ordering::SeqCst);
        let manner = *shared.manner.lock().unwrap();
        let (status, answer) = match manner {
            Manner::Takes => ("200 OK", take(shared, &body)),
            Manner::Overloaded => ("503 Service Unavailable", json!({ "error": "overloaded" })),
            Manner::Hangs => {
                // Until the other side gives up.
                drop(input.read(&mut [0]));
                return Ok(());
            }
        };
        let answer = answer.to_string();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", answer.len());
        (&*stream).write_all((head + &answer).as_bytes())?;
    }
}

/// Takes a bulk request: an action and a document for each line.
fn take(shared: &Shared, body: &[u8]) -> Value {
    let text = std::str::from_utf8(body).unwrap();
    let (mut items, mut has_errors) = (Vec::new(), false);
    let mut lines = text.lines();
    while let (Some(action), Some(document)) = (lines.next(), lines.next()) {
        let action: Value = serde_json::from_str(action).unwrap();
        let id = action["create"]["_id"].as_str().unwrap().to_owned();
        let document: Value = serde_json::from_str(document).unwrap();
        let message = document["message"].as_str().unwrap().to_owned();
        if message.contains("poison") {
            has_errors = true;
            items.push(json!({ "create": { "status": 400, "error": { "type": "document_parsing_exception", "reason": "poison" } } }));
        } else if !shared.ids.lock().unwrap().insert(id) {
            has_errors = true;
            items
                .push(json!({ "create": { "status": 409, "error": { "type": "version_conflict_engine_exception" } } }));
        } else {
            shared.lines.lock().unwrap().push(message);
            items.push(json!({ "create": { "status": 201 } }));
        }
    }
    json!({ "took": 1, "errors": has_errors, "items": items })
}
