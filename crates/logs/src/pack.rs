//! Packs files that were set aside: a process of its own, at low priority, that may be killed at any moment.
//!
//! `X` → `X.zst.part` → flushed → `X.zst`, then `X` is removed. Until then both are whole, and readers take `X`.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use mainstay_os::files::{self as os_files, Lock};
use mainstay_wire::series::{Packing, Series};

use crate::files::{Aside, every_aside};

/// The lowest: logs of servers come out about as small as with the default of 3, are packed nearly twice as fast, and read a third faster.
const ZSTD_LEVEL: i32 = 1;
const WRITE_BYTES: usize = 128 << 10;

/// Packs all files set aside of the log whose current file is `current`. Somebody else who packs it now does it all: then nothing is to do.
///
/// # Errors
/// What could not be packed; it stays as it is.
pub fn pack(current: &Path, packing: Packing) -> io::Result<()> {
    let series = Series::of(current);
    let lock_path = beside(current, ".pack-lock");
    let mut first_error = None;
    loop {
        let Some(lock) = Lock::acquire(&lock_path, "packing")? else { return Ok(()) };
        remove_parts(&series)?;
        for aside in plain(&series)? {
            if let Err(error) = pack_one(&aside.path, packing) {
                first_error.get_or_insert(error);
            }
        }
        drop(lock);
        // Whoever found it locked has left its file to us.
        match first_error {
            Some(error) => return Err(error),
            None if plain(&series)?.iter().all(|aside| beside(&aside.path, packing.suffix()).exists()) => return Ok(()),
            None => {}
        }
    }
}

/// Also those whose packed file is complete: on Windows one that a reader has open stays until that closes it.
fn plain(series: &Series) -> io::Result<Vec<Aside>> {
    Ok(every_aside(series)?.into_iter().filter(|aside| aside.packing.is_none()).collect())
}

fn pack_one(plain: &Path, packing: Packing) -> io::Result<()> {
    let packed = beside(plain, packing.suffix());
    if !packed.exists() {
        let part = beside(&packed, ".part");
        match write_packed(plain, &part, packing) {
            // Retention was quicker.
            Err(error) if error.kind() == ErrorKind::NotFound && !plain.exists() => return Ok(()),
            Err(error) => {
                // Half of it only takes room, and room may be what there is none of.
                drop(fs::remove_file(part));
                return Err(error);
            }
            Ok(()) => {}
        }
        if !plain.exists() {
            return fs::remove_file(part);
        }
        fs::rename(part, packed)?;
    }
    match fs::remove_file(plain) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_packed(plain: &Path, part: &Path, packing: Packing) -> io::Result<()> {
    let mut input = os_files::open_read(plain)?;
    let metadata = input.metadata()?;
    let output = File::create(part)?;
    // As private as what is in it; and retention counts its age from when it was written.
    output.set_permissions(metadata.permissions())?;
    let output = BufWriter::with_capacity(WRITE_BYTES, output);
    let output = match packing {
        Packing::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(output, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            io::copy(&mut input, &mut encoder)?;
            encoder.finish()?
        }
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(output, flate2::Compression::default());
            io::copy(&mut input, &mut encoder)?;
            encoder.finish()?
        }
    };
    let mut output = output.into_inner().map_err(io::IntoInnerError::into_error)?;
    output.flush()?;
    if let Ok(modified) = metadata.modified() {
        output.set_modified(modified)?;
    }
    output.sync_all()
}

/// What one that was killed has left.
fn remove_parts(series: &Series) -> io::Result<()> {
    let Some(folder) = series.current().parent() else { return Ok(()) };
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".part"));
        // `X.part` without a suffix is a copy under way: the guard's.
        if name.and_then(|name| series.time_in(name)).is_some_and(|(_, packing)| packing.is_some()) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::files::{Source, asides};

    const TIME: &str = "20261123T050000.00000000";

    #[test]
    fn everything_set_aside_is_packed_and_reads_the_same() {
        for packing in Packing::ALL {
            let folder = tempfile::tempdir().unwrap();
            let current = folder.path().join("output.log");
            let aside = |n: u8| folder.path().join(format!("output-{TIME}{n}Z.log"));
            let text = |n: u8| vec![n; 300_000];
            fs::write(&current, "now").unwrap();
            for n in 1..=3 {
                fs::write(aside(n), text(n)).unwrap();
            }
            // One that was killed before it removed the plain file, and one in the middle of it.
            pack_one(&aside(1), packing).unwrap();
            fs::write(aside(1), text(1)).unwrap();
            fs::write(beside(&beside(&aside(2), packing.suffix()), ".part"), "half").unwrap();
            pack(&current, packing).unwrap();
            let packed = asides(&Series::of(&current)).unwrap();
            assert_eq!(packed.len(), 3);
            for (n, aside) in (1..).zip(&packed) {
                assert_eq!(aside.packing, Some(packing));
                let mut plain = Vec::new();
                Source::open(&aside.path, aside.packing).unwrap().read_to_end(&mut plain).unwrap();
                assert_eq!(plain, text(n));
            }
            let left = fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(left, 3 + 2, "packed files, the current one and the lock");
            assert_eq!(fs::read(&current).unwrap(), b"now");
        }
    }

    #[test]
    fn who_finds_it_locked_leaves_it_to_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let current = folder.path().join("output.log");
        let aside = folder.path().join(format!("output-{TIME}1Z.log"));
        fs::write(&aside, "x").unwrap();
        let lock = Lock::acquire(&beside(&current, ".pack-lock"), "packing").unwrap().unwrap();
        pack(&current, Packing::Zstd).unwrap();
        assert!(aside.exists());
        drop(lock);
        pack(&current, Packing::Zstd).unwrap();
        assert!(!aside.exists());
    }
}
