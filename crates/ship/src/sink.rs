//! One sink of any kind, and what comes of a batch.

use std::time::Duration;

use mainstay_wire::sinks::{self, Auth, Kind, Secret};
use ring::digest::Digest;

use crate::elasticsearch::Elasticsearch;
use crate::file::{File, Stdout};
use crate::fluentd::Fluentd;
use crate::identity;
use crate::later::{Later, Tried};
use crate::line::Batch;
use crate::loki::Loki;
use crate::lumberjack::Lumberjack;
use crate::s3::S3;
use crate::syslog::Syslog;

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it and the batch must not be sent again; but it will never take these lines of it.
    Delivered {
        /// In the order of the batch; usually none.
        refused: Vec<Refused>,
    },
    /// The same batch must be sent again: none, some or all of its lines are there now.
    Later {
        /// What went wrong, in one line; no secret is in it.
        why: String,
        /// The pause that the receiver asks for.
        after: Option<Duration>,
    },
}

/// A line that the receiver will never take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// What the receiver said.
    pub reason: String,
}

/// Where lines go, with its connection.
pub struct Sink {
    kind: Any,
    place: String,
    config: sinks::Sink,
    host: String,
    /// What it proves itself with, as it was read.
    identity: Digest,
    /// The last attempt failed: a secret or certificate may have been renewed.
    in_doubt: bool,
    /// What must never be told, also not in the receiver's words.
    secrets: Vec<String>,
}

enum Any {
    Fluentd(Fluentd),
    Elasticsearch(Elasticsearch),
    Loki(Loki),
    S3(S3),
    Lumberjack(Lumberjack),
    Syslog(Syslog),
    File(File),
    Stdout(Stdout),
}

/// What every kind needs to know.
pub(crate) struct Setting<'s> {
    pub(crate) host: &'s str,
    pub(crate) timeout: Duration,
    pub(crate) fields: &'s [(String, String)],
    secrets: Vec<String>,
}

impl Setting<'_> {
    /// Reads a secret and remembers that it must not be told.
    pub(crate) fn secret(&mut self, secret: &Secret) -> Result<String, String> {
        let text = secret.read()?;
        self.secrets.push(text.clone());
        Ok(text)
    }

    /// The `Authorization` header.
    pub(crate) fn authorization(&mut self, auth: &Auth) -> Result<Option<String>, String> {
        use base64::Engine;
        Ok(match auth {
            Auth::None => None,
            Auth::Basic(name, password) => {
                let pair = format!("{name}:{}", self.secret(password)?);
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                self.secrets.push(encoded.clone());
                Some(format!("Basic {encoded}"))
            }
            Auth::Bearer(token) => Some(format!("Bearer {}", self.secret(token)?)),
            Auth::ApiKey(key) => Some(format!("ApiKey {}", self.secret(key)?)),
        })
    }
}

impl Sink {
    /// Makes a sink; `host` is this machine's name in what is sent. Files with certificates and secrets are read here, and again when they
    /// have changed after an attempt failed; nothing is connected yet.
    ///
    /// # Errors
    /// Says what can't be read or made.
    pub fn open(config: &sinks::Sink, host: &str) -> Result<Self, String> {
        // Before the files are read: a change between the two is found later.
        let identity = identity::fingerprint(&config.kind);
        let mut setting =
            Setting { host, timeout: config.delivery.timeout, fields: &config.fields, secrets: Vec::new() };
        let (kind, place) = match &config.kind {
            Kind::Fluentd(config) => (Any::Fluentd(Fluentd::open(config, &mut setting)?), config.address.to_string()),
            Kind::Elasticsearch(config) => {
                (Any::Elasticsearch(Elasticsearch::open(config, &mut setting)?), config.url.to_string())
            }
            Kind::Loki(config) => (Any::Loki(Loki::open(config, &mut setting)?), config.url.to_string()),
            Kind::S3(config) => (Any::S3(S3::open(config, &mut setting)?), format!("{} {}", config.url, config.bucket)),
            Kind::Lumberjack(config) => {
                (Any::Lumberjack(Lumberjack::open(config, &setting)?), config.address.to_string())
            }
            Kind::Syslog(config) => (Any::Syslog(Syslog::open(config, &setting)?), config.address.to_string()),
            Kind::File(config) => (Any::File(File::open(config, &setting)), config.path.display().to_string()),
            Kind::Stdout(format) => (Any::Stdout(Stdout::open(*format, &setting)), String::new()),
        };
        let place = format!("{} {place}", config.kind.word()).trim_end().to_owned();
        let (config, host) = (config.clone(), host.to_owned());
        Ok(Self { kind, place, config, host, identity, in_doubt: false, secrets: setting.secrets })
    }

    /// What it is and where, for people: `loki https://loki.example.com`.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Sends a batch and waits until the receiver has it. What is dropped in the middle may be there or not, as after
    /// [`Outcome::Later`].
    pub async fn deliver(&mut self, batch: &Batch) -> Outcome {
        if batch.lines.is_empty() {
            return Outcome::Delivered { refused: Vec::new() };
        }
        if let Err(why) = self.renew() {
            return Outcome::Later { why, after: None };
        }
        let tried = self.send(batch).await;
        self.in_doubt = tried.is_err();
        match tried {
            Ok(mut refused) => {
                refused.sort_by_key(|refused| refused.index);
                for one in &mut refused {
                    one.reason = self.without_secrets(&one.reason);
                }
                Outcome::Delivered { refused }
            }
            Err(Later { why, after }) => Outcome::Later { why: self.without_secrets(&why), after },
        }
    }

    /// Reads changed secrets and certificates again.
    fn renew(&mut self) -> Result<(), String> {
        let has_changed = self.in_doubt && identity::fingerprint(&self.config.kind).as_ref() != self.identity.as_ref();
        if has_changed {
            *self = Self::open(&self.config, &self.host)?;
        }
        Ok(())
    }

    async fn send(&mut self, batch: &Batch) -> Tried<Vec<Refused>> {
        match &mut self.kind {
            Any::Fluentd(sink) => sink.deliver(batch).await,
            Any::Elasticsearch(sink) => sink.deliver(batch).await,
            Any::Loki(sink) => sink.deliver(batch).await,
            Any::S3(sink) => sink.deliver(batch).await,
            Any::Lumberjack(sink) => sink.deliver(batch).await,
            Any::Syslog(sink) => sink.deliver(batch).await,
            Any::File(sink) => sink.deliver(batch).await,
            Any::Stdout(sink) => sink.deliver(batch).await,
        }
    }

    /// A receiver may repeat what it was sent.
    fn without_secrets(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sink").field(&self.place).finish()
    }
}
