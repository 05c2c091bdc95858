//! Reads a segment completely and shows it as JSON: the answer that every other reader of the format has to give.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::anchor::Anchor;
use super::super::base32::cid_text;
use super::super::body::OpenedBody;
use super::super::content_id::LogId;
use super::super::error::FormatError;
use super::super::extensions::Extensions;
use super::super::frame::{Block, FrameHead, FrameView};
use super::super::holes::{Hole, Holes};
use super::super::names::read_names;
use super::super::records::{CommandOf, RecordView, RecordsReader};
use super::super::sealing::{BlockKey, MacKey};
use super::super::shape::Shape;
use super::super::shapes::read_shapes;
use super::super::table::{BlockEntry, BlockKind};

const SECTOR_BYTES: usize = 512;

pub(super) struct Keys {
    pub(super) journal: MacKey,
    /// The secrets of the tenants, by their numbers.
    pub(super) secrets: BTreeMap<u64, [u8; 32]>,
}

/// What the frames so far have defined.
#[derive(Default)]
struct Definitions {
    log_ids: BTreeMap<u64, LogId>,
    shapes: BTreeMap<(u64, u64), Shape>,
}

/// Reads frames until the end of the bytes, and opens their blocks.
pub(super) fn read_segment(bytes: &[u8], keys: &Keys, holes: Option<&Holes>) -> Result<Value, FormatError> {
    let (mut frames, mut definitions) = (Vec::new(), Definitions::default());
    each_frame(bytes, &keys.journal, |frame, bytes| {
        frames.push(frame_json(frame, bytes, keys, holes, &mut definitions)?);
        Ok(())
    })?;
    Ok(json!({ "frames": frames }))
}

/// Verifies everything that needs no key of a tenant, as a scrub does.
pub(super) fn verify_segment(bytes: &[u8], key: &MacKey) -> Result<(), FormatError> {
    each_frame(bytes, key, |frame, bytes| frame.blocks().try_for_each(|block| block.body(bytes).map(drop)))
}

fn each_frame(
    bytes: &[u8],
    key: &MacKey,
    mut each: impl FnMut(&FrameView<'_>, &[u8]) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let (mut offset, mut before) = (0, None::<(FrameHead, [u8; 32])>);
    while offset < bytes.len() {
        let frame = FrameView::read(&bytes[offset..])?;
        frame.check_mac(key)?;
        if let Some((head, hash)) = &before {
            frame.head.check_follows(head, hash)?;
        }
        let end = offset + frame.head.frame_bytes as usize;
        let sectors = end.next_multiple_of(SECTOR_BYTES);
        let padding = bytes.get(end..sectors).ok_or(FormatError::CutShort("a frame"))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(FormatError::Malformed("bytes follow a frame"));
        }
        each(&frame, &bytes[offset..end])?;
        before = Some((frame.head, frame.hash));
        offset = sectors;
    }
    Ok(())
}

fn frame_json(
    frame: &FrameView<'_>,
    bytes: &[u8],
    keys: &Keys,
    holes: Option<&Holes>,
    definitions: &mut Definitions,
) -> Result<Value, FormatError> {
    let head = &frame.head;
    let mut blocks = Vec::new();
    for block in frame.blocks() {
        let hole = Hole { frame_number: head.number, block_index: block.index };
        let is_absent = holes.is_some_and(|holes| holes.contains(hole));
        let content = match (is_absent, block.entry.kind) {
            (true, _) => json!("absent"),
            (false, BlockKind::Later(_)) => {
                block.body(bytes)?;
                json!("passed over")
            }
            (false, _) => content(&block, head, bytes, keys, definitions)?,
        };
        blocks.push(block_json(&block, content));
    }
    Ok(json!({
        "format": head.format, "reader_min": head.reader_min, "kind": head.kind, "flags": head.flags,
        "table_bytes": head.table_bytes, "frame_bytes": head.frame_bytes, "epoch": head.epoch, "number": head.number,
        "address": head.address, "durable_through": head.durable_through, "at_ms": head.at_ms,
        "journal_id": hex(&head.journal_id), "epoch_id": hex(&head.epoch_id), "previous": hex(&head.previous),
        "hash": hex(&frame.hash), "blocks": blocks,
    }))
}

fn block_json(block: &Block, content: Value) -> Value {
    let BlockEntry {
        kind,
        codec,
        is_sealed,
        tenant,
        position_before,
        records,
        events,
        section_bytes,
        stored_bytes,
        nonce,
        digest,
    } = block.entry;
    let kind = match kind {
        BlockKind::Records => 0,
        BlockKind::Names => 1,
        BlockKind::Shapes => 2,
        BlockKind::Anchor => 3,
        BlockKind::Replacement => 4,
        BlockKind::Later(number) => number,
    };
    json!({
        "kind": kind, "codec": codec, "sealed": is_sealed, "tenant": tenant, "position_before": position_before,
        "records": records, "events": events, "section_bytes": section_bytes, "stored_bytes": stored_bytes,
        "worker": nonce.worker, "count": nonce.count, "digest": hex(&digest), "content": content,
    })
}

