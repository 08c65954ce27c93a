//! What every receiver may do wrong, and every sink must survive: nothing here ends in a panic, in endless waiting or in memory
//! without bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stand::{Receiver, deliver, later, many, sink};

/// Every kind that waits for an answer.
const KINDS: [(&str, &str); 5] = [
    ("fluentd", "address = '127.0.0.1:PORT'"),
    ("lumberjack", "address = '127.0.0.1:PORT'"),
    ("elasticsearch", "url = 'http://127.0.0.1:PORT'"),
    ("loki", "url = 'http://127.0.0.1:PORT'"),
    ("s3", "url = 'http://127.0.0.1:PORT'\nbucket = 'app-logs'"),
];

fn sink_to(kind: &str, keys: &str, port: u16, timeout: &str) -> mainstay_ship::Sink {
    let keys = keys.replace("PORT", &port.to_string());
    sink(&format!("type = '{kind}'\n{keys}\ntimeout = '{timeout}'"))
}

#[tokio::test]
async fn a_receiver_that_is_down_is_told_by_its_address() {
    // Bound and let go: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (kind, keys) in KINDS.into_iter().chain([("syslog", "address = '127.0.0.1:PORT'")]) {
        let (why, after) = later(deliver(&mut sink_to(kind, keys, port, "5s"), &many(3)).await);
        assert!(why.starts_with(&format!("cannot connect 127.0.0.1:{port}: ")), "{kind}: {why}");
        assert_eq!(after, None);
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_told() {
    // RFC 6761 keeps `invalid` free for ever.
    let mut sink = sink("type = 'syslog'\naddress = 'logs.invalid:601'\ntimeout = '10s'");
    let (why, _) = later(deliver(&mut sink, &many(1)).await);
    assert!(why.starts_with("cannot connect logs.invalid:601: "), "{why}");
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_in_time() {
    let receiver = Receiver::start(|_, mut stream| async move {
        // Reads all, until the sink has gone.
        while let Ok(1..) = stream.read(&mut [0; 4096]).await {}
    })
    .await;
    for (kind, keys) in KINDS {
        let started = Instant::now();
        let (why, _) = later(deliver(&mut sink_to(kind, keys, receiver.port(), "200ms"), &many(3)).await);
        assert!(why.contains("200ms"), "{kind}: {why}");
        assert!(started.elapsed() < Duration::from_secs(5), "{kind}");
    }
}

#[tokio::test]
async fn a_receiver_that_never_reads_is_given_up_in_time() {
    let receiver = Receiver::start(|_, stream| async move {
        // Held until nobody can have anything more to say.
        tokio::time::sleep(Duration::from_millis(900)).await;
        drop(stream);
    })
    .await;
    for (kind, keys) in KINDS {
        let mut batch = many(40_000);
        batch.lines.iter_mut().for_each(|line| line.text = vec![b'x'; 200]);
        let keys = format!("{keys}\ncompress = 'none'");
        let (why, _) = later(deliver(&mut sink_to(kind, &keys, receiver.port(), "200ms"), &batch).await);
        assert!(why.contains("200ms"), "{kind}: {why}");
    }
}

#[tokio::test]
async fn a_receiver_that_closes_in_the_middle_of_its_answer_gets_it_again() {
    let receiver = Receiver::start(|_, mut stream| async move {
        drop(stream.read(&mut [0; 4096]).await);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"items\":[").await);
    })
    .await;
    for (kind, keys) in KINDS {
        let (why, _) = later(deliver(&mut sink_to(kind, keys, receiver.port(), "5s"), &many(3)).await);
        assert!(!why.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_read_only_so_far() {
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let receiver = Receiver::start(move |_, mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            drop(stream.read(&mut [0; 65536]).await);
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n";
            drop(stream.write_all(head.as_bytes()).await);
            while stream.write_all(&[b' '; 65536]).await.is_ok() {
                counted.fetch_add(65536, Ordering::Relaxed);
            }
        }
    })
    .await;
    for (kind, keys) in KINDS {
        written.store(0, Ordering::Relaxed);
        let (why, _) = later(deliver(&mut sink_to(kind, keys, receiver.port(), "5s"), &many(3)).await);
        if kind != "fluentd" && kind != "lumberjack" {
            assert!(why.contains("longer than"), "{kind}: {why}");
        }
        // What both systems' buffers hold comes on top of what was read.
        assert!(written.load(Ordering::Relaxed) < 32 << 20, "{kind}: {} bytes", written.load(Ordering::Relaxed));
    }
}

#[tokio::test]
async fn an_endless_head_is_read_only_so_far() {
    let receiver = Receiver::start(|_, mut stream| async move {
        drop(stream.read(&mut [0; 65536]).await);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await);
        while stream.write_all(&[b'a'; 65536]).await.is_ok() {}
    })
    .await;
    for (kind, keys) in KINDS {
        let (why, _) = later(deliver(&mut sink_to(kind, keys, receiver.port(), "5s"), &many(3)).await);
        assert!(!why.contains("5s"), "{kind}: {why}");
    }
}

