//! A small journal from fixed keys, for all tests of the format.

use super::super::anchor::{Anchor, AnchorReason, Features, SegmentEnd, TenantState};
use super::super::body::SealedBlock;
use super::super::content_id::{EventDigest, LogId};
use super::super::extensions::{Extensions, ExtensionsBuf, Owner, record_tag};
use super::super::frame::{FrameBuilder, FramePlace, Link};
use super::super::identifier::Identifier;
use super::super::names::{TenantDefinition, names_block};
use super::super::records::{CommandOf, NewEvent, NewRecord, RecordsBuilder};
use super::super::sealing::{BlockKey, MacKey, Nonce};
use super::super::shape::{EventKind, Shape};
use super::super::shapes::shapes_block;

pub(super) const JOURNAL_SECRET: [u8; 32] = *b"the secret of the sample journal";
pub(super) const JOURNAL_ID: [u8; 16] = *b"a sample journal";
pub(super) const EPOCH_ID: [u8; 16] = *b"the first epoch.";
pub(super) const AT_MS: u64 = 1_764_547_200_000;
const SECTOR_BYTES: u64 = 512;

pub(super) fn tenant_secret(tenant: u64) -> [u8; 32] {
    let mut secret = *b"the secret of the tenant no.    ";
    secret[28..].copy_from_slice(&(tenant as u32).to_le_bytes());
    secret
}

pub(super) fn tenant_name(tenant: u64) -> String {
    if tenant == 1 { "main".to_owned() } else { format!("tenant-{tenant}") }
}

pub(super) fn log_id(tenant: u64) -> LogId {
    let mut id = *b"log of tenant   ";
    id[14..].copy_from_slice(&(tenant as u16).to_le_bytes());
    id
}

pub(super) fn block_key(tenant: u64) -> BlockKey {
    BlockKey::derive(&tenant_secret(tenant), &EPOCH_ID)
}

pub(super) fn mac_key() -> MacKey {
    MacKey::derive(&JOURNAL_SECRET)
}

/// The command `add-line` of the orders, with one event; and `close`, with two.
pub(super) fn shapes() -> [Shape; 2] {
    let event =
        |name: &str, version, skeleton: &[u8]| EventKind { name: name.into(), version, skeleton: skeleton.into() };
    let of = |command: &str, events| Shape {
        domain: "orders".into(),
        aggregate: "order".into(),
        command: command.into(),
        revision_mark: *b"revision",
        events,
    };
    [
        of("add-line", vec![event("line-added", 2, br#"{"sku":,"quantity":,"price":}"#)]),
        of("close", vec![event("order-closed", 1, b""), event("invoice-asked-for", 1, b"{}")]),
    ]
}

/// Writes frames one after another, as a segment has them.
pub(super) struct SampleWriter {
    builder: FrameBuilder,
    pub(super) link: Link,
    pub(super) bytes: Vec<u8>,
    nonces: u64,
}

impl SampleWriter {
    pub(super) fn new() -> Self {
        Self { builder: FrameBuilder::default(), link: Link::START, bytes: Vec::new(), nonces: 0 }
    }

    pub(super) fn nonce(&mut self) -> Nonce {
        self.nonces += 1;
        Nonce::new(3, self.nonces).unwrap()
    }

    /// Writes a frame, which begins at the next sector.
    pub(super) fn frame(&mut self, blocks: &[(SealedBlock, u64)]) {
        self.builder.begin();
        for (block, position_before) in blocks {
            self.builder.add(block, *position_before).unwrap();
        }
        let place = FramePlace {
            previous: self.link,
            durable_through: self.link.number,
            epoch: 1,
            address: self.bytes.len() as u64,
            at_ms: AT_MS + self.link.number,
            journal_id: JOURNAL_ID,
            epoch_id: EPOCH_ID,
        };
        let (frame, link) = self.builder.finish(&place, &mac_key()).unwrap();
        self.link = link;
        self.bytes.extend_from_slice(frame);
        let sectors = self.bytes.len() as u64;
        self.bytes.resize(sectors.next_multiple_of(SECTOR_BYTES) as usize, 0);
    }

    /// The names of these tenants, and the shapes of each.
    pub(super) fn definitions(&mut self, tenants: &[u64]) -> Vec<(SealedBlock, u64)> {
        let names: Vec<String> = tenants.iter().map(|tenant| tenant_name(*tenant)).collect();
        let definitions: Vec<_> = tenants
            .iter()
            .zip(&names)
            .map(|(number, name)| TenantDefinition { number: *number, name, log_id: log_id(*number) })
            .collect();
        let mut blocks = vec![(names_block(&definitions).unwrap(), 0)];
        let shapes = shapes();
        for tenant in tenants {
            let (key, nonce) = (block_key(*tenant), self.nonce());
            let block = shapes_block(*tenant, &[(0, &shapes[0]), (1, &shapes[1])], Some((&key, nonce)));
            blocks.push((block.unwrap(), 0));
        }
        blocks
    }

    /// A block of records of one tenant.
    pub(super) fn records(&mut self, tenant: u64, records: &[NewRecord<'_>]) -> SealedBlock {
        let mut builder = RecordsBuilder::new(tenant, log_id(tenant));
        for record in records {
            builder.add(record).unwrap();
        }
        builder.finish(Some((&block_key(tenant), self.nonce()))).unwrap()
    }
}

pub(super) fn anchor(why: AnchorReason, tenants: &[u64]) -> Anchor {
    let state = |number| TenantState {
        number,
        name: tenant_name(number),
        log_id: log_id(number),
        position: 7 * number,
        bytes: 1_000 * number,
        shapes: 2,
        tree: (number > 1).then_some((number, [number as u8; 32])),
    };
    Anchor {
        why,
        features: Features::default(),
        clock_ms: AT_MS,
        previous: (why == AnchorReason::Segment).then_some(SegmentEnd {
            address: 0,
            bytes: 65_536,
            first_frame: 1,
            last_frame: 9,
            last_hash: [9; 32],
        }),
        is_recycled: why == AnchorReason::Segment,
        local_from: 0,
        ledger: (why == AnchorReason::Closing).then_some((3, [3; 32])),
        next_tenant: 300,
        part: (0, 1),
        full_at: None,
        tenants: tenants.iter().map(|tenant| state(*tenant)).collect(),
    }
}

/// One record of the command `add-line`.
pub(super) fn line_added<'a>(shape: &'a Shape, sequence_before: u64, events: &'a [NewEvent<'a>]) -> NewRecord<'a> {
    NewRecord {
        shape_number: 0,
        shape,
        aggregate_id: Identifier::Text("order-17"),
        command: CommandOf::Caller { id: Identifier::Text("order-17-3"), fingerprint: 0x0123_4567_89ab_cdef },
        at_ms: AT_MS - 5,
        sequence_before,
        previous: [0xaa; 32],
        rejection: None,
        extensions: Extensions::default(),
        events,
    }
}

pub(super) fn event(kind: usize, payload: &[u8]) -> NewEvent<'_> {
    NewEvent { kind, payload, extensions: Extensions::default() }
}

