//! Grafana Loki's push, as JSON.
//!
//! Source: <https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs>.

use std::collections::BTreeMap;
use std::ops::Range;

use hyper::Method;
use hyper::header::{self, HeaderName, HeaderValue};
use mainstay_wire::level::Level;
use mainstay_wire::sinks::{self, Compress, Stream};

use crate::http::{Asked, Client, REASON_BYTES_MAX, body};
use crate::json;
use crate::later::Tried;
use crate::line::{Batch, Line};
use crate::pieces::{Piece, Pieces};
use crate::sink::{Refused, Setting};

/// Names the tenant.
const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");

/// A receiver of pushes.
pub(crate) struct Loki {
    client: Client,
    target: String,
    headers: Vec<(HeaderName, String)>,
    gzip: bool,
    level_label: bool,
    host: String,
    fields: Vec<(String, String)>,
}

/// What makes a stream of Loki's: few values each.
type Key<'b> = (&'b str, Stream, Option<Level>);

impl Loki {
    pub(crate) fn open(config: &sinks::Loki, setting: &mut Setting<'_>) -> Result<Self, String> {
        let mut headers = Vec::new();
        if let Some(tenant) = &config.tenant {
            HeaderValue::from_str(tenant)
                .map_err(|_| "`tenant` has a character that a header can't have".to_owned())?;
            headers.push((TENANT, tenant.clone()));
        }
        headers.extend(setting.authorization(&config.auth)?.map(|value| (header::AUTHORIZATION, value)));
        Ok(Self {
            client: Client::new(&config.url, &config.tls, setting.timeout)?,
            target: config.url.target("/loki/api/v1/push"),
            headers,
            gzip: config.compress == Compress::Gzip,
            level_label: config.level_label,
            host: setting.host.to_owned(),
            fields: setting.fields.to_vec(),
        })
    }

    /// Loki takes what is right of a request and answers 400 for the rest without saying which: halves tell it. What it gets
    /// twice, it keeps once.
    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Tried<Vec<Refused>> {
        let mut pieces = Pieces::of(batch.lines.len());
        let mut refused = Vec::new();
        while let Some(piece) = pieces.next() {
            let came = self.send(batch, piece.clone()).await?;
            let gone = pieces.settle(piece, came);
            refused.extend(gone.into_iter().map(|(index, reason)| Refused { index, reason }));
        }
        Ok(refused)
    }

    async fn send(&mut self, batch: &Batch, piece: Range<usize>) -> Tried<Piece> {
        let text = self.push(batch.lines.get(piece).unwrap_or_default());
        let (body, mut headers) = body(text, "application/json", self.gzip)?;
        headers.extend(self.headers.iter().cloned());
        let asked = Asked { method: Method::POST, target: self.target.clone(), headers, body };
        let answer = self.client.ask(asked, REASON_BYTES_MAX).await?;
        Ok(match answer.judge()? {
            Ok(()) => Piece::Taken(Vec::new()),
            Err(piece) => piece,
        })
    }

    /// `{"streams":[{"stream":{labels},"values":[[time, text],…]},…]}`; each stream in the order of time.
    fn push(&self, lines: &[Line]) -> Vec<u8> {
        let mut streams: BTreeMap<Key<'_>, Vec<&Line>> = BTreeMap::new();
        for line in lines {
            let level = line.level.filter(|_| self.level_label);
            streams.entry((&line.service, line.stream, level)).or_default().push(line);
        }
        let mut out = Vec::with_capacity(lines.iter().map(|line| line.text.len() + 48).sum::<usize>() + 256);
        out.extend_from_slice(b"{\"streams\":[");
        for ((service, stream, level), mut lines) in streams {
            // Stable: lines of the same moment stay in their order.
            lines.sort_by_key(|line| line.time);
            separate(&mut out);
            out.extend_from_slice(b"{\"stream\":{");
            json::member(&mut out, "service", service.as_bytes());
            json::member(&mut out, "stream", stream.word().as_bytes());
            json::member(&mut out, "host", self.host.as_bytes());
            if let Some(level) = level {
                json::member(&mut out, "level", level.word().as_bytes());
            }
            for (name, text) in &self.fields {
                json::member(&mut out, name, text.as_bytes());
            }
            out.extend_from_slice(b"},\"values\":[");
            for line in lines {
                separate(&mut out);
                out.push(b'[');
                json::text(&mut out, line.time.as_nanosecond().to_string().as_bytes());
                out.push(b',');
                json::text(&mut out, &line.text);
                out.push(b']');
            }
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}");
        out
    }
}

/// A comma, unless a list has just begun.
fn separate(out: &mut Vec<u8>) {
    if out.last() != Some(&b'[') {
        out.push(b',');
    }
}
