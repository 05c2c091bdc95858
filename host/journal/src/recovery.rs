//! Opens what an earlier writer left: verifies every frame, distinguishes a torn end from damage, cuts off a torn end,
//! and makes the last frame durable before it is read.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use polder_core::TimestampMs;

use self::chain::{Damage, End, judge};
use self::scan::{SegmentScan, Writers, scan_segment};
use crate::disk::{Disk, Segment, prepare, whole_sectors};
use crate::error::OpenError;
use crate::format::frame::Link;
use crate::options::FIRST_SEGMENT_BYTES;

pub(crate) mod chain;
pub(crate) mod content_check;
mod replay;
mod salvage;
pub(crate) mod scan;
mod segment_reader;
mod torn_end;

pub(crate) use replay::{Replayed, replay};
pub use salvage::{SalvageError, SalvageReport, salvage};
pub use torn_end::TornEnd;

/// Threads that scan segments. Most of the time goes into hashing; more threads gain nothing on small machines.
const SCAN_THREADS: usize = 2;

/// A journal without damage, whose torn end, if any, has been cut off.
pub(crate) struct Recovered {
    /// The segments with their addresses, ascending. The last one is the active one.
    pub(crate) segments: Vec<(u64, Arc<dyn Segment>)>,
    /// Where the last frame ends, in bytes from the start of the last segment.
    pub(crate) offset: u64,
    pub(crate) link: Link,
    pub(crate) epoch: u64,
    pub(crate) at_ms: TimestampMs,
    pub(crate) closed: bool,
    pub(crate) frames: u64,
    pub(crate) records: u64,
    pub(crate) torn: Option<TornEnd>,
    /// Address at which the known frame ends; `None` if this journal does not contain that frame.
    pub(crate) known_end: Option<u64>,
}

/// Verifies all segments and repairs the end. `known` is a durable frame of this journal that the index remembers.
pub(crate) fn recover(disk: &dyn Disk, segment_bytes: u64, known: Option<&Link>) -> Result<Recovered, OpenError> {
    let folder = || disk.path(0).parent().map(PathBuf::from).unwrap_or_default();
    let addresses = disk.segments().map_err(io_error("list", folder()))?;
    let opened: Vec<_> = addresses
        .iter()
        .map(|address| Ok((*address, disk.open(*address).map_err(io_error("open", disk.path(*address)))?)))
        .collect::<Result<_, OpenError>>()?;
    let known_end = OnceLock::new();
    let scans = scan_all(disk, &opened, known, &known_end)?;
    debug_assert_eq!(scans.len(), opened.len(), "each segment was scanned once");
    let at =
        |Damage { segment, offset, what }| OpenError::Damaged { file: disk.path(addresses[segment]), offset, what };
    let end = judge(&scans).map_err(at)?;
    if let Some(known) = known.filter(|known| known.number > end.link.number) {
        let file = addresses.get(end.segment).map_or_else(folder, |address| disk.path(*address));
        let (found, known) = (end.link.number, known.number);
        let what = format!(
            "the journal ends with frame {found}, the index remembers frame {known}; if an older copy of the journal was put in \
             place on purpose, delete the folder of the index: it is rebuilt"
        );
        return Err(OpenError::Damaged { file, offset: end.offset, what });
    }
    let torn =
        end.torn.clone().map(|what| TornEnd { file: disk.path(addresses[end.segment]), offset: end.offset, what });
    let segments = settle(disk, opened, &scans, &end, segment_bytes)?;
    Ok(Recovered {
        segments,
        offset: end.offset,
        link: end.link,
        epoch: end.epoch,
        at_ms: end.at_ms,
        closed: end.closed,
        frames: scans.iter().map(|scan| scan.frames).sum(),
        records: scans.iter().map(|scan| scan.records).sum(),
        torn,
        known_end: known_end.into_inner(),
    })
}

fn io_error(what: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { what, path, source }
}

fn scan_all(
    disk: &dyn Disk,
    segments: &[(u64, Arc<dyn Segment>)],
    known: Option<&Link>,
    known_end: &OnceLock<u64>,
) -> Result<Vec<SegmentScan>, OpenError> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(segments.len()));
    let work = || {
        while let Some((index, (address, segment))) = take(&next, segments) {
            let scan = scan_segment(&**segment, *address, Writers::None, &mut |frame| {
                let header = &frame.header;
                if known.is_some_and(|known| header.link() == *known) {
                    let _ = known_end.set(header.address + u64::from(header.length));
                }
                Ok(())
            });
            let scan = scan.map_err(io_error("read", disk.path(*address)));
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, scan));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..SCAN_THREADS.min(segments.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, scan)| scan).collect()
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, items.get(index)?))
}

/// Segments with the address of their first byte, in order.
type Addressed = Vec<(u64, Arc<dyn Segment>)>;

/// Prepares the folder for appending: cuts off torn bytes, removes segments after the last one in use, and brings that
/// one to its full length, durably.
fn settle(
    disk: &dyn Disk,
    mut segments: Addressed,
    scans: &[SegmentScan],
    end: &End,
    segment_bytes: u64,
) -> Result<Addressed, OpenError> {
    let first_length = whole_sectors(segment_bytes.min(FIRST_SEGMENT_BYTES));
    if segments.is_empty() {
        let created = disk.create(0, first_length).map_err(io_error("create", disk.path(0)))?;
        disk.sync_folder().map_err(io_error("sync the folder of", disk.path(0)))?;
        prepare(&*created, || true).map_err(io_error("prepare", disk.path(0)))?;
        return Ok(vec![(0, created)]);
    }
    let path = disk.path(segments[end.segment].0);
    let settled = (|| {
        let (address, last) = &segments[end.segment];
        // The segment is shorter if its creation was interrupted.
        let length = whole_sectors(last.length()?).max(first_length);
        if end.torn.is_some() {
            last.cut(end.offset)?;
            last.sync_length()?;
        }
        for (unused, _) in &segments[end.segment + 1..] {
            disk.remove(*unused)?;
        }
        last.extend(length)?;
        write_last_frame_again(&**last, *address, &scans[end.segment])?;
        last.sync_length()?;
        disk.sync_folder()
    })();
    settled.map_err(io_error("make ready", path))?;
    segments.truncate(end.segment + 1);
    Ok(segments)
}

/// Writes the last frame again, because it may exist only in the operating system's cache. After a sync that failed, a
/// later successful sync does not prove that the bytes reached the disk; writing and syncing them again does. All
/// earlier frames are durable, because a frame is written only after the previous one is.
fn write_last_frame_again(segment: &dyn Segment, address: u64, scan: &SegmentScan) -> io::Result<()> {
    let Some(last) = &scan.last else { return Ok(()) };
    let offset = last.address - address;
    let mut bytes = vec![0; last.length as usize];
    if segment.read_at(offset, &mut bytes)? < bytes.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    segment.write_at(offset, &bytes)
}
