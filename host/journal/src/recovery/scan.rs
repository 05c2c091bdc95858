//! Reads the frames of one segment, verifies each, and reports what follows the last good one. Whether a possibly torn
//! end is damage depends on the other segments too, and is decided by the module `chain`.

use std::io;
use std::time::Duration;

use super::segment_reader::SegmentReader;
use super::torn_end::Remains;
use crate::disk::{SECTOR_BYTES, Segment, whole_sectors};
use crate::format::frame::{Frame, FrameError, FrameHeader, HEADER_BYTES, MAGIC, frame_length};

/// Whether another process may write to the segment during the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writers {
    None,
    /// What is half written now is complete soon, so the end is read again before it counts as damaged.
    Possible,
}

/// Number of repeated reads of an end that a running host may be writing, and the pause between two of them.
const REREADS_MAX: u32 = 3;
const REREAD_PAUSE: Duration = Duration::from_millis(20);

/// The result of scanning a segment.
#[derive(Debug, Clone)]
pub(crate) struct SegmentScan {
    /// Address of the segment's first byte.
    pub(crate) address: u64,
    pub(crate) first: Option<FrameHeader>,
    pub(crate) last: Option<FrameHeader>,
    pub(crate) frames: u64,
    pub(crate) records: u64,
    /// Where the last good frame ends, in bytes from the start of the segment.
    pub(crate) end: u64,
    pub(crate) rest: Rest,
}

/// What follows the last good frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Zeros, or the end of the segment.
    Unused,
    /// The remains of one frame, as a crash leaves them.
    Unfinished { offset: u64, what: String },
    /// Bytes that no crash leaves: they are followed by a good frame, or are more than the remains of one frame, or are
    /// a good frame at another address than its own.
    Damaged { offset: u64, what: String },
}

impl SegmentScan {
    /// The scan of a segment before anything is read. The part before `offset` is skipped.
    pub(crate) fn starting_at(address: u64, offset: u64) -> Self {
        Self { address, first: None, last: None, frames: 0, records: 0, end: offset, rest: Rest::Unused }
    }

    pub(crate) fn is_used(&self) -> bool {
        self.first.is_some() || self.rest != Rest::Unused
    }
}

