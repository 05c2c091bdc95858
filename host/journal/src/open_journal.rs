//! An open journal: the state that its writer, or its follower, and all its readers share.

use std::sync::Arc;

use crate::disk::DiskReserve;
use crate::folder_lock::FolderLock;
use crate::index::Index;
use crate::keyring::Keyring;
use crate::segments::Segments;
use crate::statistics::Counters;

pub(crate) struct OpenJournal {
    pub(crate) segments: Arc<Segments>,
    pub(crate) index: Arc<Index>,
    pub(crate) counters: Counters,
    pub(crate) keys: Keyring,
    pub(crate) reserve: DiskReserve,
    /// Released last, after the index is closed and the last reader is dropped.
    pub(crate) _lock: Option<Arc<FolderLock>>,
}
