//! The protocol of Beats: byte-exact windows, a strict receiver, and receivers that lie.

use std::io::Read;

use expect_test::expect;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::stand::{Receiver, Seen, deliver, delivered, later, many, note, say, sink, taken, two};

async fn exactly(stream: &mut TcpStream, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.ok().map(|_| bytes)
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

/// The events of `2J` frames, which must be numbered from 1.
fn events(mut bytes: &[u8]) -> Vec<Value> {
    let mut read = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(&bytes[..2], b"2J");
        assert_eq!(number(&bytes[2..6]) as usize, read.len() + 1, "sequence");
        let length = number(&bytes[6..10]) as usize;
        read.push(serde_json::from_slice(&bytes[10..10 + length]).expect("JSON"));
        bytes = &bytes[10 + length..];
    }
    read
}

/// Reads a window; `None` when the connection ended.
async fn window(stream: &mut TcpStream) -> Option<Vec<Value>> {
    let head = exactly(stream, 6).await?;
    assert_eq!(&head[..2], b"2W");
    let count = number(&head[2..]) as usize;
    let mut plain = Vec::new();
    let mut read = Vec::new();
    while read.len() < count {
        let kind = exactly(stream, 2).await?;
        match &kind[..] {
            b"2C" => {
                let length = number(&exactly(stream, 4).await?) as usize;
                let packed = exactly(stream, length).await?;
                flate2::read::ZlibDecoder::new(&*packed).read_to_end(&mut plain).expect("zlib");
            }
            b"2J" => {
                let head = exactly(stream, 8).await?;
                plain.extend_from_slice(b"2J");
                plain.extend_from_slice(&head);
                plain.extend(exactly(stream, number(&head[4..]) as usize).await?);
            }
            other => panic!("unknown frame {other:?}"),
        }
        read = events(&plain);
    }
    assert_eq!(read.len(), count);
    Some(read)
}

fn ack(number: u32) -> Vec<u8> {
    [&b"2A"[..], &number.to_be_bytes()].concat()
}

#[tokio::test]
async fn a_strict_receiver_gets_every_event() {
    let seen: Seen<Vec<Value>> = Seen::default();
    let for_it = seen.clone();
    let receiver = Receiver::start(move |_, mut stream| {
        let seen = for_it.clone();
        async move {
            while let Some(events) = window(&mut stream).await {
                let count = u32::try_from(events.len()).unwrap();
                note(&seen, events);
                // Busy, a part, busy, all: in pieces.
                for bytes in [ack(0), ack(count / 2), ack(0)[..3].to_vec(), ack(0)[3..].to_vec(), ack(count)] {
                    say(&mut stream, bytes).await;
                }
            }
        }
    })
    .await;
    let address = format!("type = 'lumberjack'\naddress = '127.0.0.1:{}'\n", receiver.port());
    let mut packed = sink(&format!("{address}fields = {{ env = 'prod' }}\nbeat = 'filebeat'"));
    assert_eq!(deliver(&mut packed, &two()).await, delivered());
    assert_eq!(deliver(&mut packed, &many(2000)).await, delivered());
    drop(packed);
    let mut plain = sink(&format!("{address}compress = 'none'"));
    assert_eq!(deliver(&mut plain, &two()).await, delivered());
    let seen = taken(&seen);
    assert_eq!(seen[1].len(), 2000);
    let shown: String = seen[0].iter().chain(&seen[2]).map(|event| format!("{event}\n")).collect();
    expect![[r#"
        {"@metadata":{"beat":"filebeat","type":"_doc","version":"0.1.0"},"@timestamp":"2026-11-28T07:03:27.000Z","fields":{"env":"prod"},"host":{"name":"machine"},"log":{"level":"warn"},"message":"pay \"1\" 中","run":3,"service":{"name":"web@2"},"stream":"stderr"}
        {"@metadata":{"beat":"filebeat","type":"_doc","version":"0.1.0"},"@timestamp":"2026-11-28T07:03:28.000Z","fields":{"env":"prod"},"host":{"name":"machine"},"message":"a�b\u0000","service":{"name":"db"},"stream":"stdout"}
        {"@metadata":{"beat":"mainstay","type":"_doc","version":"0.1.0"},"@timestamp":"2026-11-28T07:03:27.000Z","host":{"name":"machine"},"log":{"level":"warn"},"message":"pay \"1\" 中","run":3,"service":{"name":"web@2"},"stream":"stderr"}
        {"@metadata":{"beat":"mainstay","type":"_doc","version":"0.1.0"},"@timestamp":"2026-11-28T07:03:28.000Z","host":{"name":"machine"},"message":"a�b\u0000","service":{"name":"db"},"stream":"stdout"}
    "#]]
    .assert_eq(&shown);
}

#[tokio::test]
async fn what_was_acknowledged_is_not_sent_again() {
    let seen: Seen<usize> = Seen::default();
    let for_it = seen.clone();
    let receiver = Receiver::start(move |connection, mut stream| {
        let seen = for_it.clone();
        async move {
            while let Some(events) = window(&mut stream).await {
                note(&seen, events.len());
                // The first connection ends after a part of the window.
                say(&mut stream, ack(if connection == 0 { 7 } else { u32::try_from(events.len()).unwrap() })).await;
                if connection == 0 {
                    return;
                }
            }
        }
    })
    .await;
    let mut sink = sink(&format!("type = 'lumberjack'\naddress = '127.0.0.1:{}'", receiver.port()));
    let (why, _) = later(deliver(&mut sink, &many(10)).await);
    assert!(why.contains("closed the connection"), "{why}");
    assert_eq!(deliver(&mut sink, &many(10)).await, delivered());
    assert_eq!(deliver(&mut sink, &many(10)).await, delivered(), "the next time it is a batch like any other");
    assert_eq!(taken(&seen), [10, 3, 10]);
}

#[tokio::test]
async fn an_acknowledgement_that_can_not_be_is_not_believed() {
    let mut told = String::new();
    for answer in [ack(11), [ack(5), ack(3)].concat(), b"1A\0\0\0\x0a".to_vec(), b"HTTP".to_vec(), b"2A\0".to_vec()] {
        let receiver = Receiver::start(move |_, mut stream| {
            let answer = answer.clone();
            async move {
                window(&mut stream).await;
                say(&mut stream, answer).await;
            }
        })
        .await;
        let mut sink = sink(&format!("type = 'lumberjack'\naddress = '127.0.0.1:{}'", receiver.port()));
        let (why, _) = later(deliver(&mut sink, &many(10)).await);
        told += &format!("{}\n", why.replace(&receiver.address.to_string(), "ADDRESS"));
    }
    expect![[r#"
        the receiver acknowledged line 11 after 0 of 10
        the receiver acknowledged line 3 after 5 of 10
        the receiver's answer is no acknowledgement of version 2
        the receiver's answer is no acknowledgement of version 2
        cannot hear from ADDRESS: it closed the connection
    "#]]
    .assert_eq(&told);
}

#[tokio::test]
async fn a_receiver_that_is_always_busy_is_given_up() {
    let receiver = Receiver::start(|_, mut stream| async move {
        window(&mut stream).await;
        // Until the sink has gone.
        while tokio::io::AsyncWriteExt::write_all(&mut stream, &ack(0)).await.is_ok() {}
    })
    .await;
    let mut sink = sink(&format!("type = 'lumberjack'\naddress = '127.0.0.1:{}'\ntimeout = '10ms'", receiver.port()));
    let (why, _) = later(deliver(&mut sink, &many(10)).await);
    assert!(why.starts_with("the receiver has been busy for"), "{why}");
}
