//! From a launch to what the kernel wants, and from the kernel's refusal to a user's words.

use std::ffi::{CString, OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::fork::{Refused, Step};
use super::{account, identity, mark, resources};
use crate::tree::{Launch, MARK_VARIABLE, SpawnError};

/// What execve(2) wants, made before the fork.
pub(crate) struct Strings {
    pub(crate) program: CString,
    pub(crate) args: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) directory: CString,
}

impl Strings {
    pub(crate) fn prepare(launch: &Launch<'_>, mark: &str) -> Result<Strings, SpawnError> {
        let refuse = |reason: String| SpawnError::Argument { path: launch.program.to_owned(), reason };
        let text = |value: &OsStr, what: &str| {
            CString::new(value.as_bytes()).map_err(|_| refuse(format!("{what} has a NUL character inside")))
        };
        let program = text(launch.program.as_os_str(), "its path")?;
        let mut args = vec![program.clone()];
        for (number, arg) in (1..).zip(launch.args) {
            args.push(text(arg, &format!("argument {number}"))?);
        }
        let marked = (OsString::from(MARK_VARIABLE), OsString::from(mark::value(mark, launch.breakaway)));
        let mut env = Vec::with_capacity(launch.env.len() + 1);
        for (name, value) in launch.env.iter().filter(|(name, _)| name != MARK_VARIABLE).chain([&marked]) {
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return Err(refuse(format!("a variable can't be named {name:?}")));
            }
            let entry = [name.as_bytes(), b"=", value.as_bytes()].concat();
            env.push(text(OsStr::from_bytes(&entry), &format!("the variable {}", name.display()))?);
        }
        Ok(Strings { program, args, env, directory: text(launch.directory.as_os_str(), "its working directory")? })
    }
}

/// The kernel's number in a user's words.
pub(crate) fn explain(refused: Refused, launch: &Launch<'_>) -> SpawnError {
    let Refused { step, error } = refused;
    let path = launch.program.to_owned();
    let told = |kind: ErrorKind, text: &str| io::Error::new(kind, text.to_owned());
    match (step, error.raw_os_error()) {
        (Step::Directory, _) => SpawnError::Directory { path: launch.directory.to_owned(), source: error },
        (Step::Fork, Some(libc::EAGAIN)) => SpawnError::Process {
            path,
            source: told(error.kind(), "the limit of processes is reached (ulimit -u, pids.max, kernel.pid_max)"),
        },
        (Step::Resource(what), _) => {
            let source = match error.raw_os_error() {
                Some(libc::EACCES | libc::EPERM) => {
                    told(error.kind(), "only root, or who has the capability for it, may give that much")
                }
                Some(libc::EINVAL) if what == resources::AFFINITY => {
                    told(error.kind(), "none of these processors may be used by us (a cpuset?)")
                }
                _ => error,
            };
            SpawnError::Resource { path, what, source }
        }
        (Step::Account(what), number) => {
            let why = match number {
                Some(libc::EPERM) => format!("only root may, and we are {}", account::name()),
                _ => error.to_string(),
            };
            let source = io::Error::new(error.kind(), format!("{what} can't be set: {why}"));
            SpawnError::Account { path, user: launch.run_as.map(identity::name_of).unwrap_or_default(), source }
        }
        (Step::Fork | Step::Prepare, _) => SpawnError::Process { path, source: error },
        (Step::Cgroup, _) => {
            let source = io::Error::new(error.kind(), format!("its cgroup can't be joined: {error}"));
            SpawnError::Process { path, source }
        }
        (Step::Exec, Some(libc::E2BIG)) => SpawnError::Argument {
            path,
            reason: "its arguments and environment are too long together, or one of them exceeds 128 KiB".to_owned(),
        },
        // RLIMIT_NPROC is looked at when another user's program is executed.
        (Step::Exec, Some(libc::EAGAIN)) => {
            SpawnError::Process { path, source: told(error.kind(), "the limit of processes of its user is reached") }
        }
        (Step::Exec, Some(libc::ENOMEM | libc::ENFILE | libc::EMFILE)) => SpawnError::Process { path, source: error },
        (Step::Exec, number) => {
            let text = exec_text(launch.program, number);
            let source = text.map_or(error, |(kind, text)| told(kind, text));
            SpawnError::Program { path, source }
        }
    }
}

/// Better words than errno has, from looking at the file once more.
fn exec_text(program: &Path, number: Option<i32>) -> Option<(ErrorKind, &'static str)> {
    let found = std::fs::metadata(program);
    match number? {
        libc::ENOENT if found.is_ok() => Some((
            ErrorKind::NotFound,
            "the file is there, but not the interpreter its first line names, or its loader (built for another system?)",
        )),
        libc::ENOENT => Some((ErrorKind::NotFound, "there is no such file")),
        libc::EACCES if found.is_ok_and(|f| f.is_dir()) => Some((ErrorKind::IsADirectory, "it is a directory")),
        libc::EACCES => Some((ErrorKind::PermissionDenied, "no permission to execute it (chmod +x? a noexec mount?)")),
        libc::ENOEXEC => Some((
            ErrorKind::InvalidData,
            "it is no program for this system (a script needs a first line such as #!/bin/sh)",
        )),
        libc::ETXTBSY => Some((ErrorKind::ExecutableFileBusy, "it is being written at this moment")),
        _ => None,
    }
}

/// A limit or setting that this system doesn't keep.
pub(crate) fn no_resource(refused: resources::Refused, launch: &Launch<'_>) -> SpawnError {
    SpawnError::Resource { path: launch.program.to_owned(), what: refused.key, source: refused.source }
}

/// No group could be made for it.
pub(crate) fn no_group(error: io::Error, launch: &Launch<'_>) -> SpawnError {
    let source = match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::AlreadyExists => {
            io::Error::new(error.kind(), format!("no cgroup for it: {error}"))
        }
        _ => error, // EMFILE says enough by itself
    };
    SpawnError::Process { path: launch.program.to_owned(), source }
}
