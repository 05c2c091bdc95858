//! What the journal stores: the decision of one aggregate about one command.

use polder_core::{
    AggregateId, AggregateName, CommandId, CommandName, CorrelationId, DomainName, EventName, Fingerprint,
    REVISION_MARK_BYTES, Reason, Sequence, TenantName, TimestampMs, Trail,
};

use crate::lookup_keys::AggregateKey;

#[derive(Debug, Clone)]
pub struct Decision {
    pub tenant: TenantName,
    pub domain: DomainName,
    pub aggregate: AggregateName,
    pub aggregate_id: AggregateId,
    /// Mark of the revision that decided.
    pub revision_mark: [u8; REVISION_MARK_BYTES],
    pub command_id: CommandId,
    pub command_name: CommandName,
    pub fingerprint: Fingerprint,
    /// The correlation id. `None` if it is the same as the command's id.
    pub correlation_id: Option<CorrelationId>,
    pub causation_id: Option<CorrelationId>,
    pub actor: Option<String>,
    pub trail: Trail,
    pub at_ms: TimestampMs,
    pub outcome: Outcome,
    /// The aggregate's sequence before the command. The first event here has the next one.
    pub sequence_before: Sequence,
    pub events: Vec<NewEvent>,
}

impl Decision {
    pub fn aggregate_key(&self) -> AggregateKey {
        AggregateKey::of(&self.tenant, &self.domain, &self.aggregate, &self.aggregate_id)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    Rejected(Reason),
}

/// An event as the domain returned it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub name: EventName,
    pub version: u32,
    /// JSON in UTF-8.
    pub payload: Vec<u8>,
}
