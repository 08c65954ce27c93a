//! The spec file: `services/NAME.toml` ↔ [`Spec`].

mod edit;
mod fields;
mod problem;
mod section;
mod show;

pub use edit::{EditError, get, set, template, unset};
pub use problem::{Problem, Problems};
pub use section::nearest;
pub use show::{ask_text, show};

pub use mainstay_core::spec::{Spec, StartMode};

use section::Reader;

/// The system a spec is for: what it can't do is refused when the spec is read, never ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Stops by console events and window messages.
    Windows,
    /// Stops by signals.
    Linux,
}

impl Platform {
    /// The platform that `mainstay_os::NAME` names.
    #[must_use]
    pub fn named(name: &str) -> Self {
        if name == "windows" { Self::Windows } else { Self::Linux }
    }
}

/// The longest spec file that is read.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// The longest service name.
pub const NAME_CHARS_MAX: usize = 64;

/// Reads and validates a spec.
///
/// # Errors
/// Every problem of the text at once, in the order of the lines.
pub fn read(name: &str, text: &str, platform: Platform) -> Result<Spec, Problems> {
    let reader = Reader::new(text, platform);
    if let Err(reason) = check_name(name) {
        reader.problem(0..0, reason, None);
    }
    let spec = if text.len() > FILE_BYTES_MAX {
        reader.problem(0..0, format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len()), None);
        None
    } else {
        fields::spec(&reader, name)
    };
    match (spec, reader.into_problems()) {
        (Some(spec), problems) if problems.is_empty() => Ok(spec),
        (_, problems) => Err(problems),
    }
}

/// Whether a service may have this name: it becomes a file, a socket, an OS service.
///
/// # Errors
/// Says what a name may be.
pub fn check_name(name: &str) -> Result<(), String> {
    let first_ok = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest_ok = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let reserved = ["con", "prn", "aux", "nul"].contains(&name.to_ascii_lowercase().as_str());
    if first_ok && rest_ok && !reserved && !name.ends_with('.') && name.len() <= NAME_CHARS_MAX {
        return Ok(());
    }
    Err(format!(
        "`{name}` cannot be a service's name: use letters, digits, `-`, `_` and `.`, at most {NAME_CHARS_MAX} of them, beginning with a letter or digit"
    ))
}

#[cfg(test)]
mod tests;
