//! A decision on its way to the journal, and the state that it was made on.

use std::sync::Arc;

use polder_journal::{AggregateKey, CommandKey, EncodedRecord};

use super::audit::Sample;
use super::batch::Reply;
use super::warm::Warm;
use crate::tenancy::Domain;

/// The state of a decision, to be put back into its resident.
pub(super) struct StateAfter {
    pub(super) domain: Arc<Domain>,
    pub(super) key: AggregateKey,
    pub(super) warm: Warm,
    pub(super) sample: Option<Box<Sample>>,
}

/// A decision on its way to the journal.
pub(super) struct PendingReply {
    pub(super) reply: Reply,
    pub(super) record: Option<EncodedRecord>,
    pub(super) repeatable: Option<CommandKey>,
    pub(super) generation: u64,
}
