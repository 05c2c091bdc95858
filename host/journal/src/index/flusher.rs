//! The threads beside the writer: one writes full overlays into the store, so that neither an append nor a reader waits for it; the other
//! has what is written reach the disk bit by bit.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::{Index, Overlay, trickle};

/// Dropping it ends the threads once what was handed to it is written.
pub(crate) struct Flusher {
    frozen: Option<Sender<Arc<Overlay>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Flusher {
    pub(crate) fn start(index: &Arc<Index>) -> Self {
        let Some(store) = &index.store else { return Self { frozen: None, threads: Vec::new() } };
        let ((sender, frozen), (begin, begun), tables) = (channel(), channel(), store.tables());
        let index = Arc::clone(index);
        let threads = vec![
            std::thread::spawn(move || write_out(&index, &frozen, &begin)),
            std::thread::spawn(move || trickle::run(&tables, &begun)),
        ];
        Self { frozen: Some(sender), threads }
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
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn write_out(index: &Index, frozen: &Receiver<Arc<Overlay>>, begin: &Sender<()>) {
    for frozen in frozen {
        // Fails only when that thread has panicked; then all is synced at once.
        let _ = begin.send(());
        index.write_frozen(&frozen);
    }
}