fn content(
    block: &Block,
    head: &FrameHead,
    bytes: &[u8],
    keys: &Keys,
    definitions: &mut Definitions,
) -> Result<Value, FormatError> {
    let entry = &block.entry;
    let key = keys.secrets.get(&entry.tenant).map(|secret| BlockKey::derive(secret, &head.epoch_id));
    if entry.is_sealed && key.is_none() {
        block.body(bytes)?;
        return Ok(json!("no key"));
    }
    let opened = block.open(bytes, key.as_ref())?;
    match entry.kind {
        BlockKind::Names => {
            let names = read_names(entry, &opened.section)?;
            definitions.log_ids.extend(names.iter().map(|name| (name.number, name.log_id)));
            let tenants = names.iter().map(|name| json!([name.number, name.name, hex(&name.log_id)]));
            Ok(tenants.collect())
        }
        BlockKind::Shapes => {
            let shapes = read_shapes(entry, &opened.section)?;
            let json = shapes.iter().map(|(number, shape)| shape_json(*number, shape)).collect();
            definitions.shapes.extend(shapes.into_iter().map(|(number, shape)| ((entry.tenant, number), shape)));
            Ok(json)
        }
        BlockKind::Anchor => Ok(anchor_json(&Anchor::read(&opened.section)?)),
        BlockKind::Records | BlockKind::Replacement | BlockKind::Later(_) => records_json(entry, &opened, definitions),
    }
}

fn shape_json(number: u64, shape: &Shape) -> Value {
    let events = shape.events.iter().map(|kind| json!([kind.name, kind.version, text(&kind.skeleton)]));
    json!({
        "number": number, "domain": shape.domain, "aggregate": shape.aggregate, "command": shape.command,
        "revision_mark": hex(&shape.revision_mark), "events": events.collect::<Value>(),
    })
}

fn anchor_json(anchor: &Anchor) -> Value {
    let tenants = anchor.tenants.iter().map(|tenant| {
        let (size, root) = tenant.tree.map_or((0, Value::Null), |(size, root)| (size, json!(hex(&root))));
        json!([
            tenant.number,
            tenant.name,
            hex(&tenant.log_id),
            tenant.position,
            tenant.bytes,
            tenant.shapes,
            size,
            root
        ])
    });
    let previous = anchor
        .previous
        .as_ref()
        .map(|end| json!([end.address, end.bytes, end.first_frame, end.last_frame, hex(&end.last_hash)]));
    json!({
        "v": 1, "why": anchor.why.as_str(), "part": [anchor.part.0, anchor.part.1],
        "ledger": anchor.ledger.map(|(size, hash)| json!([size, hex(&hash)])), "full_at": anchor.full_at,
        "tenants": tenants.collect::<Value>(), "clock_ms": anchor.clock_ms,
        "features": [anchor.features.compatible, anchor.features.read_only, anchor.features.incompatible],
        "previous": previous, "recycled": anchor.is_recycled, "local_from": anchor.local_from,
        "next_tenant": anchor.next_tenant,
    })
}

fn records_json(entry: &BlockEntry, opened: &OpenedBody, definitions: &Definitions) -> Result<Value, FormatError> {
    let log_id = definitions.log_ids.get(&entry.tenant).ok_or(FormatError::Malformed("a tenant is not defined"))?;
    let shapes = |number| definitions.shapes.get(&(entry.tenant, number));
    let mut reader = RecordsReader::new(entry, opened, shapes)?;
    let replaces = reader.replaced().map(|replaced| json!([replaced.frame_number, replaced.block_index]));
    let mut records = Vec::new();
    while let Some(record) = reader.next()? {
        records.push(record_json(&record, log_id));
    }
    Ok(json!({ "replaces": replaces, "records": records }))
}

fn record_json(record: &RecordView<'_>, log_id: &LogId) -> Value {
    let mut events = Vec::new();
    record.each_id(log_id, |event, _, id| {
        events.push(json!({
            "position": event.position, "sequence": event.sequence, "name": event.kind.name,
            "version": event.kind.version, "payload": text(event.payload), "extensions": extensions_json(&event.extensions),
            "id": cid_text(&id),
        }));
    });
    let fingerprint = match record.command {
        CommandOf::Caller { fingerprint, .. } => Some(format!("{fingerprint:016x}")),
        CommandOf::HostMade { .. } => None,
    };
    json!({
        "shape": record.shape_number, "at_ms": record.at_ms, "sequence_before": record.sequence_before,
        "position_before": record.position_before, "aggregate_id": record.aggregate_id.to_string(),
        "command_id": record.command.id().to_string(), "fingerprint": fingerprint,
        "previous": record.previous.map(|digest| cid_text(&digest)),
        "rejection": record.rejection.map(|(code, message)| json!([code, message])),
        "extensions": extensions_json(&record.extensions), "events": events,
    })
}

fn extensions_json(extensions: &Extensions<'_>) -> Value {
    let members = extensions.iter().map(|extension| (extension.tag.to_string(), json!(hex(extension.value))));
    Value::Object(members.collect::<Map<_, _>>())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
