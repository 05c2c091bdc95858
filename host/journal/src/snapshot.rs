//! A saved state. It replaces the replay of the events before it, and only for the revision that saved it.

use polder_core::{ContentId, Sequence};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub sequence: Sequence,
    /// Content id of the aggregate's event at `sequence`.
    pub head: ContentId,
    pub state: Vec<u8>,
}
