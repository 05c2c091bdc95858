//! The seam below which bytes are kept: segments, each a run of bytes named by the address of its first. Whether
//! they are files or a memory that fails on purpose, the journal above cannot tell.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

mod faulty;
mod file;

pub use faulty::{Fault, FaultyDisk};
pub use file::FileDisk;

/// What a disk writes whole or not at all. Frames begin on such a border, so that writing one never touches
/// the bytes of another.
pub(crate) const SECTOR_BYTES: u64 = 512;

pub(crate) fn whole_sectors(bytes: u64) -> u64 {
    bytes.next_multiple_of(SECTOR_BYTES)
}

pub trait Disk: Send + Sync + 'static {
    /// The addresses of all segments, ascending.
    fn segments(&self) -> io::Result<Vec<u64>>;

    /// A new segment of `length` zero bytes, whose length is durable; its name is so only after [`Disk::sync_folder`]. The space may be no
    /// more than reserved: see [`Segment::prepare`].
    fn create(&self, address: u64, length: u64) -> io::Result<Arc<dyn Segment>>;

    fn open(&self, address: u64) -> io::Result<Arc<dyn Segment>>;

    fn remove(&self, address: u64) -> io::Result<()>;

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
