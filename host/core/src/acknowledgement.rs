//! The only answer to a command. It never carries data: results flow through events.

use serde::{Deserialize, Serialize};

use crate::{AggregateId, CommandId, CorrelationId, Position, Sequence};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAck {
    pub status: CommandStatus,
    pub command_id: CommandId,
    pub aggregate_id: AggregateId,
    /// Where the aggregate stands after the command.
    pub sequence: Sequence,
    /// The tenant's position after which every effect of the command can be read: that of its last event, or for a command
    /// without events the newest when it was decided.
    pub position: Position,
    pub correlation_id: CorrelationId,
    /// Where the aggregate's events appear.
    pub stream_subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The command had been handled before; this is its first acknowledgement again.
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

/// Why the domain said no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable and machine-readable: `already-submitted`.
    pub code: String,
    /// For people.
    pub message: String,
}
