//! The forward protocol: byte-exact frames, a strict receiver with its handshake, and receivers that lie.

use std::io::Read;
use std::path::Path;

use expect_test::expect;
use ring::digest;
use rmpv::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::stand::{
    Receiver, Seen, batch, deliver, delivered, later, line, many, note, say, sink, sink_in, taken, two,
};

/// Reads one value; `None` when the connection ended.
async fn value(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Value> {
    loop {
        let mut rest = &read[..];
        if let Ok(value) = rmpv::decode::read_value(&mut rest) {
            let used = read.len() - rest.len();
            read.drain(..used);
            return Some(value);
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

fn packed(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

fn map(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(name, value)| (Value::from(*name), value.clone())).collect())
}

fn option(options: &Value, name: &str) -> Option<Value> {
    let pairs = options.as_map().expect("options are a map");
    pairs.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value.clone())
}

fn ack(chunk: &str) -> Vec<u8> {
    packed(&map(&[("ack", chunk.into())]))
}

/// What a receiver got: tag, whether it was compressed, and the entries.
type Chunk = (String, bool, Vec<(Value, Value)>);

/// Takes `[tag, entries, options]` apart as the protocol's description says, and panics at whatever it does not allow.
fn chunk(frame: &Value) -> (Chunk, String) {
    let [tag, entries, options] = &frame.as_array().expect("a list")[..] else { panic!("three parts") };
    let (tag, entries) = (tag.as_str().expect("a tag"), entries.as_slice().expect("packed entries"));
    let gzip = option(options, "compressed").is_some_and(|kind| kind.as_str() == Some("gzip"));
    let mut plain = Vec::new();
    match gzip {
        true => drop(flate2::read::MultiGzDecoder::new(entries).read_to_end(&mut plain).expect("gzip")),
        false => plain.extend_from_slice(entries),
    }
    let (mut rest, mut read) = (&plain[..], Vec::new());
    while !rest.is_empty() {
        let entry = rmpv::decode::read_value(&mut rest).expect("whole entries");
        let [time, record] = &entry.as_array().expect("an entry")[..] else { panic!("time and record") };
        assert!(matches!(time, Value::Ext(0, bytes) if bytes.len() == 8), "EventTime, not {time}");
        assert!(record.is_map());
        read.push((time.clone(), record.clone()));
    }
    assert_eq!(option(options, "size").and_then(|size| size.as_u64()), Some(read.len() as u64));
    let id = option(options, "chunk").expect("a chunk id");
    ((tag.to_owned(), gzip, read), id.as_str().expect("a text").to_owned())
}

async fn receiver() -> (Receiver, Seen<Chunk>) {
    let seen = Seen::default();
    let for_it: Seen<Chunk> = std::sync::Arc::clone(&seen);
    let receiver = Receiver::start(move |_, mut stream| {
        let seen = std::sync::Arc::clone(&for_it);
        async move {
            let mut read = Vec::new();
            while let Some(frame) = value(&mut stream, &mut read).await {
                let (chunk, id) = chunk(&frame);
                note(&seen, chunk);
                say(&mut stream, ack(&id)).await;
            }
        }
    })
    .await;
    (receiver, seen)
}

#[tokio::test]
async fn a_frame_has_exactly_these_bytes() {
    let seen: Seen<Vec<u8>> = Seen::default();
    let for_it = seen.clone();
    let receiver = Receiver::start(move |_, mut stream| {
        let seen = for_it.clone();
        async move {
            let mut bytes = Vec::new();
            let frame = loop {
                stream.read_buf(&mut bytes).await.unwrap();
                if let Ok(frame) = rmpv::decode::read_value(&mut &bytes[..]) {
                    break frame;
                }
            };
            note(&seen, bytes);
            say(&mut stream, ack(&chunk(&frame).1)).await;
        }
    })
    .await;
    let mut sink = sink(&format!("type = 'fluentd'\naddress = '127.0.0.1:{}'", receiver.port()));
    let mut one = line("db", 0, b"hi");
    one.run = Some(300);
    assert_eq!(deliver(&mut sink, &batch("b", vec![one])).await, delivered());
    let mut expected = b"\x93\xaeapp.production\xc4\x44".to_vec();
    // [EventTime(1795849407 s, 5 ns), {5 members}]
    expected.extend_from_slice(b"\x92\xd7\x00\x6b\x0a\x7c\xbf\x00\x00\x00\x05\x85");
    expected.extend_from_slice(
        b"\xa7message\xa2hi\xa7service\xa2db\xa6stream\xa6stdout\xa3run\xcd\x01\x2c\xa4host\xa7machine",
    );
    expected.extend_from_slice(b"\x82\xa4size\x01\xa5chunk\xb8");
    let got = taken(&seen).remove(0);
    let (begin, id) = got.split_at(got.len() - 24);
    assert_eq!(begin, expected, "\n{}\n{}", String::from_utf8_lossy(begin), String::from_utf8_lossy(&expected));
    assert!(id.ends_with(b"=="), "128 bits in base64");
}

#[tokio::test]
async fn a_strict_receiver_gets_every_byte_of_every_line() {
    let (receiver, seen) = receiver().await;
    let address = format!("type = 'fluentd'\naddress = '127.0.0.1:{}'\n", receiver.port());
    let mut all =
        sink(&format!("{address}compress = 'gzip'\ntag = 'app.{{service}}.{{host}}'\nfields = {{ env = 'prod' }}"));
    assert_eq!(deliver(&mut all, &two()).await, delivered());
    assert_eq!(deliver(&mut all, &two()).await, delivered());
    let got = taken(&seen);
    assert_eq!(got[..2], got[2..], "a repetition is the same");
    let shown: String = got[..2]
        .iter()
        .map(|(tag, gzip, entries)| {
            format!("{tag} {gzip} {}\n", entries.iter().map(|(_, record)| record.to_string()).collect::<String>())
        })
        .collect();
    expect![[r#"
        app.db.machine true {"message": [97, 255, 98, 0], "service": "db", "stream": "stdout", "host": "machine", "env": "prod"}
        app.web@2.machine true {"message": "pay \"1\" 中", "service": "web@2", "stream": "stderr", "level": "warn", "run": 3, "host": "machine", "env": "prod"}
    "#]]
    .assert_eq(&shown);

    let mut plain = sink(&address);
    let large = many(20_000);
    assert_eq!(deliver(&mut plain, &large).await, delivered());
    let (tag, gzip, entries) = taken(&seen).remove(0);
    assert_eq!((tag.as_str(), gzip, entries.len()), ("app.production", false, 20_000));
}

fn sha512(parts: &[&[u8]]) -> String {
    let mut context = digest::Context::new(&digest::SHA512);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A receiver that asks for the key `s3cret`, and for `me` with `hunter2` where `auth` is not empty.
async fn guarded(auth: &'static [u8], key_of_receiver: &'static str, name: &'static str) -> Receiver {
    Receiver::start(move |_, mut stream| async move {
        let nonce = b"0123456789abcdef";
        let options = map(&[
            ("nonce", Value::Binary(nonce.to_vec())),
            ("auth", Value::Binary(auth.to_vec())),
            ("keepalive", true.into()),
        ]);
        say(&mut stream, packed(&Value::Array(vec!["HELO".into(), options]))).await;
        let mut read = Vec::new();
        let Some(ping) = value(&mut stream, &mut read).await else { return };
        let [kind, hostname, salt, digest, user, password] = &ping.as_array().unwrap()[..] else { panic!("six parts") };
        assert_eq!(kind.as_str(), Some("PING"));
        let (hostname, salt) = (hostname.as_str().unwrap(), salt.as_slice().unwrap());
        let knows = digest.as_str() == Some(&sha512(&[salt, hostname.as_bytes(), nonce, b"s3cret"]));
        let may = auth.is_empty()
            || (user.as_str() == Some("me") && password.as_str() == Some(&sha512(&[auth, b"me", b"hunter2"])));
        let reason = if !knows {
            "shared_key mismatch"
        } else if !may {
            "username/password mismatch"
        } else {
            ""
        };
        let name = if name == "OURS" { hostname } else { name };
        let proof = sha512(&[salt, name.as_bytes(), nonce, key_of_receiver.as_bytes()]);
        let pong = Value::Array(vec!["PONG".into(), (knows && may).into(), reason.into(), name.into(), proof.into()]);
        say(&mut stream, packed(&pong)).await;
        while let Some(frame) = value(&mut stream, &mut read).await {
            say(&mut stream, ack(&chunk(&frame).1)).await;
        }
    })
    .await
}

#[tokio::test]
async fn both_sides_prove_that_they_know_the_key() {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [("good", "s3cret"), ("bad", "guess"), ("password", "hunter2"), ("wrong", "hunter3")] {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let mut told = String::new();
    let good = "shared-key-file = 'good'";
    let login = "shared-key-file = 'good'\nusername = 'me'\npassword-file = 'password'";
    let wrong = "shared-key-file = 'good'\nusername = 'me'\npassword-file = 'wrong'";
    for (receiver, keys) in [
        (guarded(b"", "s3cret", "server").await, good),
        (guarded(b"salt", "s3cret", "server").await, login),
        (guarded(b"salt", "s3cret", "server").await, wrong),
        (guarded(b"", "s3cret", "server").await, "shared-key-file = 'bad'"),
        (guarded(b"", "another", "server").await, good),
        (guarded(b"", "s3cret", "OURS").await, good),
        (guarded(b"", "s3cret", "server").await, ""),
    ] {
        let text = format!("type = 'fluentd'\naddress = '127.0.0.1:{}'\n{keys}", receiver.port());
        let mut sink = sink_in(folder.path(), &text);
        for _ in 0..2 {
            told += &format!("{:?}\n", deliver(&mut sink, &many(2)).await);
        }
    }
    assert!(!told.contains("hunter") && !told.contains("s3cret"));
    expect![[r#"
        Delivered { refused: [] }
        Delivered { refused: [] }
        Delivered { refused: [] }
        Delivered { refused: [] }
        Later { why: "the receiver refuses our shared key or password: username/password mismatch", after: None }
        Later { why: "the receiver refuses our shared key or password: username/password mismatch", after: None }
        Later { why: "the receiver refuses our shared key or password: shared_key mismatch", after: None }
        Later { why: "the receiver refuses our shared key or password: shared_key mismatch", after: None }
        Later { why: "the receiver does not know the shared key", after: None }
        Later { why: "the receiver does not know the shared key", after: None }
        Later { why: "the receiver says that it is mainstay.machine too: it may only repeat our own proof", after: None }
        Later { why: "the receiver says that it is mainstay.machine too: it may only repeat our own proof", after: None }
        Later { why: "the receiver asks for a shared key: set `shared-key-file` or `shared-key-env`", after: None }
        Later { why: "the receiver asks for a shared key: set `shared-key-file` or `shared-key-env`", after: None }
    "#]]
    .assert_eq(&told);
}

#[tokio::test]
async fn an_answer_that_is_no_acknowledgement_of_this_chunk_is_not_believed() {
    let mut told = String::new();
    for answer in [
        ack("another"),
        packed(&map(&[("ack", Value::Nil)])),
        packed(&Value::from("ok")),
        b"\x81\xa3ack".to_vec(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0xdf, 0xff, 0xff, 0xff, 0xff],
        vec![0xda; 100_000],
    ] {
        let receiver = Receiver::start(move |_, mut stream| {
            let answer = answer.clone();
            async move {
                value(&mut stream, &mut Vec::new()).await;
                say(&mut stream, answer).await;
            }
        })
        .await;
        let mut sink = sink(&format!("type = 'fluentd'\naddress = '127.0.0.1:{}'", receiver.port()));
        let (why, _) = later(deliver(&mut sink, &many(2)).await);
        told += &format!("{}\n", why.replace(&receiver.address.to_string(), "ADDRESS"));
    }
    expect![[r#"
        the receiver acknowledged another chunk: another
        the receiver's answer is no acknowledgement
        the receiver's answer is no acknowledgement
        cannot hear from ADDRESS: it closed the connection
        the receiver's answer is not of the forward protocol
        the receiver's answer is not of the forward protocol
        the receiver's answer is longer than 16384 bytes
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_secret_that_is_not_there_is_told_when_the_sink_is_opened() {
    let text = "type = 'fluentd'\naddress = 'x'\nshared-key-file = 'nothing'";
    let why = crate::stand::try_sink(Path::new("/no/such"), text).unwrap_err();
    assert!(why.starts_with("cannot read the secret in ") && why.contains("nothing"), "{why}");
}