/// Scans a segment. Calls `visit` with every good frame; an error from `visit` counts as damage at that frame.
pub(crate) fn scan_segment(
    segment: &dyn Segment,
    address: u64,
    writers: Writers,
    visit: &mut dyn FnMut(&Frame<'_>) -> Result<(), String>,
) -> io::Result<SegmentScan> {
    scan_part(segment, SegmentScan::starting_at(address, 0), writers, visit)
}

/// Continues `scan` from where it ended.
pub(crate) fn scan_part(
    segment: &dyn Segment,
    mut scan: SegmentScan,
    writers: Writers,
    visit: &mut dyn FnMut(&Frame<'_>) -> Result<(), String>,
) -> io::Result<SegmentScan> {
    let mut reader = SegmentReader::new(segment, segment.length()?);
    let (mut reread_at, mut rereads) = (None, 0);
    loop {
        let stop = match walk(&mut reader, &mut scan, visit)? {
            Ok(stop) => stop,
            Err(damage) => {
                scan.rest = damage;
                return Ok(scan);
            }
        };
        scan.rest = rest_behind(&mut reader, &stop)?;
        rereads = if reread_at == Some(scan.end) { rereads + 1 } else { 0 };
        if writers == Writers::None || !matches!(scan.rest, Rest::Damaged { .. }) || rereads == REREADS_MAX {
            return Ok(scan);
        }
        if rereads > 0 {
            std::thread::sleep(REREAD_PAUSE);
        }
        reread_at = Some(scan.end);
        reader.forget();
    }
}

/// Reads frame after frame. `Ok` is where no good frame follows; `Err` is damage that needs no further check.
fn walk(
    reader: &mut SegmentReader<'_>,
    scan: &mut SegmentScan,
    visit: &mut dyn FnMut(&Frame<'_>) -> Result<(), String>,
) -> io::Result<Result<Stop, Rest>> {
    loop {
        let offset = whole_sectors(scan.end);
        if !all_zero(reader.get(scan.end, (offset - scan.end) as usize)?) {
            let what = "bytes behind the last frame are not zero".to_owned();
            return Ok(Ok(Stop { offset, damaged_from: scan.end, what, is_after_zeros: false }));
        }
        match next_frame(reader, offset)? {
            Ok(frame) => {
                if let Err(what) = accept(scan, &frame, offset, visit) {
                    return Ok(Err(Rest::Damaged { offset, what }));
                }
            }
            Err(error @ (FrameError::Format(_) | FrameError::Kind(_))) => {
                return Ok(Err(Rest::Damaged { offset, what: error.to_string() }));
            }
            Err(error) => {
                return Ok(Ok(Stop { offset, damaged_from: offset, what: error.to_string(), is_after_zeros: true }));
            }
        }
    }
}

struct Stop {
    /// Where the first sector that holds no good frame begins.
    offset: u64,
    /// The first byte that may be damaged. It lies before `offset` if the padding of the last frame is not zero.
    damaged_from: u64,
    what: String,
    /// Whether the padding of the last frame is zero, as it was written.
    is_after_zeros: bool,
}

fn next_frame<'a>(reader: &'a mut SegmentReader<'_>, offset: u64) -> io::Result<Result<Frame<'a>, FrameError>> {
    let length = match frame_length(reader.get(offset, HEADER_BYTES)?) {
        Ok(length) => length,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Frame::read(reader.get(offset, length)?))
}

fn accept(
    scan: &mut SegmentScan,
    frame: &Frame<'_>,
    offset: u64,
    visit: &mut dyn FnMut(&Frame<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let header = frame.header;
    if header.address != scan.address + offset {
        return Err(format!("the frame here was written at address {}", header.address));
    }
    if let Some(last) = scan.last.filter(|last| !header.continues(&last.link())) {
        return Err(format!("frame {} does not continue frame {} before it", header.number, last.number));
    }
    visit(frame)?;
    scan.first = scan.first.or(Some(header));
    scan.last = Some(header);
    scan.frames += 1;
    scan.records += u64::from(header.record_count);
    scan.end = offset + u64::from(header.length);
    Ok(())
}

/// Determines what follows the last good frame. The length in a bad frame cannot be trusted to find the next frame, so
/// every sector is checked.
fn rest_behind(reader: &mut SegmentReader<'_>, stop: &Stop) -> io::Result<Rest> {
    const STEP_BYTES: u64 = 256 * SECTOR_BYTES;
    let mut remains = Remains::default();
    let mut offset = stop.offset;
    while offset < reader.length() {
        let bytes = reader.get(offset, STEP_BYTES as usize)?;
        if bytes.is_empty() {
            break;
        }
        remains.add(bytes);
        if !all_zero(bytes) {
            let candidates = candidates(bytes, offset);
            for candidate in candidates.into_iter().filter(|candidate| *candidate > stop.damaged_from) {
                if matches!(next_frame(reader, candidate)?, Ok(_) | Err(FrameError::Format(_) | FrameError::Kind(_))) {
                    let what = format!("{}, though a good frame follows at byte {candidate}", stop.what);
                    return Ok(Rest::Damaged { offset: stop.damaged_from, what });
                }
            }
        }
        offset += STEP_BYTES;
    }
    let offset = stop.offset;
    Ok(match (remains.is_nothing(), remains.damage()) {
        (true, _) if stop.is_after_zeros => Rest::Unused,
        (true, _) => Rest::Damaged { offset: stop.damaged_from, what: stop.what.clone() },
        (false, None) if stop.is_after_zeros => Rest::Unfinished { offset, what: stop.what.clone() },
        (false, damage) => {
            let what = damage.map_or_else(|| stop.what.clone(), |damage| format!("{}: {damage}", stop.what));
            Rest::Damaged { offset: stop.damaged_from, what }
        }
    })
}

/// Offsets of sectors that begin like a frame.
fn candidates(bytes: &[u8], offset: u64) -> Vec<u64> {
    let first = (whole_sectors(offset) - offset) as usize;
    let starts = (first..bytes.len()).step_by(SECTOR_BYTES as usize);
    starts.filter(|start| bytes[*start..].starts_with(&MAGIC)).map(|start| offset + start as u64).collect()
}

fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |any, byte| any | byte) == 0
}
