//! Finding the file a program's name means.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;

use super::{environment, win32};

/// What CreateProcessW (or cmd.exe, for the last two) can start; other kinds in PATHEXT need a shell.
const STARTABLE: [&str; 4] = [".com", ".exe", ".bat", ".cmd"];

/// The file to execute. An absolute path is taken as it is, one with a separator is relative to `directory`, and a bare
/// name is searched for in the PATH of `env`, never in any current directory. Where no such file exists, the endings of
/// PATHEXT are tried.
pub fn find(program: &str, directory: &Path, env: &[(OsString, OsString)]) -> io::Result<PathBuf> {
    if program.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "\"\": no program is named"));
    }
    let path = Path::new(program);
    let endings = endings(env);
    if path.is_absolute() {
        return existing(path, &endings)?.ok_or_else(|| missing(path, &endings));
    }
    if matches!(path.components().next(), Some(Component::Prefix(_))) {
        let text = format!("{program}: name its folder too, not only the drive");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    if program.contains(['\\', '/']) {
        let path = directory.join(path);
        return existing(&path, &endings)?.ok_or_else(|| missing(&path, &endings));
    }
    let search = environment::get(env, "PATH").unwrap_or_default();
    for folder in std::env::split_paths(search).filter(|folder| folder.is_absolute()) {
        // A name without an ending is never a program's whole name here.
        let exact = path.extension().is_some();
        if let Ok(Some(found)) =
            if exact { existing(&folder.join(path), &endings) } else { with_ending(&folder.join(path), &endings) }
        {
            return Ok(found);
        }
    }
    let text = format!("{program}: it is in no folder of PATH ({})", search.display());
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

/// The command interpreter for batch files: %ComSpec% of the program's environment, else the system's cmd.exe.
pub(super) fn interpreter(env: &[(OsString, OsString)]) -> Result<PathBuf, String> {
    if let Some(named) = environment::get(env, "ComSpec").map(Path::new)
        && named.is_absolute()
        && named.is_file()
    {
        return Ok(named.to_owned());
    }
    let mut folder = [0_u16; 260];
    // SAFETY: the buffer has the length given.
    let length = unsafe { GetSystemDirectoryW(folder.as_mut_ptr(), folder.len() as u32) };
    if length == 0 || length as usize >= folder.len() {
        return Err("the system's cmd.exe can't be found".to_owned());
    }
    Ok(Path::new(&win32::text(&folder)).join("cmd.exe"))
}

/// The endings of PATHEXT that can be started, in its order.
fn endings(env: &[(OsString, OsString)]) -> Vec<String> {
    let listed = environment::get(env, "PATHEXT").and_then(OsStr::to_str).unwrap_or_default();
    let known = |ending: &&str| STARTABLE.iter().any(|known| known.eq_ignore_ascii_case(ending));
    let endings: Vec<String> = listed.split(';').filter(known).map(str::to_owned).collect();
    if endings.is_empty() { STARTABLE.map(str::to_owned).to_vec() } else { endings }
}

/// The file itself, else with an ending.
fn existing(path: &Path, endings: &[String]) -> io::Result<Option<PathBuf>> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let text = format!("{}: it is a folder", path.display());
            Err(io::Error::new(io::ErrorKind::IsADirectory, text))
        }
        Ok(_) => Ok(Some(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => with_ending(path, endings),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

fn with_ending(path: &Path, endings: &[String]) -> io::Result<Option<PathBuf>> {
    let named = |ending: &String| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    Ok(endings.iter().map(named).find(|candidate| candidate.is_file()))
}

fn missing(path: &Path, endings: &[String]) -> io::Error {
    let text = format!("{}: there is no such file (also not with {})", path.display(), endings.join(", "));
    io::Error::new(io::ErrorKind::NotFound, text)
}
