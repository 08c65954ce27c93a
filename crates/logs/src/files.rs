//! The files of one log, and opening them whatever they are packed with.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use mainstay_os::files;
use mainstay_wire::series::{Packing, Series};

/// What is read from a packed file at once.
const PACKED_BYTES: usize = 128 << 10;

/// A file that was set aside: nothing is written to it any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Aside {
    /// From its name; the files' order.
    pub time: String,
    /// Plain files come first: while one is packed, both lie there for a moment.
    pub packing: Option<Packing>,
    /// Where it lies.
    pub path: PathBuf,
}

/// The files set aside of a log, oldest first, each once. A folder that is not there has none.
///
/// # Errors
/// When the folder can't be read.
pub fn asides(series: &Series) -> io::Result<Vec<Aside>> {
    let mut asides = every_aside(series)?;
    asides.dedup_by(|later, earlier| later.time == earlier.time);
    Ok(asides)
}

/// Also both of those that lie there twice, plain and packed.
pub(crate) fn every_aside(series: &Series) -> io::Result<Vec<Aside>> {
    let Some(folder) = series.current().parent() else { return Ok(Vec::new()) };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut asides: Vec<Aside> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let (time, packing) = series.time_in(path.file_name()?.to_str()?)?;
            Some(Aside { time: time.to_owned(), packing, path })
        })
        .collect();
    asides.sort();
    Ok(asides)
}

/// A file of a log, open at its beginning.
pub enum Source {
    /// As the guard wrote it.
    Plain(File),
    /// Unpacked on the way.
    Packed(Box<dyn Read + Send>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Packed(_) => "Packed",
        })
    }
}

impl Source {
    /// Opens a file, such that it may be renamed and deleted meanwhile.
    ///
    /// # Errors
    /// When it can't be opened, or is not packed as its name says.
    pub fn open(path: &Path, packing: Option<Packing>) -> io::Result<Self> {
        let file = files::open_read(path)?;
        Ok(match packing {
            None => Self::Plain(file),
            Some(Packing::Zstd) => {
                let input = BufReader::with_capacity(PACKED_BYTES, file);
                Self::Packed(Box::new(zstd::stream::read::Decoder::with_buffer(input)?))
            }
            Some(Packing::Gzip) => {
                let input = BufReader::with_capacity(PACKED_BYTES, file);
                Self::Packed(Box::new(flate2::bufread::MultiGzDecoder::new(input)))
            }
        })
    }

    /// The plain file inside.
    #[must_use]
    pub fn plain(&self) -> Option<&File> {
        match self {
            Self::Plain(file) => Some(file),
            Self::Packed(_) => None,
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(reader) => reader.read(buffer),
        }
    }
}
