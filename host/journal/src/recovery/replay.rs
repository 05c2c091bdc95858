//! Adds the end of the journal to the index: the frames that were durable before the index had them on disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use polder_core::TenantName;

use super::scan::{Rest, SegmentScan, Writers, scan_part};
use crate::disk::{Disk, Segment, whole_sectors};
use crate::error::OpenError;
use crate::format::frame::{Frame, FrameHeader};
use crate::index::{DurableFrame, Index, index_frame};
use crate::keyring::Keyring;

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
