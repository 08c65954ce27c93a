//! Listening TCP sockets by `/proc/PID/net/tcp`, `tcp6` and the sockets in `/proc/PID/fd`: proc(5).

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// `TCP_LISTEN` of the kernel's include/net/tcp_states.h.
const LISTEN: &str = "0A";

/// The TCP ports that these processes listen on: sorted, each once. Processes that are gone are left out.
///
/// Errors: another user's process, whose descriptors we may not look into.
pub fn listening(pids: &[u32]) -> io::Result<Vec<u16>> {
    let mut ports = BTreeSet::new();
    for &pid in pids {
        let sockets = match sockets_of(pid) {
            Err(error) if is_gone(&error) => continue,
            Err(error) => {
                let text = format!("cannot look into the open files of process {pid}: {error}");
                return Err(io::Error::new(error.kind(), text));
            }
            Ok(sockets) => sockets,
        };
        if sockets.is_empty() {
            continue;
        }
        // Its own tables: it may live in a network namespace of its own.
        for table in ["tcp", "tcp6"] {
            let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default(); // IPv6 may be off
            let found = text.lines().filter_map(listener).filter(|(_, inode)| sockets.contains(inode));
            ports.extend(found.map(|(port, _)| port));
        }
    }
    Ok(ports.into_iter().collect())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// The inodes of its sockets: its descriptors lead to `socket:[123]`.
fn sockets_of(pid: u32) -> io::Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"))?.flatten() {
        // Closed meanwhile: no socket.
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let inode: Option<u64> =
            target.to_str().and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        found.extend(inode);
    }
    Ok(found)
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`: port and inode of one that listens.
fn listener(line: &str) -> Option<(u16, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (_, port) = fields.nth(1)?.rsplit_once(':')?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    Some((u16::from_str_radix(port, 16).ok()?, fields.nth(5)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::listener;

    #[test]
    fn only_listeners_count_and_their_port_is_hexadecimal() {
        let line = |state: &str| {
            format!(
                "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 4711 1 0"
            )
        };
        assert_eq!(listener(&line("0A")), Some((8080, 4711)));
        assert_eq!(listener(&line("01")), None);
        assert_eq!(listener("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when"), None);
    }
}
