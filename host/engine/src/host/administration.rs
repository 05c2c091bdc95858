//! Administrative acts: they run one at a time for the whole host, and each is recorded in the host's own history.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Inner, blocking};
use crate::SubmitError;
use crate::system::{Registry, SystemStream};

impl Inner {
    /// Runs an act when no other one is running. It runs to its end even if the caller goes away, so that nothing is
    /// recorded without being put into effect. Other acts wait meanwhile. Long work, such as checking, compiling and
    /// replaying, is therefore done before, and its preconditions are checked again inside the act.
    pub(super) async fn administer<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&Arc<Self>, &mut SystemStream) -> T + Send + 'static,
    ) -> T {
        let mut stream = Arc::clone(&self.stream).lock_owned().await;
        let inner = Arc::clone(self);
        blocking(move || act(&inner, &mut stream)).await
    }

    /// Makes a fact durable, then folds it into its book. Blocks; call it only within an act.
    pub(super) fn record<B: Registry>(
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
