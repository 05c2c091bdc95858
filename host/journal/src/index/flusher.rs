//! The index's background threads. One writes full memtables into the store, so that neither an append nor a reader
//! waits for that. The other merges runs when there are many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::runs::REST;
use super::{Index, MemTable};

/// Pause before a failed write is tried again. Writes fail mostly for lack of space.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Dropping the flusher ends its threads. The drop waits for the memtables in the queue to be written, but not for a
/// merge.
pub(crate) struct Flusher {
    frozen: Option<Sender<Arc<MemTable>>>,
    is_ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Flusher {
    pub(crate) fn start(index: &Arc<Index>) -> Self {
        let is_ending = Arc::<AtomicBool>::default();
        if index.store.is_none() {
            return Self { frozen: None, is_ending, threads: Vec::new() };
        }
        let ((sender, frozen), (written, added)) = (channel(), channel());
        // A merge may have been due already when the index was closed.
        let _ = written.send(());
        let (writing, until) = (Arc::clone(index), Arc::clone(&is_ending));
        let (merging, ending) = (Arc::clone(index), Arc::clone(&is_ending));
        let threads = vec![
            std::thread::spawn(move || write_out(&writing, frozen, &written, &until)),
            std::thread::spawn(move || merge_all(&merging, &added, &ending)),
        ];
        Self { frozen: Some(sender), is_ending, threads }
    }

    /// Sends the memtable to the thread that writes it, if it is full.
    pub(crate) fn flush_if_full(&self, index: &Index) {
        if let Some(frozen) = index.freeze(index.flush_records)
            && let Some(sender) = &self.frozen
        {
            // The send fails only if that thread has panicked. The entries then stay in memory, and are indexed again
            // after a restart.
            let _ = sender.send(frozen);
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.frozen = None;
        self.is_ending.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // The thread may be in the pause before another try.
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn write_out(index: &Index, frozen: Receiver<Arc<MemTable>>, written: &Sender<()>, is_ending: &AtomicBool) {
    for mut frozen in frozen {
        while let Some(unwritten) = index.write_frozen(frozen, REST) {
            if is_ending.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = index.check() {
                tracing::warn!(%error, "the index cannot be written; this is tried again later");
            }
            std::thread::park_timeout(RETRY_PAUSE);
            frozen = unwritten;
        }
        // The send fails only if the merging thread has panicked. Lookups then read more runs.
        let _ = written.send(());
    }
}

fn merge_all(index: &Index, added: &Receiver<()>, is_ending: &AtomicBool) {
    let Some(store) = &index.store else { return };
    let may_continue = || !is_ending.load(Ordering::Relaxed);
    for () in added {
        loop {
            match store.merge(&may_continue) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) if !may_continue() => return,
                Err(error) => {
                    // Every entry is still found. The merge is tried again after the next write.
                    tracing::warn!(%error, "parts of the index cannot be merged");
                    break;
                }
            }
        }
    }
}
