//! Has files that were set aside packed by a process of its own: a guard stays small, and nothing that happens there harms it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use mainstay_core::spec::Compress;
use mainstay_os::environment;
use mainstay_os::process::spawn_detached;
use mainstay_wire::series::Packing;

/// The verb of the binary that packs: `mainstay __pack zstd FILE…`, each the current file of a log.
pub const VERB: &str = "__pack";

/// How its files are to be packed, if at all.
fn packing(compress: Compress) -> Option<Packing> {
    match compress {
        Compress::None => None,
        Compress::Zstd => Some(Packing::Zstd),
        Compress::Gzip => Some(Packing::Gzip),
    }
}

/// Starts the packing of everything that was set aside of these logs; the process goes on by itself and may outlive us.
///
/// Two at once do no harm: one of them finds the lock held and leaves the work to the other.
pub(crate) fn start(logs: &BTreeSet<PathBuf>, compress: Compress) -> Result<(), String> {
    let Some(packing) = packing(compress).filter(|_| !logs.is_empty()) else { return Ok(()) };
    let cannot = |error: std::io::Error| {
        format!("cannot pack log files: {error}; they stay as they are until the next rotation")
    };
    let own = std::env::current_exe().map_err(cannot)?;
    let args: Vec<OsString> =
        [OsString::from(VERB), packing.word().into()].into_iter().chain(logs.iter().map(OsString::from)).collect();
    spawn_detached(&own, &args, &environment::inherited()).map(drop).map_err(cannot)
}
