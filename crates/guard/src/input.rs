//! A run's standard input, kept open for `mainstay send`.

use mainstay_os::pipe::{RawWriter, Writer};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Texts under way to a program that does not read.
const TEXTS_MAX: usize = 64;

/// Our end of a program's standard input. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Input {
    texts: mpsc::Sender<String>,
    task: AbortHandle,
}

impl Input {
    /// Opens the pipe on the current runtime.
    pub(crate) fn open(raw: RawWriter) -> std::io::Result<Self> {
        let mut writer = Writer::open(raw)?;
        let (texts, mut waiting) = mpsc::channel::<String>(TEXTS_MAX);
        let task = tokio::spawn(async move {
            while let Some(text) = waiting.recv().await {
                if writer.write_all(text.as_bytes()).await.is_err() {
                    return; // Nobody reads any more: the next text is told so.
                }
            }
        });
        Ok(Self { texts, task: task.abort_handle() })
    }

    /// Queues one line. `Err`: why it can't be delivered.
    pub(crate) fn send(&self, mut text: String) -> Result<(), &'static str> {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        self.texts.try_send(text).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "it does not read what was sent before",
            mpsc::error::TrySendError::Closed(_) => "it has closed its standard input",
        })
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.task.abort();
    }
}
