//! An event as clients read it, once it is durable.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    AggregateId, AggregateName, CommandId, ContentId, CorrelationId, DomainName, EventName, Position, Sequence,
    TimestampMs,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// The content id. It is unique, so consumers can use it to drop duplicates.
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
    /// W3C trace context of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Number of translations between contexts that led to this event.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hops: u32,
    /// JSON, byte for byte as the domain returned it.
    pub payload: Box<RawValue>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
