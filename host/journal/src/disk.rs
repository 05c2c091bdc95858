//! The seam below which bytes are kept: segments, each a run of bytes named by the address of its first. Whether
//! they are files or a memory that fails on purpose, the journal above cannot tell.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

mod faulty;
mod file;

pub use faulty::{Fault, FaultyDisk};
pub use file::FileDisk;

const PRIVATE_FOLDER_MODE: u32 = 0o700;
const OTHERS_MODE: u32 = 0o077;

/// What a disk writes whole or not at all. Frames begin on such a border, so that writing one never touches
/// the bytes of another.
pub(crate) const SECTOR_BYTES: u64 = 512;

pub(crate) fn whole_sectors(bytes: u64) -> u64 {
    bytes.next_multiple_of(SECTOR_BYTES)
}

/// Makes a folder, with those above it that are missing, for the host's user alone.
///
/// # Errors
/// When it cannot be made.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER_MODE).create(folder)
}

/// As [`create_private_folder`], and takes the folder from others where it was there before and they could use it.
///
/// # Errors
/// As for [`create_private_folder`].
pub fn make_folder_private(folder: &Path) -> io::Result<()> {
    create_private_folder(folder)?;
    if fs::metadata(folder)?.mode() & OTHERS_MODE != 0 {
        fs::set_permissions(folder, Permissions::from_mode(PRIVATE_FOLDER_MODE))?;
    }
    Ok(())
}

pub(crate) fn is_whole_sectors(bytes: u64) -> bool {
    bytes.is_multiple_of(SECTOR_BYTES)
}

/// The machine lacks something that may be there again soon: space, file descriptors, memory. Nothing was done, and the same call may succeed
/// later.
pub(crate) fn passes(error: &io::Error) -> bool {
    let errnos = [Errno::NOSPC, Errno::DQUOT, Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    match error.raw_os_error() {
        Some(number) => errnos.iter().any(|errno| errno.raw_os_error() == number),
        None => error.kind() == io::ErrorKind::StorageFull,
    }
}

/// The error of a sync, which never [passes]: what was to be synced may be gone though a later sync succeeds.
pub(crate) fn unsure(error: io::Error) -> io::Error {
    io::Error::other(error)
}

pub trait Disk: Send + Sync + 'static {
    /// The addresses of all segments, ascending.
    fn segments(&self) -> io::Result<Vec<u64>>;

    /// A new segment of `length` zero bytes, whose length is durable; its name is so only after [`Disk::sync_folder`]. The space may be no
    /// more than reserved: see [`Segment::prepare`].
    fn create(&self, address: u64, length: u64) -> io::Result<Arc<dyn Segment>>;

    fn open(&self, address: u64) -> io::Result<Arc<dyn Segment>>;

    fn remove(&self, address: u64) -> io::Result<()>;

    /// How much space is left for more, in bytes.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Makes created and removed names durable.
    fn sync_folder(&self) -> io::Result<()>;

    /// For messages.
    fn path(&self, address: u64) -> PathBuf;
}

pub trait Segment: Send + Sync {
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on; gives fewer bytes only where the segment ends.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written so far durable.
    fn sync(&self) -> io::Result<()>;

    /// Cuts off everything from `length` on; durable after [`Segment::sync_length`].
    fn cut(&self, length: u64) -> io::Result<()>;

    /// Adds zero bytes up to `length`, with the space for them; durable after [`Segment::sync_length`].
    fn extend(&self, length: u64) -> io::Result<()>;

    /// Makes ready for the fastest syncs what lies from `offset` on and holds nothing yet, as many bytes as are best done at a time.
    /// Gives how many those were; 0 when there is nothing left to do. Changes nothing that can be read.
    fn prepare(&self, offset: u64) -> io::Result<u64>;

    /// As [`Segment::sync`], and the length too.
    fn sync_length(&self) -> io::Result<()>;
}

/// Prepares a segment that holds nothing, part by part, all of it unless `goes_on` says after one that it is enough.
pub(crate) fn prepare(segment: &dyn Segment, mut goes_on: impl FnMut() -> bool) -> io::Result<()> {
    let mut end = 0;
    loop {
        match segment.prepare(end)? {
            0 => return Ok(()),
            bytes => end += bytes,
        }
        if !goes_on() {
            return Ok(());
        }
    }
}
