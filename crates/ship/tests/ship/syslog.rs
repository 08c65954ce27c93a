//! RFC 5424 with octet counting.

use mainstay_ship::{Outcome, Stream};
use mainstay_wire::level::Level;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::stand::{Receiver, batch, deliver, delivered, later, line, many, refused, sink, two, within};

/// Reads messages as RFC 6587, section 3.4.1, has them; panics at anything else.
async fn messages(stream: &mut TcpStream, seen: &mpsc::Sender<Vec<u8>>) {
    let mut read = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut read).await {
        while let Some(space) = read.iter().position(|byte| *byte == b' ') {
            let length: usize = std::str::from_utf8(&read[..space]).unwrap().parse().expect("MSG-LEN");
            assert_ne!(read[0], b'0', "MSG-LEN begins with a digit from 1");
            if read.len() < space + 1 + length {
                break;
            }
            seen.send(read[space + 1..][..length].to_vec()).await.expect("the test looks at it");
            read.drain(..space + 1 + length);
        }
    }
}

async fn receiver() -> (Receiver, mpsc::Receiver<Vec<u8>>) {
    let (for_it, seen) = mpsc::channel(100);
    let receiver = Receiver::start(move |_, mut stream| {
        let seen = for_it.clone();
        async move { messages(&mut stream, &seen).await }
    })
    .await;
    (receiver, seen)
}

async fn wait_for(seen: &mut mpsc::Receiver<Vec<u8>>, count: usize) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    while got.len() < count {
        got.push(within(seen.recv()).await.expect("a message"));
    }
    got
}

#[tokio::test]
async fn a_line_becomes_a_message() {
    let (receiver, mut seen) = receiver().await;
    let address = format!("type = 'syslog'\naddress = '127.0.0.1:{}'\n", receiver.port());
    let mut plain = sink(&address);
    assert_eq!(deliver(&mut plain, &two()).await, delivered());
    let got = wait_for(&mut seen, 2).await;
    assert_eq!(got[0], "<12>1 2026-11-28T07:03:27.000000Z machine web@2 3 stderr - pay \"1\" \u{4e2d}".as_bytes());
    assert_eq!(got[1], b"<14>1 2026-11-28T07:03:28.000000Z machine db - stdout - a\xffb#000");

    let keys = "facility = 'local7'\napp-name = 'my {service}'\nsd-id = 'a@1'\nfields = { k = 'q\"b\\s]' }\n";
    let mut sink = sink(&format!("{address}{keys}"));
    let mut lines = vec![line("x", 0, b""), line("x", 0, b"two\nlines")];
    lines[0].level = Some(Level::Fatal);
    lines[1].stream = Stream::Stderr;
    assert_eq!(deliver(&mut sink, &batch("b", lines)).await, delivered());
    let got = wait_for(&mut seen, 2).await;
    let data = "[a@1 k=\"q\\\"b\\\\s\\]\"]";
    assert_eq!(
        String::from_utf8_lossy(&got[0]),
        format!("<186>1 2026-11-28T07:03:27.000000Z machine my_x - stdout {data}")
    );
    assert_eq!(
        String::from_utf8_lossy(&got[1]),
        format!("<189>1 2026-11-28T07:03:27.000000Z machine my_x - stderr {data} two\nlines")
    );
}

#[tokio::test]
async fn of_a_line_that_is_too_long_the_beginning_is_sent_and_the_whole_told() {
    let (receiver, mut seen) = receiver().await;
    let mut sink = sink(&format!("type = 'syslog'\naddress = '127.0.0.1:{}'\nmax-message = 480", receiver.port()));
    let lines = vec![line("web", 0, "\u{4e2d}".repeat(400).as_bytes()), line("web", 0, b"short")];
    let refused = refused(deliver(&mut sink, &batch("b", lines)).await);
    assert_eq!(refused, [(0, "longer than 480 bytes: only its beginning was sent".to_owned())]);
    let got = wait_for(&mut seen, 2).await;
    assert!((478..=480).contains(&got[0].len()), "{}", got[0].len());
    assert!(String::from_utf8(got[0].clone()).unwrap().ends_with('\u{4e2d}'), "no character is cut");
}

#[tokio::test]
async fn a_receiver_that_goes_away_is_noticed_and_connected_to_again() {
    let receiver = Receiver::start(|_, stream| async move { drop(stream) }).await;
    let mut to_it = sink(&format!("type = 'syslog'\naddress = '127.0.0.1:{}'", receiver.port()));
    // More than the system's buffers take. Some systems take it all at once and tell of the end a little later.
    let large = batch("b", (0..60_000).map(|_| line("web", 0, &[b'x'; 200])).collect());
    let mut outcome = deliver(&mut to_it, &large).await;
    for _ in 0..20 {
        if matches!(outcome, Outcome::Delivered { .. }) {
            outcome = deliver(&mut to_it, &large).await;
        }
    }
    let (why, _) = later(outcome);
    assert!(why.contains("cannot send to") || why.contains("closed the connection"), "{why}");
    let (receiver, mut seen) = self::receiver().await;
    let mut to_it = sink(&format!("type = 'syslog'\naddress = '127.0.0.1:{}'", receiver.port()));
    for _ in 0..3 {
        assert_eq!(deliver(&mut to_it, &many(5)).await, delivered());
    }
    assert_eq!(wait_for(&mut seen, 15).await.len(), 15);
}
