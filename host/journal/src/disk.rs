//! The interface to the storage of segments. A segment is a range of bytes, named by the address of its first byte. The
//! journal works the same on files and on a memory disk that fails on purpose.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

mod faulty;
mod file;
mod reserve;

pub use faulty::{Fault, FaultyDisk};
pub use file::FileDisk;
pub(crate) use reserve::DiskReserve;
pub use reserve::Shortage;

const PRIVATE_FOLDER_MODE: u32 = 0o700;
const OTHERS_MODE: u32 = 0o077;

/// Size of a sector, in bytes: a disk writes it completely or not at all. Frames begin at a sector's start, so that
/// writing one never touches the bytes of another.
pub(crate) const SECTOR_BYTES: u64 = 512;

pub(crate) fn whole_sectors(bytes: u64) -> u64 {
    bytes.next_multiple_of(SECTOR_BYTES)
}

/// Creates a folder and its missing parents, accessible only to the host's user.
///
/// # Errors
/// Fails if the folder cannot be created.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER_MODE).create(folder)
}

/// Does the same as [`create_private_folder`]. If the folder already exists and other users can access it, removes
/// their access.
///
/// # Errors
/// The same as for [`create_private_folder`].
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

/// Whether the error is temporary: the machine lacks space, file descriptors or memory. Nothing was done, and the same
/// call may succeed later.
pub(crate) fn passes(error: &io::Error) -> bool {
    let errnos = [Errno::NOSPC, Errno::DQUOT, Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    match error.raw_os_error() {
        Some(number) => errnos.iter().any(|errno| errno.raw_os_error() == number),
        None => error.kind() == io::ErrorKind::StorageFull,
    }
}

/// Wraps the error of a sync, so that it never [passes]: the unsynced data may be lost even if a later sync succeeds.
pub(crate) fn unsure(error: io::Error) -> io::Error {
    io::Error::other(error)
}

pub trait Disk: Send + Sync + 'static {
    /// The addresses of all segments, ascending.
    fn segments(&self) -> io::Result<Vec<u64>>;

    /// Creates a segment of `length` zero bytes. Its length is durable when this returns, its name only after
    /// [`Disk::sync_folder`]. The space may be reserved but not yet written: see [`Segment::prepare`].
    fn create(&self, address: u64, length: u64) -> io::Result<Arc<dyn Segment>>;

    fn open(&self, address: u64) -> io::Result<Arc<dyn Segment>>;

    fn remove(&self, address: u64) -> io::Result<()>;

    /// Free space, in bytes.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Makes the creation and removal of segments durable.
    fn sync_folder(&self) -> io::Result<()>;

    /// The path of a segment, for messages.
    fn path(&self, address: u64) -> PathBuf;
}

pub trait Segment: Send + Sync {
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on and returns the number of bytes read, which is smaller only at the segment's
    /// end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written so far durable.
    fn sync(&self) -> io::Result<()>;

    /// Cuts off everything from `length` on; durable after [`Segment::sync_length`].
    fn cut(&self, length: u64) -> io::Result<()>;

    /// Adds zero bytes up to `length`, with the space for them; durable after [`Segment::sync_length`].
    fn extend(&self, length: u64) -> io::Result<()>;

    /// Prepares unused bytes from `offset` on for fast syncs, as many as are best done at a time. Returns their number;
    /// 0 when nothing is left to do. Does not change what can be read.
    fn prepare(&self, offset: u64) -> io::Result<u64>;

    /// Does the same as [`Segment::sync`], and makes the length durable too.
    fn sync_length(&self) -> io::Result<()>;
}

/// Prepares an empty segment part by part. Stops early when `goes_on`, called after each part, returns false.
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
