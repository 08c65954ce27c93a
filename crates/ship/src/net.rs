//! A connection to a receiver, plain or over TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mainstay_wire::sinks::{Address, Tls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Where to connect, and how.
pub(crate) struct Dialer {
    address: Address,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    timeout: Duration,
}

/// A connection.
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Dialer {
    pub(crate) fn new(address: &Address, tls: Option<&Tls>, timeout: Duration) -> Result<Self, String> {
        let tls = match tls {
            None => None,
            Some(tls) => Some((crate::tls::client(tls)?, crate::tls::server_name(tls, &address.host)?)),
        };
        Ok(Self { address: address.clone(), tls, timeout })
    }

    /// The longest that one step may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects and shakes hands.
    pub(crate) async fn connect(&self) -> Result<Socket, String> {
        let Address { host, port } = &self.address;
        self.limit("connect", async {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            // A batch is one write: nothing is gained by waiting for more of it.
            stream.set_nodelay(true)?;
            match &self.tls {
                None => Ok(Socket::Plain(stream)),
                Some((config, name)) => {
                    let connector = TlsConnector::from(Arc::clone(config));
                    Ok(Socket::Tls(Box::new(connector.connect(name.clone(), stream).await?)))
                }
            }
        })
        .await
    }

    /// A connection that was kept, if it is still good, else a new one.
    pub(crate) async fn again(&self, kept: Option<Socket>) -> Result<Socket, String> {
        if let Some(mut socket) = kept
            && !socket.is_over().await
        {
            return Ok(socket);
        }
        self.connect().await
    }

    /// One step with its deadline; `what` is a verb.
    pub(crate) async fn limit<T>(&self, what: &str, step: impl Future<Output = io::Result<T>>) -> Result<T, String> {
        match tokio::time::timeout(self.timeout, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(format!("cannot {what} {}: {error}", self.address)),
            Err(_) => Err(format!("cannot {what} {}: nothing came of it within {:?}", self.address, self.timeout)),
        }
    }

    /// Sends all of it.
    pub(crate) async fn send(&self, socket: &mut Socket, bytes: &[u8]) -> Result<(), String> {
        let step = async {
            socket.write_all(bytes).await?;
            socket.flush().await
        };
        self.limit("send to", step).await
    }

    /// Puts what comes next behind `buffer`; at least one byte.
    pub(crate) async fn receive(&self, socket: &mut Socket, buffer: &mut Vec<u8>) -> Result<(), String> {
        let mut piece = [0; 2048];
        let step = async {
            match socket.read(&mut piece).await? {
                0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")),
                length => Ok(length),
            }
        };
        let length = self.limit("hear from", step).await?;
        buffer.extend_from_slice(piece.get(..length).unwrap_or_default());
        Ok(())
    }
}

impl Socket {
    /// Whether the other side has closed, or says something that nobody asked for; does not wait.
    pub(crate) async fn is_over(&mut self) -> bool {
        // News of the system reaches the socket only when the runtime has looked for it.
        tokio::task::yield_now().await;
        let mut byte = [0];
        let mut read = std::pin::pin!(self.read(&mut byte));
        // Polled once: an open connection without news is pending.
        std::future::poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_ready())).await
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
