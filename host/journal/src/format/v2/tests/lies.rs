//! Frames, tables and sections that are intact and contradict themselves: each is refused by what is wrong with it.

use super::super::anchor::{Anchor, AnchorReason};
use super::super::body::{Content, OpenedBody, SealedBlock};
use super::super::dag_cbor::{put_map, put_text, put_uint};
use super::super::error::FormatError;
use super::super::extensions::{Extensions, ExtensionsBuf, Owner, event_tag};
use super::super::frame::{FrameHead, FrameView, MAGIC, bytes_before_bodies};
use super::super::records::{CommandOf, NewEvent, NewRecord, RecordsBuilder};
use super::super::table::{BlockEntry, BlockKind};
use super::round_trips::read_all;
use super::sample::{SampleWriter, anchor, event, line_added, log_id, mac_key, shapes};

/// A frame with an anchor and one block of records, and the places of its parts.
fn frame() -> Vec<u8> {
    let (mut writer, shapes) = (SampleWriter::new(), shapes());
    let events = [event(0, b"{}")];
    let records = writer.records(1, &[line_added(&shapes[0], 0, &events)]);
    writer.frame(&[(anchor(AnchorReason::Opened, &[1]).block().unwrap(), 0), (records, 0)]);
    writer.bytes
}

/// Changes the head and the table, and makes hash and MAC anew, as a writer with the key could.
fn resealed(change: impl FnOnce(&mut FrameHead, &mut Vec<BlockEntry>)) -> Vec<u8> {
    let good = frame();
    let view = FrameView::read(&good).unwrap();
    let (mut head, mut entries) = (view.head, view.blocks().map(|block| block.entry).collect());
    let bodies = &good[view.blocks().next().unwrap().offset as usize..head.frame_bytes as usize];
    change(&mut head, &mut entries);
    let (mut table, mut bytes) = (Vec::new(), Vec::new());
    entries.iter().for_each(|entry| entry.put(&mut table));
    head.put(&mut bytes);
    bytes.extend_from_slice(&table);
    let hash = *blake3::hash(&bytes).as_bytes();
    bytes.extend_from_slice(&hash);
    bytes.extend_from_slice(&mac_key().mac(&hash));
    bytes.extend_from_slice(bodies);
    bytes
}

fn error_of(change: impl FnOnce(&mut FrameHead, &mut Vec<BlockEntry>)) -> FormatError {
    FrameView::read(&resealed(change)).map(drop).unwrap_err()
}

#[test]
fn heads_that_lie_are_refused() {
    assert!(FrameView::read(&resealed(|_, _| ())).is_ok());
    assert_eq!(error_of(|head, _| head.reader_min = 3), FormatError::NewerReader(3));
    assert!(FrameView::read(&resealed(|head, _| head.format = 3)).is_ok(), "a later writer for readers of format 2");
    assert!(matches!(error_of(|head, _| head.format = 1), FormatError::Malformed(_)));
    assert!(matches!(error_of(|head, _| head.reader_min = 1), FormatError::Malformed(_)));
    assert_eq!(error_of(|head, _| head.kind = 63), FormatError::Unknown { what: "the kind of a frame", number: 63 });
    assert!(FrameView::read(&resealed(|head, _| head.kind = 64)).is_ok());
    assert_eq!(error_of(|head, _| head.flags |= 2), FormatError::Unknown { what: "the flags of a frame", number: 3 });
    for change in [
        (|head, _| head.flags = 0) as fn(&mut FrameHead, &mut Vec<BlockEntry>),
        |head, _| head.number = 0,
        |head, _| head.number = 1 << 53,
        |head, _| head.durable_through = 1,
        |head, _| head.number = 18,
        |head, _| head.at_ms = 1 << 53,
        |head, _| head.address = u64::MAX - 9,
        |head, _| head.blocks = 1,
        |head, _| head.blocks = 3,
        |head, _| head.blocks = 4_097,
        |head, _| head.table_bytes -= 1,
        |head, _| head.table_bytes = u32::MAX,
        |head, _| head.frame_bytes -= 1,
        |head, _| head.frame_bytes = 0,
        |head, _| head.frame_bytes = u32::MAX,
        |_, entries| entries.reverse(),
        |_, entries| entries[1] = entries[0],
        |_, entries| entries[1].stored_bytes += 1,
    ] {
        assert!(FrameView::read(&resealed(change)).is_err());
    }
}

#[test]
fn what_is_no_frame_is_distinguished_from_what_is_cut_short() {
    assert_eq!(FrameView::read(&[]).map(drop), Err(FormatError::CutShort("a frame")));
    assert_eq!(FrameView::read(&MAGIC[..5]).map(drop), Err(FormatError::CutShort("a frame")));
    assert_eq!(FrameView::read(&MAGIC).map(drop), Err(FormatError::CutShort("a frame")));
    assert_eq!(FrameView::read(b"something else").map(drop), Err(FormatError::NoFrame));
    assert_eq!(FrameView::read(&[0; 512]).map(drop), Err(FormatError::NoFrame));
}

