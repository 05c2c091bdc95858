//! The options for opening a journal.

/// Maximum size of a segment file, in bytes. Segments are filled with zeros in advance, so that a sync writes only the
/// frame.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Size of a journal's first segment, in bytes. It is small, so that a small journal stays small.
pub(crate) const FIRST_SEGMENT_BYTES: u64 = 2 * 1024 * 1024;
/// Growth factor from one segment to the next, up to the maximum size.
pub(crate) const SEGMENT_GROWTH: u64 = 4;
/// Disk space reserved for the journal, in bytes: room for the next segments and for their index.
pub const DISK_RESERVE_BYTES: u64 = 4 * SEGMENT_BYTES;
/// Records that the index keeps in memory before it writes them to disk in one run.
pub const INDEX_FLUSH_RECORDS: usize = 131_072;

#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub segment_bytes: u64,
    pub index_flush_records: usize,
    /// Whether a thread prepares the next segment before it is needed. Tests that count disk calls switch it off.
    pub prepare_ahead: bool,
    /// Disk space reserved for the journal, in bytes: see [`Reader::check_room`](crate::Reader::check_room).
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
