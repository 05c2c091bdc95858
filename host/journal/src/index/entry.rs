//! The values of the index: where records and frames lie in the journal.

use polder_core::{Position, Sequence, TenantName};

use crate::format::frame::Link;
use crate::lookup_keys::{AggregateKey, CommandKey};

/// Where one record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordLocation {
    pub(crate) address: u64,
    /// Length of the record, in bytes.
    pub(crate) length: u32,
}

/// One record with events, in its aggregate's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HistoryEntry {
    pub(crate) first: Sequence,
    pub(crate) last: Sequence,
    pub(crate) location: RecordLocation,
}

/// Consecutive whole frames of one segment that hold all of a tenant's events from `first` up to the next range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameRange {
    pub(crate) first: Position,
    pub(crate) address: u64,
    /// Length up to the end of the last frame's last sector, in bytes.
    pub(crate) length: u64,
    /// The address of the segment.
    pub(crate) segment: u64,
}

impl FrameRange {
    pub(crate) fn end(&self) -> u64 {
        self.address + self.length
    }

    pub(crate) fn is_followed_by(&self, next: &Self) -> bool {
        self.end() == next.address && self.segment == next.segment
    }
}

/// A tenant's last position, and the size of its records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TenantTotals {
    pub(crate) position: Position,
    /// Total size of the tenant's records, in bytes, without frame headers.
    pub(crate) bytes: u64,
}

/// A durable frame and where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DurableFrame {
    pub(crate) link: Link,
    pub(crate) address: u64,
    /// Length of the frame in bytes, rounded up to whole sectors.
    pub(crate) length: u64,
    pub(crate) segment: u64,
}

impl DurableFrame {
    pub(crate) fn holds(&self, record: &RecordLocation) -> bool {
        record.address >= self.address && record.address + u64::from(record.length) <= self.address + self.length
    }
}

/// The fields of a record that an index needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexedRecord<'a> {
    pub(crate) tenant: &'a TenantName,
    pub(crate) aggregate: AggregateKey,
    pub(crate) command: CommandKey,
    pub(crate) sequence_before: Sequence,
    pub(crate) event_count: u32,
    pub(crate) position_before: Position,
    pub(crate) location: RecordLocation,
}

impl IndexedRecord<'_> {
    pub(crate) fn position(&self) -> Position {
        self.position_before.plus(u64::from(self.event_count))
    }
}
