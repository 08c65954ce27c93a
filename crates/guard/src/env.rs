//! The environment of a service's programs: made when a start is wanted, and then the same for every restart.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mainstay_core::spec::{Env, EnvValue};
use mainstay_os::environment;
use mainstay_wire::expand;

/// Names and values, in no special order.
pub(crate) type Vars = Vec<(OsString, OsString)>;

/// The largest file of variables that is read.
const ENV_FILE_BYTES_MAX: u64 = 1 << 20;
/// The largest secret: Windows takes values up to 32,767 UTF-16 units.
const SECRET_BYTES_MAX: u64 = 128 << 10;

/// The variables of `env`; relative paths begin at `base`. `of_account`: what belongs to the account the program runs as.
pub(crate) fn resolve(env: &Env, base: &Path, of_account: Vars) -> Result<Vars, String> {
    let mut vars = if env.inherit { environment::inherited() } else { Vec::new() };
    vars = environment::merge(vars, of_account);
    vars.retain(|(name, _)| !env.unset.iter().any(|unset| environment::same_name(name, OsStr::new(unset))));
    for file in &env.files {
        for (name, value) in env_file(base, file)? {
            vars = set(vars, &name, &value);
        }
    }
    for (name, value) in &env.vars {
        match value {
            EnvValue::Text(text) => vars = set(vars, name, text),
            EnvValue::Secret(path) => {
                let secret = secret(&base.join(path)).map_err(|why| format!("cannot set {name}: {why}"))?;
                vars = environment::merge(vars, [(name.into(), secret.into())]);
            }
        }
    }
    with_path(vars, env)
}

/// `value` with what it refers to put in: what stands above it, or else what was inherited.
fn set(vars: Vars, name: &str, value: &str) -> Vars {
    let value = expand::expand(value, |wanted| lookup(&vars, wanted).map(|found| found.to_string_lossy().into_owned()));
    environment::merge(vars, [(name.into(), value.into())])
}

fn lookup<'v>(vars: &'v Vars, name: &str) -> Option<&'v OsString> {
    vars.iter().find(|(known, _)| environment::same_name(known, OsStr::new(name))).map(|(_, value)| value)
}

fn env_file(base: &Path, file: &str) -> Result<Vec<(String, String)>, String> {
    let (file, may_be_missing) = match file.strip_suffix('?') {
        Some(file) => (file, true),
        None => (file, false),
    };
    let path = base.join(file);
    let text = match read(&path, ENV_FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot read the variables in {}: {error}", path.display())),
    };
    expand::env_file(&text).map_err(|problem| format!("cannot read the variables in {}:{problem}", path.display()))
}

/// The content of a secret's file without the line break that editors put at its end. The text of an error never has any of it.
fn secret(path: &Path) -> Result<String, String> {
    let mut text =
        read(path, SECRET_BYTES_MAX).map_err(|error| format!("the secret in {}: {error}", path.display()))?;
    let trimmed = text.strip_suffix('\n').map_or(text.len(), |t| t.strip_suffix('\r').unwrap_or(t).len());
    text.truncate(trimmed);
    if text.contains('\0') {
        return Err(format!("the secret in {} has a NUL character, which no program can receive", path.display()));
    }
    Ok(text)
}

fn read(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it is larger than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no UTF-8 text"))
}

fn with_path(mut vars: Vars, env: &Env) -> Result<Vars, String> {
    if env.path_prepend.is_empty() && env.path_append.is_empty() {
        return Ok(vars);
    }
    let old = lookup(&vars, "PATH").cloned().unwrap_or_default();
    let folders = env.path_prepend.iter().map(PathBuf::from);
    let folders = folders.chain(std::env::split_paths(&old).filter(|folder| !folder.as_os_str().is_empty()));
    let folders = folders.chain(env.path_append.iter().map(PathBuf::from));
    let path = std::env::join_paths(folders).map_err(|error| format!("cannot make PATH: {error}"))?;
    // Under the spelling it has (Windows: `Path`), so that nobody finds two.
    match vars.iter_mut().find(|(name, _)| environment::same_name(name, OsStr::new("PATH"))) {
        Some(entry) => entry.1 = path,
        None => vars.push(("PATH".into(), path)),
    }
    Ok(vars)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vec<(String, EnvValue)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), EnvValue::Text((*text).to_owned()))).collect()
    }

    fn own(env: Env) -> Env {
        Env { inherit: false, ..env }
    }

    fn get(vars: &Vars, name: &str) -> Option<String> {
        lookup(vars, name).map(|value| value.to_string_lossy().into_owned())
    }

    #[test]
    fn values_refer_to_what_is_above_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.env"), "ROOT=/srv\nHOST=old\n").unwrap();
        let env = own(Env {
            files: vec!["a.env".to_owned(), "missing.env?".to_owned()],
            vars: vars(&[("HOST", "${HOST}er"), ("DATA", "%ROOT%/data"), ("NONE", "${UNKNOWN} %X% 100%")]),
            ..Env::default()
        });
        let made = resolve(&env, folder.path(), Vec::new()).unwrap();
        assert_eq!(get(&made, "HOST").as_deref(), Some("older"));
        assert_eq!(get(&made, "DATA").as_deref(), Some("/srv/data"));
        assert_eq!(get(&made, "NONE").as_deref(), Some("${UNKNOWN} %X% 100%"));
    }

    #[test]
    fn what_is_unset_is_gone_and_the_accounts_own_is_there() {
        let base = Path::new(".");
        let env = Env { unset: vec!["PATH".to_owned(), "HOME".to_owned()], ..Env::default() };
        let made = resolve(&env, base, vec![("USER".into(), "web".into())]).unwrap();
        assert_eq!((get(&made, "PATH"), get(&made, "USER").as_deref()), (None, Some("web")));
    }

    #[test]
    fn a_secret_loses_its_last_line_break_and_is_not_expanded() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "a${PATH}%PATH%b\r\n").unwrap();
        let secret = ("PASSWORD".to_owned(), EnvValue::Secret("password".to_owned()));
        let env = own(Env { vars: vec![secret], ..Env::default() });
        let made = resolve(&env, folder.path(), Vec::new()).unwrap();
        assert_eq!(get(&made, "PASSWORD").as_deref(), Some("a${PATH}%PATH%b"));
    }

    #[test]
    fn a_missing_secret_is_named_without_its_content() {
        let secret = ("PASSWORD".to_owned(), EnvValue::Secret("nowhere".to_owned()));
        let env = own(Env { vars: vec![secret], ..Env::default() });
        let error = resolve(&env, Path::new("/srv"), Vec::new()).unwrap_err();
        assert!(error.starts_with("cannot set PASSWORD: the secret in") && error.contains("nowhere"), "{error}");
    }

    #[test]
    fn folders_come_before_and_after_path() {
        let separator = if mainstay_os::NAME == "windows" { ";" } else { ":" };
        let env = own(Env {
            vars: vars(&[("PATH", "middle")]),
            path_prepend: vec!["first".to_owned()],
            path_append: vec!["last".to_owned()],
            ..Env::default()
        });
        let made = resolve(&env, Path::new("."), Vec::new()).unwrap();
        assert_eq!(get(&made, "PATH"), Some(["first", "middle", "last"].join(separator)));
    }

    #[test]
    fn a_bad_env_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bad.env"), "A=1\nnonsense\n").unwrap();
        let env = own(Env { files: vec!["bad.env".to_owned()], ..Env::default() });
        let error = resolve(&env, folder.path(), Vec::new()).unwrap_err();
        assert!(error.contains("bad.env:2:"), "{error}");
    }
}
