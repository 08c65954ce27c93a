//! How a run's main process ended.

use std::fmt;

/// The end of a main process as the OS told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned this code. Linux: 0..=255; Windows: any 32 bits, and 259 (`STILL_ACTIVE`) is a code like any other.
    Code(u32),
    /// Linux: this signal ended it.
    Signal(u8),
}

impl Exit {
    /// Code 0 is success; everything else, a signal included, is a failure unless the spec says otherwise.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            // NTSTATUS failures are known by their hexadecimal form (0xC0000005: access violation).
            Self::Code(code) if code >= 0x8000_0000 => write!(f, "exit code {code} (0x{code:08X})"),
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match crate::signal::name(signal) {
                Some(name) => write!(f, "signal {name}"),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}
