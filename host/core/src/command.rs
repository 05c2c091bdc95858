//! A request to one aggregate, as it stands after the outer faces have checked and named everything.

use bytes::Bytes;

use crate::{AggregateId, AggregateName, CommandId, CommandName, CorrelationId, DomainName, Sequence, TenantName};

#[derive(Debug, Clone)]
pub struct Command {
    pub tenant: TenantName,
    pub domain: DomainName,
    pub aggregate: AggregateName,
    pub aggregate_id: AggregateId,
    pub name: CommandName,
    /// JSON in UTF-8, as the caller sent it.
    pub payload: Bytes,
    /// As the caller named it, so that repeating the request is safe. `None`: the host makes one up.
    pub id: Option<CommandId>,
    /// Decide the command anew when it was rejected before under this id, also with another payload. One that was accepted is never decided
    /// again.
    pub retry_rejected: bool,
    /// Refuse the command unless the aggregate stands exactly here.
    pub expected_sequence: Option<Sequence>,
    /// `None`: the command's id.
    pub correlation_id: Option<CorrelationId>,
    /// The id of what caused this command: an event or another command.
    pub causation_id: Option<CorrelationId>,
    pub actor: Option<String>,
    pub trail: Trail,
}

/// What led to a command, for those who follow it through several systems. It is kept with the events, and stands in no content id: what
/// happened does not depend on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// W3C's trace context, as the caller wrote it.
    pub traceparent: Option<String>,
    /// Translations between contexts that lie behind it.
    pub hops: u32,
}

/// Tells a repeated command from another one that took its id: BLAKE3 over name and payload, cut to 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    pub fn of(name: &CommandName, payload: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(name.as_str().as_bytes()).update(&[0]).update(payload);
        let digest = hasher.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        Self(u64::from_le_bytes(first))
    }
}
