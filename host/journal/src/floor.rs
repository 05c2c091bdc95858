//! The least a durable append can cost on this machine: the same file, the same calls, nothing else. Benchmarks print it beside what
//! the journal reaches.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk::{Disk, FileDisk, Segment, prepare, whole_sectors};
use crate::frame::HEADER_BYTES;
use crate::options::SEGMENT_BYTES;

/// Writes `syncs` times `records_per_sync` records of `record_bytes` bytes into segments in `dir`, each time with one write and one
/// sync. Gives how long each took. `dir` must not hold segments yet.
pub fn append_and_sync(
    dir: &Path,
    record_bytes: usize,
    records_per_sync: usize,
    syncs: usize,
) -> io::Result<Vec<Duration>> {
    let disk = FileDisk::new(dir)?;
    // Not zeros: a file system or disk may know how to store those for nothing.
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

/// As those are that the journal writes on.
fn prepared(disk: &FileDisk, address: u64, length: u64) -> io::Result<Arc<dyn Segment>> {
    let segment = disk.create(address, length)?;
    disk.sync_folder()?;
    prepare(&*segment, || true)?;
    Ok(segment)
}
