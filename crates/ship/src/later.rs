//! Why a batch could not be delivered now.

use std::time::Duration;

/// The reason, and the pause that the receiver asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Later {
    pub(crate) why: String,
    pub(crate) after: Option<Duration>,
}

/// What an attempt gives.
pub(crate) type Tried<T> = Result<T, Later>;

impl Later {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), after: None }
    }
}

impl From<String> for Later {
    fn from(why: String) -> Self {
        Self { why, after: None }
    }
}

/// The longest piece of somebody else's words that is repeated.
const EXCERPT_CHARS_MAX: usize = 300;

/// The beginning of what a receiver said, fit for a log: one line without control characters.
pub(crate) fn excerpt(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said.get(..4 * EXCERPT_CHARS_MAX).unwrap_or(said));
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(EXCERPT_CHARS_MAX).collect()
}
