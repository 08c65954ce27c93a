//! Which services a home has.

use std::io;
use std::path::Path;

use mainstay_wire::layout::Layout;
use mainstay_wire::spec::nearest;

/// The names of all services that have a spec, sorted.
///
/// # Errors
/// When the folder of specs can't be read; one that does not exist has no services.
pub fn names(layout: &Layout) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(&layout.specs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(Layout::service_of(&entry?.path()));
    }
    names.sort();
    Ok(names)
}

/// Whether a service has a spec.
#[must_use]
pub fn exists(layout: &Layout, name: &str) -> bool {
    Path::exists(&layout.spec(name))
}

/// The names that `patterns` (with `*` and `?`) stand for, sorted, each once.
///
/// # Errors
/// The first pattern that stands for nothing, with the nearest name.
pub fn select(all: &[String], patterns: &[String]) -> Result<Vec<String>, NoSuchService> {
    let mut selected = Vec::new();
    for pattern in patterns {
        let before = selected.len();
        selected.extend(all.iter().filter(|name| matches(pattern, name)).cloned());
        if selected.len() == before {
            let near = nearest(pattern, all.iter().map(String::as_str)).map(str::to_owned);
            return Err(NoSuchService { name: pattern.clone(), near });
        }
    }
    selected.sort();
    selected.dedup();
    Ok(selected)
}

/// A name or pattern that stands for no service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no service `{name}`{}", near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub struct NoSuchService {
    /// As typed.
    pub name: String,
    /// What may have been meant.
    pub near: Option<String>,
}

/// `*` stands for any characters, `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || name.get(n) == Some(c) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                // The last star takes one character more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_names() {
        let all: Vec<String> = ["api-1", "api-2", "payment", "web"].map(str::to_owned).to_vec();
        let select = |patterns: &[&str]| select(&all, &patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(select(&["api-*", "web"]).unwrap(), ["api-1", "api-2", "web"]);
        assert_eq!(select(&["*", "web"]).unwrap().len(), 4);
        assert_eq!(select(&["a?i-2", "*-2"]).unwrap(), ["api-2"]);
        assert_eq!(
            select(&["paymnet"]).unwrap_err().to_string(),
            "there is no service `paymnet`; did you mean `payment`?"
        );
        assert_eq!(select(&["z*"]).unwrap_err().to_string(), "there is no service `z*`");
    }
}
