//! The journal's readers for the turns of both lanes.

use std::io;

use polder_journal::Reader;

use super::time_slice::ReadTurn;

#[derive(Clone)]
pub(super) struct LaneReaders {
    pub(super) fast: Reader,
    /// The threads of the slow lane have a low priority, and must not hold the locks of the journal's index.
    slow: Reader,
}

impl LaneReaders {
    /// # Errors
    /// Fails if the system cannot start a thread.
    pub(super) fn new(reader: &Reader) -> io::Result<Self> {
        Ok(Self { fast: reader.clone(), slow: reader.aside()? })
    }

    /// The reader that a turn must use.
    pub(super) fn of(&self, turn: &ReadTurn<'_>) -> &Reader {
        if turn.is_slow() { &self.slow } else { &self.fast }
    }
}
