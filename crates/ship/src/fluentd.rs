//! The Fluentd forward protocol, version 1: PackedForward with acknowledged chunks.
//!
//! Source: <https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1>.

mod answer;
mod encode;
mod handshake;

use std::time::Instant;

use base64::Engine;
use mainstay_wire::sinks::{self, Compress, Part, Template};

use crate::later::{Later, Tried};
use crate::line::{Batch, Line};
use crate::name::Places;
use crate::net::{Dialer, Socket};
use crate::sink::{Refused, Setting};
use answer::Item;
use encode::Encoder;
use handshake::Handshake;

/// A receiver of the forward protocol.
pub(crate) struct Fluentd {
    dialer: Dialer,
    host: String,
    tag: Template,
    compress: Compress,
    handshake: Option<Handshake>,
    encoder: Encoder,
    socket: Option<Socket>,
}

impl Fluentd {
    pub(crate) fn open(config: &sinks::Fluentd, setting: &mut Setting<'_>) -> Result<Self, String> {
        let handshake = match &config.shared_key {
            None => None,
            Some(key) => {
                let login = match &config.login {
                    None => None,
                    Some((name, password)) => Some((name.clone(), setting.secret(password)?)),
                };
                Some(Handshake::new(setting.host, setting.secret(key)?, login))
            }
        };
        Ok(Self {
            dialer: Dialer::new(&config.address, config.tls.as_ref(), setting.timeout)?,
            host: setting.host.to_owned(),
            tag: config.tag.clone(),
            compress: config.compress,
            handshake,
            encoder: Encoder::new(setting.host, setting.fields),
            socket: None,
        })
    }

    /// One chunk for each tag, one after the other.
    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Tried<Vec<Refused>> {
        if !self.tag.has(&Part::Service) {
            self.chunk(batch, "", batch.lines.iter()).await?;
            return Ok(Vec::new());
        }
        let mut services: Vec<&str> = batch.lines.iter().map(|line| &*line.service).collect();
        services.sort_unstable();
        services.dedup();
        for service in services {
            self.chunk(batch, service, batch.lines.iter().filter(|line| &*line.service == service)).await?;
        }
        Ok(Vec::new())
    }

    async fn chunk<'l>(&mut self, batch: &Batch, service: &str, lines: impl Iterator<Item = &'l Line>) -> Tried<()> {
        let id = base64::engine::general_purpose::STANDARD.encode(batch.digest(&self.host, &[service]));
        let tag = Places::of_service(service, &self.host, jiff::Timestamp::UNIX_EPOCH).fill(&self.tag);
        let frame = self.encoder.frame(&tag, &id, lines, self.compress == Compress::Gzip);
        let frame = frame.map_err(|error| Later::new(format!("cannot encode a chunk: {error}")))?;
        let socket = match exchange_kept(&self.dialer, self.socket.take(), frame, &id).await? {
            Some(socket) => socket,
            None => {
                let mut socket = self.dialer.connect().await?;
                if let Some(handshake) = &self.handshake {
                    handshake.perform(&self.dialer, &mut socket).await?;
                }
                exchange(&self.dialer, socket, frame, &id).await?
            }
        };
        self.socket = Some(socket);
        self.encoder.shrink();
        Ok(())
    }
}

/// The same over a connection that was kept, if there is one. It may have been closed just now, which is no failure: `None`.
async fn exchange_kept(
    dialer: &Dialer,
    kept: Option<Socket>,
    frame: &[u8],
    id: &str,
) -> Result<Option<Socket>, String> {
    let Some(mut socket) = kept else { return Ok(None) };
    if socket.is_over().await {
        return Ok(None);
    }
    let started = Instant::now();
    match exchange(dialer, socket, frame, id).await {
        Ok(socket) => Ok(Some(socket)),
        Err(_) if started.elapsed() < dialer.timeout() => Ok(None),
        Err(why) => Err(why),
    }
}

/// Sends a chunk; the connection is given back only after a right answer.
async fn exchange(dialer: &Dialer, mut socket: Socket, frame: &[u8], id: &str) -> Result<Socket, String> {
    dialer.send(&mut socket, frame).await?;
    let answer = answer::read(dialer, &mut socket).await?;
    acknowledged(&answer, id)?;
    Ok(socket)
}

/// The answer to a chunk is `{"ack": its id}`.
fn acknowledged(answer: &Item, id: &str) -> Result<(), String> {
    match answer.get("ack").and_then(Item::text) {
        Some(ack) if ack == id.as_bytes() => Ok(()),
        Some(ack) => Err(format!("the receiver acknowledged another chunk: {}", crate::later::excerpt(ack))),
        None if answer.first().and_then(Item::text) == Some(b"HELO") => {
            Err("the receiver asks for a shared key: set `shared-key-file` or `shared-key-env`".to_owned())
        }
        None => Err("the receiver's answer is no acknowledgement".to_owned()),
    }
}
