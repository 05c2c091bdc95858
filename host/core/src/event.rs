//! A fact as readers see it, once it is durable.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    AggregateId, AggregateName, CommandId, ContentId, CorrelationId, DomainName, EventName, Position, Sequence,
    TimestampMs,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Content id, and so unique; what de-duplicates.
    pub id: ContentId,
    pub position: Position,
    pub domain: DomainName,
    pub aggregate: AggregateName,
    pub aggregate_id: AggregateId,
    pub sequence: Sequence,
    pub name: EventName,
    pub version: u32,
    pub at_ms: TimestampMs,
    pub command_id: CommandId,
    pub correlation_id: CorrelationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<CorrelationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// W3C's trace context of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Translations between contexts that lie behind it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hops: u32,
    /// JSON, byte for byte as the domain gave it.
    pub payload: Box<RawValue>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
