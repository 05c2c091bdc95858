//! State that the writer and all readers of one open journal share.

use std::sync::Arc;

use crate::disk_room::DiskRoom;
use crate::folder_lock::FolderLock;
use crate::index::Index;
use crate::keyring::Keyring;
use crate::segments::Segments;
use crate::statistics::Counters;

pub(crate) struct Shared {
    pub(crate) segments: Arc<Segments>,
    pub(crate) index: Arc<Index>,
    pub(crate) counters: Counters,
    pub(crate) keys: Keyring,
    pub(crate) room: DiskRoom,
    /// Released last, after the index is closed and the last reader is dropped.
    pub(crate) _lock: Option<Arc<FolderLock>>,
}
