//! A real program for one test: started, waited for with a deadline, and ended with the value.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that a program may take to be ready, or to say something.
const LIMIT: Duration = Duration::from_secs(30);

/// What `scripts/setup-receivers.sh` has put there.
pub(super) fn found(path: &str) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let file = target.join("receivers").join(path);
    assert!(file.exists(), "there is no {}: run scripts/setup-receivers.sh", file.display());
    file.to_str().expect("UTF-8").to_owned()
}

/// Ports that nobody has at the moment.
pub(super) fn ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}

pub(super) struct Program {
    child: Child,
    said: Receiver<String>,
}

impl Program {
    pub(super) fn start(program: &str, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(words).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        let out = child.stdout.take().expect("a pipe");
        let (send, said) = sync_channel(100_000);
        // Ends with the program's output; a program that says more than anybody reads is not held up.
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                drop(send.try_send(line));
            }
        });
        Self { child, said }
    }

    /// Waits until it is so.
    pub(super) fn ready(&self, mut is_so: impl FnMut() -> bool) {
        let started = Instant::now();
        while !is_so() {
            assert!(started.elapsed() < LIMIT, "it takes too long");
            // Nothing tells of it: asked again soon, and with a deadline.
            drop(self.said.recv_timeout(Duration::from_millis(20)));
        }
    }

    /// The next line that it says.
    pub(super) fn json(&mut self) -> Value {
        let line = self.said.recv_timeout(LIMIT).expect("it says something");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What an HTTP server said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// A request without a body; `None` when nobody is there.
pub(super) fn ask(port: u16, method: &str, target: &str, headers: &str) -> Option<Answer> {
    ask_with(port, method, target, headers, "")
}

pub(super) fn ask_with(port: u16, method: &str, target: &str, headers: &str, body: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let length = body.len();
    // HTTP/1.0: the answer ends with the connection and is not in chunks.
    let head = format!(
        "{method} {target} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body })
}
