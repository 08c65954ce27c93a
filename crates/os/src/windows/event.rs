//! Named events (Microsoft: "Event Objects").

use std::io;
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND};
use windows_sys::Win32::System::Threading::{EVENT_MODIFY_STATE, OpenEventW, SetEvent};

use super::win32;

/// Signals an event that the program has made. A name without `Global\` is looked for in our own session, which is the
/// program's too. `NotFound`: there is none.
pub fn signal(name: &str) -> io::Result<()> {
    let context = |error: io::Error| {
        if win32::is(&error, ERROR_FILE_NOT_FOUND) || win32::is(&error, ERROR_PATH_NOT_FOUND) {
            let text = format!("there is no event named {name}: the program must have made it");
            return io::Error::new(io::ErrorKind::NotFound, text);
        }
        io::Error::new(error.kind(), format!("cannot signal the event {name}: {error}"))
    };
    let units = win32::wide(name).map_err(context)?;
    // SAFETY: the name ends with a NUL; the handle is ours.
    let event = unsafe { win32::own(OpenEventW(EVENT_MODIFY_STATE, 0, units.as_ptr())) }.map_err(context)?;
    // SAFETY: the handle has the right to.
    win32::check(unsafe { SetEvent(event.as_raw_handle()) }).map_err(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::windows::io::AsHandle;
    use std::ptr;
    use std::time::Duration;
    use windows_sys::Win32::System::Threading::CreateEventW;

    #[test]
    fn an_event_is_signalled_by_its_name_and_a_missing_one_is_said() {
        let name = format!("mainstay-test-{}", std::process::id());
        let error = signal(&name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), format!("there is no event named {name}: the program must have made it"));
        let units = win32::wide(&name).unwrap();
        // SAFETY: the name ends with a NUL; the handle is ours.
        let event = unsafe { win32::own(CreateEventW(ptr::null(), 0, 0, units.as_ptr())) }.unwrap();
        assert!(!win32::wait(event.as_handle(), Duration::ZERO).unwrap());
        signal(&name).unwrap();
        assert!(win32::wait(event.as_handle(), Duration::from_secs(10)).unwrap());
        assert!(signal("a\0b").is_err());
    }
}
