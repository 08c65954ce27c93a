//! The files of this workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failed;

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every text file that is tracked, or will be by the next `git add`. What is no UTF-8 is no text.
pub(crate) fn sources() -> Result<Vec<Source>, Failed> {
    let root = root();
    let mut sources = Vec::new();
    for path in listed(&root)? {
        // A file that is deleted but still in the index can't be read and is nobody's problem.
        if let Ok(text) = fs::read_to_string(root.join(&path)) {
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}

fn listed(root: &Path) -> Result<Vec<String>, Failed> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").current_dir(root).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("cannot list the files: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let names = String::from_utf8(output.stdout)?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// What `cargo metadata` says, with the whole tree of dependencies.
pub(crate) fn metadata() -> Result<serde_json::Value, Failed> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).current_dir(root()).args(["metadata", "--format-version", "1"]).output()?;
    if !output.status.success() {
        return Err(format!("cannot read the dependencies: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
