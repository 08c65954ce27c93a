//! Elasticsearch's `_bulk`: one `create` for each line, with an id that is the same when the line is sent again.
//!
//! Source: <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>; fields are those of ECS.

use std::ops::Range;

use hyper::Method;
use hyper::header;
use mainstay_wire::sinks::{self, Compress, Target, Template, Url};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http::{Answer, Asked, Client, body};
use crate::json;
use crate::later::{Later, Tried, excerpt};
use crate::line::{Batch, Line};
use crate::name::Places;
use crate::pieces::{Piece, Pieces};
use crate::sink::{Refused, Setting};

/// The longest answer: a head, and for each line an item with its error; in all at most so much, because it is held in memory.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const ITEM_BYTES_MAX: usize = 2 * 1024;
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// The only parts of an answer that are looked at; servers that don't know the parameter send all.
const FILTER: &str = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,error";

/// The longest error that is taken apart.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// A receiver of `_bulk`.
pub(crate) struct Elasticsearch {
    client: Client,
    target: String,
    index: Template,
    authorization: Option<String>,
    gzip: bool,
    host: String,
    fields: Vec<(String, String)>,
}

impl Elasticsearch {
    pub(crate) fn open(config: &sinks::Elasticsearch, setting: &mut Setting<'_>) -> Result<Self, String> {
        let (Target::DataStream(index) | Target::Index(index)) = &config.target;
        Ok(Self {
            client: Client::new(&config.url, &config.tls, setting.timeout)?,
            target: target(&config.url, config.pipeline.as_deref()),
            index: index.clone(),
            authorization: setting.authorization(&config.auth)?,
            gzip: config.compress == Compress::Gzip,
            host: setting.host.to_owned(),
            fields: setting.fields.to_vec(),
        })
    }

    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Tried<Vec<Refused>> {
        let id = json::hex(&batch.digest(&self.host, &[]));
        let mut pieces = Pieces::of(batch.lines.len());
        let mut refused = Vec::new();
        while let Some(piece) = pieces.next() {
            let came = self.send(batch, &id, piece.clone()).await?;
            let gone = pieces.settle(piece, came);
            refused.extend(gone.into_iter().map(|(index, reason)| Refused { index, reason }));
        }
        Ok(refused)
    }

    async fn send(&mut self, batch: &Batch, id: &str, piece: Range<usize>) -> Tried<Piece> {
        let lines = batch.lines.get(piece.clone()).unwrap_or_default();
        let mut text = Vec::with_capacity(lines.iter().map(|line| line.text.len() + 384).sum());
        for (index, line) in piece.clone().zip(lines) {
            self.item(&mut text, line, id, index);
        }
        let (body, mut headers) = body(text, "application/x-ndjson", self.gzip)?;
        headers.extend(self.authorization.iter().map(|value| (header::AUTHORIZATION, value.clone())));
        let asked = Asked { method: Method::POST, target: self.target.clone(), headers, body };
        let answer_max = (HEAD_BYTES_MAX + lines.len() * ITEM_BYTES_MAX).min(ANSWER_BYTES_MAX);
        let answer = self.client.ask(asked, answer_max).await?;
        match answer.judge()? {
            Ok(()) => items(&answer, piece).map(Piece::Taken),
            Err(piece) => Ok(piece),
        }
    }

    /// The action and the document, a line each.
    fn item(&self, out: &mut Vec<u8>, line: &Line, id: &str, index: usize) {
        let name = Places::of_service(&line.service, &self.host, line.time).fill(&self.index);
        out.extend_from_slice(b"{\"create\":{");
        json::member(out, "_index", lower(&name).as_bytes());
        json::member(out, "_id", format!("{id}-{index}").as_bytes());
        out.extend_from_slice(b"}}\n{");
        json::member(out, "@timestamp", line.time.to_string().as_bytes());
        json::member(out, "message", &line.text);
        group(out, "service", &[("name", &line.service)]);
        group(out, "host", &[("name", &self.host)]);
        match line.level {
            Some(level) => group(out, "log", &[("level", level.word()), ("iostream", line.stream.word())]),
            None => group(out, "log", &[("iostream", line.stream.word())]),
        }
        let run = line.run.map(|run| run.to_string());
        let run = run.iter().map(|run| ("run", run.as_str()));
        let labels: Vec<(&str, &str)> = self.fields.iter().map(|(name, text)| (&**name, &**text)).chain(run).collect();
        if !labels.is_empty() {
            group(out, "labels", &labels);
        }
        out.extend_from_slice(b"}\n");
    }
}

fn group(out: &mut Vec<u8>, name: &str, members: &[(&str, &str)]) {
    json::name_of(out, name);
    out.push(b'{');
    for (name, text) in members {
        json::member(out, name, text.as_bytes());
    }
    out.push(b'}');
}

/// An index's name has no upper case; of what services' names have, nothing else is wrong in it.
fn lower(name: &str) -> String {
    name.to_lowercase()
}

fn target(url: &Url, pipeline: Option<&str>) -> String {
    let mut target = url.target("/_bulk");
    target.push(if target.contains('?') { '&' } else { '?' });
    target.push_str(FILTER);
    if let Some(pipeline) = pipeline {
        target.push_str("&pipeline=");
        for byte in pipeline.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => target.push(char::from(byte)),
                _ => target.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    target
}

/// An answer: what else is in it is skipped as it is read, so that none can fill the memory.
#[derive(Deserialize)]
struct Bulk<'a> {
    #[serde(default, borrow)]
    items: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    create: Fate<'a>,
}

#[derive(Deserialize)]
struct Fate<'a> {
    status: u16,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
}

/// The fate of every line: there must be one item for each, in their order.
fn items(answer: &Answer, piece: Range<usize>) -> Tried<Vec<(usize, String)>> {
    let read: Bulk<'_> = serde_json::from_slice(&answer.body)
        .map_err(|error| Later::new(format!("the answer is none of _bulk ({error}): {}", excerpt(&answer.body))))?;
    if read.items.len() != piece.len() {
        return Err(Later::new(format!(
            "the answer tells of {} lines, but {} were sent",
            read.items.len(),
            piece.len()
        )));
    }
    let mut refused = Vec::new();
    for (index, Item { create }) in piece.zip(read.items) {
        match create.status {
            // 409: a line of this id is there; it is ours, from an attempt before.
            200..=299 | 409 => {}
            // Somebody must mend it or wait, and then the line is taken.
            0..=199 | 300..=399 | 401 | 403 | 404 | 408 | 429 | 500.. => {
                return Err(Later::new(format!("the receiver could not take a line: {}", reason(&create))));
            }
            400..=499 => refused.push((index, reason(&create))),
        }
    }
    Ok(refused)
}

/// `400 document_parsing_exception: …`; older servers give the error as one text.
fn reason(fate: &Fate<'_>) -> String {
    #[derive(Deserialize)]
    struct Error {
        #[serde(rename = "type", default)]
        kind: String,
        #[serde(default)]
        reason: String,
    }
    let raw = fate.error.map_or("", RawValue::get);
    let raw = if raw.len() > ERROR_BYTES_MAX { "" } else { raw };
    let told = serde_json::from_str::<Error>(raw).map(|error| format!("{}: {}", error.kind, error.reason));
    let told = told.or_else(|_| serde_json::from_str::<String>(raw)).unwrap_or_else(|_| raw.to_owned());
    format!("{} {}", fate.status, excerpt(told.as_bytes()))
}
