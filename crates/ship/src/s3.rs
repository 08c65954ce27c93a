//! Objects in a bucket: one for each batch, or for each service of it where the key names the service.
//!
//! The key of an object depends on its lines alone, so a batch that is sent again replaces what was there of it.

mod sign;

use std::io::Write;

use flate2::write::GzEncoder;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName};
use mainstay_wire::sinks::{self, Compress, Part, Template};

use crate::http::{Asked, Client, REASON_BYTES_MAX};
use crate::json;
use crate::later::{Later, Tried};
use crate::line::{Batch, Line};
use crate::name::Places;
use crate::pieces::Piece;
use crate::sink::{Refused, Setting};
use sign::Signer;

/// zstd's own choice.
const ZSTD_LEVEL: i32 = 3;

const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");

/// A bucket.
pub(crate) struct S3 {
    client: Client,
    host: String,
    /// What stands before every key in the path.
    prefix: String,
    /// The `Host` header, which is signed.
    server: String,
    key: Template,
    storage_class: Option<&'static str>,
    compress: Compress,
    signer: Option<Signer>,
    fields: Vec<(String, String)>,
}

impl S3 {
    pub(crate) fn open(config: &sinks::S3, setting: &mut Setting<'_>) -> Result<Self, String> {
        let mut url = config.url.clone();
        let mut prefix = url.prefix.clone();
        if config.path_style {
            prefix = format!("{prefix}/{}", config.bucket);
        } else {
            url.address.host = format!("{}.{}", config.bucket, url.address.host);
        }
        let signer = match &config.credentials {
            None => None,
            Some(credentials) => {
                let token = credentials.session_token.as_ref().map(|token| setting.secret(token)).transpose()?;
                // The id of a key is no secret, but it need not be told either.
                let id = credentials.access_key_id.read()?;
                Some(Signer::new(&config.region, id, setting.secret(&credentials.secret_access_key)?, token))
            }
        };
        Ok(Self {
            client: Client::new(&url, &config.tls, setting.timeout)?,
            host: setting.host.to_owned(),
            prefix,
            server: url.host_header(),
            key: config.key.clone(),
            storage_class: config.storage_class,
            compress: config.compress,
            signer,
            fields: setting.fields.to_vec(),
        })
    }

    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Tried<Vec<Refused>> {
        if !self.key.has(&Part::Service) {
            return self.object(batch, "", &batch.lines.iter().collect::<Vec<_>>()).await.map(|()| Vec::new());
        }
        let mut services: Vec<&str> = batch.lines.iter().map(|line| &*line.service).collect();
        services.sort_unstable();
        services.dedup();
        for service in services {
            let lines: Vec<&Line> = batch.lines.iter().filter(|line| &*line.service == service).collect();
            self.object(batch, service, &lines).await?;
        }
        Ok(Vec::new())
    }

    async fn object(&mut self, batch: &Batch, service: &str, lines: &[&Line]) -> Tried<()> {
        let key = self.name(batch, service, lines);
        let body = self.body(lines).map_err(|error| Later::new(format!("cannot compress an object: {error}")))?;
        let target = sign::encoded_path(&format!("{}/{key}", self.prefix));
        let mut headers = vec![(CONTENT_TYPE, self.content_type().to_owned())];
        headers.extend(self.storage_class.map(|class| (STORAGE_CLASS, class.to_owned())));
        if let Some(signer) = &self.signer {
            let now = jiff::Timestamp::now();
            headers = signer.sign("PUT", &self.server, &target, headers, &body, now);
        }
        let asked = Asked { method: Method::PUT, target, headers, body: body.into() };
        let answer = self.client.ask(asked, REASON_BYTES_MAX).await?;
        match answer.judge()? {
            Ok(()) => Ok(()),
            // An object is neither wrong in part nor made of parts: something about the bucket or the clock must be mended.
            Err(Piece::TooLarge(why) | Piece::Wrong(why)) => Err(Later::new(format!("cannot put {key}: {why}"))),
            Err(Piece::Taken(_)) => Ok(()),
        }
    }

    /// The same for the same lines.
    fn name(&self, batch: &Batch, service: &str, lines: &[&Line]) -> String {
        let times = || lines.iter().map(|line| line.time);
        let id = json::hex(&batch.digest(&self.host, &[service]));
        let places = Places {
            service,
            host: &self.host,
            from: times().min().unwrap_or_default(),
            to: times().max().unwrap_or_default(),
            id: &id,
        };
        let ending = match self.compress {
            Compress::Gzip => ".ndjson.gz",
            Compress::Zstd => ".ndjson.zst",
            Compress::None | Compress::Zlib => ".ndjson",
        };
        format!("{}{ending}", places.fill(&self.key).trim_start_matches('/'))
    }

    fn body(&self, lines: &[&Line]) -> std::io::Result<Vec<u8>> {
        match self.compress {
            Compress::None | Compress::Zlib => {
                let mut plain = Vec::with_capacity(lines.iter().map(|line| line.text.len() + 192).sum());
                self.write(lines, &mut plain)?;
                Ok(plain)
            }
            Compress::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                self.write(lines, &mut encoder)?;
                encoder.finish()
            }
            Compress::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                // Archives are kept for years: whoever reads one sees that it is whole.
                encoder.include_checksum(true)?;
                self.write(lines, &mut encoder)?;
                encoder.finish()
            }
        }
    }

    /// One line at a time, so that an object is never in memory as it was before it was compressed.
    fn write(&self, lines: &[&Line], out: &mut impl Write) -> std::io::Result<()> {
        let mut record = Vec::with_capacity(1024);
        for line in lines {
            record.clear();
            json::record(&mut record, line, &self.host, &self.fields);
            out.write_all(&record)?;
        }
        Ok(())
    }

    fn content_type(&self) -> &'static str {
        match self.compress {
            Compress::None | Compress::Zlib => "application/x-ndjson",
            Compress::Gzip => "application/gzip",
            Compress::Zstd => "application/zstd",
        }
    }
}
