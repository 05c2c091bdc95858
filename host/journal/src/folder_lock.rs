//! Locks a data folder against other hosts. The locks are on the folders themselves, because a lock file could be
//! removed while a host is running. There is one on the data folder and one on the folder of segments, which two data
//! folders might share by a link.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::OpenError;

/// Held locks on the folders. They are released on drop, and by the operating system however the process ends.
pub(crate) struct FolderLock {
    _held: [File; 2],
}

impl FolderLock {
    pub(crate) fn take(dir: &Path, segments: &Path) -> Result<Self, OpenError> {
        Ok(Self { _held: [lock(dir, dir)?, lock(segments, dir)?] })
    }
}

fn lock(folder: &Path, dir: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Io { what: "lock", path: folder.to_owned(), source };
    let file = File::open(folder).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
