//! A range of one tenant's history, read in one go and iterated without copying. All projections are fed from it.

use polder_core::{ContentId, Position, TenantName};

use crate::disk::whole_sectors;
use crate::error::ReadError;
use crate::format::frame::Frame;
use crate::format::record::{EventView, Opened, Opener, RecordView};
use crate::index::FrameRange;
use crate::open_journal::OpenJournal;

pub struct TenantBatch {
    /// Whole frames, range after range.
    bytes: Vec<u8>,
    /// Offsets of the tenant's records in `bytes`.
    records: Vec<usize>,
    after: Position,
    last: Position,
}

impl TenantBatch {
    /// Whether there is nothing after the requested position.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The position to read on from: that of the last event in this batch, or the requested one if the batch is empty.
    pub fn last(&self) -> Position {
        self.last
    }

    /// The content id of the last event in this batch.
    pub fn head(&self) -> Option<ContentId> {
        RecordView::read_again(&self.bytes[*self.records.last()?..]).head()
    }

    /// Records with events, in order. The first one may begin with events before the requested position.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'_>> {
        self.records.iter().map(|offset| RecordView::read_again(&self.bytes[*offset..]))
    }

    /// Exactly the events after the requested position, each with its record.
    pub fn events(&self) -> impl Iterator<Item = (RecordView<'_>, EventView<'_>)> {
        let after = self.after;
        self.records()
            .flat_map(|record| record.events().map(move |event| (record, event)))
            .filter(move |(_, event)| event.position > after)
    }

    pub(crate) fn read(
        journal: &OpenJournal,
        tenant: &TenantName,
        after: Position,
        ranges: &[FrameRange],
    ) -> Result<Self, ReadError> {
        let mut batch = Self { bytes: Vec::new(), records: Vec::new(), after, last: after };
        let bytes: u64 = ranges.iter().map(|range| range.length).sum();
        batch.bytes.reserve_exact(usize::try_from(bytes).unwrap_or(0));
        for run in ranges.chunk_by(FrameRange::is_followed_by) {
            let begin = batch.bytes.len();
            let (address, length) = (run[0].address, run.iter().map(|range| range.length).sum::<u64>());
            let length = usize::try_from(length).map_err(|_| too_long(length))?;
            batch.bytes.resize(begin + length, 0);
            journal.segments.read(address, &mut batch.bytes[begin..])?;
            batch.take_run(begin, address, tenant, journal)?;
        }
        Ok(batch)
    }

    /// Checks the frames from `begin` on, which lie at address `from`; opens the tenant's records and stores their
    /// offsets.
    fn take_run(
        &mut self,
        begin: usize,
        from: u64,
        tenant: &TenantName,
        journal: &OpenJournal,
    ) -> Result<(), ReadError> {
        let mut offset = begin;
        let mut opener = Opener::new(&journal.keys);
        while offset < self.bytes.len() {
            let frame = Frame::read(&self.bytes[offset..]).map_err(|error| error.to_string());
            let found = frame.and_then(|frame| Ok((frame.header, own_records(&frame, tenant)?)));
            let address = from + (offset - begin) as u64;
            let damaged = |what| journal.segments.damaged(address, what);
            let (header, own) = found.map_err(damaged)?;
            for (start, length) in own {
                let bytes = &mut self.bytes[offset + start..offset + start + length];
                match opener.open(bytes, address + start as u64) {
                    Ok(Opened::Plain | Opened::Unsealed) => self.take_record(offset + start).map_err(damaged)?,
                    Ok(Opened::Closed) => return Err(ReadError::Sealed),
                    Err(error) => return Err(damaged(error.to_string())),
                }
            }
            offset += whole_sectors(u64::from(header.length)) as usize;
        }
        Ok(())
    }

    fn take_record(&mut self, offset: usize) -> Result<(), String> {
        let view = RecordView::read(&self.bytes[offset..]).map_err(|error| error.to_string())?;
        if view.event_count() == 0 || view.position() <= self.last {
            return Ok(());
        }
        let expected = if self.records.is_empty() { view.position_before().min(self.last) } else { self.last };
        if view.position_before() != expected {
            return Err(format!(
                "position {} comes directly after position {expected}",
                view.position_before().plus(1)
            ));
        }
        self.last = view.position();
        self.records.push(offset);
        Ok(())
    }
}

/// Offset and length of each of the tenant's records in the frame, in bytes.
fn own_records(frame: &Frame<'_>, tenant: &TenantName) -> Result<Vec<(usize, usize)>, String> {
    let mut own = Vec::new();
    for record in frame.record_offsets() {
        let (start, length) = record.map_err(|error| error.to_string())?;
        if RecordView::is_of(&frame.bytes()[start..], tenant) {
            own.push((start, length));
        }
    }
    Ok(own)
}

fn too_long(length: u64) -> ReadError {
    ReadError::Index { what: format!("a range of {length} bytes in it is impossible") }
}

impl std::fmt::Debug for TenantBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (records, after, last) = (self.records.len(), self.after, self.last);
        write!(f, "TenantBatch {{ records: {records}, after: {after}, last: {last} }}")
    }
}
