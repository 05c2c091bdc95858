//! Administrative acts: one at a time for the whole host, each recorded in the host's own history.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Inner, blocking};
use crate::SubmitError;
use crate::system::{Book, SystemStream};

impl Inner {
    /// Runs an act once no other is under way. It runs to its end whatever becomes of the caller, so that nothing is recorded
    /// and not done. Others wait meanwhile: what takes long (checking, compiling, replaying) is done before, and what it relied on
    /// is looked at again inside.
    pub(super) async fn administer<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&Arc<Self>, &mut SystemStream) -> T + Send + 'static,
    ) -> T {
        let mut stream = Arc::clone(&self.stream).lock_owned().await;
        let inner = Arc::clone(self);
        blocking(move || act(&inner, &mut stream)).await
    }

    /// Makes a fact durable, then folds it into its book. Blocks; for use within an act.
    pub(super) fn record<B: Book>(
        &self,
        stream: &mut SystemStream,
        book: &Mutex<B>,
        fact: B::Fact,
        actor: Option<&str>,
    ) -> Result<(), SubmitError> {
        let (record, proposal) = stream.propose(&fact, self.clock.now(), actor);
        let pipeline = self.pipeline.load_full();
        let position = pipeline.ok_or_else(|| self.no_pipeline())?.append(record)?;
        let noted = stream.accept(proposal, position);
        book.lock().unwrap_or_else(PoisonError::into_inner).fold(fact, &noted);
        self.system.reached(position);
        Ok(())
    }
}
