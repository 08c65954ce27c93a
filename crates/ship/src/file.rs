//! A file on this machine, or the agent's own output. Writing blocks, so it has a thread of the pool; one write at a time.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay_wire::sinks::{self, Format};
use tokio::task::JoinHandle;

use crate::json;
use crate::later::{Later, Tried};
use crate::line::Batch;
use crate::sink::{Refused, Setting};

/// A file that lines are put at the end of.
pub(crate) struct File {
    path: PathBuf,
    writer: Writer,
}

/// Standard output.
pub(crate) struct Stdout {
    writer: Writer,
}

impl File {
    pub(crate) fn open(config: &sinks::File, setting: &Setting<'_>) -> Self {
        Self { path: config.path.clone(), writer: Writer::new(config.format, setting) }
    }

    /// The bytes are on the disk when this has returned.
    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Tried<Vec<Refused>> {
        let path = self.path.clone();
        let named = format!("cannot write to {}", path.display());
        self.writer.deliver(batch, &named, move |bytes| append(&path, &bytes)).await
    }
}

impl Stdout {
    pub(crate) fn open(format: Format, setting: &Setting<'_>) -> Self {
        Self { writer: Writer::new(format, setting) }
    }

    pub(crate) async fn deliver(&mut self, batch: &Batch) -> Tried<Vec<Refused>> {
        let print = |bytes: Vec<u8>| {
            let mut out = io::stdout().lock();
            out.write_all(&bytes)?;
            out.flush()
        };
        self.writer.deliver(batch, "cannot write to standard output", print).await
    }
}

/// Opened for each batch, so that whoever renames the file gets a new one. All or nothing: what was begun is taken back.
fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let before = file.metadata()?;
    if let Err(error) = file.write_all(bytes) {
        // Only a file can be shortened; the first error is the one to tell.
        if before.is_file() {
            drop(file.set_len(before.len()));
        }
        return Err(error);
    }
    if before.is_file() { file.sync_data() } else { Ok(()) }
}

struct Writer {
    format: Format,
    host: String,
    fields: Vec<(String, String)>,
    timeout: Duration,
    /// A write that did not end in time: nothing more is begun until it has.
    running: Option<JoinHandle<io::Result<()>>>,
}

impl Writer {
    fn new(format: Format, setting: &Setting<'_>) -> Self {
        let (host, fields) = (setting.host.to_owned(), setting.fields.to_vec());
        Self { format, host, fields, timeout: setting.timeout, running: None }
    }

    async fn deliver(
        &mut self,
        batch: &Batch,
        cannot: &str,
        write: impl FnOnce(Vec<u8>) -> io::Result<()> + Send + 'static,
    ) -> Tried<Vec<Refused>> {
        if let Some(running) = &mut self.running {
            // What came of it nobody was told: the batch is written again, whole.
            if tokio::time::timeout(self.timeout, running).await.is_err() {
                return Err(Later::new(format!("{cannot}: an earlier write has not ended")));
            }
            self.running = None;
        }
        let bytes = self.bytes(batch);
        let mut running = tokio::task::spawn_blocking(move || write(bytes));
        match tokio::time::timeout(self.timeout, &mut running).await {
            Ok(Ok(Ok(()))) => Ok(Vec::new()),
            Ok(Ok(Err(error))) => Err(Later::new(format!("{cannot}: {error}"))),
            Ok(Err(error)) => Err(Later::new(format!("{cannot}: {error}"))),
            Err(_) => {
                self.running = Some(running);
                Err(Later::new(format!("{cannot}: it did not end within {:?}", self.timeout)))
            }
        }
    }

    fn bytes(&self, batch: &Batch) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(batch.lines.iter().map(|line| line.text.len() + 192).sum());
        for line in &batch.lines {
            match self.format {
                Format::Ndjson => json::record(&mut bytes, line, &self.host, &self.fields),
                Format::Plain => {
                    bytes.extend_from_slice(&line.text);
                    bytes.push(b'\n');
                }
            }
        }
        bytes
    }
}
