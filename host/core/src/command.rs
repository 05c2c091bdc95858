//! A request to one aggregate, after the server has checked and named all its parts.

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
    /// The id that the caller chose, so that repeating the request is safe. If it is `None`, the host generates one.
    pub id: Option<CommandId>,
    /// Whether to decide the command again if it was rejected before under this id, even with another payload. A
    /// command that was accepted is never decided again.
    pub retry_rejected: bool,
    /// Refuse the command unless the aggregate has exactly this sequence.
    pub expected_sequence: Option<Sequence>,
    /// `None` stands for the command's id.
    pub correlation_id: Option<CorrelationId>,
    /// The id of what caused this command: an event or another command.
    pub causation_id: Option<CorrelationId>,
    pub actor: Option<String>,
    pub trail: Trail,
}

/// What led to a command, for tracing through several systems. It is stored with the events, but is not part of their
/// content ids, because it does not change what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// W3C trace context, as the caller sent it.
    pub traceparent: Option<String>,
    /// Number of translations between contexts that led to this command.
    pub hops: u32,
}

/// Distinguishes a repeated command from a different one with the same id: BLAKE3 over name and payload, cut to 8
/// bytes.
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
