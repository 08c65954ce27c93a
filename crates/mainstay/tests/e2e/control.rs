//! The control channel under rude clients: nobody but themselves is delayed.

use std::time::{Duration, Instant};

use mainstay_os::control::{Address, Stream, connect};
use mainstay_wire::status::State;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::world::{LIMIT, World};

/// A world with one busy service, and a client's own runtime.
struct Stage {
    world: World,
    address: Address,
    runtime: Runtime,
}

impl Stage {
    fn new() -> Self {
        let mut world = World::new();
        world.fixture("web", &["forever"], "");
        world.up();
        world.until_up("web");
        let address = Address::new(&world.layout.run, &world.layout.tag(), "web");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { world, address, runtime }
    }

    fn connect(&self) -> Stream {
        self.runtime.block_on(connect(&self.address)).unwrap()
    }

    /// What the guard answers to these bytes, if it does before it hangs up.
    fn answer(&self, stream: &mut Stream, bytes: &[u8]) -> Option<Value> {
        self.runtime.block_on(async {
            let exchange = async {
                // It may hang up in the middle of what it doesn't want to read.
                stream.write_all(bytes).await.ok();
                let mut line = String::new();
                BufReader::new(stream).read_line(&mut line).await.ok()?;
                serde_json::from_str(&line).ok()
            };
            timeout(LIMIT, exchange).await.expect("an answer or an end")
        })
    }

    /// A polite client has its answer within a second, and the program never noticed.
    #[track_caller]
    fn assert_unharmed(&self) {
        let begin = Instant::now();
        let status = self.world.look("web").expect("it answers");
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
        assert_eq!((status.state, status.run, status.restarts), (State::Up, 1, 0));
    }
}

fn code(reply: &Value) -> (&str, u64) {
    (reply["error"]["code"].as_str().unwrap_or_default(), reply["id"].as_u64().unwrap())
}

#[test]
fn what_is_no_request_is_answered_so() {
    let stage = Stage::new();
    let mut stream = stage.connect();
    for garbage in
        [&b"hello\n"[..], b"\n", b"\0\xff\xfe\n", b"[]\n", b"{\"v\":1,\"id\":0,\"do\":\"dance\"}\n", b"{\"v\":1}\n"]
    {
        let reply = stage.answer(&mut stream, garbage).unwrap();
        assert_eq!(code(&reply), ("malformed", 0), "{reply}");
        assert!(reply["error"]["message"].as_str().unwrap().starts_with("cannot "), "{reply}");
    }
    // The same connection still serves.
    let reply = stage.answer(&mut stream, b"{\"v\":1,\"id\":9,\"do\":\"status\"}\n").unwrap();
    assert_eq!((reply["id"].as_u64(), reply["ok"]["state"].as_str()), (Some(9), Some("up")), "{reply}");
    stage.assert_unharmed();
}

#[test]
fn an_unknown_version_is_answered_with_ours() {
    let stage = Stage::new();
    let mut stream = stage.connect();
    for request in ["{\"v\":2,\"id\":5,\"do\":\"status\"}\n", "{\"v\":99,\"id\":5,\"do\":\"fly\",\"to\":[1]}\n"] {
        let reply = stage.answer(&mut stream, request.as_bytes()).unwrap();
        assert_eq!((code(&reply), reply["v"].as_u64()), (("version", 5), Some(1)), "{reply}");
    }
    stage.assert_unharmed();
}

#[test]
fn a_line_without_end_is_cut_off() {
    let stage = Stage::new();
    let mut stream = stage.connect();
    let reply = stage.answer(&mut stream, &vec![b'x'; 10 << 20]);
    if let Some(reply) = reply {
        assert_eq!(code(&reply), ("malformed", 0), "{reply}");
    }
    stage.assert_unharmed();
    let guard = stage.world.guard("web").pid;
    #[cfg(unix)]
    {
        let status = std::fs::read_to_string(format!("/proc/{guard}/status")).unwrap();
        let kib = |key: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        assert!(kib("VmHWM:") < 40 << 10, "it never held the ten megabytes: {status}");
    }
    assert!(guard > 0);
}

#[test]
fn half_a_line_and_silence_hold_nobody_up() {
    let stage = Stage::new();
    let mut streams: Vec<Stream> = (0..5).map(|_| stage.connect()).collect();
    for stream in &mut streams {
        stage.runtime.block_on(stream.write_all(b"{\"v\":1,\"id\":1,\"do\":")).unwrap();
    }
    stage.assert_unharmed();
    // The rest of the line may come later.
    let reply = stage.answer(&mut streams[3], b"\"status\"}\n").unwrap();
    assert_eq!(reply["ok"]["name"].as_str(), Some("web"));
}

#[test]
fn a_hundred_connections_hold_nobody_up() {
    let stage = Stage::new();
    let mut streams: Vec<Stream> = Vec::new();
    for _ in 0..100 {
        // Those that are too many are turned away at once.
        let attempt = stage.runtime.block_on(async { timeout(Duration::from_secs(2), connect(&stage.address)).await });
        streams.extend(attempt.ok().and_then(Result::ok));
    }
    assert!(streams.len() >= 32, "{}", streams.len());
    // All places are taken by silent clients; the next one must be served all the same, at the latest when they have gone.
    let full = stage.world.look("web");
    drop(streams);
    stage.world.wait("it answers", || stage.world.look("web"));
    stage.assert_unharmed();
    assert!(full.is_some(), "a polite client is served beside a hundred silent ones");
}

#[test]
fn a_client_that_reads_nothing_holds_nobody_up() {
    let stage = Stage::new();
    let mut stream = stage.connect();
    let request = b"{\"v\":1,\"id\":1,\"do\":\"status\"}\n".repeat(1000);
    // Until neither side can write any more.
    let stuck = stage.runtime.block_on(async {
        timeout(Duration::from_secs(1), async { while stream.write_all(&request).await.is_ok() {} }).await
    });
    stage.assert_unharmed();
    let _ = stuck;
    // Dropped after its five seconds, or still served: never both sides blocked for ever.
    let mut answers = [0; 4096];
    let read = stage.runtime.block_on(async { timeout(LIMIT, stream.read(&mut answers)).await });
    assert!(read.is_ok());
    stage.assert_unharmed();
}