#[test]
fn a_large_frame_has_a_single_record() {
    let read = |change: fn(&mut BlockEntry)| {
        let bytes = resealed(|head, entries| {
            entries[1] = BlockEntry { section_bytes: 300_000, stored_bytes: 300_001, ..entries[1] };
            change(&mut entries[1]);
            let mut table = Vec::new();
            entries.iter().for_each(|entry| entry.put(&mut table));
            head.table_bytes = table.len() as u32;
            let bodies: u64 = entries.iter().map(|entry| entry.stored_bytes).sum();
            head.frame_bytes = (bytes_before_bodies(table.len() as u64) + bodies) as u32;
        });
        FrameView::read(&bytes).map(drop)
    };
    assert_eq!(read(|_| ()), Ok(()));
    assert!(read(|entry| entry.records = 2).is_err());
    let later = read(|entry| entry.kind = BlockKind::Later(64));
    assert!(matches!(later, Err(FormatError::Limit { what: "the length of a frame", .. })), "{later:?}");
}

#[test]
fn frames_of_two_histories_do_not_follow_each_other() {
    let good = frame();
    let view = FrameView::read(&good).unwrap();
    let first = view.head;
    let hash = view.hash;
    let second = FrameHead { number: 2, previous: hash, address: 4_096, durable_through: 1, flags: 0, ..first };
    assert_eq!(second.check_follows(&first, &hash), Ok(()));
    let next_epoch = FrameHead { epoch: 2, epoch_id: [9; 16], flags: 1, ..second };
    assert_eq!(next_epoch.check_follows(&first, &hash), Ok(()));
    for other in [
        FrameHead { number: 3, ..second },
        FrameHead { previous: [0; 32], ..second },
        FrameHead { journal_id: [0; 16], ..second },
        FrameHead { at_ms: first.at_ms - 1, ..second },
        FrameHead { address: 0, ..second },
        FrameHead { epoch: 0, ..second },
        FrameHead { epoch_id: [0; 16], ..second },
        FrameHead { flags: 0, ..next_epoch },
    ] {
        assert!(other.check_follows(&first, &hash).is_err(), "{other:?}");
    }
}

/// Puts a section and digests into a block as a writer with the key could.
fn read_block(kind: BlockKind, records: u64, events: u64, section: &[u8], digests: &[u8]) -> Result<(), FormatError> {
    let content = Content { kind, tenant: 1, records, events, section, digests };
    let block = SealedBlock::new(&content, None)?;
    let opened = OpenedBody::open(&block.entry, &block.body, None)?;
    read_all(&block.entry, &opened, &shapes()).map(drop)
}

#[test]
fn blocks_that_lie_are_refused() {
    let (shapes, events) = (shapes(), [event(0, b"{}")]);
    let mut builder = RecordsBuilder::new(1, log_id(1));
    builder.add(&line_added(&shapes[0], 5, &events)).unwrap();
    let block = builder.finish(None).unwrap();
    let opened = OpenedBody::open(&block.entry, &block.body, None).unwrap();
    let (section, digests) = (&opened.section, &opened.digests);
    assert_eq!(digests.len(), 40);
    assert_eq!(read_block(BlockKind::Records, 1, 1, section, digests), Ok(()));
    for (records, events) in [(1, 0), (1, 2), (2, 1), (2, 2)] {
        assert!(read_block(BlockKind::Records, records, events, section, digests).is_err(), "{records}, {events}");
    }
    assert!(read_block(BlockKind::Records, 1, 1, section, &digests[..39]).is_err());
    assert!(read_block(BlockKind::Records, 1, 1, section, &[digests, &[0][..]].concat()).is_err());
    assert!(read_block(BlockKind::Records, 1, 1, &[section, &[0][..]].concat(), digests).is_err());
    assert!(read_block(BlockKind::Replacement, 1, 1, section, digests).is_err());
    let of_other_shape = [&section[..1], &[2], &section[2..]].concat();
    let undefined = Err(FormatError::Malformed("the shape of a record is not defined"));
    assert_eq!(read_block(BlockKind::Records, 1, 1, &of_other_shape, digests), undefined);
    let of_later_version = [&[32], &section[1..]].concat();
    let unknown = Err(FormatError::Unknown { what: "the flags of a record", number: 32 });
    assert_eq!(read_block(BlockKind::Records, 1, 1, &of_later_version, digests), unknown);
}

