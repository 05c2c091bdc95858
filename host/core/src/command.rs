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
    /// Refuse the command unless the aggregate stands exactly here.
    pub expected_sequence: Option<Sequence>,
    /// `None`: the command's id.
    pub correlation_id: Option<CorrelationId>,
    /// The id of what caused this command: an event or another command.
    pub causation_id: Option<CorrelationId>,
    pub actor: Option<String>,
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
