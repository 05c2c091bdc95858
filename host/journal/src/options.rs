//! What can be chosen when a journal is opened.

/// One segment file, in bytes; preallocated, so that a sync has no file size to write.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// How many records the index keeps in memory before it writes them out in one go.
pub const INDEX_FLUSH_RECORDS: usize = 131_072;

#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub segment_bytes: u64,
    pub index_flush_records: usize,
    /// Make the next segment ready beside the writer, before it is needed. Tests that count calls switch it off.
    pub prepare_ahead: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, index_flush_records: INDEX_FLUSH_RECORDS, prepare_ahead: true }
    }
}
