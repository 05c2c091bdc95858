//! Damaged frames, tables, blocks and anchors: each is refused, or means the same once it is written again. Where a
//! checksum would notice the damage, it is made anew, so that the damage reaches the code behind it.

use polder_fuzz::{Damage, run};

use super::super::anchor::{Anchor, AnchorReason};
use super::super::body::{Content, OpenedBody, SealedBlock};
use super::super::codec::{CODEC_LZ4, compress, decompress};
use super::super::dag_cbor::Decoder;
use super::super::extensions::{Extensions, Owner};
use super::super::frame::FrameView;
use super::super::names::{names_block, read_names};
use super::super::records::{NewEvent, NewRecord, RecordView, RecordsBuilder, Replaced};
use super::super::shapes::{read_shapes, shapes_block};
use super::super::table::{BlockEntry, BlockKind};
use super::super::varint::Cursor;
use super::reader::{read_segment, verify_segment};
use super::round_trips::read_all;
use super::sample::{SampleWriter, all_record_extensions, anchor, event, line_added, log_id, mac_key, segment, shapes};
use super::sweeps::keys;

const CASES_MIN: u64 = 1_000;
const HEAD_BYTES: usize = 128;

#[test]
fn damaged_segments_are_refused() {
    let good = segment();
    let damage = Damage::new([good.clone()], &[]);
    let counts = run(CASES_MIN, |random| {
        let bytes = damage.some_undamaged(random);
        let is_accepted = verify_segment(&bytes, &mac_key()).is_ok();
        // A segment that was cut between two frames is a shorter segment.
        assert!(!is_accepted || good.starts_with(&bytes));
        is_accepted
    });
    counts.assert_both();
}

#[test]
fn damaged_heads_and_tables_with_hashes_that_match_are_refused_or_read_as_written() {
    let good = segment();
    let frame = FrameView::read(&good).unwrap();
    let hashed = HEAD_BYTES + frame.head.table_bytes as usize;
    let damage = Damage::new([good[..hashed].to_vec()], &[]);
    let counts = run(CASES_MIN, |random| {
        let mut bytes = damage.some_undamaged(random);
        let hash = *blake3::hash(&bytes).as_bytes();
        bytes.extend_from_slice(&hash);
        bytes.extend_from_slice(&mac_key().mac(&hash));
        bytes.extend_from_slice(&good[bytes.len().min(good.len())..]);
        let Ok(frame) = FrameView::read(&bytes) else { return false };
        let mut again = Vec::new();
        frame.head.put(&mut again);
        frame.blocks().for_each(|block| block.entry.put(&mut again));
        assert_eq!(again, bytes[..again.len()]);
        assert_eq!(again.len(), HEAD_BYTES + frame.head.table_bytes as usize);
        for block in frame.blocks() {
            let _ = block.open(&bytes, None);
        }
        let _ = read_segment(&bytes, &keys(), None);
        true
    });
    counts.assert_both();
}

/// Sections and digests of blocks of records, with every kind of record.
fn blocks_of_records() -> Vec<(SealedBlock, OpenedBody)> {
    let (shapes, extensions) = (shapes(), all_record_extensions());
    let (line, both) = ([event(0, b"{\"sku\":\"BIKE-BELL-40\"}")], [event(0, b"{}"), event(1, b"")]);
    let with_parts = {
        let mut parts = super::super::extensions::ExtensionsBuf::default();
        super::super::personal::push_parts(&mut parts, &[(300, vec![7; 20]), (1, vec![8; 16])]).unwrap();
        parts
    };
    let personal = [both[0], NewEvent { extensions: with_parts.view(), ..both[1] }];
    let record = line_added(&shapes[0], 5, &line);
    let closing = NewRecord { shape_number: 1, extensions: extensions.view(), ..line_added(&shapes[1], 0, &both) };
    let records = [
        record,
        NewRecord { at_ms: 77, rejection: Some(("no", "Not now.")), events: &[], ..record },
        closing,
        NewRecord { events: &personal, command: super::super::records::CommandOf::HostMade { id: [3; 16] }, ..closing },
        NewRecord { events: &both[1..], ..closing },
    ];
    let replaced = Replaced { frame_number: 300, block_index: 2 };
    let builders = [RecordsBuilder::new(1, log_id(1)), RecordsBuilder::replacing(1, log_id(1), replaced)];
    let blocks = builders.into_iter().map(|mut builder| {
        records.iter().for_each(|record| drop(builder.add(record).unwrap()));
        let block = builder.finish(None).unwrap();
        let opened = OpenedBody::open(&block.entry, &block.body, None).unwrap();
        (block, opened)
    });
    blocks.collect()
}

#[test]
fn damaged_records_are_refused_or_read_as_written() {
    let (blocks, shapes) = (blocks_of_records(), shapes());
    let sections: Vec<_> = blocks.iter().map(|(_, opened)| Damage::new([opened.section.clone()], &[])).collect();
    let digests = Damage::new(blocks.iter().map(|(_, opened)| opened.digests.clone()), &[]);
    let counts = run(CASES_MIN, |random| {
        let which = random.usize(..blocks.len());
        let section = sections[which].some_undamaged(random);
        let digests = if random.u8(..4) > 0 { blocks[which].1.digests.clone() } else { digests.bytes(random) };
        let BlockEntry { kind, tenant, records, mut events, .. } = blocks[which].0.entry;
        events = if random.u8(..4) > 0 { events } else { random.u64(..12) };
        let content = Content { kind, tenant, records, events, section: &section, digests: &digests };
        let Ok(block) = SealedBlock::new(&content, None) else { return false };
        let Ok(opened) = OpenedBody::open(&block.entry, &block.body, None) else { return false };
        assert_eq!((&opened.section, &opened.digests), (&section, &digests));
        let Ok(views) = read_all(&block.entry, &opened, &shapes) else { return false };
        let replaced = (kind == BlockKind::Replacement).then(|| replaced(&section));
        assert_eq!(written_again(&views, replaced), block);
        true
    });
    counts.assert_both();
}

