//! Elasticsearch's `_bulk`: one `create` for each line, with an id that is the same when the line is sent again.
//!
//! Source: <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>; fields are those of ECS.

use std::ops::Range;

use hyper::Method;
use hyper::header;
use mainstay_wire::sinks::{self, Compress, Target, Template, Url};
use serde_json::Value;

use crate::http::{Answer, Asked, Client, body};
use crate::json;
use crate::later::{Later, Tried, excerpt};
use crate::line::{Batch, Line};
use crate::name::Places;
use crate::pieces::{Piece, Pieces};
use crate::sink::{Refused, Setting};

/// The longest answer: a head, and for each line an item with its error.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const ITEM_BYTES_MAX: usize = 2 * 1024;

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
        let answer = self.client.ask(asked, ANSWER_BYTES_MAX + lines.len() * ITEM_BYTES_MAX).await?;
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
    if let Some(pipeline) = pipeline {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str("pipeline=");
        for byte in pipeline.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => target.push(char::from(byte)),
                _ => target.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    target
}

/// The fate of every line: there must be one item for each, in their order.
fn items(answer: &Answer, piece: Range<usize>) -> Tried<Vec<(usize, String)>> {
    let read: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| Later::new(format!("the answer is no JSON ({error}): {}", excerpt(&answer.body))))?;
    let items = read.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.len() != piece.len() {
        return Err(Later::new(format!("the answer tells of {} lines, but {} were sent", items.len(), piece.len())));
    }
    let mut refused = Vec::new();
    for (index, item) in piece.zip(items) {
        let item = item.get("create").unwrap_or(&Value::Null);
        let status = item.get("status").and_then(Value::as_u64).unwrap_or(0);
        match status {
            // 409: a line of this id is there; it is ours, from an attempt before.
            200..=299 | 409 => {}
            // Somebody must mend it or wait, and then the line is taken.
            0..=199 | 300..=399 | 401 | 403 | 404 | 408 | 429 | 500.. => {
                return Err(Later::new(format!("the receiver could not take a line: {}", reason(status, item))));
            }
            400..=499 => refused.push((index, reason(status, item))),
        }
    }
    Ok(refused)
}

fn reason(status: u64, item: &Value) -> String {
    let error = item.get("error").map(|error| match error {
        Value::String(text) => text.clone(),
        other => {
            let part = |name: &str| other.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{}: {}", part("type"), part("reason"))
        }
    });
    format!("{status} {}", excerpt(error.unwrap_or_default().as_bytes()))
}
