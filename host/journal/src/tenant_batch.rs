//! A stretch of one tenant's history, read whole, walked without copying. What every projection is fed from.

use polder_core::{Position, TenantName};

use crate::disk::whole_sectors;
use crate::error::ReadError;
use crate::frame::Frame;
use crate::index::Stretch;
use crate::segments::Segments;
use crate::{EventView, RecordView};

pub struct TenantBatch {
    /// Whole frames, of one stretch after the other.
    bytes: Vec<u8>,
    /// Where the records lie that are meant.
    records: Vec<usize>,
    after: Position,
    last: Position,
}

impl TenantBatch {
    /// There is nothing after the position that was asked for.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Where to read on: the position of the last event here, or the one that was asked for.
    pub fn last(&self) -> Position {
        self.last
    }

    /// Records with events, in order. The first may begin with events that lie before what was asked for.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'_>> {
        let view = |offset: &usize| {
            RecordView::read(&self.bytes[*offset..]).expect("the same bytes were read when the batch was made")
        };
        self.records.iter().map(view)
    }

    /// Exactly the events after the position that was asked for, each with its record.
    pub fn events(&self) -> impl Iterator<Item = (RecordView<'_>, EventView<'_>)> {
        let after = self.after;
        self.records()
            .flat_map(|record| record.events().map(move |event| (record, event)))
            .filter(move |(_, event)| event.position > after)
    }

    pub(crate) fn read(
        segments: &Segments,
        tenant: &TenantName,
        after: Position,
        stretches: &[Stretch],
    ) -> Result<Self, ReadError> {
        let mut batch = Self { bytes: Vec::new(), records: Vec::new(), after, last: after };
        let bytes: u64 = stretches.iter().map(|stretch| stretch.length).sum();
        batch.bytes.reserve_exact(usize::try_from(bytes).unwrap_or(0));
        for run in stretches.chunk_by(Stretch::is_followed_by) {
            let begin = batch.bytes.len();
            let (address, length) = (run[0].address, run.iter().map(|stretch| stretch.length).sum::<u64>());
            let length = usize::try_from(length).map_err(|_| too_long(length))?;
            batch.bytes.resize(begin + length, 0);
            segments.read(address, &mut batch.bytes[begin..])?;
            batch.take_run(begin, tenant).map_err(|(at, what)| segments.damaged(address + at as u64, what))?;
        }
        Ok(batch)
    }

    /// Checks the frames from `begin` on and notes the tenant's records. Errors say where in the run.
    fn take_run(&mut self, begin: usize, tenant: &TenantName) -> Result<(), (usize, String)> {
        let mut offset = begin;
        while offset < self.bytes.len() {
            let at = |what: String| (offset - begin, what);
            let frame = Frame::read(&self.bytes[offset..]).map_err(|error| at(error.to_string()))?;
            for record in frame.record_offsets() {
                let start = record.map_err(|error| at(error.to_string()))?;
                let bytes = &frame.bytes()[start..];
                if !RecordView::is_of(bytes, tenant) {
                    continue;
                }
                let view = RecordView::read(bytes).map_err(|error| at(error.to_string()))?;
                if view.event_count() == 0 || view.position() <= self.last {
                    continue;
                }
                let expected = if self.records.is_empty() { view.position_before().min(self.last) } else { self.last };
                if view.position_before() != expected {
                    return Err(at(format!("position {} follows {expected}", view.position_before().plus(1))));
                }
                self.last = view.position();
                self.records.push(offset + start);
            }
            offset += whole_sectors(u64::from(frame.header.length)) as usize;
        }
        Ok(())
    }
}

fn too_long(length: u64) -> ReadError {
    ReadError::Index { what: format!("a stretch of {length} bytes in it cannot be") }
}

impl std::fmt::Debug for TenantBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (records, after, last) = (self.records.len(), self.after, self.last);
        write!(f, "TenantBatch {{ records: {records}, after: {after}, last: {last} }}")
    }
}
