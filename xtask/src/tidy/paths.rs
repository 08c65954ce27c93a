//! Nothing in the repository may depend on the machine it was written on.

use super::Problem;
use crate::workspace::Source;

/// Folders of the machines we develop on. Put together here so that this file does not find itself.
const OUR_FOLDERS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/tmp/tar", "get")];

/// Where a lock file may say that packages come from: a private registry works for nobody else.
const REGISTRIES: [(&str, &str, &str); 2] = [
    ("Cargo.lock", "source = \"", "registry+https://github.com/rust-lang/crates.io-index"),
    ("package-lock.json", "\"resolved\": \"", "https://registry.npmjs.org/"),
];

/// The beginnings of addresses that only exist inside somebody's network (RFC 1918), and of names that do.
const PRIVATE_HOSTS: [&str; 2] = ["10.", "192.168."];
const PRIVATE_ENDINGS: [&str; 4] = [".internal", ".corp", ".lan", ".intranet"];

pub(super) fn check(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in source.text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let mut found = |why: String| problems.push(Problem::new(&source.path, number, why));
        if let Some(folder) = OUR_FOLDERS.iter().find(|folder| line.contains(**folder)) {
            found(format!("`{folder}…` exists on one machine only: use a path from the root of the repository"));
        }
        for host in hosts(line).filter(|host| is_private(host)) {
            found(format!("{host} is a host of somebody's own network"));
        }
        for (file, key, allowed) in REGISTRIES {
            let from = line.trim_start().strip_prefix(key);
            if source.path.ends_with(file) && from.is_some_and(|from| !from.starts_with(allowed)) {
                found(format!("packages come from {allowed}, not from a mirror"));
            }
        }
    }
    problems
}

/// The hosts of the addresses in a line.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    let starts = line.match_indices("://").map(|(at, sign)| at + sign.len());
    starts
        .filter_map(|at| line.get(at..)?.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))).next())
}

fn is_private(host: &str) -> bool {
    PRIVATE_HOSTS.iter().any(|start| host.starts_with(start)) || PRIVATE_ENDINGS.iter().any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Source { path: path.into(), text: text.into() }).len()
    }

    #[test]
    fn what_exists_on_one_machine_only_is_found() {
        assert_eq!(count("a.sh", concat!("cd /wo", "rk/main")), 1);
        assert_eq!(count("a.sh", concat!("curl http://mirror.inter", "nal:81/x http://10", ".0.0.7/")), 2);
        assert_eq!(count("Cargo.lock", "source = \"registry+https://mirror.example/index\""), 1);
        assert_eq!(count("web/package-lock.json", "  \"resolved\": \"https://mirror.example/x.tgz\","), 1);
    }

    #[test]
    fn public_addresses_and_our_own_are_fine() {
        assert_eq!(count("a.md", "http://127.0.0.1:8080/health https://docs.rs/x file:///x homework/"), 0);
        assert_eq!(count("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\""), 0);
    }
}