/// One byte now and then would keep a deadline for each read away for ever.
#[tokio::test]
async fn an_answer_that_trickles_is_given_up_in_time() {
    let receiver = Receiver::start(|_, mut stream| async move {
        drop(stream.read(&mut [0; 65536]).await);
        drop(stream.write_all(b"\x81\xa3ack\xda\x10\x00").await);
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    })
    .await;
    let started = Instant::now();
    let (why, _) = later(deliver(&mut sink_to("fluentd", KINDS[0].1, receiver.port(), "300ms"), &many(3)).await);
    assert!(why.contains("did not answer within 300ms"), "{why}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_delivery_may_be_dropped_in_the_middle_and_begun_again() {
    let receiver =
        Receiver::start(|_, mut stream| async move { while let Ok(1..) = stream.read(&mut [0; 4096]).await {} }).await;
    for (kind, keys) in KINDS {
        let mut sink = sink_to(kind, keys, receiver.port(), "300ms");
        for _ in 0..3 {
            let batch = many(3);
            let dropped = tokio::time::timeout(Duration::from_millis(20), sink.deliver(&batch)).await;
            assert!(dropped.is_err(), "{kind}");
        }
        let (why, _) = later(deliver(&mut sink, &many(3)).await);
        assert!(why.contains("300ms"), "{kind}: {why}");
    }
}

/// Whatever comes back, it is no panic and no delivery.
#[tokio::test]
async fn a_receiver_that_says_anything_at_all_is_not_believed() {
    // A sequence that is the same in every run: xorshift, with beginnings that make readers go on.
    let begins: [&[u8]; 8] = [
        b"",
        b"\x81\xa3ack",
        b"\x93\xa4HELO",
        b"2A\0\0",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\n\r\n{\"items\":",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ];
    let receiver = Receiver::start(move |number, mut stream| {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1);
        async move {
            drop(stream.read(&mut [0; 65536]).await);
            let mut bytes = begins[number % begins.len()].to_vec();
            for _ in 0..seed % 300 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                bytes.push(seed.to_le_bytes()[3]);
            }
            drop(stream.write_all(&bytes).await);
        }
    })
    .await;
    for (kind, keys) in KINDS {
        // Of Loki and S3 a good status is all that counts.
        if kind == "loki" || kind == "s3" {
            continue;
        }
        for _ in 0..200 {
            later(deliver(&mut sink_to(kind, keys, receiver.port(), "2s"), &many(3)).await);
        }
    }
}

/// The engine moves sinks and their work between threads.
#[test]
fn sinks_and_their_work_can_move_between_threads() {
    fn can_move<T: Send>(_: &T) {}
    let mut sink = sink("type = 'stdout'");
    can_move(&sink);
    can_move(&sink.deliver(&many(1)));
}
