//! Files whose change restarts or reloads a service. Which of them count is decided here, what follows by the machine.

use std::path::{Path, PathBuf};

use mainstay_core::spec::Watch;
use mainstay_wire::pattern;
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Changes under way; a burst beyond them says nothing new.
const CHANGES_MAX: usize = 16;

/// Watches for as long as it lives.
#[derive(Debug)]
pub(crate) struct Watching {
    _watcher: notify::RecommendedWatcher,
}

/// Where changes come.
pub(crate) type Changes = mpsc::Receiver<String>;

/// Watches what the spec names below `directory`. `Err`: why not, in a person's words.
pub(crate) fn watch(watch: &Watch, directory: &Path) -> Result<(Watching, Changes), String> {
    let (sender, changes) = mpsc::channel(CHANGES_MAX);
    let (rule, root) = (watch.clone(), directory.to_owned());
    let told = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if event.kind.is_access() {
            return;
        }
        for path in event.paths.iter().filter(|path| counts(&rule, &root, path)) {
            // Full: a burst is under way already.
            drop(sender.try_send(path.display().to_string()));
        }
    };
    let mut watcher = notify::recommended_watcher(told).map_err(|error| format!("cannot watch files: {error}"))?;
    for path in &watch.paths {
        let path = directory.join(path);
        // A file is watched through its folder: editors replace files instead of writing to them.
        let (folder, mode) = if path.is_file() {
            (path.parent().map_or_else(|| path.clone(), Path::to_path_buf), RecursiveMode::NonRecursive)
        } else {
            (path.clone(), RecursiveMode::Recursive)
        };
        watcher.watch(&folder, mode).map_err(|error| format!("cannot watch {}: {error}", path.display()))?;
    }
    Ok((Watching { _watcher: watcher }, changes))
}

fn counts(rule: &Watch, directory: &Path, changed: &Path) -> bool {
    let roots: Vec<PathBuf> = rule.paths.iter().map(|path| directory.join(path)).collect();
    let Some(below) = roots.iter().find_map(|root| changed.strip_prefix(root).ok()) else { return false };
    let named = |name: &std::ffi::OsStr, patterns: &[String]| {
        let name = name.to_string_lossy();
        patterns.iter().any(|p| pattern::matches(p, &name))
    };
    let ignored = below.components().any(|part| named(part.as_os_str(), &rule.ignore));
    let wanted = rule.only.is_empty() || changed.file_name().is_some_and(|name| named(name, &rule.only));
    wanted && !ignored && !changed.file_name().is_some_and(|name| named(name, &rule.ignore))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rule(paths: &[&str], only: &[&str], ignore: &[&str]) -> Watch {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let settle = Duration::from_millis(1);
        Watch { paths: list(paths), only: list(only), ignore: list(ignore), settle, reload: false }
    }

    #[test]
    fn names_and_folders_decide_what_counts() {
        let root = std::env::temp_dir();
        let counts = |rule: &Watch, path: &str| counts(rule, &root, &root.join(path));
        let go = rule(&["src"], &["*.go"], &["vendor", "*_test.go"]);
        assert!(counts(&go, "src/main.go") && counts(&go, "src/deep/x.go"));
        assert!(!counts(&go, "src/main.c") && !counts(&go, "main.go"));
        assert!(!counts(&go, "src/vendor/x.go") && !counts(&go, "src/a_test.go"));
        let file = rule(&["conf/app.toml"], &[], &[]);
        assert!(counts(&file, "conf/app.toml") && !counts(&file, "conf/other.toml"));
    }

    #[tokio::test]
    async fn a_written_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (_watching, mut changes) = watch(&rule(&["."], &["*.txt"], &[]), folder.path()).unwrap();
        std::fs::write(folder.path().join("a.bin"), "x").unwrap();
        std::fs::write(folder.path().join("a.txt"), "x").unwrap();
        let changed = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await.unwrap().unwrap();
        assert!(changed.ends_with("a.txt"), "{changed}");
    }
}
