//! Starts a program once, contained, to see what it does: nothing of it lives on.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use mainstay_os::pipe::{RawReader, Reader};
use mainstay_os::resources::Resources;
use mainstay_os::tree::{self, Exit, Launch, Method, Place, Stdin, Tree};
use mainstay_os::{environment, ports, program};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::failure::Failure;

/// Between two looks at what it listens on.
const LOOK: Duration = Duration::from_millis(100);
/// After the first port others may follow.
const SETTLE: Duration = Duration::from_millis(300);
/// It is asked to end, and ended after this.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// What was killed is gone by then, unless the system can't.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// An answer to a GET that takes longer is none.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// So much of what it prints is kept: the last of it.
const OUTPUT_BYTES_MAX: usize = 16 << 10;
/// Where health is asked for, in this order.
const PATHS: [&str; 3] = ["/health", "/healthz", "/"];

/// What a program did while it was looked at.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The TCP ports that it listened on.
    pub(crate) ports: Vec<u16>,
    /// An `http://` address that answered well.
    pub(crate) http: Option<String>,
    /// A `host:port` that could be connected to.
    pub(crate) tcp: Option<String>,
    /// It ended by itself.
    pub(crate) exit: Option<Exit>,
    /// The last of what it printed, on both streams.
    pub(crate) printed: String,
}

/// Runs it until it listens, ends, or `limit` is over; then it is ended.
pub(crate) async fn watch(program: &str, args: &[String], directory: &Path, limit: Duration) -> Result<Seen, Failure> {
    let mut trial = Trial::start(program, args, directory)?;
    let mut seen = Seen::default();
    let until = Instant::now() + limit;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut first_port: Option<Instant> = None;
    loop {
        tokio::select! {
            exit = trial.tree.exited(), if seen.exit.is_none() => seen.exit = Some(exit),
            now = look.tick() => {
                // What it left behind may listen in its place.
                if now >= until || (seen.exit.is_some() && trial.tree.is_empty()) {
                    break;
                }
                seen.ports = ports::listening(&trial.tree.members()).unwrap_or_default();
                if !seen.ports.is_empty() && now >= *first_port.get_or_insert(now) + SETTLE {
                    (seen.http, seen.tcp) = answers(&seen.ports).await;
                    break;
                }
            }
        }
    }
    seen.printed = trial.end().await;
    Ok(seen)
}

/// Runs it to its end: how it ended and what it printed. `None`: it took longer than `limit` and was ended.
pub(crate) async fn output(
    program: &str,
    args: &[String],
    directory: &Path,
    limit: Duration,
) -> Result<(Option<Exit>, String), Failure> {
    let mut trial = Trial::start(program, args, directory)?;
    let exit = timeout(limit, trial.tree.exited()).await.ok();
    Ok((exit, trial.end().await))
}

struct Trial {
    tree: Tree,
    printed: [JoinHandle<Vec<u8>>; 2],
    reaper: JoinHandle<Infallible>,
}

impl Trial {
    fn start(program: &str, args: &[String], directory: &Path) -> Result<Self, Failure> {
        tree::prepare_guard().map_err(Failure::io(format!("start {program}")))?;
        let place =
            Place::claim(&format!("trial-{}", std::process::id())).map_err(Failure::io(format!("start {program}")))?;
        let env = environment::inherited();
        let file = program::find(program, directory, &env)
            .map_err(|error| Failure::failed(format!("cannot start {error}")))?;
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let launch = Launch {
            program: &file,
            args: &args,
            directory,
            env: &env,
            breakaway: false,
            stdin: Stdin::Null,
            run_as: None,
            resources: &Resources::default(),
        };
        let (tree, output) = place.spawn(&launch).map_err(|error| Failure::failed(error.to_string()))?;
        let printed = [output.stdout, output.stderr].map(|stream| tokio::spawn(keep_last(stream)));
        Ok(Self { tree, printed, reaper: tokio::spawn(tree::reap_orphans()) })
    }

    /// Ends what lives and answers with the last of what was printed.
    async fn end(mut self) -> String {
        if !self.tree.is_empty() {
            let way = if mainstay_os::NAME == "windows" { Method::CtrlC } else { Method::Signal(15) };
            // One that can't be asked is ended all the same.
            let asked = self.tree.ask(way).is_ok();
            if !asked || timeout(STOP_LIMIT, self.tree.emptied()).await.is_err() {
                self.tree.kill().ok();
                timeout(KILL_LIMIT, self.tree.emptied()).await.ok();
            }
        }
        let mut all = Vec::new();
        for stream in &mut self.printed {
            // Something that left the tree may hold the pipe open.
            if let Ok(Ok(bytes)) = timeout(ANSWER_LIMIT, &mut *stream).await {
                all.extend(bytes);
            }
            stream.abort();
        }
        self.reaper.abort();
        String::from_utf8_lossy(&all).into_owned()
    }
}

async fn keep_last(stream: RawReader) -> Vec<u8> {
    let mut kept = Vec::new();
    let Ok(mut reader) = Reader::open(stream) else { return kept };
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        kept.extend(buffer.iter().take(count));
        let over = kept.len().saturating_sub(OUTPUT_BYTES_MAX);
        kept.drain(..over);
    }
    kept
}

/// The first address that answers a GET well, and the first that can be connected to.
async fn answers(ports: &[u16]) -> (Option<String>, Option<String>) {
    let mut tcp = None;
    for port in ports {
        for host in ["127.0.0.1", "[::1]"] {
            let address = format!("{host}:{port}");
            if !matches!(timeout(ANSWER_LIMIT, TcpStream::connect(&address)).await, Ok(Ok(_))) {
                continue;
            }
            tcp.get_or_insert_with(|| address.clone());
            for path in PATHS {
                if let Ok(Some(200..=399)) = timeout(ANSWER_LIMIT, get(&address, path)).await {
                    return (Some(format!("http://{address}{path}")), tcp);
                }
            }
            break;
        }
    }
    (None, tcp)
}

/// The status that a plain GET is answered with; `None`: no HTTP.
async fn get(address: &str, path: &str) -> Option<u16> {
    const HEAD_BYTES: u64 = 64;
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: mainstay\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = Vec::new();
    // One that hangs up in a rude way has answered all the same.
    stream.take(HEAD_BYTES).read_to_end(&mut head).await.ok();
    status(&String::from_utf8_lossy(&head))
}

/// `HTTP/1.1 200 OK` → 200.
fn status(head: &str) -> Option<u16> {
    let rest = head.strip_prefix("HTTP/1.")?;
    rest.split(' ').nth(1)?.split(['\r', '\n']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_read() {
        assert_eq!(status("HTTP/1.1 204 No Content\r\n"), Some(204));
        assert_eq!(status("HTTP/1.0 200\r\n"), Some(200));
        for none in ["", "SSH-2.0-x", "HTTP/1.1", "HTTP/2 200"] {
            assert_eq!(status(none), None, "{none}");
        }
    }
}
