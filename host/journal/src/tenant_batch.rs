//! A stretch of one tenant's history, read whole, walked without copying.

use polder_core::Position;

use crate::{EventView, RecordBuf, RecordView};

#[derive(Debug)]
pub struct TenantBatch {
    pub(crate) records: Vec<RecordBuf>,
    pub(crate) after: Position,
    pub(crate) last: Position,
}

impl TenantBatch {
    pub fn is_empty(&self) -> bool {
        self.last == self.after
    }

    /// Where to read on: the position of the last event here.
    pub fn last(&self) -> Position {
        self.last
    }

    /// Records with events, in order. The first may begin with events that lie before what was asked for.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'_>> {
        self.records.iter().map(RecordBuf::view)
    }

    /// Exactly the events after the position that was asked for, each with its record.
    pub fn events(&self) -> impl Iterator<Item = (RecordView<'_>, EventView<'_>)> {
        let after = self.after;
        self.records()
            .flat_map(|record| record.events().map(move |event| (record, event)))
            .filter(move |(_, event)| event.position > after)
    }
}
