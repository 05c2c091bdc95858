//! Turns a decision into its record for the journal and the acknowledgement of its command. Knows neither lanes nor
//! threads.

use polder_core::{
    Command, CommandAck, CommandId, CommandStatus, CorrelationId, Fingerprint, Position, Reason, Sequence, TimestampMs,
};
use polder_journal::{AggregateKey, Decision, EncodedRecord, NewEvent, Outcome};

use super::warm::Warm;
use crate::tenancy::{Active, DecidedEvent, SubmitError};

/// What the guest decided: events, or the reason of a rejection.
pub(super) type GuestDecision = Result<Vec<DecidedEvent>, Reason>;

/// Identity and time of a command. They stay the same if its rules run more than once.
pub(super) struct CommandIdentity {
    pub(super) id: CommandId,
    pub(super) at_ms: TimestampMs,
}

pub(super) struct Verdict {
    pub(super) record: Option<EncodedRecord>,
    pub(super) answer: Result<CommandAck, SubmitError>,
}

/// Encodes the decision as a record and builds its acknowledgement.
pub(super) fn record(
    key: AggregateKey,
    active: &Active,
    warm: &mut Warm,
    command: Command,
    CommandIdentity { id, at_ms }: CommandIdentity,
    decision: GuestDecision,
) -> Verdict {
    let correlation_id = command.correlation_id.clone().unwrap_or_else(|| CorrelationId::from(&id));
    let (status, outcome, reason, events) = match decision {
        Ok(events) => (CommandStatus::Accepted, Outcome::Accepted, None, events),
        Err(reason) => (CommandStatus::Rejected, Outcome::Rejected(reason.clone()), Some(reason), Vec::new()),
    };
    let subject = active.stream_subject(&command.aggregate).unwrap_or_default().to_owned();
    let mut ack = acknowledgement(subject, &command, status, id.clone(), correlation_id, reason);
    // A command whose id was made by the host cannot be repeated. Without events there is nothing worth recording.
    let is_kept = !events.is_empty() || command.id.is_some();
    let record = is_kept.then(|| {
        let decision = Decision {
            fingerprint: Fingerprint::of(&command.name, &command.payload),
            tenant: command.tenant,
            domain: command.domain,
            aggregate: command.aggregate,
            aggregate_id: command.aggregate_id,
            revision_mark: active.revision.mark(),
            command_id: id,
            command_name: command.name,
            correlation_id: command.correlation_id,
            causation_id: command.causation_id,
            actor: command.actor,
            trail: command.trail,
            at_ms,
            outcome,
            sequence_before: warm.sequence,
            events: events.into_iter().map(new_event).collect(),
        };
        let (record, head) = EncodedRecord::encode(&decision, key, &warm.head);
        warm.sequence = warm.sequence.plus(decision.events.len() as u64);
        warm.head = head;
        record
    });
    ack.sequence = warm.sequence;
    Verdict { record, answer: Ok(ack) }
}

/// A new command id. Ids are ordered by time, so that consecutive ids lie close together in indexes.
pub(super) fn new_command_id(at_ms: TimestampMs) -> CommandId {
    // Not `now_v7`, which panics while the machine's clock is before 1970.
    let (seconds, nanoseconds) = (at_ms.0 / 1_000, (at_ms.0 % 1_000) as u32 * 1_000_000);
    let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds);
    let mut buffer = uuid::Uuid::encode_buffer();
    CommandId::new(uuid::Uuid::new_v7(time).hyphenated().encode_lower(&mut buffer))
        .expect("a UUID is a good command id")
}

/// The acknowledgement without its sequence and position, which are set later.
pub(super) fn acknowledgement(
    stream_subject: String,
    command: &Command,
    status: CommandStatus,
    command_id: CommandId,
    correlation_id: CorrelationId,
    reason: Option<Reason>,
) -> CommandAck {
    CommandAck {
        status,
        command_id,
        aggregate_id: command.aggregate_id.clone(),
        sequence: Sequence::ZERO,
        position: Position::ZERO,
        correlation_id,
        stream_subject,
        reason,
        repeated: false,
    }
}

fn new_event(event: DecidedEvent) -> NewEvent {
    NewEvent { name: event.name, version: event.version, payload: event.payload }
}
