//! The thread beside the writer: writes full overlays into the store, so that neither an append nor a reader waits for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::{Index, Overlay};

/// Dropping it ends the thread once it has written what was handed to it.
pub(crate) struct Flusher {
    frozen: Option<Sender<Arc<Overlay>>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(crate) fn start(index: &Arc<Index>) -> Self {
        let (sender, frozen) = channel();
        let index = Arc::clone(index);
        let thread = std::thread::spawn(move || write_out(&index, &frozen));
        Self { frozen: Some(sender), thread: Some(thread) }
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
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_out(index: &Index, frozen: &Receiver<Arc<Overlay>>) {
    for frozen in frozen {
        index.write_frozen(&frozen);
    }
}
