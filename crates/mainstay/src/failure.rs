//! Why a verb failed: a text that begins with "cannot" or names the thing, and the exit code for scripts.

use std::fmt;
use std::io;

use mainstay_agent::client::AskError;
use mainstay_agent::services::NoSuchService;
use mainstay_os::manager::ManagerError;
use mainstay_wire::control::Code;

use crate::exit;

/// A failed verb.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new(exit::FAILED, text)
    }

    /// Puts what was to be done before what the OS said.
    pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            let code = if error.kind() == io::ErrorKind::PermissionDenied { exit::NOT_PERMITTED } else { exit::FAILED };
            Self::new(code, format!("cannot {what}: {error}"))
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<NoSuchService> for Failure {
    fn from(error: NoSuchService) -> Self {
        Self::new(exit::NO_SUCH_SERVICE, format!("{error} (`mainstay list` shows all)"))
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        let code = match &error {
            AskError::NotRunning(_) => exit::NOT_RUNNING,
            AskError::Refused(refusal) => match refusal.code {
                Code::TimedOut => exit::TIMED_OUT,
                Code::Forbidden => exit::NOT_PERMITTED,
                Code::Malformed | Code::Version | Code::Refused | Code::Spec | Code::Busy => exit::FAILED,
            },
            AskError::Channel { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => exit::NOT_PERMITTED,
            AskError::Channel { .. } => exit::FAILED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ManagerError> for Failure {
    fn from(error: ManagerError) -> Self {
        let code = match &error {
            ManagerError::NotPrivileged { .. } => exit::NOT_PERMITTED,
            ManagerError::NotInstalled(_) => exit::NO_SUCH_SERVICE,
            ManagerError::TimedOut { .. } => exit::TIMED_OUT,
            ManagerError::Exists(_) | ManagerError::Disabled(_) | ManagerError::Refused { .. } => exit::FAILED,
        };
        Self::new(code, error.to_string())
    }
}
