//! Walks the frames of one segment, checks each, and says what lies behind the last good one. Judges no further: whether an
//! end is torn or damaged depends on the other segments too.

use std::io;

use crate::disk::{SECTOR_BYTES, Segment, whole_sectors};
use crate::frame::{Frame, FrameError, FrameHeader, HEADER_BYTES, MAGIC, frame_length};
use crate::window::Window;

/// What a segment holds.
#[derive(Debug, Clone)]
pub(crate) struct SegmentScan {
    /// Of the segment's first byte.
    pub(crate) address: u64,
    pub(crate) first: Option<FrameHeader>,
    pub(crate) last: Option<FrameHeader>,
    pub(crate) frames: u64,
    pub(crate) records: u64,
    /// Where the last good frame ends in the segment, and what follows begins.
    pub(crate) end: u64,
    pub(crate) rest: Rest,
}

/// What lies behind the last good frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing: zeros, or the end of the segment.
    Unused,
    /// Bytes, but no good frame among them.
    Unfinished { offset: u64, what: String },
    /// Something bad with a good frame behind it, or a good frame that does not belong there.
    Damaged { offset: u64, what: String },
}

impl SegmentScan {
    /// Of a segment not looked at yet; the part before `offset` is left out.
    pub(crate) fn starting_at(address: u64, offset: u64) -> Self {
        Self { address, first: None, last: None, frames: 0, records: 0, end: offset, rest: Rest::Unused }
    }

    pub(crate) fn is_used(&self) -> bool {
        self.first.is_some() || self.rest != Rest::Unused
    }
}

/// `visit` sees every good frame; what it refuses counts as damage there.
pub(crate) fn scan_segment(
    segment: &dyn Segment,
    address: u64,
    visit: &mut dyn FnMut(&Frame<'_>) -> Result<(), String>,
) -> io::Result<SegmentScan> {
    scan_part(segment, SegmentScan::starting_at(address, 0), visit)
}

/// From where `scan` stands.
pub(crate) fn scan_part(
    segment: &dyn Segment,
    mut scan: SegmentScan,
    visit: &mut dyn FnMut(&Frame<'_>) -> Result<(), String>,
) -> io::Result<SegmentScan> {
    let mut window = Window::new(segment, segment.length()?);
    let mut looked_again_at = None;
    loop {
        let stop = match walk(&mut window, &mut scan, visit)? {
            Ok(stop) => stop,
            Err(damage) => {
                scan.rest = damage;
                return Ok(scan);
            }
        };
        scan.rest = rest_behind(&mut window, &stop)?;
        // A host may be writing here. Where a good frame follows now, the one before was written before it: it is read once more.
        if !matches!(scan.rest, Rest::Damaged { .. }) || looked_again_at == Some(scan.end) {
            return Ok(scan);
        }
        looked_again_at = Some(scan.end);
        window.forget();
    }
}

/// From frame to frame, to where none is, or to one that is bad whatever follows.
fn walk(
    window: &mut Window<'_>,
    scan: &mut SegmentScan,
    visit: &mut dyn FnMut(&Frame<'_>) -> Result<(), String>,
) -> io::Result<Result<Stop, Rest>> {
    loop {
        let offset = whole_sectors(scan.end);
        if !all_zero(window.get(scan.end, (offset - scan.end) as usize)?) {
            return Ok(Ok(Stop { offset: scan.end, what: "bytes between two frames are not zero".to_owned() }));
        }
        match next_frame(window, offset)? {
            Ok(frame) => {
                if let Err(what) = accept(scan, &frame, offset, visit) {
                    return Ok(Err(Rest::Damaged { offset, what }));
                }
            }
            Err(error @ (FrameError::Format(_) | FrameError::Kind(_))) => {
                return Ok(Err(Rest::Damaged { offset, what: error.to_string() }));
            }
            Err(error) => return Ok(Ok(Stop { offset, what: error.to_string() })),
        }
    }
}

struct Stop {
    offset: u64,
    what: String,
}

fn next_frame<'a>(window: &'a mut Window<'_>, offset: u64) -> io::Result<Result<Frame<'a>, FrameError>> {
    let length = match frame_length(window.get(offset, HEADER_BYTES)?) {
        Ok(length) => length,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Frame::read(window.get(offset, length)?))
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

/// A length that cannot be trusted says nothing about where the next frame begins: every sector is looked at.
fn rest_behind(window: &mut Window<'_>, stop: &Stop) -> io::Result<Rest> {
    const STEP_BYTES: u64 = 256 * SECTOR_BYTES;
    let mut unused = true;
    let mut offset = stop.offset;
    while offset < window.length() {
        // The first step ends on the border of a sector, all later ones keep to it.
        let step = whole_sectors(offset + 1).max(offset + STEP_BYTES - offset % SECTOR_BYTES) - offset;
        let bytes = window.get(offset, step as usize)?;
        if bytes.is_empty() {
            break;
        }
        if !all_zero(bytes) {
            unused = false;
            let candidates = candidates(bytes, offset);
            for candidate in candidates.into_iter().filter(|candidate| *candidate > stop.offset) {
                if matches!(next_frame(window, candidate)?, Ok(_) | Err(FrameError::Format(_) | FrameError::Kind(_))) {
                    let what = format!("{}, though a good frame follows at byte {candidate}", stop.what);
                    return Ok(Rest::Damaged { offset: stop.offset, what });
                }
            }
        }
        offset += step;
    }
    if unused { Ok(Rest::Unused) } else { Ok(Rest::Unfinished { offset: stop.offset, what: stop.what.clone() }) }
}

/// Sectors that begin like a frame.
fn candidates(bytes: &[u8], offset: u64) -> Vec<u64> {
    let first = (whole_sectors(offset) - offset) as usize;
    let starts = (first..bytes.len()).step_by(SECTOR_BYTES as usize);
    starts.filter(|start| bytes[*start..].starts_with(&MAGIC)).map(|start| offset + start as u64).collect()
}

fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |any, byte| any | byte) == 0
}
