//! The protocol of Beats, "lumberjack" version 2: windows of JSON events, acknowledged by the number of the last one.
//!
//! Source: <https://github.com/elastic/go-lumber> (its package `protocol/v2`) and Logstash's plugin `logstash-input-beats`.

use std::io::Write;
use std::time::Instant;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use mainstay_wire::sinks::{self, Compress};

use crate::json;
use crate::later::{Later, Tried};
use crate::line::{Batch, Line};
use crate::net::{Dialer, Socket};
use crate::sink::{Refused, Setting};

/// `2A` and a number.
const ACK_BYTES: usize = 6;

/// A busy receiver says so with acknowledgements of 0. It may do so for this many times the deadline of one.
const PATIENCE: u32 = 20;

/// A receiver of events.
pub(crate) struct Lumberjack {
    dialer: Dialer,
    beat: String,
    zlib: bool,
    host: String,
    fields: Vec<(String, String)>,
    socket: Option<Socket>,
    /// The batch that was begun, and how many of its lines the receiver has.
    begun: Option<(String, usize)>,
}

impl Lumberjack {
    pub(crate) fn open(config: &sinks::Lumberjack, setting: &Setting<'_>) -> Result<Self, String> {
        Ok(Self {
            dialer: Dialer::new(&config.address, config.tls.as_ref(), setting.timeout)?,
            beat: config.beat.clone(),
            zlib: config.compress == Compress::Zlib,
            host: setting.host.to_owned(),
            fields: setting.fields.to_vec(),
            socket: None,
            begun: None,
        })
    }

    /// What was acknowledged of a batch is not sent again.
    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Tried<Vec<Refused>> {
        let mut done = match self.begun.take() {
            Some((id, done)) if id == batch.id => done,
            Some(_) | None => 0,
        };
        let (was_kept, started) = (self.socket.is_some(), Instant::now());
        let mut sent = self.send(batch.lines.get(done..).unwrap_or_default(), &mut done).await;
        // A kept connection may have been closed by the receiver just now: that is no failure, a new one is made.
        if sent.is_err() && was_kept && started.elapsed() < self.dialer.timeout() {
            sent = self.send(batch.lines.get(done..).unwrap_or_default(), &mut done).await;
        }
        if sent.is_err() {
            self.begun = Some((batch.id.clone(), done));
        }
        sent.map(|()| Vec::new())
    }

    async fn send(&mut self, lines: &[Line], done: &mut usize) -> Tried<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let window = self.window(lines).map_err(|error| Later::new(format!("cannot encode a window: {error}")))?;
        let mut socket = self.dialer.again(self.socket.take()).await?;
        self.dialer.send(&mut socket, &window).await?;
        self.acknowledged(&mut socket, lines.len(), done).await?;
        self.socket = Some(socket);
        Ok(())
    }

    /// Reads acknowledgements until the last line's; `done` grows with each.
    async fn acknowledged(&self, socket: &mut Socket, lines: usize, done: &mut usize) -> Tried<()> {
        let started = Instant::now();
        let before = *done;
        let (mut buffer, mut last) = (Vec::new(), 0);
        loop {
            while let Some(number) = ack(&mut buffer)? {
                // 0: still busy. Nothing older than the last and nothing that was not sent.
                if number != 0 && (number < last || number > lines) {
                    return Err(Later::new(format!("the receiver acknowledged line {number} after {last} of {lines}")));
                }
                last = last.max(number);
                *done = before + last;
            }
            if last == lines {
                return if buffer.is_empty() {
                    Ok(())
                } else {
                    Err(Later::new("the receiver says more than was asked"))
                };
            }
            if started.elapsed() > self.dialer.timeout().saturating_mul(PATIENCE) {
                return Err(Later::new(format!("the receiver has been busy for {:?}", started.elapsed())));
            }
            self.dialer.receive(socket, &mut buffer).await?;
        }
    }

    /// `2W` and the number of events, then the events: `2J`, or `2C` around all of them.
    fn window(&self, lines: &[Line]) -> std::io::Result<Vec<u8>> {
        let mut events = Vec::with_capacity(lines.iter().map(|line| line.text.len() + 256).sum());
        let mut event = Vec::with_capacity(1024);
        for (number, line) in (1_u32..).zip(lines) {
            event.clear();
            self.event(&mut event, line);
            events.extend_from_slice(b"2J");
            events.extend_from_slice(&number.to_be_bytes());
            events.extend_from_slice(&length(&event)?);
            events.extend_from_slice(&event);
        }
        let mut window = Vec::with_capacity(events.len() + 16);
        window.extend_from_slice(b"2W");
        window.extend_from_slice(&u32::try_from(lines.len()).unwrap_or(u32::MAX).to_be_bytes());
        if self.zlib {
            let mut encoder = ZlibEncoder::new(Vec::with_capacity(events.len() / 4), Compression::fast());
            encoder.write_all(&events)?;
            let packed = encoder.finish()?;
            window.extend_from_slice(b"2C");
            window.extend_from_slice(&length(&packed)?);
            window.extend_from_slice(&packed);
        } else {
            window.append(&mut events);
        }
        Ok(window)
    }

    /// One event as Beats send it: `@metadata` says where it comes from.
    fn event(&self, out: &mut Vec<u8>, line: &Line) {
        out.extend_from_slice(b"{\"@metadata\":{");
        json::member(out, "beat", self.beat.as_bytes());
        json::member(out, "type", b"_doc");
        json::member(out, "version", env!("CARGO_PKG_VERSION").as_bytes());
        out.push(b'}');
        json::member(out, "@timestamp", milliseconds(line).as_bytes());
        json::member(out, "message", &line.text);
        object(out, "service", "name", line.service.as_bytes());
        object(out, "host", "name", self.host.as_bytes());
        json::member(out, "stream", line.stream.word().as_bytes());
        if let Some(level) = line.level {
            object(out, "log", "level", level.word().as_bytes());
        }
        if let Some(run) = line.run {
            json::name_of(out, "run");
            out.extend_from_slice(run.to_string().as_bytes());
        }
        if !self.fields.is_empty() {
            json::name_of(out, "fields");
            out.push(b'{');
            for (name, text) in &self.fields {
                json::member(out, name, text.as_bytes());
            }
            out.push(b'}');
        }
        out.push(b'}');
    }
}

fn object(out: &mut Vec<u8>, name: &str, inner: &str, text: &[u8]) {
    json::name_of(out, name);
    out.push(b'{');
    json::member(out, inner, text);
    out.push(b'}');
}

/// Beats write times to the millisecond.
fn milliseconds(line: &Line) -> String {
    format!("{:.3}", line.time)
}

fn length(bytes: &[u8]) -> std::io::Result<[u8; 4]> {
    let length = u32::try_from(bytes.len()).map_err(|_| std::io::Error::other("it is longer than 4 GiB"))?;
    Ok(length.to_be_bytes())
}

/// Takes one acknowledgement from the front of the buffer, if a whole one is there.
fn ack(buffer: &mut Vec<u8>) -> Result<Option<usize>, String> {
    if !b"2A".starts_with(buffer.get(..2).unwrap_or(buffer)) {
        return Err("the receiver's answer is no acknowledgement of version 2".to_owned());
    }
    let Some([_, _, number @ ..]) = buffer.first_chunk::<ACK_BYTES>() else { return Ok(None) };
    let number = u32::from_be_bytes(*number);
    buffer.drain(..ACK_BYTES);
    Ok(Some(usize::try_from(number).unwrap_or(usize::MAX)))
}
