//! `%ProgramFiles%\mainstay`, and the system's PATH.
//!
//! A program that runs can't be overwritten or deleted, but renamed (Microsoft: "MoveFileExW function"): the old file goes on
//! under another name until it is no longer used. Microsoft on PATH: "Environment Variables", "WM_SETTINGCHANGE message".

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::mem::transmute;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION, ERROR_USER_MAPPED_FILE,
};
use windows_sys::Win32::Storage::FileSystem::{MOVEFILE_DELAY_UNTIL_REBOOT, MoveFileExW};
use windows_sys::Win32::System::Registry::{REG_EXPAND_SZ, REG_SZ};

use super::library::{Function, Library};
use super::registry::Key;
use super::{environment, files, win32};

const ENVIRONMENT_KEY: &str = r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment";
const PATH: &str = "Path";

/// "The maximum size of a user-defined environment variable is 32,767 characters", the NUL included.
const PATH_UNITS_MAX: usize = 32_766;

/// So long a program that does not look after its messages holds the broadcast up.
const BROADCAST_LIMIT_MS: u32 = 1000;

/// So many replaced files may still be in use.
const OLD_MAX: u32 = 1000;

/// Where the program is put for all users.
pub fn folder() -> PathBuf {
    let programs = std::env::var_os("ProgramFiles").filter(|value| !value.is_empty());
    programs.map_or_else(|| PathBuf::from(r"C:\Program Files"), PathBuf::from).join("mainstay")
}

/// Puts a copy of `from` in the place of `to`, which may be running: then that file is renamed to `NAME.old-N`, and deleted by
/// a later call or at the next start of the machine. A missing folder is made, with the rights of the one it is in.
pub fn replace_binary(from: &Path, to: &Path) -> io::Result<()> {
    let context = |error: io::Error| {
        let text = format!("cannot put {} in the place of {}: {error}", from.display(), to.display());
        io::Error::new(error.kind(), text)
    };
    let source = files::open_read(from).map_err(context)?;
    if files::same_file(&source, to) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(context)?;
    }
    let fresh = with_suffix(to, &format!(".new-{}", std::process::id()));
    let done = copy(&source, &fresh).and_then(|()| take_place(&fresh, to));
    if done.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    delete_old(to);
    done.map_err(context)
}

/// Deletes the program, which may be running, and what was renamed of it; what is in use still goes at the next start of the
/// machine. Fine when it is gone already.
pub fn remove_binary(path: &Path) -> io::Result<()> {
    let done = match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if in_use(&error) => rename_away(path).map(drop),
        answer => answer,
    };
    delete_old(path);
    done.map_err(|error| io::Error::new(error.kind(), format!("cannot remove {}: {error}", path.display())))
}

/// Not by CopyFile, which would take the mark of a downloaded file along.
fn copy(mut source: &File, fresh: &Path) -> io::Result<()> {
    let mut target = File::create(fresh)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()
}

fn take_place(fresh: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(fresh, to) {
        Err(error) if in_use(&error) && to.is_file() => {
            let old = rename_away(to)?;
            let done = fs::rename(fresh, to);
            if done.is_err() {
                // An old program is better than none.
                let _ = fs::rename(&old, to);
            }
            done
        }
        answer => answer,
    }
}

fn in_use(error: &io::Error) -> bool {
    [ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_USER_MAPPED_FILE]
        .iter()
        .any(|&code| win32::is(error, code))
}

