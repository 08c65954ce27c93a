//! What is sent: lines, and portions of them.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use mainstay_wire::level::Level;
use mainstay_wire::sinks::Stream;
use ring::digest;

/// One whole line of a program's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was read from the program.
    pub time: Timestamp,
    /// The service's name: `web@2`.
    pub service: Arc<str>,
    /// Where the program wrote it.
    pub stream: Stream,
    /// How grave it is, if anybody knows.
    pub level: Option<Level>,
    /// The run that wrote it, if it is known.
    pub run: Option<u64>,
    /// The exact bytes without the line feed.
    pub text: Vec<u8>,
}

/// Lines that are sent together.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    /// Names these lines and no others that come from this machine: the same when they are sent again, so that receivers can tell
    /// a repetition. Any text; what is sent of it is a digest.
    pub id: String,
    /// At least one.
    pub lines: Vec<Line>,
}

impl Batch {
    /// 128 bits that stand for this batch from this machine in `context`, such as an object of one service.
    pub(crate) fn digest(&self, host: &str, context: &[&str]) -> [u8; 16] {
        let mut made = digest::Context::new(&digest::SHA256);
        for part in [host, &self.id].iter().chain(context) {
            // Lengths before texts: `ab` `c` is not `a` `bc`.
            made.update(&(part.len() as u64).to_be_bytes());
            made.update(part.as_bytes());
        }
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(made.finish().as_ref()) {
            *to = *from;
        }
        short
    }
}

impl fmt::Debug for Batch {
    /// Without the lines: they may be many, and nobody wants them in a log about logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("id", &self.id).field("lines", &self.lines.len()).finish()
    }
}
