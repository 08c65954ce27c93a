//! Flushes the journal to the disk beside the loop: a disk that takes seconds for it delays no restart.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const AGAIN: u8 = 2;

/// At most one flush is under way; requests that come meanwhile are one more flush after it.
#[derive(Debug, Default)]
pub(super) struct Syncer {
    state: Arc<AtomicU8>,
}

impl Syncer {
    /// Begins to flush what has been written to `file`.
    pub(super) fn sync(&self, file: &File) {
        if self.state.swap(AGAIN, Ordering::AcqRel) != IDLE {
            return;
        }
        self.state.store(RUNNING, Ordering::Release);
        let state = Arc::clone(&self.state);
        let flush = file
            .try_clone()
            .and_then(|file| thread::Builder::new().name("journal".to_owned()).spawn(move || run(&file, &state)));
        if flush.is_err() {
            // No thread or descriptor to be had: then the loop waits for the disk this once.
            drop(file.sync_data());
            self.state.store(IDLE, Ordering::Release);
        }
    }
}

fn run(file: &File, state: &AtomicU8) {
    loop {
        // A disk that can't flush is told by the next write that fails.
        drop(file.sync_data());
        if state.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return;
        }
        state.store(RUNNING, Ordering::Release);
    }
}
