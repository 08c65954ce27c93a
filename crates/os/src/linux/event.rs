//! Named events are a Windows thing.

use std::io::{self, ErrorKind};

/// `Unsupported`.
pub fn signal(name: &str) -> io::Result<()> {
    let text = format!("cannot set the event {name}: named events are a Windows thing; use a signal");
    Err(io::Error::new(ErrorKind::Unsupported, text))
}
