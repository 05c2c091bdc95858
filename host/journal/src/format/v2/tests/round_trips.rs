//! Random records, blocks and anchors: each is read as it was written.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::anchor::{Anchor, AnchorReason, Features, SegmentEnd, TenantState};
use super::super::base32::cid_text;
use super::super::body::OpenedBody;
use super::super::content_id::EventDigest;
use super::super::error::FormatError;
use super::super::extensions::{Extensions, ExtensionsBuf, Owner, event_tag, record_tag};
use super::super::frame::{FrameBuilder, FramePlace, FrameView, Link};
use super::super::identifier::Identifier;
use super::super::names::{TenantDefinition, names_block, read_names};
use super::super::records::{CommandOf, NewEvent, NewRecord, RecordView, RecordsBuilder, RecordsReader};
use super::super::sealing::Nonce;
use super::super::shape::{EventKind, Shape};
use super::super::shapes::{read_shapes, shapes_block};
use super::sample::{EPOCH_ID, JOURNAL_ID, block_key, log_id, mac_key, shapes};

const CASES: u32 = 200;
const TIME_MS_MAX: u64 = (1 << 53) - 1;

/// A record with buffers of its own.
#[derive(Debug, Clone)]
struct Random {
    shape: usize,
    aggregate_id: String,
    command: Result<(String, u64), [u8; 16]>,
    at_ms: u64,
    sequence_before: u64,
    previous: EventDigest,
    rejection: Option<(String, String)>,
    extensions: ExtensionsBuf,
    events: Vec<(usize, Vec<u8>, ExtensionsBuf)>,
}

fn identifier() -> impl Strategy<Value = String> {
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    let content_id = any::<[u8; 32]>().prop_map(|digest| cid_text(&digest));
    let with_letter = ("[a-z]", uuid).prop_map(|(letter, uuid)| format!("{letter}:{uuid}"));
    prop_oneof!["[a-z0-9:~=-]{1,40}", uuid, with_letter, content_id]
}

fn extensions(owner: Owner) -> impl Strategy<Value = ExtensionsBuf> {
    let digest = any::<[u8; 32]>().prop_map(Vec::from).boxed();
    let some = match owner {
        Owner::Record => prop_oneof![
            ("[a-z]{1,20}").prop_map(|actor| (record_tag::ACTOR, actor.into_bytes())),
            digest.prop_map(|cause| (record_tag::CAUSE, cause)),
            (1_u8..128).prop_map(|depth| (record_tag::DEPTH, vec![depth])),
            vec(any::<u8>(), 0..200).prop_map(|bytes| (100, bytes)),
        ]
        .boxed(),
        Owner::Event => prop_oneof![
            vec(any::<u8>(), 16..60)
                .prop_map(|sealed| { (event_tag::PERSONAL_PARTS, [vec![sealed.len() as u8], sealed].concat()) }),
            vec(0_u8..128, 1..4).prop_map(|slots| (event_tag::SUBJECTS_OF_PARTS, slots)),
        ]
        .boxed(),
    };
    vec(some, 0..3).prop_map(move |mut list| {
        list.sort();
        list.dedup_by_key(|(tag, _)| *tag);
        let mut extensions = ExtensionsBuf::default();
        list.iter().for_each(|(tag, value)| extensions.push(owner, *tag, value).unwrap());
        extensions
    })
}

fn record() -> impl Strategy<Value = Random> {
    let events = |shape: usize| {
        let kinds = shapes()[shape].events.len();
        let event = || (0..kinds, vec(any::<u8>(), 0..120), extensions(Owner::Event));
        let all: Vec<_> =
            (0..kinds).map(|kind| (Just(kind), vec(any::<u8>(), 0..60), extensions(Owner::Event))).collect();
        prop_oneof![vec(event(), 0..5), all]
    };
    let command = prop_oneof![(identifier(), any::<u64>()).prop_map(Ok), any::<[u8; 16]>().prop_map(Err)];
    let rejection = option::of(("[a-z-]{1,20}", ".{0,30}"));
    let numbers = (0..=TIME_MS_MAX, prop_oneof![0_u64..3, 0..=TIME_MS_MAX - 10]);
    let with_shape = (0_usize..2).prop_flat_map(move |shape| (Just(shape), events(shape)));
    let rest = (identifier(), command, numbers, any::<EventDigest>(), rejection, extensions(Owner::Record));
    (with_shape, rest).prop_map(
        |((shape, events), (aggregate_id, command, numbers, previous, rejection, extensions))| {
            let (at_ms, sequence_before) = numbers;
            Random { shape, aggregate_id, command, at_ms, sequence_before, previous, rejection, extensions, events }
        },
    )
}

