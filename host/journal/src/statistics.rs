//! Counts since the journal was opened, for metrics.

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    pub frames: u64,
    pub records: u64,
    pub events: u64,
    /// Of frames, with what fills them up to whole sectors.
    pub bytes: u64,
    pub syncs: u64,
    pub sync_ns_sum: u64,
    pub sync_ns_max: u64,
    pub sync_ns_last: u64,
}
