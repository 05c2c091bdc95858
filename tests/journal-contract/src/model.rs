//! The tests' only access to the journal's interface. It makes decisions like an engine, and remembers which were
//! acknowledged.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use polder_core::{
    AggregateId, AggregateName, CommandId, CommandName, ContentId, DomainName, EventName, Fingerprint, Position,
    Reason, Sequence, TenantName, TimestampMs,
};
use polder_journal::disk::Disk;
use polder_journal::{
    AggregateKey, AppendError, CommandKey, Decision, EncodedRecord, Journal, Keyring, NewEvent, OpenError, OpenOptions,
    OpenReport, Outcome, Reader, RecordView, Writer,
};

/// Options with small segments and small overlays, so that rare cases occur often.
pub fn small() -> OpenOptions {
    OpenOptions { segment_bytes: 8 * 1024, index_flush_records: 16, prepare_ahead: false, reserve_bytes: 0 }
}

/// The tenant of the tests that has a key. The other tenants have none.
pub const SEALED: &str = "main";

/// The same keys for all journals of the tests.
pub fn keys() -> Keyring {
    static KEYS: LazyLock<Keyring> = LazyLock::new(|| {
        let keys = Keyring::default();
        keys.create(&tenant(SEALED)).unwrap();
        keys
    });
    KEYS.clone()
}

pub fn open_on(disk: &(impl Disk + Clone)) -> Result<(Writer, Reader, OpenReport), OpenError> {
    Journal::open_on(Arc::new(disk.clone()), keys(), small())
}

pub fn open(dir: &Path) -> (Writer, Reader, OpenReport) {
    let opened = Journal::open(dir, small()).unwrap();
    opened.1.keys().create(&tenant(SEALED)).unwrap();
    opened
}

pub fn tenant(name: &str) -> TenantName {
    TenantName::new(name).unwrap()
}

/// A short description of a record that a test appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub tenant: &'static str,
    pub aggregate: u8,
    /// One event per entry; each entry is the size of the event's payload, in bytes of JSON.
    pub events: Vec<usize>,
    pub rejected: bool,
}

pub fn accept(tenant: &'static str, aggregate: u8, events: &[usize]) -> Wish {
    Wish { tenant, aggregate, events: events.to_vec(), rejected: false }
}

pub fn reject(tenant: &'static str, aggregate: u8) -> Wish {
    Wish { tenant, aggregate, events: Vec::new(), rejected: true }
}

/// A record in the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    pub tenant: TenantName,
    pub aggregate: AggregateKey,
    pub command: CommandKey,
    pub command_id: String,
    pub position_before: Position,
    pub sequence_before: Sequence,
    pub rejected: bool,
    pub payloads: Vec<Vec<u8>>,
    pub ids: Vec<ContentId>,
}

impl Remembered {
    pub fn position(&self) -> Position {
        self.position_before.plus(self.payloads.len() as u64)
    }

    pub fn of(view: &RecordView<'_>) -> Self {
        Self {
            tenant: tenant(view.tenant()),
            aggregate: view.aggregate_key(),
            command: view.command_key(),
            command_id: view.command_id().to_owned(),
            position_before: view.position_before(),
            sequence_before: view.sequence_before(),
            rejected: view.reason().is_some(),
            payloads: view.events().map(|event| event.payload.to_vec()).collect(),
            ids: view.events().map(|event| event.id).collect(),
        }
    }
}

/// A plain list of acknowledged records, with the last sequence of every aggregate and the last position of every
/// tenant.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub records: Vec<Remembered>,
    heads: HashMap<AggregateKey, (Sequence, ContentId)>,
    positions: HashMap<TenantName, Position>,
    commands: u64,
}

impl Model {
    /// The records for the wishes, and the model's records to remember if they are acknowledged.
    pub fn prepare(&mut self, wishes: &[Wish]) -> (Vec<EncodedRecord>, Vec<Remembered>) {
        let mut ahead = self.clone();
        let mut records = Vec::new();
        let mut expected = Vec::new();
        for wish in wishes {
            // A command id is never used twice, even if the append failed.
            self.commands += 1;
            ahead.commands = self.commands;
            let (record, remembered) = ahead.next(wish);
            ahead.remember(remembered.clone());
            records.push(record);
            expected.push(remembered);
        }
        (records, expected)
    }

