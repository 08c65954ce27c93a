//! journald, where it reads our stderr: systemd.exec(5) on `JOURNAL_STREAM`, sd-daemon(3) on the `<N>` in front.

use std::io::{self, Write};
use std::path::Path;

use crate::oslog::Level;

/// Repeats a record in the journal; silent where stderr does not lead there (then a person or a file reads it).
pub fn write(level: Level, service: &str, text: &str) {
    if !leads_to_journal() {
        return;
    }
    let number = match level {
        Level::Error => 3,
        Level::Warning => 4,
        Level::Info => 6,
    };
    let mut message = String::new();
    for line in text.lines() {
        message.push_str(&format!("<{number}>{service}: {line}\n"));
    }
    // One write, so that lines of others don't get in between. A journal that is down must not stop a guard.
    let _ = io::stderr().write_all(message.as_bytes());
}

/// `JOURNAL_STREAM` is "device:inode" of the stream systemd made; ours must be that one still.
fn leads_to_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|found| format!("{}:{}", found.st_dev, found.st_ino) == stream)
}

/// Windows only: journald needs no registration.
pub fn register_source(_binary: &Path) -> io::Result<()> {
    Ok(())
}

/// Windows only.
pub fn unregister_source() -> io::Result<()> {
    Ok(())
}