/// Extensions with every tag that a record can have.
pub(super) fn all_record_extensions() -> ExtensionsBuf {
    let mut all = ExtensionsBuf::default();
    let mut identifier = Vec::new();
    Identifier::of("01890a5d-ac96-774b-bcce-b302099a8057").unwrap().put(&mut identifier);
    for (tag, value) in [
        (record_tag::CORRELATION_ID, identifier.as_slice()),
        (record_tag::CAUSATION_ID, &[6, b'c', b'-', b'9']),
        (record_tag::ACTOR, b"someone@example.com"),
        (record_tag::SEALED_ACTOR, &[8; 20]),
        (record_tag::CAUSE, &[1; 32]),
        (record_tag::STEP_ID, &[4, b's']),
        (record_tag::TIMER_ID, &[4, b't']),
        (record_tag::SCHEMA_DIGEST, &[2; 32]),
        (record_tag::PROPAGATION, &[1, 2]),
        (record_tag::SIGNATURE, b"a signature"),
        (record_tag::CLOSES_AGGREGATE, b""),
        (record_tag::TRACEPARENT, b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (record_tag::HOPS, &[2]),
        (record_tag::DEPTH, &[3]),
        (record_tag::SUBJECTS_INTRODUCED, &[5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        (record_tag::SUBJECT_OF_ACTOR, &[5]),
    ] {
        all.push(Owner::Record, tag, value).unwrap();
    }
    all
}

/// A segment with every kind of block: an anchor, definitions, records with and without compression, a replacement, a
/// kind of a later version, and the closing anchor.
pub(super) fn segment() -> Vec<u8> {
    let (mut writer, shapes, extensions) = (SampleWriter::new(), shapes(), all_record_extensions());
    let mut blocks = vec![(anchor(AnchorReason::Opened, &[1, 2]).block().unwrap(), 0)];
    blocks.extend(writer.definitions(&[1, 2]));
    let payload = br#"{"sku":"BIKE-BELL-40","quantity":2,"price":1999}"#;
    let line = [event(0, payload)];
    let closing = [event(0, b"{}"), event(1, b"")];
    let mut records: Vec<_> = (0..20).map(|sequence| line_added(&shapes[0], sequence, &line)).collect();
    records.push(NewRecord {
        shape_number: 1,
        command: CommandOf::HostMade { id: *b"made by the host" },
        extensions: extensions.view(),
        ..line_added(&shapes[1], 20, &closing)
    });
    records.push(NewRecord { rejection: Some(("closed", "The order is closed.")), ..line_added(&shapes[0], 22, &[]) });
    blocks.push((writer.records(1, &records), 100));
    writer.frame(&blocks);
    let single = writer.records(2, &records[..1]);
    let later = SealedBlock {
        entry: super::super::table::BlockEntry { kind: super::super::table::BlockKind::Later(70), ..single.entry },
        body: single.body.clone(),
    };
    writer.frame(&[(single, 0), (later, 0)]);
    let mut replacing =
        RecordsBuilder::replacing(1, log_id(1), super::super::records::Replaced { frame_number: 1, block_index: 4 });
    replacing.add(&records[0]).unwrap();
    let nonce = writer.nonce();
    let replacement = replacing.finish(Some((&block_key(1), nonce))).unwrap();
    writer.frame(&[(replacement, 100)]);
    writer.frame(&[(anchor(AnchorReason::Closing, &[1, 2]).block().unwrap(), 0)]);
    writer.bytes
}

/// A digest that looks random, for identifiers and heads.
pub(super) fn digest(number: u64) -> EventDigest {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}
