//! Appends records to the journal, and leaves out those of tenants whose keys cannot be used.

use polder_core::Position;
use polder_journal::{AppendError, Appended, EncodedRecord, Writer};

/// What became of one record of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// It is durable, and its tenant has this position after it.
    Durable(Position),
    /// It is not in the journal, because its tenant's key cannot be used.
    NoKey,
    /// The append ended before it with an error.
    NotReached,
}

impl Slot {
    pub(crate) fn position(self) -> Option<Position> {
        match self {
            Self::Durable(position) => Some(position),
            Self::NoKey | Self::NotReached => None,
        }
    }
}

/// Appends the records in their order. Returns one slot for each record, and the error that ended the append, if any.
pub(super) fn append_usable(writer: &mut Writer, records: Vec<EncodedRecord>) -> (Vec<Slot>, Option<AppendError>) {
    let error = match writer.append(&records) {
        // The usual case: no record is moved.
        Ok(appended) => return (appended.last_positions.into_iter().map(Slot::Durable).collect(), None),
        Err(error) => error,
    };
    let mut slots = vec![Slot::NotReached; records.len()];
    let mut left = Left { places: (0..records.len()).collect(), records };
    let mut result = Err(error);
    loop {
        match result {
            Ok(appended) => {
                left.durable(&mut slots, &appended);
                return (slots, None);
            }
            Err(AppendError::Key { appended, tenant, problem }) => {
                tracing::error!(
                    %tenant, %problem,
                    "a tenant is out of service: its key cannot be used; restore the key from a copy of the data folder, and start the host again"
                );
                left.durable(&mut slots, &appended);
                left.leave_out(&mut slots, |record| *record.tenant() == tenant);
                result = writer.append(&left.records);
            }
            Err(error) => {
                if let AppendError::NoRoom { appended, .. } = &error {
                    left.durable(&mut slots, appended);
                }
                return (slots, Some(error));
            }
        }
    }
}

/// The records that are not decided yet, each with the number of its slot.
struct Left {
    places: Vec<usize>,
    records: Vec<EncodedRecord>,
}

impl Left {
    /// Notes that the first records are durable.
    fn durable(&mut self, slots: &mut [Slot], appended: &Appended) {
        let count = appended.last_positions.len();
        self.records.drain(..count);
        for (place, position) in self.places.drain(..count).zip(&appended.last_positions) {
            slots[place] = Slot::Durable(*position);
        }
    }

    fn leave_out(&mut self, slots: &mut [Slot], is_out: impl Fn(&EncodedRecord) -> bool) {
        let (places, records) = (std::mem::take(&mut self.places), std::mem::take(&mut self.records));
        for (place, record) in places.into_iter().zip(records) {
            if is_out(&record) {
                slots[place] = Slot::NoKey;
            } else {
                self.places.push(place);
                self.records.push(record);
            }
        }
    }
}
