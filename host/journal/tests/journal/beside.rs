//! Verification of a journal that grows meanwhile succeeds, however far the host has got between two reads.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polder_journal::disk::{Disk, FaultyDisk, Segment};
use polder_journal::{Journal, OpenOptions, verify_on};

use crate::support::{Model, accept, keys, small};

/// A disk that shows the state `before` for the first `reads_before` reads, and `after` from then on. All files exist
/// from the beginning, as prepared segments do.
struct Growing {
    before: FaultyDisk,
    after: FaultyDisk,
    reads_before: usize,
    reads: Arc<AtomicUsize>,
}

struct GrowingSegment {
    before: Arc<dyn Segment>,
    after: Arc<dyn Segment>,
    reads_before: usize,
    reads: Arc<AtomicUsize>,
}

impl Disk for Growing {
    fn segments(&self) -> io::Result<Vec<u64>> {
        self.after.segments()
    }

    fn create(&self, _address: u64, _length: u64) -> io::Result<Arc<dyn Segment>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open(&self, address: u64) -> io::Result<Arc<dyn Segment>> {
        Ok(Arc::new(GrowingSegment {
            before: self.before.open(address)?,
            after: self.after.open(address)?,
            reads_before: self.reads_before,
            reads: Arc::clone(&self.reads),
        }))
    }

    fn remove(&self, _address: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn sync_folder(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn path(&self, address: u64) -> PathBuf {
        self.after.path(address)
    }
}

impl Segment for GrowingSegment {
    fn length(&self) -> io::Result<u64> {
        self.after.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let is_before = self.reads.fetch_add(1, Ordering::Relaxed) < self.reads_before;
        if is_before { self.before.read_at(offset, buffer) } else { self.after.read_at(offset, buffer) }
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn cut(&self, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn extend(&self, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn prepare(&self, _offset: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_length(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Writes `commands` commands of `bytes` bytes each, in segments of at most `segment_bytes`; returns the address of the
/// journal's last byte.
fn filled(disk: &FaultyDisk, segment_bytes: u64, commands: u8, bytes: usize) -> u64 {
    let options = OpenOptions { segment_bytes, ..small() };
    let (mut writer, _reader, _) = Journal::open_on(Arc::new(disk.clone()), keys(), options).unwrap();
    let mut model = Model::default();
    for number in 0..commands {
        model.append(&mut writer, &[accept("main", number % 9, &[bytes])]).unwrap();
    }
    let last = *disk.segments().unwrap().last().unwrap();
    last + disk.bytes(last).iter().rposition(|byte| *byte != 0).unwrap() as u64
}

/// A copy of the disk as it was when it had been written up to this address.
fn cut(after: &FaultyDisk, address: u64) -> FaultyDisk {
    let before = after.after_restart();
    for segment in before.segments().unwrap() {
        let mut bytes = before.bytes(segment);
        let written = (address.saturating_sub(segment) as usize).min(bytes.len());
        bytes[written..].fill(0);
        before.set_bytes(segment, bytes);
    }
    before
}

fn grows(segment_bytes: u64, commands: u8, bytes: usize, cuts: u64) {
    let after = FaultyDisk::new(1);
    let end = filled(&after, segment_bytes, commands, bytes);
    for number in 1..cuts {
        let before = cut(&after, end * number / cuts);
        for reads_before in 0.. {
            let reads = Arc::new(AtomicUsize::new(0));
            let growing =
                Growing { before: before.clone(), after: after.clone(), reads_before, reads: Arc::clone(&reads) };
            let report = verify_on(&growing, &keys());
            assert!(report.is_ok(), "{report:?}, cut at {number} of {cuts}, {reads_before} reads before");
            if reads.load(Ordering::Relaxed) <= reads_before {
                break;
            }
        }
    }
}

/// The host moves on to segments that were empty when they were opened.
#[test]
fn a_host_goes_on_to_other_segments_meanwhile() {
    grows(8 * 1024, 20, 1_500, 40);
}

/// The segments are larger than one read. A frame may be half written when it is first read, and other frames may
/// follow it later.
#[test]
fn a_host_goes_on_in_the_segment_that_is_read() {
    grows(16 * 1024 * 1024, 30, 200_000, 4);
}
