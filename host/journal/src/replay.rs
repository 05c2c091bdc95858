//! Reads the end of the journal into the index: what was durable before the index had it on disk.

use std::sync::Arc;

use polder_core::TenantName;

use crate::disk::{Disk, Segment, whole_sectors};
use crate::error::OpenError;
use crate::frame::Frame;
use crate::index::{DurableFrame, Index, IndexedRecord, Place};
use crate::scan::{Rest, SegmentScan, scan_part};

/// Begins at address `from`, or with the first frame. Gives the number of records.
pub(crate) fn replay(
    index: &Index,
    disk: &dyn Disk,
    segments: &[(u64, Arc<dyn Segment>)],
    from: Option<u64>,
) -> Result<u64, OpenError> {
    let from = from.unwrap_or(0);
    let begin = segments.partition_point(|(address, _)| *address <= from).saturating_sub(1);
    let mut records = 0;
    for (address, segment) in &segments[begin..] {
        let start = SegmentScan::starting_at(*address, from.saturating_sub(*address));
        let path = disk.path(*address);
        let scan = segment.used_length().and_then(|used| {
            scan_part(&**segment, start, used, &mut |frame| {
                apply(index, frame, *address).map_err(|error| error.to_string())?;
                index.flush_if_full().map_err(|error| error.to_string())
            })
        });
        let scan = scan.map_err(|source| OpenError::Io { what: "read", path: path.clone(), source })?;
        if let Rest::Damaged { offset, what } | Rest::Unfinished { offset, what } = scan.rest {
            return Err(OpenError::Damaged { file: path, offset, what });
        }
        records += scan.records;
    }
    Ok(records)
}

fn apply(index: &Index, frame: &Frame<'_>, segment: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut tenants: Vec<TenantName> = Vec::new();
    let mut views = Vec::with_capacity(frame.header.record_count as usize);
    for record in frame.records() {
        let (offset, view) = record?;
        let known = tenants.iter().position(|tenant| tenant.as_str() == view.tenant());
        let tenant = match known {
            Some(tenant) => tenant,
            None => {
                tenants.push(TenantName::new(view.tenant())?);
                tenants.len() - 1
            }
        };
        views.push((offset, view, tenant));
    }
    let durable = DurableFrame {
        link: frame.header.link(),
        address: frame.header.address,
        length: whole_sectors(u64::from(frame.header.length)),
        segment,
    };
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
    index.apply(&durable, records);
    Ok(())
}
