//! A child's output, read without blocking, and its input, written without blocking.
//!
//! The write end is the child's; ours is a pipe (Linux: `pipe2`, Windows: a named pipe with a random name, because
//! anonymous pipes can't do overlapped I/O). The end is seen when the *last* writer has closed it: a grandchild that
//! keeps stdout open keeps the pipe open, so a caller must not wait for the end after [`crate::tree::Tree::exited`]
//! without a limit. [`Reader::try_read`] takes what is there already.

pub use crate::sys::pipe::{RawReader, RawWriter, Reader, Writer};
