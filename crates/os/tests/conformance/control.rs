//! The control channel.

use std::io::ErrorKind;
use std::path::Path;

use mainstay_os::account;
use mainstay_os::control::{Address, Listener, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::{LIMIT, new_mark, within};

async fn round_trip(address: &Address) {
    let mut listener = Listener::bind(address).unwrap();
    let client = async {
        let mut stream = connect(address).await.unwrap();
        stream.write_all(b"ping\n").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    };
    let server = async {
        let (mut stream, peer) = listener.accept().await.unwrap();
        let mut asked = [0; 5];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(b"pong\n").await.unwrap();
        stream.flush().await.unwrap();
        // Kept open until the other side has read: a closed pipe may drop what was not read yet.
        let mut end = Vec::new();
        let _ = stream.read_to_end(&mut end).await;
        (asked, peer)
    };
    let (answer, (asked, peer)) = within(LIMIT, "the round trip", async { tokio::join!(client, server) }).await;
    assert_eq!((&answer, &asked), (b"pong\n", b"ping\n"));
    assert!(peer.may_order());
    assert_eq!(peer.user, account::name());
    assert_eq!(peer.pid, Some(std::process::id()));
}

#[tokio::test]
async fn a_question_and_its_answer_get_through() {
    let folder = tempfile::tempdir().unwrap();
    round_trip(&Address::new(folder.path(), &new_mark(), "payment")).await;
}

#[tokio::test]
async fn a_long_run_dir_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let long = (0..4).fold(folder.path().to_owned(), |path, _| path.join("x".repeat(60)));
    std::fs::create_dir_all(&long).unwrap();
    round_trip(&Address::new(&long, &new_mark(), "a-service-with-a-rather-long-name")).await;
}

#[tokio::test]
async fn nobody_there_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::new(folder.path(), &new_mark(), "nobody");
    let error = within(LIMIT, "the answer", connect(&address)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let nowhere = Address::new(Path::new("/no/such/folder"), &new_mark(), "nobody");
    assert_eq!(within(LIMIT, "the answer", connect(&nowhere)).await.err().unwrap().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_listener_that_went_leaves_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::new(folder.path(), &new_mark(), "payment");
    drop(Listener::bind(&address).unwrap());
    let error = within(LIMIT, "the answer", connect(&address)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    round_trip(&address).await;
}

/// As a killed guard leaves it.
#[cfg(unix)]
#[tokio::test]
async fn a_stale_socket_is_nobody_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::new(folder.path(), "", "payment");
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("payment.sock")).unwrap());
    assert!(folder.path().join("payment.sock").exists());
    let error = connect(&address).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    round_trip(&address).await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_touch_the_socket() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _listener = Listener::bind(&Address::new(folder.path(), "", "payment")).unwrap();
    let mode = std::fs::metadata(folder.path().join("payment.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// More clients than a queue holds, none of them served at first: the later ones wait or are told, none hangs.
#[tokio::test]
async fn many_clients_are_served_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::new(folder.path(), &new_mark(), "busy");
    let mut listener = Listener::bind(&address).unwrap();
    let clients = async {
        for number in 0..50_u8 {
            let mut stream = connect(&address).await.unwrap();
            stream.write_all(&[number]).await.unwrap();
            let mut back = [0];
            stream.read_exact(&mut back).await.unwrap();
            assert_eq!(back, [number]);
        }
    };
    let server = async {
        for _ in 0..50 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            stream.write_all(&byte).await.unwrap();
            let _ = stream.read(&mut byte).await; // until the other side has closed
        }
    };
    within(LIMIT, "all are served", async { tokio::join!(clients, server) }).await;
}

#[test]
fn an_address_can_be_shown() {
    let text = Address::new(Path::new("run"), "tag", "payment").to_string();
    assert!(text.contains("payment"), "{text}");
}
