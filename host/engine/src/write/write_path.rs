//! The pipeline of a host, which exists only while the host owns its journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use polder_core::Position;
use polder_journal::{EncodedRecord, Writer};

use super::pipeline::Pipeline;
use crate::tenancy::SubmitError;

/// Takes commands while it has a pipeline. Threads read it without a lock, so that none waits for a thread that waits
/// for the disk.
#[derive(Default)]
pub(crate) struct WritePath {
    pipeline: ArcSwapOption<Pipeline>,
    is_stopped: AtomicBool,
}

impl WritePath {
    /// The pipeline; `None` while this host does not own its journal, and once it shuts down. Drop the guard soon.
    pub(crate) fn pipeline(&self) -> Guard<Option<Arc<Pipeline>>> {
        self.pipeline.load()
    }

    /// Begins to take commands.
    pub(crate) fn begin(&self, pipeline: Pipeline) {
        self.pipeline.store(Some(Arc::new(pipeline)));
    }

    /// Stops taking commands, and refuses those that are not durable yet. Returns the journal's writer, so that another
    /// host can continue the journal. Blocks.
    pub(crate) fn step_down(&self) -> Option<Writer> {
        self.pipeline.swap(None)?.retire()
    }

    /// Takes no more commands. The pipeline that is returned must be stopped.
    pub(crate) fn close(&self) -> Option<Arc<Pipeline>> {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.pipeline.swap(None)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
    }

    /// Whether commands are taken, even if a failure keeps them from becoming durable.
    pub(crate) fn is_open(&self) -> bool {
        self.pipeline.load().is_some()
    }

    /// Appends a record that the host decided itself. Blocks until it is durable.
    pub(crate) fn append(&self, record: EncodedRecord) -> Result<Position, SubmitError> {
        self.pipeline.load_full().ok_or_else(|| self.refusal())?.append(record)
    }

    /// The refusal of a command while there is no pipeline.
    pub(crate) fn refusal(&self) -> SubmitError {
        match self.is_closed() {
            true => SubmitError::ShuttingDown,
            false => SubmitError::NotOwner,
        }
    }
}