#[test]
fn an_unknown_codec_concerns_one_block() {
    let bytes = resealed(|_, entries| entries[1].codec = 2);
    let frame = FrameView::read(&bytes).unwrap();
    let blocks: Vec<_> = frame.blocks().collect();
    assert!(blocks[0].open(&bytes, None).is_ok());
    let key = super::sample::block_key(1);
    let unknown = FormatError::Unknown { what: "the codec", number: 2 };
    assert_eq!(blocks[1].open(&bytes, Some(&key)), Err(unknown));
}

#[test]
fn a_redacted_event_keeps_its_id() {
    let (shapes, line) = (shapes(), [event(0, b"{\"name\":\"Ada\"}"), event(0, b"{}")]);
    let record = line_added(&shapes[0], 5, &line);
    let (mut before, mut after) = (RecordsBuilder::new(1, log_id(1)), RecordsBuilder::new(1, log_id(1)));
    let first_id = before.add(&NewRecord { events: &line[..1], ..record }).unwrap().unwrap();
    let head = RecordsBuilder::new(1, log_id(1)).add(&record).unwrap();
    let mut redacted = ExtensionsBuf::default();
    redacted.push(Owner::Event, event_tag::REDACTED, &first_id).unwrap();
    let without = NewEvent { kind: 0, payload: b"", extensions: redacted.view() };
    assert_eq!(after.add(&NewRecord { events: &[without, line[1]], ..record }).unwrap(), head);
    let with_payload = NewEvent { payload: b"x", ..without };
    assert!(after.add(&NewRecord { events: &[with_payload], ..record }).is_err());
}

#[test]
fn records_beyond_a_limit_are_not_written() {
    let (shapes, events) = (shapes(), [event(0, b"{}")]);
    let record = line_added(&shapes[0], 5, &events);
    let mut builder = RecordsBuilder::new(1, log_id(1));
    for beyond in [
        NewRecord { at_ms: 1 << 53, ..record },
        NewRecord { sequence_before: (1 << 53) - 1, ..record },
        NewRecord { shape_number: 1 << 32, ..record },
        NewRecord { events: &[event(1, b"{}")], ..record },
        NewRecord { rejection: Some((&"x".repeat(1_025), "")), ..record },
    ] {
        assert!(builder.add(&beyond).is_err(), "{beyond:?}");
    }
    for _ in 0..256 {
        builder.add(&NewRecord { command: CommandOf::HostMade { id: [1; 16] }, ..record }).unwrap();
    }
    let limit = FormatError::Limit { what: "the number of records", value: 257, max: 256 };
    assert_eq!(builder.add(&record), Err(limit));
    assert!(builder.is_full());
    assert_eq!(builder.finish(None).unwrap().entry.records, 256);
    assert_eq!(Extensions::default().iter().count(), 0);
}

#[test]
fn an_anchor_is_refused_by_what_it_needs() {
    let section = |change: fn(&mut Anchor)| {
        let mut anchor = anchor(AnchorReason::Segment, &[1, 2]);
        change(&mut anchor);
        let block = anchor.block().unwrap();
        OpenedBody::open(&block.entry, &block.body, None).unwrap().section
    };
    assert!(Anchor::read(&section(|_| ())).is_ok());
    let needs = section(|anchor| anchor.features.incompatible = 1 << 9);
    let unknown = FormatError::Unknown { what: "the incompatible feature", number: 9 };
    assert_eq!(Anchor::read(&needs), Err(unknown));
    assert!(Anchor::read(&section(|anchor| anchor.features.compatible = u64::MAX)).is_ok());
    let read_only = Anchor::read(&section(|anchor| anchor.features.read_only = 1)).unwrap();
    assert_eq!(read_only.features.check(), Ok(false));
    assert!(Anchor::read(&section(|anchor| anchor.part = (2, 2))).is_err());
    let mut unsorted = anchor(AnchorReason::Opened, &[1, 2]);
    unsorted.tenants.reverse();
    assert!(unsorted.block().is_err());
}

#[test]
fn members_of_later_versions_are_passed_over_and_missing_ones_are_not() {
    let block = anchor(AnchorReason::Opened, &[1]).block().unwrap();
    let section = OpenedBody::open(&block.entry, &block.body, None).unwrap().section;
    let mut with_later = Vec::new();
    put_map(&mut with_later, 13);
    with_later.extend_from_slice(&section[1..]);
    put_text(&mut with_later, "a later member");
    put_uint(&mut with_later, 5);
    assert_eq!(Anchor::read(&with_later), Anchor::read(&section));
    let mut without_last = vec![0xa0 | 11];
    let last = section.len() - (1 + "next_tenant".len()) - 3;
    without_last.extend_from_slice(&section[1..last]);
    assert_eq!(Anchor::read(&without_last), Err(FormatError::Malformed("an anchor lacks a member")));
}
