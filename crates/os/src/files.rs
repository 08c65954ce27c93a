//! Private folders, files that are replaced whole, logs that may be moved away while open, and locks.

pub use crate::sys::files::{
    Lock, free_bytes, lock_note, make_dir, make_private_dir, open_append, open_read, replace, same_file,
};
