//! What can be chosen when a journal is opened.

/// The largest segment file, in bytes; written with zeros beforehand, so that a sync has only the frame to write.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// A journal's first segment, in bytes: a small journal stays small.
pub(crate) const FIRST_SEGMENT_BYTES: u64 = 2 * 1024 * 1024;
/// Each is so many times as large as the one before, up to the largest.
pub(crate) const SEGMENT_GROWTH: u64 = 4;
/// What is kept of the disk for the journal, in bytes: room for the next segments and for what the index writes of them.
pub const DISK_RESERVE_BYTES: u64 = 4 * SEGMENT_BYTES;
/// How many records the index keeps in memory before it writes them out in one go.
pub const INDEX_FLUSH_RECORDS: usize = 131_072;

#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub segment_bytes: u64,
    pub index_flush_records: usize,
    /// Make the next segment ready beside the writer, before it is needed. Tests that count calls switch it off.
    pub prepare_ahead: bool,
    /// So much of the disk is kept for the journal: see [`Reader::check_room`](crate::Reader::check_room).
    pub reserve_bytes: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            index_flush_records: INDEX_FLUSH_RECORDS,
            prepare_ahead: true,
            reserve_bytes: DISK_RESERVE_BYTES,
        }
    }
}