fn replaced(section: &[u8]) -> Replaced {
    let mut cursor = Cursor::new("a replacement", section);
    Replaced { frame_number: cursor.number().unwrap(), block_index: cursor.number().unwrap() }
}

fn written_again(views: &[RecordView<'_>], replaced: Option<Replaced>) -> SealedBlock {
    let mut builder = match replaced {
        Some(replaced) => RecordsBuilder::replacing(1, log_id(1), replaced),
        None => RecordsBuilder::new(1, log_id(1)),
    };
    for view in views {
        let kind_of = |event: &super::super::records::EventView<'_>| {
            view.shape.events.iter().position(|kind| std::ptr::eq(kind, event.kind)).unwrap()
        };
        let events: Vec<_> = view
            .events()
            .map(|event| NewEvent { kind: kind_of(&event), payload: event.payload, extensions: event.extensions })
            .collect();
        let record = NewRecord {
            shape_number: view.shape_number,
            shape: view.shape,
            aggregate_id: view.aggregate_id,
            command: view.command,
            at_ms: view.at_ms,
            sequence_before: view.sequence_before,
            previous: view.previous.unwrap_or_default(),
            rejection: view.rejection,
            extensions: view.extensions,
            events: &events,
        };
        builder.add(&record).unwrap();
    }
    builder.finish(None).unwrap()
}

#[test]
fn damaged_definitions_and_anchors_are_refused_or_read_as_written() {
    let mut writer = SampleWriter::new();
    let definitions = writer.definitions(&[1, 300]);
    let key = super::sample::block_key(1);
    let shapes_section = OpenedBody::open(&definitions[1].0.entry, &definitions[1].0.body, Some(&key)).unwrap().section;
    let names_section = definitions[0].0.body.clone();
    let anchors = [AnchorReason::Segment, AnchorReason::Closing].map(|why| {
        let block = anchor(why, &[1, 2, 300]).block().unwrap();
        OpenedBody::open(&block.entry, &block.body, None).unwrap().section
    });
    let inputs = Damage::new([names_section, shapes_section], &[]);
    let anchors = Damage::new(anchors, &["features", "v", "why", "\u{f7}"]);
    let [names, shapes] = [definitions[0].0.entry, BlockEntry { is_sealed: false, ..definitions[1].0.entry }];
    let counts = run(CASES_MIN, |random| {
        let section = inputs.some_undamaged(random);
        let mut is_accepted = false;
        if let Ok(read) = read_names(&names, &section) {
            let again = names_block(&read).unwrap();
            assert_eq!(OpenedBody::open(&again.entry, &again.body, None).unwrap().section, section);
            is_accepted = true;
        }
        if let Ok(read) = read_shapes(&shapes, &section) {
            let references: Vec<_> = read.iter().map(|(number, shape)| (*number, shape)).collect();
            let again = shapes_block(1, &references, None).unwrap();
            assert_eq!(OpenedBody::open(&again.entry, &again.body, None).unwrap().section, section);
            is_accepted = true;
        }
        if let Ok(read) = Anchor::read(&anchors.some_undamaged(random)) {
            let again = read.block().unwrap();
            let section = OpenedBody::open(&again.entry, &again.body, None).unwrap().section;
            assert_eq!(Anchor::read(&section), Ok(read));
            is_accepted = true;
        }
        is_accepted
    });
    counts.assert_both();
}

#[test]
fn damaged_extensions_and_values_are_refused_or_read_as_written() {
    let mut good = Vec::new();
    all_record_extensions().view().put(&mut good);
    let damage = Damage::new([good], &[]);
    let counts = run(CASES_MIN, |random| {
        let bytes = damage.some_undamaged(random);
        let _ = Decoder::new(&bytes).skip();
        let _ = Extensions::read(&mut Cursor::new("extensions", &bytes), Owner::Event);
        let mut cursor = Cursor::new("extensions", &bytes);
        let Ok(extensions) = Extensions::read(&mut cursor, Owner::Record) else { return false };
        let mut again = Vec::new();
        extensions.put(&mut again);
        assert_eq!(again, bytes[..bytes.len() - cursor.rest().len()]);
        true
    });
    counts.assert_both();
}

#[test]
fn damaged_compressed_sections_are_refused_or_have_their_length() {
    let section = blocks_of_records()[0].1.section.repeat(4);
    let compressed = compress(&section, 9).unwrap();
    let damage = Damage::new([compressed], &[]);
    let counts = run(CASES_MIN, |random| {
        let stored = damage.some_undamaged(random);
        let section_bytes = if random.bool() { section.len() as u64 } else { random.u64(..100_000) };
        match decompress(CODEC_LZ4, &stored, section_bytes) {
            Ok(read) => {
                assert_eq!(read.len() as u64, section_bytes);
                assert!(read.len() <= 255 * stored.len());
                true
            }
            Err(_) => false,
        }
    });
    counts.assert_both();
}