    fn next(&self, wish: &Wish) -> (EncodedRecord, Remembered) {
        let (decision, head) = self.decision(wish);
        let (record, _) = EncodedRecord::encode(&decision, decision.aggregate_key(), &head);
        let key = record.aggregate();
        let remembered = Remembered {
            command: CommandKey::of(key, &decision.command_id),
            ids: ids_of(&decision, head),
            aggregate: key,
            command_id: decision.command_id.to_string(),
            position_before: self.positions.get(&decision.tenant).copied().unwrap_or_default(),
            tenant: decision.tenant,
            sequence_before: decision.sequence_before,
            rejected: wish.rejected,
            payloads: decision.events.into_iter().map(|event| event.payload).collect(),
        };
        (record, remembered)
    }

    /// The decision that an engine would make next, and the id of the aggregate's last event.
    pub fn decision(&self, wish: &Wish) -> (Decision, ContentId) {
        let tenant = tenant(wish.tenant);
        let (domain, aggregate) = (DomainName::new("orders").unwrap(), AggregateName::new("order").unwrap());
        let aggregate_id = AggregateId::new(&format!("o-{}", wish.aggregate)).unwrap();
        let key = AggregateKey::of(&tenant, &domain, &aggregate, &aggregate_id);
        let (sequence_before, head) = self.heads.get(&key).copied().unwrap_or((Sequence::ZERO, ContentId::NONE));
        let refusal = Reason { code: "full".to_owned(), message: "no room".to_owned() };
        let decision = Decision {
            tenant,
            domain,
            aggregate,
            aggregate_id,
            revision_mark: [7; 8],
            command_id: CommandId::new(&format!("c-{}", self.commands)).unwrap(),
            command_name: CommandName::new("submit-order").unwrap(),
            fingerprint: Fingerprint(self.commands),
            correlation_id: None,
            causation_id: None,
            actor: Some("ada".to_owned()),
            // Only on some records, so that records with and without a trail are adjacent.
            trail: polder_core::Trail {
                traceparent: self.commands.is_multiple_of(3).then(|| format!("00-{}-01", self.commands)),
                hops: (self.commands % 2) as u32,
            },
            at_ms: TimestampMs(1_700_000_000_000 + self.commands),
            outcome: if wish.rejected { Outcome::Rejected(refusal) } else { Outcome::Accepted },
            sequence_before,
            events: wish.events.iter().map(|bytes| event(self.commands, *bytes)).collect(),
        };
        (decision, head)
    }

    pub fn remember(&mut self, record: Remembered) {
        let count = record.payloads.len() as u64;
        if let Some(head) = record.ids.last() {
            self.heads.insert(record.aggregate, (record.sequence_before.plus(count), *head));
        }
        self.positions.insert(record.tenant.clone(), record.position());
        self.records.push(record);
    }

    /// Removes the last record, as if it had never been acknowledged.
    pub fn forget_last(&mut self) {
        let mut records = std::mem::take(&mut self.records);
        records.pop();
        let mut model = Self { commands: self.commands, ..Self::default() };
        records.into_iter().for_each(|record| model.remember(record));
        *self = model;
    }

    /// Appends, and remembers the acknowledged records, also if there was no room for all of them. `Err` holds the
    /// records that may or may not be in the journal.
    pub fn append(&mut self, writer: &mut Writer, wishes: &[Wish]) -> Result<(), (AppendError, Vec<Remembered>)> {
        let (records, expected) = self.prepare(wishes);
        match writer.append(&records) {
            Ok(appended) => {
                let positions: Vec<_> = expected.iter().map(Remembered::position).collect();
                assert_eq!(appended.last_positions, positions);
                expected.into_iter().for_each(|record| self.remember(record));
                Ok(())
            }
            Err(error @ AppendError::NoRoom { .. }) => {
                let AppendError::NoRoom { appended, .. } = &error else { unreachable!("it was matched above") };
                let durable = expected.into_iter().take(appended.last_positions.len());
                for (record, position) in durable.zip(&appended.last_positions) {
                    assert_eq!(record.position(), *position);
                    self.remember(record);
                }
                Err((error, Vec::new()))
            }
            Err(error) => Err((error, expected)),
        }
    }

