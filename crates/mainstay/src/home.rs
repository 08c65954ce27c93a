//! Which folders a command works on: `--home DIR`, else `MAINSTAY_HOME`, else the system's.

use std::path::{Path, PathBuf};

use mainstay_os::paths;
use mainstay_wire::layout::Layout;

use crate::failure::Failure;

/// The layout for `--home`, made absolute so that every process of the home names it alike.
pub(crate) fn layout(home: Option<&Path>) -> Result<Layout, Failure> {
    match home {
        None => {
            let paths::Paths { specs, state, logs, run } = paths::system();
            Ok(Layout::system(specs, state, logs, run))
        }
        Some(home) => Ok(Layout::home(&real(home)?)),
    }
}

/// The one name of a folder, whatever links and upper or lower case led to it.
fn real(home: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(home).map_err(Failure::io(format!("use {} as home", home.display())))?;
    match std::fs::canonicalize(&absolute) {
        // Windows' `\\?\` form is for files of any length, not for people.
        Ok(real) => Ok(real.to_str().and_then(|text| text.strip_prefix(r"\\?\")).map_or(real.clone(), PathBuf::from)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(absolute),
        Err(error) => Err(Failure::io(format!("use {} as home", home.display()))(error)),
    }
}
