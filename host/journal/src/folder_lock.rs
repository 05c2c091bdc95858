//! Keeps other hosts out of a data folder. The locks lie on the folders themselves, not on a file in them that could be removed beside a
//! running host: on the data folder, and on that of the segments, which two data folders might share by a link.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::OpenError;

/// Released when it is dropped, and by the system when the process ends in any way.
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