    pub fn tenants(&self) -> Vec<TenantName> {
        let mut tenants: Vec<_> = self.positions.keys().cloned().collect();
        tenants.sort();
        tenants
    }

    /// Checks that every way of reading returns exactly the remembered records.
    pub fn check(&self, reader: &Reader) {
        assert_eq!(reader.tenants(), self.tenants());
        for (tenant, position) in &self.positions {
            assert_eq!(reader.last_position(tenant), *position);
            self.check_tenant(reader, tenant);
        }
        for record in &self.records {
            let found = reader.decision(record.command).unwrap().expect("every command is found");
            assert_eq!(Remembered::of(&found.view()), *record);
        }
        for (key, (sequence, head)) in &self.heads {
            let history = reader.history(*key, Sequence::ZERO, usize::MAX).unwrap();
            let history: Vec<_> = history.iter().map(|record| Remembered::of(&record.view())).collect();
            assert_eq!(history, self.history(*key));
            let last = reader.last_of(*key).unwrap().expect("there is a history");
            assert_eq!((last.view().sequence(), last.view().head()), (*sequence, Some(*head)));
        }
    }

    pub fn history(&self, key: AggregateKey) -> Vec<Remembered> {
        let records = self.records.iter().filter(|record| record.aggregate == key && !record.payloads.is_empty());
        records.cloned().collect()
    }

    /// Checks a tenant's events, read in large and in small batches.
    fn check_tenant(&self, reader: &Reader, tenant: &TenantName) {
        let with_events = |record: &&Remembered| record.tenant == *tenant && !record.payloads.is_empty();
        let expected: Vec<_> = self.records.iter().filter(with_events).cloned().collect();
        for bytes_max in [1, 3_000, usize::MAX] {
            let mut found = Vec::new();
            let mut after = Position::ZERO;
            loop {
                let batch = reader.tenant_batch(tenant, after, bytes_max).unwrap();
                if batch.is_empty() {
                    break;
                }
                found.extend(batch.records().map(|view| Remembered::of(&view)));
                assert!(batch.last() > after);
                after = batch.last();
            }
            assert_eq!(found, expected, "in batches of {bytes_max} bytes");
        }
    }

    /// Adds those records of `maybe` that are in the journal to the model, and returns their number. They must be the
    /// first ones.
    pub fn adopt(&mut self, reader: &Reader, maybe: Vec<Remembered>) -> usize {
        let mut adopted = 0;
        for (index, record) in maybe.into_iter().enumerate() {
            if reader.decision(record.command).unwrap().is_some() {
                assert_eq!(adopted, index, "a record is there, one before it is not");
                self.remember(record);
                adopted += 1;
            }
        }
        adopted
    }
}

fn event(number: u64, bytes: usize) -> NewEvent {
    let text = format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(bytes));
    NewEvent { name: EventName::new("order-submitted").unwrap(), version: 1, payload: text.into_bytes() }
}

/// Computes the ids independently of the code under test.
fn ids_of(decision: &Decision, mut head: ContentId) -> Vec<ContentId> {
    let mut ids = Vec::new();
    for (event, sequence) in decision.events.iter().zip(decision.sequence_before.0 + 1..) {
        let content = polder_core::EventContent {
            tenant: decision.tenant.as_str(),
            domain: decision.domain.as_str(),
            aggregate: decision.aggregate.as_str(),
            aggregate_id: decision.aggregate_id.as_str(),
            sequence,
            name: event.name.as_str(),
            version: event.version,
            at_ms: decision.at_ms.0,
            command_id: decision.command_id.as_str(),
            correlation_id: None,
            causation_id: None,
            actor: decision.actor.as_deref(),
            payload: &event.payload,
        };
        head = ContentId::of(&head, &content);
        ids.push(head);
    }
    ids
}
