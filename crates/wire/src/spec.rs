//! The spec file: `services/NAME.toml` ↔ [`Spec`].

mod edit;
mod fields;
mod fill;
pub mod keys;
mod place;
mod problem;
mod reference;
pub(crate) mod schema;
pub(crate) mod section;
mod show;

pub use edit::{EditError, get, set, template, unset};
pub use place::locate;
pub use problem::{Problem, Problems};
pub use reference::{Language, reference};
pub use schema::schema;
pub use section::nearest;
pub use show::{ask_text, show};

pub use mainstay_core::spec::{After, Awaited, HookPoint, Kind, Spec, StartMode, Until};

use crate::layout::base_name;
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

    /// Its name in messages.
    fn title(self) -> &'static str {
        match self {
            Self::Windows => "Windows",
            Self::Linux => "Linux",
        }
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

/// Whether a service may have this name: it becomes a file, a socket, an OS service. An instance has `@` and its number behind it: `web@2`.
///
/// # Errors
/// Says what a name may be.
pub fn check_name(name: &str) -> Result<(), String> {
    check_base(base_name(name).0).map_err(|_| not_a_name(name))
}

/// Whether a spec file or a group may have this name: that of a service, but not of an instance.
///
/// # Errors
/// Says what a name may be.
pub fn check_base(name: &str) -> Result<(), String> {
    let first_ok = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest_ok = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let reserved = ["con", "prn", "aux", "nul"].contains(&name.to_ascii_lowercase().as_str());
    if first_ok && rest_ok && !reserved && !name.ends_with('.') && name.len() <= NAME_CHARS_MAX {
        return Ok(());
    }
    Err(not_a_name(name))
}

fn not_a_name(name: &str) -> String {
    format!(
        "`{name}` cannot be a service's name: use letters, digits, `-`, `_` and `.`, at most {NAME_CHARS_MAX} of them, beginning with a letter or digit"
    )
}

#[cfg(test)]
mod tests;
