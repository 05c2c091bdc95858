//! The open segments, found by address. Shared by the writer and all readers. Frames go into the active one; the next
//! one is prepared before it is needed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::disk::{Disk, Segment};
use crate::error::ReadError;

pub(crate) mod active;
mod next;

pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    /// Replaced by the writer only. Readers take a snapshot, so that no reader can block the writer.
    by_address: ArcSwap<BTreeMap<u64, Arc<dyn Segment>>>,
}

/// An offset in an open segment.
pub(crate) struct SegmentOffset {
    segment: Arc<dyn Segment>,
    offset: u64,
    path: PathBuf,
}

impl Segments {
    pub(crate) fn new(disk: Arc<dyn Disk>, segments: Vec<(u64, Arc<dyn Segment>)>) -> Self {
        Self { disk, by_address: ArcSwap::from_pointee(segments.into_iter().collect()) }
    }

    pub(crate) fn add(&self, address: u64, segment: Arc<dyn Segment>) {
        let mut by_address = BTreeMap::clone(&self.by_address.load());
        debug_assert!(
            by_address.last_key_value().is_none_or(|(last, _)| *last < address),
            "a new segment follows all others"
        );
        by_address.insert(address, segment);
        self.by_address.store(Arc::new(by_address));
    }

    /// The segment that contains `address`, and the offset in it. `None` if the address lies before the first segment.
    pub(crate) fn locate(&self, address: u64) -> Option<SegmentOffset> {
        let by_address = self.by_address.load();
        let (start, segment) = by_address.range(..=address).next_back()?;
        Some(SegmentOffset { segment: Arc::clone(segment), offset: address - start, path: self.disk.path(*start) })
    }

    /// Fills `buffer` from `address` on. All of it must lie within one segment.
    pub(crate) fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let at = self.locate(address).ok_or_else(|| ReadError::Index {
            what: format!("it names address {address}, which is before the journal's first"),
        })?;
        match at.segment.read_at(at.offset, buffer) {
            Ok(count) if count == buffer.len() => Ok(()),
            Ok(count) => Err(at.damaged(count as u64, "the file ends here, more is expected".to_owned())),
            Err(source) => Err(ReadError::Io { path: at.path, source }),
        }
    }

    /// Builds the error for bytes that are wrong.
    pub(crate) fn damaged(&self, address: u64, what: String) -> ReadError {
        match self.locate(address) {
            Some(at) => at.damaged(0, what),
            None => ReadError::Index { what },
        }
    }
}

impl SegmentOffset {
    fn damaged(self, after: u64, what: String) -> ReadError {
        ReadError::Damaged { file: self.path, offset: self.offset + after, what }
    }
}