fn rename_away(path: &Path) -> io::Result<PathBuf> {
    for number in 1..=OLD_MAX {
        let old = with_suffix(path, &format!(".old-{number}"));
        if !old.exists() {
            return fs::rename(path, &old).map(|()| old);
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("there are {OLD_MAX} old ones beside it")))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What was renamed away earlier: now, where it is no longer used, else at the next start of the machine.
fn delete_old(path: &Path) {
    for number in 1..=OLD_MAX {
        let old = with_suffix(path, &format!(".old-{number}"));
        if !old.exists() {
            // Numbers are given from 1 on, and a gap was filled first.
            return;
        }
        if fs::remove_file(&old).is_err()
            && let Ok(name) = win32::wide_path(&old)
        {
            // SAFETY: the name ends with a NUL. Only an administrator may; without it the file just stays.
            unsafe { MoveFileExW(name.as_ptr(), ptr::null(), MOVEFILE_DELAY_UNTIL_REBOOT) };
        }
    }
}

/// Puts a folder at the end of the system's PATH; `false`: it was there already. Needs an administrator. Programs started
/// from then on see it.
pub fn add_to_path(dir: &Path) -> io::Result<bool> {
    change(ENVIRONMENT_KEY, dir, with).inspect(tell_everybody)
}

/// Takes a folder out of the system's PATH; `false`: it was not there. Needs an administrator.
pub fn remove_from_path(dir: &Path) -> io::Result<bool> {
    change(ENVIRONMENT_KEY, dir, without).inspect(tell_everybody)
}

/// The value of PATH with a change; `None`: there is nothing to change.
type Change = fn(&[u16], &OsStr) -> Option<Vec<u16>>;

fn change(key: &str, dir: &Path, change: Change) -> io::Result<bool> {
    try_change(key, dir, change)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot change the system's PATH: {error}")))
}

fn try_change(key: &str, dir: &Path, change: Change) -> io::Result<bool> {
    let refuse = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    let dir = dir.as_os_str();
    if dir.is_empty() || dir.encode_wide().any(|unit| [u16::from(b';'), u16::from(b'"'), 0].contains(&unit)) {
        return refuse(format!("{} can't stand in it", dir.display()));
    }
    let Some(before) = Key::open(key)? else { return refuse(format!(r"there is no key HKLM\{key}")) };
    let (kind, value) = before.raw(PATH)?.unwrap_or((REG_EXPAND_SZ, Vec::new()));
    if ![REG_SZ, REG_EXPAND_SZ].contains(&kind) {
        return refuse(format!("its value is no text but of the type {kind}"));
    }
    let Some(after) = change(&value, dir) else { return Ok(false) };
    if after.len() > PATH_UNITS_MAX {
        return refuse(format!("it would be {} characters long, Windows allows {PATH_UNITS_MAX}", after.len()));
    }
    Key::create(key)?.set_raw(PATH, kind, &after)?;
    Ok(true)
}

fn with(path: &[u16], dir: &OsStr) -> Option<Vec<u16>> {
    if entries(path).iter().any(|entry| is(entry, dir)) {
        return None;
    }
    let mut path = path.to_vec();
    if path.last().is_some_and(|&last| last != u16::from(b';')) {
        path.push(u16::from(b';'));
    }
    path.extend(dir.encode_wide());
    Some(path)
}

fn without(path: &[u16], dir: &OsStr) -> Option<Vec<u16>> {
    let all = entries(path);
    let kept: Vec<&[u16]> = all.iter().copied().filter(|entry| !is(entry, dir)).collect();
    (kept.len() < all.len()).then(|| kept.join(&u16::from(b';')))
}

/// Between semicolons, except those in quotes.
fn entries(path: &[u16]) -> Vec<&[u16]> {
    let mut quoted = false;
    path.split(|&unit| {
        quoted ^= unit == u16::from(b'"');
        unit == u16::from(b';') && !quoted
    })
    .collect()
}

fn is(entry: &[u16], dir: &OsStr) -> bool {
    let bare = |units: &[u16]| {
        let mut units: Vec<u16> = units.iter().copied().filter(|&unit| unit != u16::from(b'"')).collect();
        while units.last() == Some(&u16::from(b'\\')) {
            units.pop();
        }
        OsString::from_wide(&units)
    };
    // Names of variables and of files are compared alike.
    environment::same_name(&bare(entry), &bare(&dir.encode_wide().collect::<Vec<_>>()))
}

/// So that the desktop gives what it starts from now on the new PATH; what does not listen gets it at the next log-on.
fn tell_everybody(changed: &bool) {
    if *changed {
        let _ = broadcast();
    }
}

fn broadcast() -> io::Result<()> {
    type SendMessageTimeout = unsafe extern "system" fn(usize, u32, usize, *const u16, u32, u32, *mut usize) -> isize;
    // Of winuser.h.
    const HWND_BROADCAST: usize = 0xFFFF;
    const WM_SETTINGCHANGE: u32 = 0x001A;
    const SMTO_ABORTIFHUNG: u32 = 0x0002;
    let function = Library::load("user32.dll")?.function(c"SendMessageTimeoutW")?;
    // SAFETY: the type is that of the function's page.
    let send = unsafe { transmute::<Function, SendMessageTimeout>(function) };
    let what = win32::wide("Environment")?;
    let mut answer = 0;
    // SAFETY: the text ends with a NUL and lives during the call, as the result does.
    unsafe {
        let limit = BROADCAST_LIMIT_MS;
        send(HWND_BROADCAST, WM_SETTINGCHANGE, 0, what.as_ptr(), SMTO_ABORTIFHUNG, limit, &raw mut answer);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn changed(change: Change, path: &str, dir: &str) -> Option<String> {
        change(&units(path), OsStr::new(dir)).map(|units| String::from_utf16(&units).unwrap())
    }

    #[test]
    fn a_folder_is_put_at_the_end_of_path_once() {
        let add = |path: &str| changed(with, path, r"C:\Program Files\mainstay");
        assert_eq!(add(r"%SystemRoot%;C:\b").as_deref(), Some(r"%SystemRoot%;C:\b;C:\Program Files\mainstay"));
        assert_eq!(add(r"C:\b;").as_deref(), Some(r"C:\b;C:\Program Files\mainstay"));
        assert_eq!(add("").as_deref(), Some(r"C:\Program Files\mainstay"));
        assert_eq!(add(r"C:\b;c:\PROGRAM files\Mainstay\;C:\d"), None);
        assert_eq!(add(r#""C:\Program Files\mainstay";C:\d"#), None);
        assert!(add(r#""C:\x;C:\Program Files\mainstay""#).is_some(), "one folder with a semicolon");
    }

    #[test]
    fn a_folder_is_taken_out_of_path_and_the_rest_stays_as_it_is() {
        let remove = |path: &str| changed(without, path, r"C:\m\");
        assert_eq!(remove(r#"%A%;C:\M;"C:\x;y";;C:\d\"#).as_deref(), Some(r#"%A%;"C:\x;y";;C:\d\"#));
        assert_eq!(remove(r"C:\m").as_deref(), Some(""));
        assert_eq!(remove(r"C:\m;C:\b;C:\m\").as_deref(), Some(r"C:\b"));
        assert_eq!(remove(r"C:\b"), None);
    }

    #[test]
    fn the_value_in_the_registry_keeps_its_type() {
        let key = format!(r"SOFTWARE\mainstay-test-{}", std::process::id());
        let (dir, sub) = (Path::new(r"C:\m"), Path::new(r"C:\n"));
        assert!(change(&key, dir, with).unwrap_err().to_string().starts_with("cannot change the system's PATH: "));
        let made = Key::create(&key).unwrap();
        assert!(change(&key, dir, with).unwrap());
        assert_eq!(made.raw(PATH).unwrap(), Some((REG_EXPAND_SZ, units(r"C:\m"))));
        made.set_raw(PATH, REG_SZ, &units(r"%A%;C:\b")).unwrap();
        assert!(change(&key, dir, with).unwrap());
        assert!(!change(&key, dir, with).unwrap());
        assert!(change(&key, sub, with).unwrap());
        assert_eq!(made.raw(PATH).unwrap(), Some((REG_SZ, units(r"%A%;C:\b;C:\m;C:\n"))));
        assert!(change(&key, dir, without).unwrap());
        assert!(!change(&key, dir, without).unwrap());
        assert_eq!(made.raw(PATH).unwrap(), Some((REG_SZ, units(r"%A%;C:\b;C:\n"))));
        made.set_number(PATH, 1).unwrap();
        assert!(change(&key, dir, with).is_err());
        assert!(change(&key, Path::new("a;b"), with).is_err());
        Key::delete(&key).unwrap();
    }

    /// The real one, as far as we may, put back afterwards.
    #[test]
    fn the_systems_path_is_changed_and_restored() {
        let dir = format!(r"C:\mainstay-test-{}", std::process::id());
        match add_to_path(Path::new(&dir)) {
            Ok(added) => {
                assert!(added);
                assert!(remove_from_path(Path::new(&dir)).unwrap());
                assert!(!remove_from_path(Path::new(&dir)).unwrap());
            }
            Err(error) => assert!(!crate::account::is_privileged(), "{error}"),
        }
    }

    #[test]
    fn a_program_that_runs_is_replaced_and_removed() {
        let folder = std::env::temp_dir().join(format!("mainstay-test-setup-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (program, next) = (folder.join("program.exe"), folder.join("next"));
        fs::write(&next, "the next version").unwrap();
        replace_binary(Path::new(r"C:\Windows\System32\cmd.exe"), &program).unwrap();
        // It waits for its input, which is ours.
        let mut running = Command::new(&program).arg("/k").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        replace_binary(&next, &program).unwrap();
        assert_eq!(fs::read_to_string(&program).unwrap(), "the next version");
        replace_binary(&program, &program).unwrap();
        assert_eq!(fs::read_to_string(&program).unwrap(), "the next version");
        running.kill().unwrap();
        running.wait().unwrap();
        remove_binary(&program).unwrap();
        remove_binary(&program).unwrap();
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["next"]);

        fs::copy(r"C:\Windows\System32\cmd.exe", &program).unwrap();
        let mut running = Command::new(&program).arg("/k").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        remove_binary(&program).unwrap();
        assert!(!program.exists());
        running.kill().unwrap();
        running.wait().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let missing = replace_binary(&next, &program).unwrap_err().to_string();
        assert!(missing.starts_with("cannot put "), "{missing}");
        assert!(folder_is_absolute());
    }

    fn folder_is_absolute() -> bool {
        super::folder().is_absolute() && super::folder().ends_with("mainstay")
    }
}
