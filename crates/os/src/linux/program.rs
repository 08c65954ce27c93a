//! execvp(3)'s search, without its surprises: an empty or relative entry of PATH (the current directory) is skipped.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};

/// What `execvp` takes when the environment has no PATH (confstr(3), `_CS_PATH`), with /usr/local as distributions do.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// The file to execute: an absolute `program` as it is; one with a `/` inside relative to `directory`; a bare name is
/// searched in the PATH of `env`, never in the current directory.
///
/// Errors: `NotFound`, `PermissionDenied`, `IsADirectory`; the text says what was looked for and where.
pub fn find(program: &str, directory: &Path, env: &[(OsString, OsString)]) -> io::Result<PathBuf> {
    if program.is_empty() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "\"\": no program is named"));
    }
    if program.contains('/') {
        let path = directory.join(program); // an absolute program replaces the directory
        return match check(&path) {
            Ok(()) => Ok(path),
            Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        };
    }
    search(program, path_of(env))
}

fn path_of(env: &[(OsString, OsString)]) -> &OsStr {
    env.iter().rfind(|(name, _)| name == "PATH").map_or(OsStr::new(PATH_DEFAULT), |(_, value)| value)
}

fn search(program: &str, path: &OsStr) -> io::Result<PathBuf> {
    let mut refused = None;
    for folder in std::env::split_paths(path).filter(|folder| folder.is_absolute()) {
        let candidate = folder.join(program);
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.kind() == ErrorKind::NotFound || error.kind() == ErrorKind::NotADirectory => {}
            Err(error) => {
                refused.get_or_insert((candidate, error));
            }
        }
    }
    Err(match refused {
        Some((candidate, error)) => io::Error::new(error.kind(), format!("{}: {error}", candidate.display())),
        None => {
            io::Error::new(ErrorKind::NotFound, format!("{program}: it is in no folder of PATH ({})", path.display()))
        }
    })
}

fn check(path: &Path) -> io::Result<()> {
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "it is a directory"));
    }
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
        .map_err(|_| io::Error::new(ErrorKind::PermissionDenied, "no permission to execute it"))
}
