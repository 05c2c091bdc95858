//! Measures the minimum time of a durable append on this machine: the same file and the same system calls, nothing
//! else. Benchmarks print it beside the journal's own times.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk::{Disk, FileDisk, Segment, prepare, whole_sectors};
use crate::format::frame::HEADER_BYTES;
use crate::options::SEGMENT_BYTES;

/// Writes `records_per_sync` records of `record_bytes` bytes into segments in `dir`, with one write and one sync, and
/// repeats that `syncs` times. Returns the time of each round. `dir` must not contain segments yet.
pub fn append_and_sync(
    dir: &Path,
    record_bytes: usize,
    records_per_sync: usize,
    syncs: usize,
) -> io::Result<Vec<Duration>> {
    let disk = FileDisk::new(dir)?;
    // The bytes are not zeros, because some file systems and disks store zeros at no cost.
    let frame: Vec<u8> =
        (0..HEADER_BYTES + record_bytes * records_per_sync).map(|index| (index * 31) as u8 | 1).collect();
    let needed = whole_sectors(frame.len() as u64);
    let length = SEGMENT_BYTES.max(needed);
    let (mut address, mut offset) = (0, 0);
    let mut segment = prepared(&disk, address, length)?;
    let mut took = Vec::with_capacity(syncs);
    for _ in 0..syncs {
        if length - offset < needed {
            (address, offset) = (address + length, 0);
            segment = prepared(&disk, address, length)?;
        }
        let began = Instant::now();
        segment.write_at(offset, &frame)?;
        segment.sync()?;
        took.push(began.elapsed());
        offset += needed;
    }
    Ok(took)
}

/// Creates a segment and prepares it, as the journal does.
fn prepared(disk: &FileDisk, address: u64, length: u64) -> io::Result<Arc<dyn Segment>> {
    let segment = disk.create(address, length)?;
    disk.sync_folder()?;
    prepare(&*segment, || true)?;
    Ok(segment)
}
