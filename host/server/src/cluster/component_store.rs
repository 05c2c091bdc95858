//! A component store that all hosts share.

use std::io;

use polder_core::Revision;
use polder_engine::ComponentStore;
use polder_nats::journal::Objects;

pub(super) struct SharedComponentStore(pub(super) Objects);

impl ComponentStore for SharedComponentStore {
    fn keep(&self, revision: Revision, bytes: &[u8]) -> io::Result<()> {
        self.0.keep_and_wait(&revision.to_string(), bytes)
    }

    fn find(&self, revision: Revision) -> io::Result<Option<Vec<u8>>> {
        self.0.find_and_wait(&revision.to_string())
    }

    fn remove(&self, revision: Revision) -> io::Result<()> {
        self.0.remove_and_wait(&revision.to_string())
    }
}
