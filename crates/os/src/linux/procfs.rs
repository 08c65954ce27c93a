//! proc(5): who is there, whose child, since when.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};

/// One line of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// Field 22: clock ticks between boot and the process's start.
    pub(crate) start: u64,
    /// Zombies and the dead wait to be reaped; they do nothing any more.
    pub(crate) alive: bool,
}

/// `NotFound` when there is no such process.
pub(crate) fn stat(pid: u32) -> io::Result<Stat> {
    let mut buffer = [0; 1024]; // a line is about 300 bytes; the fields we read come first
    let read = match File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read(&mut buffer)) {
        // ESRCH: it went between open and read.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Err(ErrorKind::NotFound.into()),
        other => other?,
    };
    let text = buffer.get(..read).unwrap_or_default();
    parse(pid, &String::from_utf8_lossy(text))
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, format!("/proc/{pid}/stat is not as proc(5) says")))
}

/// `pid (name) state ppid pgrp session …`: the name may hold spaces and brackets, so the last `)` counts.
fn parse(pid: u32, text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let start = fields.nth(15)?.parse().ok()?; // field 22; 7 comes next
    Some(Stat { pid, parent, group, session, start, alive: !matches!(state, "Z" | "X" | "x") })
}

/// Every process there is; those that end meanwhile may be missing.
pub(crate) fn all() -> Vec<Stat> {
    pids().filter_map(|pid| stat(pid).ok()).collect()
}

pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether this process has any children, zombies included. Cheap, and exact in its answer "none": the first line of
/// each thread's `children` file is read under the kernel's lock. `None`: a kernel without `CONFIG_PROC_CHILDREN`.
pub(crate) fn have_children() -> Option<bool> {
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let mut first = [0; 16];
        match File::open(thread.path().join("children")).and_then(|mut file| file.read(&mut first)) {
            Ok(0) => {}
            Ok(_) => return Some(true),
            Err(_) => return None,
        }
    }
    Some(false)
}

/// `roots` and everything below them in `processes`.
pub(crate) fn with_descendants(roots: &[u32], processes: &[Stat]) -> Vec<Stat> {
    let mut found: Vec<Stat> = processes.iter().filter(|p| roots.contains(&p.pid)).copied().collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        for child in processes.iter().filter(|p| p.parent == parent.pid && p.pid != parent.pid) {
            if !found.iter().any(|f| f.pid == child.pid) {
                found.push(*child);
            }
        }
        next += 1;
    }
    found
}

/// One variable of the environment a process was started with. `None`: not set, not readable, gone, or overwritten
/// by the process (some programs write their title there).
pub(crate) fn variable(pid: u32, name: &str) -> Option<Vec<u8>> {
    let block = fs::read(format!("/proc/{pid}/environ")).ok()?;
    block.split(|&byte| byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_brackets_does_not_move_the_fields() {
        let line = "7 (a) R (b) S 3 4 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        let expected = Stat { pid: 7, parent: 3, group: 4, session: 5, start: 987_654, alive: true };
        assert_eq!(parse(7, line), Some(expected));
    }

    #[test]
    fn we_are_there_and_have_our_parents_number() {
        let own = std::process::id();
        let line = stat(own).unwrap();
        assert_eq!(line.parent, std::os::unix::process::parent_id());
        assert!(line.alive && line.start > 0);
        assert!(all().iter().any(|p| p.pid == own));
    }

    #[test]
    fn descendants_are_found_through_every_level() {
        let p = |pid, parent| Stat { pid, parent, group: 1, session: 1, start: 1, alive: true };
        let table = [p(5, 4), p(2, 1), p(3, 2), p(4, 3), p(9, 8), p(1, 0)];
        let mut found: Vec<u32> = with_descendants(&[2], &table).iter().map(|p| p.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4, 5]);
    }
}
