//! Where log lines are sent: the tables `[sinks.NAME]` of the agent's file `agent.toml`.

mod form;
pub mod keys;
mod keys_http;
mod keys_tcp;
mod kinds;
mod read;
mod schema;
mod secret;
pub mod status;
mod template;

use std::path::PathBuf;
use std::time::Duration;

pub use form::{Address, Url};
pub use read::read;
pub use schema::schema;
pub use secret::Secret;
pub use template::{Part, Template};

use crate::level::Level;
pub use crate::stream::Stream;

/// One receiver: which lines it gets, in which portions, how, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    /// Its name in the file: `main` of `[sinks.main]`.
    pub name: String,
    /// Which lines it gets.
    pub route: Route,
    /// How many of them at once.
    pub batch: Batching,
    /// How often and how long.
    pub delivery: Delivery,
    /// What is added to every line.
    pub fields: Vec<(String, String)>,
    /// What kind of receiver it is, and where.
    pub kind: Kind,
}

/// Which lines a sink gets: those that fit everything here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Name patterns with `*` and `?` ([`crate::pattern`]); one must fit the service's name, with or without its instance number.
    pub services: Vec<String>,
    /// From one of these.
    pub streams: Vec<Stream>,
    /// At least this grave; a line whose level nobody knows counts as `info`.
    pub min_level: Option<Level>,
    /// Regular expressions of which one must be found in the line; none: every line.
    pub matches: Vec<String>,
    /// Regular expressions of which none may be found in the line.
    pub except: Vec<String>,
}

/// When a batch is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// With this much text.
    pub bytes: u64,
    /// With this many lines.
    pub lines: u32,
    /// When its first line has waited so long.
    pub age: Duration,
}

/// How a batch is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The longest that one attempt, or one answer, may take.
    pub timeout: Duration,
    /// The longest pause between two attempts.
    pub retry_max: Duration,
    /// How much may wait before the oldest is given up; `None`: whatever the log files hold.
    pub spool_bytes: Option<u64>,
    /// Keep what the receiver refuses.
    pub dead_letter: bool,
}

/// The kinds of receivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The Fluentd forward protocol, version 1: Fluentd and Fluent Bit.
    Fluentd(Fluentd),
    /// Elasticsearch's `_bulk`: also OpenSearch and others that speak it.
    Elasticsearch(Elasticsearch),
    /// Grafana Loki's push.
    Loki(Loki),
    /// Objects in a bucket of Amazon S3 or of a server like it.
    S3(S3),
    /// The protocol of Beats, version 2: Logstash.
    Lumberjack(Lumberjack),
    /// RFC 5424 over TCP.
    Syslog(Syslog),
    /// A file on this machine.
    File(File),
    /// The agent's own output.
    Stdout(Format),
}

impl Kind {
    /// Its `type` in the file.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Fluentd(_) => "fluentd",
            Self::Elasticsearch(_) => "elasticsearch",
            Self::Loki(_) => "loki",
            Self::S3(_) => "s3",
            Self::Lumberjack(_) => "lumberjack",
            Self::Syslog(_) => "syslog",
            Self::File(_) => "file",
            Self::Stdout(_) => "stdout",
        }
    }
}

/// How a receiver proves who it is, and we who we are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PEM file of the certificate authorities to trust; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our own certificate, with those above it, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the receiver's certificate must have; `None`: that of its address.
    pub server_name: Option<String>,
    /// Take any certificate.
    pub insecure: bool,
}

/// How what is sent is made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Zlib,
    /// RFC 8878.
    Zstd,
}

/// A receiver of the forward protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fluentd {
    /// Where it listens.
    pub address: Address,
    /// Set: over TLS.
    pub tls: Option<Tls>,
    /// The tag of the lines.
    pub tag: Template,
    /// Set: both sides prove that they know it.
    pub shared_key: Option<Secret>,
    /// Name and password, where the receiver asks for them.
    pub login: Option<(String, Secret)>,
    /// None or gzip.
    pub compress: Compress,
}

/// How an HTTP request says who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// RFC 7617.
    Basic(String, Secret),
    /// RFC 6750.
    Bearer(Secret),
    /// Elasticsearch's own.
    ApiKey(Secret),
}

/// Where Elasticsearch puts lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A data stream.
    DataStream(Template),
    /// An index, usually one for each day.
    Index(Template),
}

/// A receiver of `_bulk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elasticsearch {
    /// Where it is: `/_bulk` is put behind the path.
    pub url: Url,
    /// For `https`.
    pub tls: Tls,
    /// Where the lines go.
    pub target: Target,
    /// An ingest pipeline of the receiver.
    pub pipeline: Option<String>,
    /// Who we are.
    pub auth: Auth,
    /// None or gzip.
    pub compress: Compress,
}

/// A receiver of Loki's push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loki {
    /// Where it is: `/loki/api/v1/push` is put behind the path.
    pub url: Url,
    /// For `https`.
    pub tls: Tls,
    /// The tenant, where the receiver has several.
    pub tenant: Option<String>,
    /// The level is a label too.
    pub level_label: bool,
    /// Who we are.
    pub auth: Auth,
    /// None or gzip.
    pub compress: Compress,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3 {
    /// The server.
    pub url: Url,
    /// For `https`.
    pub tls: Tls,
    /// The bucket, which must be there.
    pub bucket: String,
    /// Signatures name it.
    pub region: String,
    /// The bucket stands in the path, not in the host name.
    pub path_style: bool,
    /// The names of objects, without their ending.
    pub key: Template,
    /// `x-amz-storage-class`; `None`: the bucket's own.
    pub storage_class: Option<&'static str>,
    /// Who we are; `None`: nothing is signed.
    pub credentials: Option<Credentials>,
    /// None, gzip or zstd.
    pub compress: Compress,
}

/// What signs requests to S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name of the key.
    pub access_key_id: Secret,
    /// The key.
    pub secret_access_key: Secret,
    /// For keys that end soon.
    pub session_token: Option<Secret>,
}

/// A receiver of the protocol of Beats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lumberjack {
    /// Where it listens.
    pub address: Address,
    /// Set: over TLS.
    pub tls: Option<Tls>,
    /// The name of the Beat in `@metadata`, which Logstash puts into the index's name.
    pub beat: String,
    /// None or zlib.
    pub compress: Compress,
}

/// A syslog receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// Where it listens.
    pub address: Address,
    /// Set: over TLS.
    pub tls: Option<Tls>,
    /// The code of the facility (RFC 5424, table 1).
    pub facility: u8,
    /// APP-NAME.
    pub app_name: Template,
    /// The SD-ID that `fields` stand under.
    pub sd_id: String,
    /// The longest message that is sent.
    pub message_bytes_max: u64,
}

/// A file of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Lines are put at its end.
    pub path: PathBuf,
    /// What a line looks like.
    pub format: Format,
}

/// What a line looks like in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Ndjson,
    /// Its bytes as they came.
    Plain,
}

#[cfg(test)]
mod tests;
