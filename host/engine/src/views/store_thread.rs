//! Writes to the stores for the thread of slow projections. That thread has a low priority. On a busy machine it would
//! hold a store's writing connection for seconds, to write what takes milliseconds, and the threads of the fast lane,
//! which all tenants share, would wait for it. So a thread of normal priority, which does nothing else, writes.

use std::io;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use polder_journal::Reader;

use super::store::{Changes, View, ViewStore, WriteError};

/// What the turns of a lane read from, and how they write.
pub(super) struct LaneAccess {
    pub(super) reader: Reader,
    /// `None` if the lane's threads write themselves.
    store_thread: Option<StoreThread>,
}

impl LaneAccess {
    pub(super) fn fast(reader: &Reader) -> Self {
        Self { reader: reader.clone(), store_thread: None }
    }

    /// For a thread of low priority. It must not hold the locks of the journal's index either.
    ///
    /// # Errors
    /// Fails if the system cannot start a thread.
    pub(super) fn slow(reader: &Reader) -> io::Result<Self> {
        Ok(Self { reader: reader.aside()?, store_thread: Some(StoreThread::start()?) })
    }

    pub(super) fn store<'a>(&'a self, store: &'a Arc<ViewStore>) -> TurnStore<'a> {
        TurnStore { store, store_thread: self.store_thread.as_ref() }
    }
}

/// A tenant's store, as a turn uses it.
pub(super) struct TurnStore<'a> {
    store: &'a Arc<ViewStore>,
    store_thread: Option<&'a StoreThread>,
}

impl TurnStore<'_> {
    /// Like [`ViewStore::write`].
    pub(super) fn write(&self, view: &View, changes: Changes, bytes_max: u64) -> Result<u64, WriteError> {
        let Some(store_thread) = self.store_thread else { return self.store.write(view, &changes, bytes_max) };
        let (store, view) = (Arc::clone(self.store), view.clone());
        store_thread.run(move || store.write(&view, &changes, bytes_max))
    }
}

impl Deref for TurnStore<'_> {
    type Target = ViewStore;

    fn deref(&self) -> &ViewStore {
        self.store
    }
}

type Write = Box<dyn FnOnce() + Send>;

/// A handle to the thread. The thread ends when the handle is dropped.
struct StoreThread(Sender<Write>);

impl StoreThread {
    /// Must be called by a thread of normal priority, because the new thread inherits it.
    fn start() -> io::Result<Self> {
        let (to, writes) = channel::<Write>();
        // After a panic the thread goes on with other writes. The caller of the one that panicked gets no answer.
        let run = move || writes.into_iter().for_each(|write| drop(catch_unwind(AssertUnwindSafe(write))));
        std::thread::Builder::new().name("projections-store".to_owned()).spawn(run)?;
        Ok(Self(to))
    }

    /// Runs `work` on the thread, and blocks until it is done.
    ///
    /// # Panics
    /// Panics if `work` does.
    fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, answer) = channel();
        let write = move || {
            // The send succeeds: the caller waits for the answer below.
            drop(done.send(work()));
        };
        // If the thread is gone, the receive below fails.
        drop(self.0.send(Box::new(write)));
        answer.recv().expect("a write to a store has panicked: see the log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_by_another_thread_which_survives_a_panic() {
        let store_thread = StoreThread::start().unwrap();
        let here = std::thread::current().id();
        assert_ne!(store_thread.run(|| std::thread::current().id()), here);
        let panicked = catch_unwind(AssertUnwindSafe(|| store_thread.run(|| panic!("on purpose"))));
        assert!(panicked.is_err());
        assert_eq!(store_thread.run(|| 7), 7);
    }
}
