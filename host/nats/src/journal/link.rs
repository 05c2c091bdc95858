//! The connection to a journal's streams, for threads that block. It has a runtime of its own, so that a blocked thread
//! does not delay answers to clients.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::Stream;
use polder_core::Journals;
use tokio::runtime::Runtime;

use super::durability::Durability;
use super::error::JournalError;
use super::retry;
use super::secret::Marks;
use super::settings::Names;
use crate::connection::Connection;
use crate::steering::Leaving;
use crate::throttle::Throttle;

/// How long a frame waits before the connection goes to another server.
const FRAME_WAIT_MAX: Duration = Duration::from_millis(2_500);
const FRAME_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The purpose for which a journal is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Append,
    Read,
}

/// The last message of the stream that was read, and the last frame up to it. Frames have their own numbers, because
/// other clients may have written into the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamPosition {
    pub(super) number: u64,
    pub(super) sequence: u64,
}

/// The link to one journal. A handle; clones share it.
#[derive(Clone)]
pub struct JournalLink {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) names: Names,
    pub(super) journals: Journals,
    pub(super) replicas: usize,
    pub(super) connection: Connection,
    pub(super) context: Context,
    pub(super) frames: Stream,
    pub(super) objects: ObjectStore,
    pub(super) parcels: ObjectStore,
    pub(super) durability: Durability,
    pub(super) purpose: Purpose,
    /// Marks show which messages come from hosts of this cluster. `None` if the link is only for reading and has no
    /// secret: then the writers of messages are unknown.
    pub(super) marks: Option<Marks>,
    pub(super) position: Mutex<StreamPosition>,
    /// Time since when a frame waits for the servers' acknowledgement.
    pub(super) waiting: Mutex<Option<Instant>>,
    pub(super) foreign: Throttle,
    pub(super) runtime: Option<Runtime>,
}

impl JournalLink {
    /// Number of journals in the set, this one included.
    pub fn journals(&self) -> Journals {
        self.inner.journals
    }

    /// What an acknowledgement guarantees.
    pub fn durability(&self) -> &Durability {
        &self.inner.durability
    }

    /// Time that a frame of this host has been waiting for the servers' acknowledgement. `None` if no frame waits.
    pub fn frame_waits_for(&self) -> Option<Duration> {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }

    /// Connects to another server of the cluster, if there is one. Blocks.
    pub fn leave_server(&self) {
        self.block_on(self.inner.connection.leave_server());
    }

    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// The marks for messages of hosts. `None` if the link is only for reading and has no secret.
    pub(super) fn marks(&self) -> Option<&Marks> {
        self.inner.marks.as_ref()
    }

    pub(super) fn own_marks(&self) -> &Marks {
        self.marks().expect("a link that writes has the secret")
    }

    pub(super) fn position(&self) -> StreamPosition {
        *self.inner.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_position(&self, position: StreamPosition) {
        *self.inner.position.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    /// Logs that a message is skipped: no host of the cluster wrote it, or it repeats an old frame.
    pub(super) fn log_foreign(&self, sequence: u64) {
        if let Some(unsaid) = self.inner.foreign.now() {
            let stream = &self.inner.names.frames;
            tracing::warn!(
                stream,
                sequence,
                unsaid,
                "a message of the journal's stream is skipped: no host of this cluster wrote it; permit only the hosts to publish there"
            );
        }
    }

    /// Runs a background task until the link is dropped.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.inner.runtime.as_ref().expect("the runtime exists until the drop").spawn(future));
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.inner.runtime.as_ref().expect("the runtime exists until the drop").block_on(future)
    }

    /// Repeats a request until there is an answer, or [`QUESTION_WAIT_MAX`](retry::QUESTION_WAIT_MAX) is over.
    pub(super) async fn ask<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
        &self,
        what: &str,
        question: impl FnMut() -> F,
    ) -> Result<T, JournalError> {
        retry::ask(what, question).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last clone may be dropped on a thread that must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Makes the connection go to another server when a frame has waited too long. A server that leads a stream and has
/// lost the others answers all other questions as before, for up to twenty seconds.
pub(super) async fn leave_servers_that_take_no_frames(inner: Weak<Inner>) {
    let mut leaving = Leaving::new(FRAME_WAIT_MAX);
    loop {
        tokio::time::sleep(FRAME_CHECK_INTERVAL).await;
        let Some(inner) = inner.upgrade() else { return };
        let waits_since = *inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = waits_since.map_or(Duration::ZERO, |since| since.elapsed());
        if leaving.is_due(lasts, Instant::now()) {
            inner.connection.leave_server().await;
        }
    }
}
