//! Reads the host's own history at the start, and keeps the last sequence of each of its aggregates, so that new facts
//! are appended after them.

use std::collections::HashMap;

use polder_core::{
    AggregateId, AggregateName, CommandId, CommandName, ContentId, DomainName, EventName, Fingerprint, Position,
    REVISION_MARK_BYTES, Sequence, TimestampMs, Trail,
};
use polder_journal::{
    AggregateKey, Decision, EncodedRecord, EventView, NewEvent, Outcome, ReadError, Reader, RecordError, RecordView,
};

use super::fact::{Fact, ReadFacts, Recorded, Registry, Written, written};
use crate::tenancy::system_tenant;

/// Bytes of the stream per read.
const READ_BYTES: usize = 1024 * 1024;
/// Records of one aggregate per read.
const RECORDS_PER_READ: usize = 256;
/// The revision mark of facts, which are decided by the host and not by a revision of a domain.
const HOST_MARK: [u8; REVISION_MARK_BYTES] = [0; REVISION_MARK_BYTES];
/// The command name in the records of facts.
const COMMAND: &str = "record";

/// The last sequence of each aggregate of the host's own history. The holder may record facts; there is one at a time.
#[derive(Debug, Default)]
pub(crate) struct SystemStream {
    heads: HashMap<AggregateKey, (Sequence, ContentId)>,
    /// The position up to which the history was read or written.
    position: Position,
}

/// The host's own history cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error(transparent)]
    Journal(#[from] ReadError),
    #[error("{name} version {version} of domain {domain:?}, at position {position}: {problem}")]
    Event { domain: String, name: String, version: u32, position: Position, problem: String },
    #[error("the journal is damaged: {0}; run `polder verify`")]
    Damaged(#[from] RecordError),
}

/// A fact that is being recorded.
pub(crate) struct Proposal {
    key: AggregateKey,
    sequence: Sequence,
    id: ContentId,
    at_ms: TimestampMs,
    actor: Option<String>,
}

impl SystemStream {
    /// Passes each fact to the registry of its domain, in order. Each registry must be of another domain.
    pub(crate) fn read(reader: &Reader, registries: &mut [&mut dyn ReadFacts]) -> Result<Self, StreamError> {
        let mut stream = Self::default();
        stream.read_on(reader, registries)?;
        Ok(stream)
    }

    /// Passes the facts that another host has recorded since to the registries.
    pub(crate) fn read_on(
        &mut self,
        reader: &Reader,
        registries: &mut [&mut dyn ReadFacts],
    ) -> Result<(), StreamError> {
        loop {
            let batch = reader.tenant_batch(&system_tenant(), self.position, READ_BYTES)?;
            if batch.is_empty() {
                return Ok(());
            }
            self.position = batch.last();
            for (record, event) in batch.events() {
                let head = self.heads.entry(record.aggregate_key()).or_insert((Sequence::ZERO, ContentId::NONE));
                record.check_content(&head.1)?;
                *head = (event.sequence, event.id);
                let registry = registries.iter_mut().find(|registry| registry.domain() == record.domain());
                read_into(&record, &event, registry.map(|registry| &mut **registry))?;
            }
        }
    }

    /// Encodes a fact as a record after the last one of the same aggregate.
    pub(crate) fn propose<F: Fact>(
        &self,
        fact: &F,
        at_ms: TimestampMs,
        actor: Option<&str>,
    ) -> (EncodedRecord, Proposal) {
        let (tenant, aggregate_id) = (system_tenant(), fact.aggregate_id());
        let domain = DomainName::new(F::DOMAIN).expect("a good name");
        let aggregate = AggregateName::new(F::AGGREGATE).expect("a good name");
        let key = AggregateKey::of(&tenant, &domain, &aggregate, &aggregate_id);
        let (sequence, head) = self.heads.get(&key).copied().unwrap_or((Sequence::ZERO, ContentId::NONE));
        let (name, version, payload) = written(fact);
        let command_name = CommandName::new(COMMAND).expect("a good name");
        let decision = Decision {
            tenant,
            domain,
            aggregate,
            aggregate_id,
            revision_mark: HOST_MARK,
            command_id: CommandId::new(&format!("fact-{}", sequence.plus(1))).expect("a good id"),
            fingerprint: Fingerprint::of(&command_name, &payload),
            command_name,
            correlation_id: None,
            causation_id: None,
            actor: actor.map(str::to_owned),
            trail: Trail::default(),
            at_ms,
            outcome: Outcome::Accepted,
            sequence_before: sequence,
            events: vec![NewEvent { name: EventName::new(&name).expect("a good name"), version, payload }],
        };
        let (record, id) = EncodedRecord::encode(&decision, key, &head);
        (record, Proposal { key, sequence: sequence.plus(1), id, at_ms, actor: decision.actor })
    }

    /// Advances the stream. Call it once the proposal is durable.
    pub(crate) fn accept(&mut self, proposal: Proposal, position: Position) -> Recorded {
        let Proposal { key, sequence, id, at_ms, actor } = proposal;
        self.heads.insert(key, (sequence, id));
        self.position = position;
        Recorded { position, sequence, id, at_ms, actor }
    }
}

/// Passes the facts about one aggregate to a registry, in order.
pub(crate) fn read_facts<B: Registry>(reader: &Reader, id: &AggregateId, registry: &mut B) -> Result<(), StreamError> {
    let domain = DomainName::new(B::Fact::DOMAIN).expect("a good name");
    let aggregate = AggregateName::new(B::Fact::AGGREGATE).expect("a good name");
    let key = AggregateKey::of(&system_tenant(), &domain, &aggregate, id);
    let mut after = Sequence::ZERO;
    loop {
        let records = reader.history(key, after, RECORDS_PER_READ)?;
        let Some(last) = records.last() else { return Ok(()) };
        after = last.view().sequence();
        for record in &records {
            let view = record.view();
            for event in view.events() {
                read_into(&view, &event, Some(registry))?;
            }
        }
    }
}

/// Passes the facts of one record to the registry of their domain. Ignores records of other domains.
pub(crate) fn read_record<B: Registry>(record: &RecordView<'_>, registry: &mut B) -> Result<(), StreamError> {
    if record.domain() != B::Fact::DOMAIN {
        return Ok(());
    }
    record.events().try_for_each(|event| read_into(record, &event, Some(registry)))
}

fn read_into<R: ReadFacts + ?Sized>(
    record: &RecordView<'_>,
    event: &EventView<'_>,
    registry: Option<&mut R>,
) -> Result<(), StreamError> {
    let refused = |problem: String| StreamError::Event {
        domain: record.domain().to_owned(),
        name: event.name.to_owned(),
        version: event.version,
        position: event.position,
        problem,
    };
    let noted = Recorded {
        position: event.position,
        sequence: event.sequence,
        id: event.id,
        at_ms: record.at_ms(),
        actor: record.actor().map(str::to_owned),
    };
    let Some(registry) = registry else {
        return Err(refused("this version of polder has no such domain".into()));
    };
    let payload = str::from_utf8(event.payload).map_err(|error| refused(error.to_string()))?;
    let written = Written { name: event.name, version: event.version, payload };
    registry.read(&written, &noted).map_err(|error| refused(error.to_string()))
}