impl Random {
    fn events(&self) -> Vec<NewEvent<'_>> {
        self.events
            .iter()
            .map(|(kind, payload, extensions)| NewEvent { kind: *kind, payload, extensions: extensions.view() })
            .collect()
    }

    fn record<'a>(&'a self, shapes: &'a [Shape; 2], events: &'a [NewEvent<'a>]) -> NewRecord<'a> {
        NewRecord {
            shape_number: self.shape as u64,
            shape: &shapes[self.shape],
            aggregate_id: Identifier::of(&self.aggregate_id).unwrap(),
            command: match &self.command {
                Ok((id, fingerprint)) => {
                    CommandOf::Caller { id: Identifier::of(id).unwrap(), fingerprint: *fingerprint }
                }
                Err(id) => CommandOf::HostMade { id: *id },
            },
            at_ms: self.at_ms,
            sequence_before: self.sequence_before,
            previous: self.previous,
            rejection: self.rejection.as_ref().map(|(code, message)| (code.as_str(), message.as_str())),
            extensions: self.extensions.view(),
            events,
        }
    }

    /// Checks that `view` is this record, and returns the id of its last event.
    fn check(&self, view: &RecordView<'_>, position_before: u64, head: Option<EventDigest>) {
        let (shapes, events) = (shapes(), self.events());
        let expected = self.record(&shapes, &events);
        assert_eq!((view.shape_number, view.shape), (expected.shape_number, expected.shape));
        assert_eq!((view.aggregate_id, view.command), (expected.aggregate_id, expected.command));
        assert_eq!((view.at_ms, view.sequence_before), (expected.at_ms, expected.sequence_before));
        assert_eq!((view.rejection, view.extensions), (expected.rejection, expected.extensions));
        assert_eq!(view.position_before, position_before);
        let is_chained = self.sequence_before > 0 && !events.is_empty();
        assert_eq!(view.previous, is_chained.then_some(self.previous));
        let mut last = None;
        let mut expected_events = events.iter().zip(1..);
        view.each_id(&log_id(1), |event, _, id| {
            let (expected, number) = expected_events.next().unwrap();
            assert_eq!(event.kind, &shapes[self.shape].events[expected.kind]);
            assert_eq!((event.payload, event.extensions), (expected.payload, expected.extensions));
            assert_eq!((event.position, event.sequence), (position_before + number, self.sequence_before + number));
            last = Some(id);
        });
        assert_eq!(expected_events.count(), 0);
        assert_eq!(last, head, "reader and writer compute the same id");
    }
}

/// Reads all records of a block.
pub(super) fn read_all<'a>(
    entry: &super::super::table::BlockEntry,
    opened: &'a OpenedBody,
    shapes: &'a [Shape; 2],
) -> Result<Vec<RecordView<'a>>, FormatError> {
    let find = |number: u64| shapes.get(usize::try_from(number).ok()?);
    let mut reader = RecordsReader::new(entry, opened, find)?;
    std::iter::from_fn(|| reader.next().transpose()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn records_and_back(records in vec(record(), 1..40), position_before in 0..1_u64 << 40, is_sealed: bool) {
        let (shapes, key) = (shapes(), block_key(1));
        let mut builder = RecordsBuilder::new(1, log_id(1));
        let heads: Vec<_> = records
            .iter()
            .map(|random| builder.add(&random.record(&shapes, &random.events())).unwrap())
            .collect();
        let nonce = Nonce::new(7, 70_000).unwrap();
        let block = builder.finish(is_sealed.then_some((&key, nonce))).unwrap();
        let mut frame = FrameBuilder::default();
        frame.begin();
        frame.add(&block, position_before).unwrap();
        let place = FramePlace {
            previous: Link { number: 8, hash: [8; 32] },
            durable_through: 7,
            epoch: 3,
            address: 1 << 40,
            at_ms: 5,
            journal_id: JOURNAL_ID,
            epoch_id: EPOCH_ID,
        };
        let (bytes, link) = frame.finish(&place, &mac_key()).unwrap();
        let view = FrameView::read(bytes).unwrap();
        view.check_mac(&mac_key()).unwrap();
        assert_eq!(view.link(), link);
        let blocks: Vec<_> = view.blocks().collect();
        assert_eq!(blocks.len(), 1);
        let opened = blocks[0].open(bytes, is_sealed.then_some(&key)).unwrap();
        let read = read_all(&blocks[0].entry, &opened, &shapes).unwrap();
        assert_eq!(read.len(), records.len());
        let mut position = position_before;
        for ((random, view), head) in records.iter().zip(&read).zip(heads) {
            random.check(view, position, head);
            position += view.event_count;
        }
    }

    #[test]
    fn names_and_shapes_and_back(
        numbers in proptest::collection::btree_set(1..=u64::from(u32::MAX), 1..20),
        name in "[a-z]{1,255}",
        versions in vec((any::<u32>(), "[a-z-]{1,30}", vec(any::<u8>(), 0..512)), 0..5),
    ) {
        let definitions: Vec<_> =
            numbers.iter().map(|number| TenantDefinition { number: *number, name: &name, log_id: log_id(*number) }).collect();
        let block = names_block(&definitions).unwrap();
        let opened = OpenedBody::open(&block.entry, &block.body, None).unwrap();
        assert_eq!(read_names(&block.entry, &opened.section).unwrap(), definitions);
        let events = versions.into_iter().map(|(version, name, skeleton)| EventKind { name, version, skeleton });
        let shape = Shape { events: events.collect(), domain: name, ..shapes()[0].clone() };
        let definitions: Vec<_> = numbers.iter().map(|number| (*number, &shape)).collect();
        let block = shapes_block(9, &definitions, Some((&block_key(9), Nonce::default()))).unwrap();
        let opened = OpenedBody::open(&block.entry, &block.body, Some(&block_key(9))).unwrap();
        let read = read_shapes(&block.entry, &opened.section).unwrap();
        assert_eq!(read.iter().map(|(number, shape)| (*number, shape)).collect::<Vec<_>>(), definitions);
    }

    #[test]
    fn anchors_and_back(
        numbers in vec(0..1_u64 << 53, 9),
        features in any::<(u64, u64)>(),
        hashes in any::<([u8; 32], [u8; 16])>(),
        names in vec("[a-z]{1,60}", 0..200),
        why in prop_oneof![Just(AnchorReason::Opened), Just(AnchorReason::Segment), Just(AnchorReason::Restored)],
        choices in any::<(bool, bool, bool, bool)>(),
    ) {
        let (hash, log_id) = hashes;
        let tenants = names.into_iter().zip(1..).map(|(name, number)| TenantState {
            number,
            name,
            log_id,
            position: numbers[0],
            bytes: numbers[1],
            shapes: numbers[2],
            tree: choices.0.then_some((numbers[3], hash)),
        });
        let end = SegmentEnd {
            address: numbers[4],
            bytes: numbers[5],
            first_frame: numbers[6],
            last_frame: numbers[7],
            last_hash: hash,
        };
        let anchor = Anchor {
            why,
            features: Features { compatible: features.0, read_only: features.1, incompatible: 0 },
            clock_ms: numbers[8],
            previous: choices.1.then_some(end),
            is_recycled: choices.2,
            local_from: numbers[4],
            ledger: choices.3.then_some((numbers[1], hash)),
            next_tenant: numbers[2] >> 22,
            part: (2, 5),
            full_at: choices.0.then_some(numbers[6]),
            tenants: tenants.collect(),
        };
        let block = anchor.block().unwrap();
        let opened = OpenedBody::open(&block.entry, &block.body, None).unwrap();
        assert_eq!(Anchor::read(&opened.section).unwrap(), anchor);
        assert_eq!(anchor.features.check(), Ok(features.1 == 0));
    }
}

