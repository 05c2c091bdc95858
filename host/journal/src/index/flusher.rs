//! The threads beside the writer: one writes full overlays into the store, so that neither an append nor a reader waits for it; the other
//! merges what has become many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::runs::REST;
use super::{Index, Overlay};

/// How long it is waited before writing is tried again, for want of space as a rule.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Dropping it ends the threads: once what was handed to it is written, and without waiting for a merge.
pub(crate) struct Flusher {
    frozen: Option<Sender<Arc<Overlay>>>,
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
        // Some may be due since the last time.
        let _ = written.send(());
        let (writing, until) = (Arc::clone(index), Arc::clone(&is_ending));
        let (merging, ending) = (Arc::clone(index), Arc::clone(&is_ending));
        let threads = vec![
            std::thread::spawn(move || write_out(&writing, frozen, &written, &until)),
            std::thread::spawn(move || merge_all(&merging, &added, &ending)),
        ];
        Self { frozen: Some(sender), is_ending, threads }
    }

    /// Hands the newest entries over if they are many.
    pub(crate) fn flush_if_full(&self, index: &Index) {
        if let Some(frozen) = index.freeze(index.flush_records)
            && let Some(sender) = &self.frozen
        {
            // Fails only when the thread has panicked; the entries are then found in memory, and after a restart built again.
            let _ = sender.send(frozen);
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.frozen = None;
        self.is_ending.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It may be waiting before it tries again.
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn write_out(index: &Index, frozen: Receiver<Arc<Overlay>>, written: &Sender<()>, is_ending: &AtomicBool) {
    for mut frozen in frozen {
        while let Some(unwritten) = index.write_frozen(frozen, REST) {
            if is_ending.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = index.check() {
                tracing::warn!(%error, "the index cannot be written; it is tried again");
            }
            std::thread::park_timeout(RETRY_PAUSE);
            frozen = unwritten;
        }
        // Fails only when that thread has panicked; then there are more runs to ask.
        let _ = written.send(());
    }
}

fn merge_all(index: &Index, added: &Receiver<()>, is_ending: &AtomicBool) {
    let Some(store) = &index.store else { return };
    let is_wanted = || !is_ending.load(Ordering::Relaxed);
    for () in added {
        loop {
            match store.merge(&is_wanted) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) if !is_wanted() => return,
                Err(error) => {
                    // Everything is found all the same. It is tried again when more was written.
                    tracing::warn!(%error, "parts of the index cannot be merged");
                    break;
                }
            }
        }
    }
}
