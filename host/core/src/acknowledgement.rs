//! The only reply to a command. It never carries data; results are read from events.

use serde::{Deserialize, Serialize};

use crate::{AggregateId, CommandId, CorrelationId, Position, Sequence};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAck {
    pub status: CommandStatus,
    pub command_id: CommandId,
    pub aggregate_id: AggregateId,
    /// The aggregate's sequence after the command.
    pub sequence: Sequence,
    /// The tenant's position after which every effect of the command can be read: that of its last event, or for a
    /// command without events the newest one when it was decided.
    pub position: Position,
    pub correlation_id: CorrelationId,
    /// The NATS subject of the aggregate's events.
    pub stream_subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether the command had been handled before. Then this is its first acknowledgement again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandStatus {
    Accepted,
    Rejected,
    Pending,
}

/// Why the domain rejected the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable and machine-readable: `already-submitted`.
    pub code: String,
    /// A text for people.
    pub message: String,
}
