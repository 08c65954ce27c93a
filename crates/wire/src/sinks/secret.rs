//! Where a secret is found. The secret itself is never part of a configuration, so that none can be printed with it.

use std::path::{Path, PathBuf};

/// The longest secret that is read.
const BYTES_MAX: u64 = 64 * 1024;

/// A secret that is read when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In this file, without white space around it.
    File(PathBuf),
    /// In this variable of the agent's environment.
    Env(String),
}

impl Secret {
    /// Reads it.
    ///
    /// # Errors
    /// Says where it can't be read, never what was read.
    pub fn read(&self) -> Result<String, String> {
        let text = match self {
            Self::File(path) => {
                from_file(path).map_err(|error| format!("cannot read the secret in {}: {error}", path.display()))?
            }
            Self::Env(name) => std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => format!("cannot find the variable {name}, which holds a secret"),
                std::env::VarError::NotUnicode(_) => format!("the secret in the variable {name} is no UTF-8"),
            })?,
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("the secret in {self} is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(format!("the secret in {self} has more than one line or a control character"));
        }
        Ok(text.to_owned())
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "the variable {name}"),
        }
    }
}

fn from_file(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}
