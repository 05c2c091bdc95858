//! Adds the end of the journal to the index: the frames that were durable before the index had them on disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use polder_core::TenantName;

use crate::disk::{Disk, Segment, whole_sectors};
use crate::error::OpenError;
use crate::frame::{Frame, FrameHeader};
use crate::index::{DurableFrame, Index, IndexedRecord, Place};
use crate::keyring::Keyring;
use crate::opened_frame::{OpenedFrame, Record};
use crate::scan::{Rest, SegmentScan, Writers, scan_part};

/// The records that were added to the index.
#[derive(Default)]
pub(crate) struct Replayed {
    pub(crate) records: u64,
    /// Tenants with unreadable records: their keys are missing or cannot be used.
    pub(crate) sealed: BTreeSet<TenantName>,
}

/// Replays the frames from address `from` on; from the first frame if it is `None`.
pub(crate) fn replay(
    index: &Index,
    keys: &Keyring,
    disk: &dyn Disk,
    segments: &[(u64, Arc<dyn Segment>)],
    from: Option<u64>,
) -> Result<Replayed, OpenError> {
    let from = from.unwrap_or(0);
    let begin = segments.partition_point(|(address, _)| *address <= from).saturating_sub(1);
    let mut replayed = Replayed::default();
    for (address, segment) in &segments[begin..] {
        let start = SegmentScan::starting_at(*address, from.saturating_sub(*address));
        let path = disk.path(*address);
        let scan = scan_part(&**segment, start, Writers::None, &mut |frame| {
            let durable = durable(frame, *address);
            let indexed = index_frame(index, keys, frame, &durable).map_err(|error| error.to_string())?;
            replayed.sealed.extend(indexed.sealed);
            index.flush_if_full().map_err(|error| error.to_string())
        });
        let scan = scan.map_err(|source| OpenError::Io { what: "read", path: path.clone(), source })?;
        if let Rest::Damaged { offset, what } | Rest::Unfinished { offset, what } = scan.rest {
            return Err(OpenError::Damaged { file: path, offset, what });
        }
        replayed.records += scan.records;
    }
    Ok(replayed)
}

fn durable(frame: &Frame<'_>, segment: u64) -> DurableFrame {
    let FrameHeader { address, length, .. } = frame.header;
    DurableFrame { link: frame.header.link(), address, length: whole_sectors(u64::from(length)), segment }
}

/// What was added to the index from one frame.
pub(crate) struct Indexed {
    /// Tenants with newly indexed records, each once.
    pub(crate) tenants: Vec<TenantName>,
    pub(crate) events: u64,
    /// Tenants with unreadable records: their keys are missing or cannot be used.
    pub(crate) sealed: BTreeSet<TenantName>,
}

/// Adds all readable records of a frame to the index.
pub(crate) fn index_frame(
    index: &Index,
    keys: &Keyring,
    frame: &Frame<'_>,
    durable: &DurableFrame,
) -> Result<Indexed, Box<dyn std::error::Error>> {
    let (mut sealed, mut events) = (BTreeSet::new(), 0);
    let mut tenants: Vec<TenantName> = Vec::new();
    let mut views = Vec::with_capacity(frame.header.record_count as usize);
    let opened = OpenedFrame::new(frame, keys)?;
    for record in opened.records() {
        let (offset, view) = match record? {
            (offset, Record::Readable(view)) => (offset, view),
            (_, Record::Sealed { tenant }) => {
                let tenant = TenantName::new(tenant)?;
                keys.missed(&tenant);
                sealed.insert(tenant);
                continue;
            }
        };
        let known = tenants.iter().position(|tenant| tenant.as_str() == view.tenant());
        let tenant = match known {
            Some(tenant) => tenant,
            None => {
                tenants.push(TenantName::new(view.tenant())?);
                tenants.len() - 1
            }
        };
        events += u64::from(view.event_count());
        views.push((offset, view, tenant));
    }
    let records = views.iter().map(|(offset, view, tenant)| {
        let aggregate = view.aggregate_key();
        IndexedRecord {
            tenant: &tenants[*tenant],
            aggregate,
            command: crate::CommandKey::of_texts(aggregate, view.command_id()),
            sequence_before: view.sequence_before(),
            event_count: view.event_count(),
            position_before: view.position_before(),
            place: Place { address: durable.address + *offset as u64, length: view.bytes().len() as u32 },
        }
    });
    index.apply(durable, records, &sealed);
    Ok(Indexed { tenants, events, sealed })
}