#[test]
fn a_record_that_does_not_fit_leaves_the_builder_as_it_was() {
    let shapes = shapes();
    let (small, large, huge) = (vec![1; 40_000], vec![2; 30_000], vec![3; 300_000]);
    let event = |payload| [NewEvent { kind: 0, payload, extensions: Extensions::default() }];
    let (small, large, huge) = (event(&small), event(&large), event(&huge));
    let mut builder = RecordsBuilder::new(1, log_id(1));
    builder.add(&super::sample::line_added(&shapes[0], 5, &small)).unwrap();
    let refused = builder.add(&super::sample::line_added(&shapes[0], 6, &large));
    assert!(matches!(refused, Err(FormatError::Limit { .. })));
    let block = builder.finish(None).unwrap();
    assert_eq!((block.entry.records, block.entry.events), (1, 1));
    let opened = OpenedBody::open(&block.entry, &block.body, None).unwrap();
    assert_eq!(read_all(&block.entry, &opened, &shapes).unwrap().len(), 1);
    builder.add(&super::sample::line_added(&shapes[0], 6, &huge)).unwrap();
    let single = builder.finish(None).unwrap();
    let mut frame = FrameBuilder::default();
    frame.begin();
    frame.add(&block, 0).unwrap();
    assert!(frame.add(&single, 1).is_ok(), "it is compressed to a few kilobytes");
    assert!(builder.finish(None).is_err(), "there are no records");
}

#[test]
fn a_record_larger_than_a_frame_has_a_frame_of_its_own() {
    let shapes = shapes();
    let payload: Vec<u8> = (0..40_000_u64).flat_map(super::sample::digest).collect();
    let event = [NewEvent { kind: 0, payload: &payload, extensions: Extensions::default() }];
    let mut builder = RecordsBuilder::new(1, log_id(1));
    let record = super::sample::line_added(&shapes[0], 5, &event);
    builder.add(&record).unwrap();
    let large = builder.finish(None).unwrap();
    builder.add(&NewRecord { events: &[], ..record }).unwrap();
    let small = builder.finish(None).unwrap();
    let mut frame = FrameBuilder::default();
    frame.begin();
    frame.add(&large, 0).unwrap();
    assert!(matches!(frame.add(&small, 1), Err(FormatError::Limit { .. })), "it is the only record of its frame");
    let place = FramePlace {
        previous: Link::START,
        durable_through: 0,
        epoch: 1,
        address: 0,
        at_ms: 0,
        journal_id: JOURNAL_ID,
        epoch_id: EPOCH_ID,
    };
    let (bytes, _) = frame.finish(&place, &mac_key()).unwrap();
    let block = FrameView::read(bytes).unwrap().blocks().next().unwrap();
    let opened = block.open(bytes, None).unwrap();
    let read = read_all(&block.entry, &opened, &shapes).unwrap();
    assert_eq!(read[0].events().next().unwrap().payload, payload);
}
