//! Walks the frames of one segment, checks each, and says what lies behind the last good one. Judges no further: whether an
//! end that may be torn is damaged depends on the other segments too.

use std::io;
use std::time::Duration;

use crate::disk::{SECTOR_BYTES, Segment, whole_sectors};
use crate::frame::{Frame, FrameError, FrameHeader, HEADER_BYTES, MAGIC, frame_length};
use crate::torn::Remains;
use crate::window::Window;

/// How often it is looked again for what a host may be writing meanwhile, and how long it is waited between.
const LOOKS_MAX: u32 = 3;
const LOOK_PAUSE: Duration = Duration::from_millis(20);

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
    /// What a crash leaves of one frame.
    Unfinished { offset: u64, what: String },
    /// Something bad that no crash leaves: with a good frame behind it, or larger than what is missing of one frame; or a good frame that does
    /// not belong there.
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
    let (mut looked_again_at, mut looks) = (None, 0);
    loop {
        let stop = match walk(&mut window, &mut scan, visit)? {
            Ok(stop) => stop,
            Err(damage) => {
                scan.rest = damage;
                return Ok(scan);
            }
        };
        scan.rest = rest_behind(&mut window, &stop)?;
        // A host may be writing here: what is half written now is whole soon, and is read once more.
        looks = if looked_again_at == Some(scan.end) { looks + 1 } else { 0 };
        if !matches!(scan.rest, Rest::Damaged { .. }) || looks == LOOKS_MAX {
            return Ok(scan);
        }
        if looks > 0 {
            std::thread::sleep(LOOK_PAUSE);
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
            let what = "bytes behind the last frame are not zero".to_owned();
            return Ok(Ok(Stop { offset, damaged_from: scan.end, what, is_after_zeros: false }));
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
            Err(error) => {
                return Ok(Ok(Stop { offset, damaged_from: offset, what: error.to_string(), is_after_zeros: true }));
            }
        }
    }
}

struct Stop {
    /// Where a sector begins.
    offset: u64,
    /// The first byte that may be damaged: what fills the last frame's last sector lies before `offset`.
    damaged_from: u64,
    what: String,
    /// What fills the last frame's last sector is as it was written.
    is_after_zeros: bool,
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
    let mut remains = Remains::default();
    let mut offset = stop.offset;
    while offset < window.length() {
        let bytes = window.get(offset, STEP_BYTES as usize)?;
        if bytes.is_empty() {
            break;
        }
        remains.add(bytes);
        if !all_zero(bytes) {
            let candidates = candidates(bytes, offset);
            for candidate in candidates.into_iter().filter(|candidate| *candidate > stop.damaged_from) {
                if matches!(next_frame(window, candidate)?, Ok(_) | Err(FrameError::Format(_) | FrameError::Kind(_))) {
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

/// Sectors that begin like a frame.
fn candidates(bytes: &[u8], offset: u64) -> Vec<u64> {
    let first = (whole_sectors(offset) - offset) as usize;
    let starts = (first..bytes.len()).step_by(SECTOR_BYTES as usize);
    starts.filter(|start| bytes[*start..].starts_with(&MAGIC)).map(|start| offset + start as u64).collect()
}

fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |any, byte| any | byte) == 0
}
