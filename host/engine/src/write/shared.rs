//! What the workers of all lanes share.

use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use polder_journal::Reader;

use super::appender::Appender;
use super::audit::Audit;
use super::batch::Grown;
use super::job::Message;
use super::metrics::Metrics;
use super::prepared::PreparedStore;
use super::withdrawals::Withdrawals;
use crate::tenancy::{Clock, Domain};

/// What all workers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) appender: Arc<Appender>,
    pub(super) reader: Reader,
    pub(super) clock: Arc<Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) grown: Arc<Grown>,
    /// Runs a sample of the commands again. `None` if no commands are audited.
    pub(super) audit: Option<Audit>,
    pub(super) withdrawals: Withdrawals,
    pub(super) worker_count: usize,
    pub(super) peers: Peers,
    pub(super) prepared: Arc<PreparedStore>,
}

/// All workers of the fast lane, for requests from one worker to the others.
#[derive(Clone, Default)]
pub(super) struct Peers(Arc<OnceLock<Vec<Sender<Message>>>>);

impl Peers {
    pub(super) fn set(&self, workers: Vec<Sender<Message>>) {
        assert!(self.0.set(workers).is_ok(), "the workers are started once");
    }

    /// Asks all other workers to release unused guest memory.
    pub(super) fn ask_for_memory(&self, asking: Option<usize>) {
        for (number, peer) in self.0.get().into_iter().flatten().enumerate() {
            if Some(number) != asking {
                // A worker that is gone holds no memory.
                drop(peer.send(Message::GiveMemoryBack));
            }
        }
    }
}

/// The key of a domain's resident instances. It is valid as long as the domain is kept alive.
pub(super) fn address_of(domain: &Arc<Domain>) -> usize {
    Arc::as_ptr(domain).addr()
}
