//! Administrative acts: they run one at a time for the whole host, and each is recorded in the host's own history.

use std::sync::{Arc, Mutex, PoisonError};

use polder_journal::{AppendError, Reader, Writer};
use tokio::sync::OwnedMutexGuard;

use super::fact::{ReadFacts, Registry};
use super::stream::{StreamError, SystemStream};
use crate::joined::blocking;
use crate::tenancy::{Clock, SubmitError, TenantDirectory};
use crate::write::WritePath;

/// Records administrative acts.
pub(crate) struct Control {
    stream: Arc<tokio::sync::Mutex<SystemStream>>,
    write_path: Arc<WritePath>,
    clock: Arc<Clock>,
    directory: Arc<TenantDirectory>,
}

/// An act that runs now. No other one runs meanwhile.
pub(crate) struct AdministrativeAct<'a> {
    stream: OwnedMutexGuard<SystemStream>,
    control: &'a Control,
}

impl Control {
    pub(crate) fn new(
        stream: SystemStream,
        write_path: &Arc<WritePath>,
        clock: &Arc<Clock>,
        directory: &Arc<TenantDirectory>,
    ) -> Arc<Self> {
        let (write_path, clock, directory) = (Arc::clone(write_path), Arc::clone(clock), Arc::clone(directory));
        Arc::new(Self { stream: Arc::new(tokio::sync::Mutex::new(stream)), write_path, clock, directory })
    }

    /// Runs an act when no other one is running. It runs to its end even if the caller goes away, so that nothing is
    /// recorded without being put into effect. Other acts wait meanwhile. Long work, such as checking, compiling and
    /// replaying, is therefore done before, and its preconditions are checked again inside the act.
    pub(crate) async fn administer<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut AdministrativeAct<'_>) -> T + Send + 'static,
    ) -> T {
        let stream = Arc::clone(&self.stream).lock_owned().await;
        let control = Arc::clone(self);
        blocking(move || act(&mut AdministrativeAct { stream, control: &control })).await
    }

    /// Begins an act on a thread that may block.
    pub(crate) fn begin(&self) -> AdministrativeAct<'_> {
        // At the start the lock is free, and the thread may be one that must not block.
        let stream = Arc::clone(&self.stream).try_lock_owned();
        let stream = stream.unwrap_or_else(|_| Arc::clone(&self.stream).blocking_lock_owned());
        AdministrativeAct { stream, control: self }
    }
}

impl AdministrativeAct<'_> {
    /// Makes a fact durable, then folds it into its registry. Blocks.
    pub(crate) fn record<R: Registry>(
        &mut self,
        registry: &Mutex<R>,
        fact: R::Fact,
        actor: Option<&str>,
    ) -> Result<(), SubmitError> {
        let (record, proposal) = self.stream.propose(&fact, self.control.clock.now(), actor);
        let position = self.control.write_path.append(record)?;
        let recorded = self.stream.accept(proposal, position);
        registry.lock().unwrap_or_else(PoisonError::into_inner).fold(fact, &recorded);
        self.control.directory.system().reached(position);
        Ok(())
    }

    /// Records a fact before there is a pipeline.
    pub(crate) fn record_first<R: Registry>(
        &mut self,
        writer: &mut Writer,
        registry: &Mutex<R>,
        fact: R::Fact,
    ) -> Result<(), AppendError> {
        let (record, proposal) = self.stream.propose(&fact, self.control.clock.now(), None);
        let appended = writer.append(&[record])?;
        let Some(position) = appended.last_positions.last().copied() else {
            return Err(AppendError::Io { what: "record a fact", source: std::io::ErrorKind::Other.into() });
        };
        let recorded = self.stream.accept(proposal, position);
        registry.lock().unwrap_or_else(PoisonError::into_inner).fold(fact, &recorded);
        self.control.directory.system().reached(position);
        Ok(())
    }

    /// Passes the facts that another host has recorded since to their registries.
    pub(crate) fn read_on(
        &mut self,
        reader: &Reader,
        registries: &mut [&mut dyn ReadFacts],
    ) -> Result<(), StreamError> {
        self.stream.read_on(reader, registries)
    }
}
