//! The program's own file, in a folder that every PATH has (hier(7)).

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::files::beside;

/// For programs that no package manager put there.
pub fn folder() -> PathBuf {
    "/usr/local/bin".into()
}

/// Puts a copy of `from` in the place of `to`, executable by all, whole or not at all. A `to` that runs goes on running as it
/// was. Missing folders are made.
pub fn replace_binary(from: &Path, to: &Path) -> io::Result<()> {
    let context = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot copy {} to {}: {error}", from.display(), to.display()))
    };
    let new = beside(to);
    let done = copy(from, &new, to).and_then(|()| fs::rename(&new, to));
    if let Err(error) = done {
        let _ = fs::remove_file(&new); // the first error is the one to tell
        return Err(context(error));
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(context) // the rename itself lives there
}

fn copy(from: &Path, new: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    if let Some(folder) = to.parent() {
        super::files::make_dir(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(new)?;
    io::copy(&mut source, &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(0o755))?; // whatever the umask says
    file.sync_all()
}

/// Deletes it; one that runs goes on running. Fine when it is gone already.
pub fn remove_binary(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("cannot delete {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// `false`: our PATH has it. Else `Unsupported`: whose PATH comes from which file is the distribution's business.
pub fn add_to_path(dir: &Path) -> io::Result<bool> {
    if is_in(std::env::var_os("PATH").as_deref(), dir) {
        return Ok(false);
    }
    let text = format!("cannot add {} to PATH: do it in /etc/environment or in your shell's profile", dir.display());
    Err(io::Error::new(ErrorKind::Unsupported, text))
}

/// `false`: nothing was taken out, as nothing is ever put in.
pub fn remove_from_path(_dir: &Path) -> io::Result<bool> {
    Ok(false)
}

fn is_in(path: Option<&OsStr>, dir: &Path) -> bool {
    path.is_some_and(|path| std::env::split_paths(path).any(|folder| folder == dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_in_path_as_a_whole() {
        let path = OsStr::new("/usr/bin:/usr/local/bin/:/bin");
        assert!(is_in(Some(path), Path::new("/usr/local/bin")));
        assert!(!is_in(Some(path), Path::new("/usr/local")));
        assert!(!is_in(None, Path::new("/bin")));
        let error = add_to_path(Path::new("/no/such/folder")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!remove_from_path(Path::new("/no/such/folder")).unwrap());
    }
}
