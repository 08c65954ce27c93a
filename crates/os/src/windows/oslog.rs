//! The Event Log.
//!
//! The messages' texts come from %SystemRoot%\System32\EventCreate.exe, which every Windows has: its message table says
//! "%1" for the identifiers 1 to 1000. (Go's own `svc/eventlog` package registers its sources in the same way.) Without
//! a registered source the entries are there too, but the viewer says that it can't find their description.

use std::io;
use std::path::Path;
use std::ptr;

use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE, RegisterEventSourceW,
    ReportEventW,
};

use super::registry::Key;
use super::win32;
use crate::oslog::Level;

const SOURCE: &str = "mainstay";
const SOURCE_KEY: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application\mainstay";
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";

/// "The maximum size of each string is 31,839 characters" (Microsoft: "ReportEventW function").
const TEXT_UNITS_MAX: usize = 31_839;

/// Writes one entry; does nothing where the log can't be reached.
pub fn write(level: Level, service: &str, text: &str) {
    let (kind, identifier) = match level {
        Level::Info => (EVENTLOG_INFORMATION_TYPE, 1),
        Level::Warning => (EVENTLOG_WARNING_TYPE, 2),
        Level::Error => (EVENTLOG_ERROR_TYPE, 3),
    };
    let text = if service.is_empty() { text.to_owned() } else { format!("{service}: {text}") };
    let mut units: Vec<u16> = text.encode_utf16().filter(|&unit| unit != 0).take(TEXT_UNITS_MAX - 1).collect();
    units.push(0);
    let Ok(source) = win32::wide(SOURCE) else { return };
    // SAFETY: both texts end with a NUL and live during the calls; the handle is closed once.
    unsafe {
        let log = RegisterEventSourceW(ptr::null(), source.as_ptr());
        if log.is_null() {
            return;
        }
        ReportEventW(log, kind, 0, identifier, ptr::null_mut(), 1, 0, &units.as_ptr(), ptr::null());
        DeregisterEventSource(log);
    }
}

/// Makes the source known to the Event Viewer. Needs an administrator. The binary has no part in it on Windows.
pub fn register_source(_binary: &Path) -> io::Result<()> {
    let key = Key::create(SOURCE_KEY)?;
    key.set_expandable("EventMessageFile", MESSAGES)?;
    key.set_number(
        "TypesSupported",
        u32::from(EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE),
    )?;
    key.set_number("CustomSource", 1)
}

/// Takes it out again; fine when it was not there.
pub fn unregister_source() -> io::Result<()> {
    Key::delete(SOURCE_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_source_names_a_message_file() {
        if !crate::account::is_privileged() {
            assert!(register_source(Path::new("unused")).is_err());
            return;
        }
        register_source(Path::new("unused")).unwrap();
        let key = Key::open(SOURCE_KEY).unwrap().unwrap();
        assert_eq!(
            key.text("", "EventMessageFile").unwrap().to_ascii_lowercase(),
            r"c:\windows\system32\eventcreate.exe"
        );
        write(Level::Error, "payment", "gave up");
        unregister_source().unwrap();
        assert!(Key::open(SOURCE_KEY).unwrap().is_none());
        unregister_source().unwrap();
    }
}
