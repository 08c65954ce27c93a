//! One attempt to find out whether a run is ready. When to try, and what follows, the machine decides.

use std::io;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An attempt that takes longer has failed.
pub(crate) const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

/// Connects to `host:port`.
pub(crate) async fn tcp(address: &str) -> Result<(), String> {
    within(async {
        TcpStream::connect(address).await.map(drop).map_err(|error| format!("cannot connect to {address}: {error}"))
    })
    .await
}

/// GETs a plain `http://` address; 200..=399 is ready.
pub(crate) async fn http(address: &str) -> Result<(), String> {
    within(async {
        let status = get(address).await.map_err(|error| format!("cannot get {address}: {error}"))?;
        if (200..400).contains(&status) { Ok(()) } else { Err(format!("{address} answers {status}")) }
    })
    .await
}

async fn within(attempt: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    match timeout(ATTEMPT_LIMIT, attempt).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", ATTEMPT_LIMIT.as_secs())),
    }
}

async fn get(address: &str) -> io::Result<u16> {
    let bad = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let uri: Uri = address.parse().map_err(|error| bad(&error))?;
    let authority = uri.authority().ok_or_else(|| bad(&"it names no host"))?;
    let stream =
        TcpStream::connect((authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| bad(&error))?;
    let path = uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
    let request = Request::get(path)
        .header("host", authority.as_str())
        .header("user-agent", "mainstay")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| bad(&error))?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    // The connection is driven until the answer's head is here; its body doesn't matter.
    let response = tokio::select! {
        biased;
        response = &mut answer => response,
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    };
    Ok(response.map_err(|error| bad(&error))?.status().as_u16())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = tokio::task::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        (address, served)
    }

    #[tokio::test]
    async fn a_good_answer_is_ready() {
        let (address, served) = server("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(http(&format!("http://{address}/health?deep=1")).await, Ok(()));
        let request = served.await.unwrap();
        assert!(request.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
    }

    #[tokio::test]
    async fn a_bad_answer_is_told() {
        let (address, _served) = server("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
        let error = http(&format!("http://{address}")).await.expect_err("503");
        assert!(error.ends_with("answers 503"), "{error}");
        let (address, _served) = server("SSH-2.0-nonsense\r\n").await;
        assert!(http(&format!("http://{address}")).await.is_err());
    }

    #[tokio::test]
    async fn nobody_there_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(tcp(&address).await, Ok(()));
        drop(listener);
        assert!(tcp(&address).await.is_err());
        assert!(http(&format!("http://{address}/")).await.is_err());
    }
}
