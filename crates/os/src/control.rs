//! A service's private control channel: a Unix socket with peer credentials, or a named pipe with an access list.

pub use crate::sys::control::{Address, Listener, Stream, connect};

/// The other side of a control connection, as the operating system vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The process that connected; it may be gone by now.
    pub pid: Option<u32>,
    /// Its account, for records ("stopped by root").
    pub user: String,
    /// See [`Peer::may_order`].
    pub(crate) may_order: bool,
}

impl Peer {
    /// Whether it may order anything: an administrator (root) or the account the guard itself runs as.
    pub fn may_order(&self) -> bool {
        self.may_order
    }
}
