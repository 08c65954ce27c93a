//! Syslog of RFC 5424 over TCP (RFC 6587, octet counting) or TLS (RFC 5425).
//!
//! The protocol has no acknowledgement: a batch counts as delivered when the system has taken its bytes and the receiver still
//! holds the connection. What a receiver loses after that, nobody can tell.

use mainstay_wire::level::Level;
use mainstay_wire::sinks::{self, Stream, Template};

use crate::later::Tried;
use crate::line::{Batch, Line};
use crate::name::Places;
use crate::net::{Dialer, Socket};
use crate::sink::{Refused, Setting};

/// The longest names of RFC 5424, section 6.
const HOST_CHARS_MAX: usize = 255;
const APP_CHARS_MAX: usize = 48;

/// A syslog receiver.
pub(crate) struct Syslog {
    dialer: Dialer,
    facility: u8,
    app_name: Template,
    host: String,
    data: String,
    message_bytes_max: usize,
    socket: Option<Socket>,
}

impl Syslog {
    pub(crate) fn open(config: &sinks::Syslog, setting: &Setting<'_>) -> Result<Self, String> {
        Ok(Self {
            dialer: Dialer::new(&config.address, config.tls.as_ref(), setting.timeout)?,
            facility: config.facility,
            app_name: config.app_name.clone(),
            host: setting.host.to_owned(),
            data: structured_data(&config.sd_id, setting.fields),
            message_bytes_max: usize::try_from(config.message_bytes_max).unwrap_or(usize::MAX),
            socket: None,
        })
    }

    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Tried<Vec<Refused>> {
        let mut refused = Vec::new();
        let mut frames = Vec::with_capacity(batch.lines.iter().map(|line| line.text.len() + 128).sum());
        let mut message = Vec::with_capacity(1024);
        for (index, line) in batch.lines.iter().enumerate() {
            message.clear();
            self.message(&mut message, line);
            if message.len() > self.message_bytes_max {
                message.truncate(self.whole_characters(&message));
                let reason = format!("longer than {} bytes: only its beginning was sent", self.message_bytes_max);
                refused.push(Refused { index, reason });
            }
            frames.extend_from_slice(message.len().to_string().as_bytes());
            frames.push(b' ');
            frames.extend_from_slice(&message);
        }
        let mut socket = self.dialer.again(self.socket.take()).await?;
        self.dialer.send(&mut socket, &frames).await?;
        // A receiver that has closed meanwhile may not have read the last of it.
        if socket.is_over().await {
            return Err("the receiver closed the connection while lines were sent".to_owned().into());
        }
        self.socket = Some(socket);
        Ok(refused)
    }

    /// The longest beginning that fits and does not end within a character.
    fn whole_characters(&self, message: &[u8]) -> usize {
        let is_inside = |at: usize| message.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let least = self.message_bytes_max.saturating_sub(3);
        (least..=self.message_bytes_max).rev().find(|at| !is_inside(*at)).unwrap_or(self.message_bytes_max)
    }

    /// `<PRI>1 TIME HOST APP PROCID MSGID DATA TEXT`.
    fn message(&self, out: &mut Vec<u8>, line: &Line) {
        let priority = u32::from(self.facility) * 8 + severity(line);
        let app = Places::of_service(&line.service, &self.host, line.time).fill(&self.app_name);
        let run = line.run.map_or_else(|| "-".to_owned(), |run| run.to_string());
        // TIME-SECFRAC has at most six digits.
        let head = format!(
            "<{priority}>1 {:.6} {} {} {run} {} {}",
            line.time,
            name(&self.host, HOST_CHARS_MAX),
            name(&app, APP_CHARS_MAX),
            line.stream.word(),
            self.data
        );
        out.extend_from_slice(head.as_bytes());
        if !line.text.is_empty() {
            out.push(b' ');
        }
        for byte in &line.text {
            match byte {
                // Receivers written in C end a text there; this is how rsyslog writes it.
                0 => out.extend_from_slice(b"#000"),
                byte => out.push(*byte),
            }
        }
    }
}

/// RFC 5424, table 2. A line whose level nobody knows: what a program writes for its operator, or goes on as usual.
fn severity(line: &Line) -> u32 {
    match (line.level, line.stream) {
        (Some(Level::Fatal), _) => 2,
        (Some(Level::Error), _) => 3,
        (Some(Level::Warn), _) => 4,
        (Some(Level::Info), _) | (None, Stream::Stdout) => 6,
        (None, Stream::Stderr) => 5,
        (Some(Level::Debug | Level::Trace), _) => 7,
    }
}

/// PRINTUSASCII without spaces, at most so long; `-` for nothing.
fn name(text: &str, chars_max: usize) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' });
    let name: String = plain.take(chars_max).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

/// RFC 5424, section 6.3: `"`, `\` and `]` of a value are escaped.
fn structured_data(id: &str, fields: &[(String, String)]) -> String {
    if fields.is_empty() {
        return "-".to_owned();
    }
    let mut data = format!("[{id}");
    for (name, text) in fields {
        data.push_str(&format!(" {}=\"", self::name(name, 32)));
        for c in text.chars() {
            if matches!(c, '"' | '\\' | ']') {
                data.push('\\');
            }
            data.push(c);
        }
        data.push('"');
    }
    data.push(']');
    data
}
