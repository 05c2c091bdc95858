//! Decides from the scans of all segments whether a journal is intact, torn at its end, or damaged. Pure.
//!
//! A frame is written only after the previous one is durable. So bad bytes at the very end are a frame that was never
//! acknowledged, and bad bytes before a good frame are damage.

use polder_core::TimestampMs;

use super::scan::{Rest, SegmentScan};
use crate::format::frame::{FrameKind, Link};

/// The end of a journal without damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// Index of the segment that is appended to.
    pub(crate) segment: usize,
    /// Where the last good frame ends, in bytes from the start of that segment.
    pub(crate) offset: u64,
    pub(crate) link: Link,
    pub(crate) epoch: u64,
    /// Time of the last frame.
    pub(crate) at_ms: TimestampMs,
    /// Whether the last frame is a closing frame.
    pub(crate) closed: bool,
    /// Why the bytes from `offset` on are not a frame; `None` if there are none.
    pub(crate) torn: Option<String>,
}

/// Damage before the end of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Index of the segment.
    pub(crate) segment: usize,
    /// Offset of the damage, in bytes from the start of the segment.
    pub(crate) offset: u64,
    pub(crate) what: String,
}

pub(crate) fn judge(scans: &[SegmentScan]) -> Result<End, Damage> {
    let (link, at_ms) = (Link::START, TimestampMs(0));
    let mut end = End { segment: 0, offset: 0, link, epoch: 0, at_ms, closed: false, torn: None };
    for (segment, scan) in scans.iter().enumerate() {
        let damage = |offset, what| Err(Damage { segment, offset, what });
        let more_follows = scans[segment + 1..].iter().any(SegmentScan::is_used);
        match &scan.first {
            Some(first) if !first.continues(&end.link) => {
                let (found, last) = (first.number, end.link.number);
                return damage(0, format!("frame {found} does not continue frame {last} of the file before"));
            }
            None if more_follows && scan.rest == Rest::Unused => {
                return damage(0, "no frame, though a later file is in use".to_owned());
            }
            _ => {}
        }
        if let Some(last) = &scan.last {
            end = End { segment, offset: scan.end, link: last.link(), epoch: last.epoch, at_ms: last.at_ms, ..end };
            end.closed = last.kind == FrameKind::Closing;
        }
        match &scan.rest {
            Rest::Unused => {}
            Rest::Damaged { offset, what } => return damage(*offset, what.clone()),
            Rest::Unfinished { offset, what } if more_follows => {
                return damage(*offset, format!("{what}, though a later file is in use"));
            }
            Rest::Unfinished { what, .. } => {
                end = End { segment, offset: scan.end, torn: Some(what.clone()), ..end };
            }
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::frame::FrameHeader;

    fn header(number: u64) -> FrameHeader {
        FrameHeader {
            hash: [number as u8; 32],
            previous: [number as u8 - 1; 32],
            kind: FrameKind::Records,
            epoch: 1,
            number,
            address: 0,
            at_ms: TimestampMs(0),
            length: 512,
            record_count: 1,
        }
    }

    fn scan(frames: std::ops::RangeInclusive<u64>, rest: Rest) -> SegmentScan {
        SegmentScan {
            address: 0,
            first: (!frames.is_empty()).then(|| header(*frames.start())),
            last: (!frames.is_empty()).then(|| header(*frames.end())),
            frames: frames.clone().count() as u64,
            records: 0,
            end: 512 * frames.clone().count() as u64,
            rest,
        }
    }

    #[expect(clippy::reversed_empty_ranges, reason = "an empty range of frames is what is meant")]
    fn empty() -> SegmentScan {
        scan(1..=0, Rest::Unused)
    }

    fn unfinished() -> Rest {
        Rest::Unfinished { offset: 1024, what: "cut short".to_owned() }
    }

    fn damaged_at(scans: &[SegmentScan]) -> (usize, u64) {
        let damage = judge(scans).unwrap_err();
        (damage.segment, damage.offset)
    }

    #[test]
    fn whole_journals() {
        assert_eq!(judge(&[]).unwrap().link, Link::START);
        assert_eq!(judge(&[empty()]).unwrap().link, Link::START);
        let end = judge(&[scan(1..=3, Rest::Unused), scan(4..=5, Rest::Unused), empty(), empty()]).unwrap();
        assert_eq!((end.segment, end.offset, end.link, end.torn), (1, 1024, header(5).link(), None));
    }

    #[test]
    fn a_torn_end() {
        let end = judge(&[scan(1..=3, Rest::Unused), scan(4..=5, unfinished()), empty()]).unwrap();
        assert_eq!((end.segment, end.offset, end.link.number), (1, 1024, 5));
        assert_eq!(end.torn.as_deref(), Some("cut short"));
        let mut first_of_its_file = empty();
        first_of_its_file.rest = Rest::Unfinished { offset: 0, what: "cut short".to_owned() };
        let end = judge(&[scan(1..=3, Rest::Unused), first_of_its_file]).unwrap();
        assert_eq!((end.segment, end.offset, end.link.number), (1, 0, 3));
    }

    #[test]
    fn damage_in_the_middle() {
        assert_eq!(damaged_at(&[scan(1..=3, unfinished()), scan(4..=5, Rest::Unused)]), (0, 1024));
        let damaged = Rest::Damaged { offset: 512, what: String::new() };
        assert_eq!(damaged_at(&[scan(1..=3, Rest::Unused), scan(4..=5, damaged)]), (1, 512));
        assert_eq!(damaged_at(&[scan(1..=3, Rest::Unused), scan(5..=6, Rest::Unused)]), (1, 0), "a file is missing");
        assert_eq!(damaged_at(&[scan(2..=3, Rest::Unused)]), (0, 0), "the first file is missing");
        assert_eq!(damaged_at(&[scan(1..=3, Rest::Unused), empty(), scan(4..=5, Rest::Unused)]), (1, 0));
    }
}
