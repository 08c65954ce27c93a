//! `%ProgramData%\mainstay`.

use std::path::PathBuf;

use crate::paths::Paths;

/// The folders of a machine-wide installation.
pub fn system() -> Paths {
    let data = std::env::var_os("ProgramData").filter(|value| !value.is_empty());
    let home = data.map_or_else(|| PathBuf::from(r"C:\ProgramData"), PathBuf::from).join("mainstay");
    Paths { specs: home.join("services"), state: home.join("state"), logs: home.join("logs"), run: home.join("run") }
}
