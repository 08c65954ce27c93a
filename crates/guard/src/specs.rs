//! Reads the service's spec file; the last good one stays in force while the file is bad.

use std::io;
use std::path::PathBuf;

use mainstay_core::spec::Spec;
use mainstay_os::files;
use mainstay_wire::layout::Layout;
use mainstay_wire::spec::{self, Platform, Problem, Problems};

use crate::launch::unsupported;

/// The spec file of one service and the text that is in force.
#[derive(Debug)]
pub(crate) struct SpecFile {
    name: String,
    path: PathBuf,
    good: PathBuf,
    text: String,
    /// One is in force: from then on a spec that this machine can't keep is refused like a wrong one. At the start there is nothing
    /// better, and each attempt to run it says why it can't be.
    in_force: bool,
}

/// What reading it again brought.
#[derive(Debug)]
pub(crate) enum Reading {
    /// The text that is in force already.
    Same,
    /// Another valid spec, now in force.
    New(Box<Spec>),
    /// Not taken.
    Bad(Problems),
}

impl SpecFile {
    /// Reads the file, or what was last good when the file is bad now.
    pub(crate) fn open(layout: &Layout, name: &str) -> io::Result<(Self, Spec, Option<Problems>)> {
        let (path, good) = (layout.spec(name), layout.good_spec(name));
        let mut file = Self { name: name.to_owned(), path, good, text: String::new(), in_force: false };
        match file.read_again() {
            Reading::New(spec) => Ok((file, *spec, None)),
            Reading::Same => {
                Err(io::Error::other(format!("cannot guard {name}: its spec {} is empty", file.path.display())))
            }
            Reading::Bad(problems) => match file.last_good() {
                Some(spec) => Ok((file, spec, Some(problems))),
                None => Err(io::Error::other(format!("cannot guard {name}: {}: {problems}", file.path.display()))),
            },
        }
    }

    pub(crate) fn read_again(&mut self) -> Reading {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) => return Reading::Bad(unreadable(&self.path.display().to_string(), &error)),
        };
        if text == self.text && !text.is_empty() {
            return Reading::Same;
        }
        match spec::read(&self.name, &text, Platform::named(mainstay_os::NAME)) {
            Ok(spec) => {
                let unsupported = if self.in_force { unsupported(&spec) } else { Vec::new() };
                if !unsupported.is_empty() {
                    return Reading::Bad(Problems::at(&text, &unsupported));
                }
                self.in_force = true;
                // Without the copy only a later bad file would be refused at the guard's start; that is no reason to fail now.
                drop(files::replace(&self.good, text.as_bytes()));
                self.text = text;
                Reading::New(Box::new(spec))
            }
            Err(problems) => Reading::Bad(problems),
        }
    }

    /// Forgets what is in force, so that the next reading takes the file whole.
    pub(crate) fn forget(&mut self) {
        self.text.clear();
    }

    fn last_good(&mut self) -> Option<Spec> {
        let text = std::fs::read_to_string(&self.good).ok()?;
        spec::read(&self.name, &text, Platform::named(mainstay_os::NAME)).ok()
    }
}

fn unreadable(path: &str, error: &io::Error) -> Problems {
    let message = format!("cannot read {path}: {error}");
    Problems(vec![Problem { line: 1, column: 1, message, help: None, span: 0..0 }])
}
