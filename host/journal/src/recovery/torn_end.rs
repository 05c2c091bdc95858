//! Distinguishes an incomplete last frame, which a crash leaves, from damage. A frame is one write into sectors that
//! were zeros, and a sector is written completely or not at all; a write that failed leaves a beginning. So a frame
//! that was never acknowledged leaves only bytes like these:
//!
//! ```text
//! cut short   H r r r 0 0 0      a beginning, then zeros
//! scattered   0 r 0 r r 0 0      some of its sectors, the others are zeros; here without its header
//! ```
//!
//! Everything else is damage, and may have been acknowledged; cutting it off would lose it:
//! 1. Bytes that no frame begins with.
//! 2. Bytes after the frame's end.
//! 3. A complete frame whose hash does not match.
//!
//! There is one exception: a frame whose damaged length is larger than it was cannot be distinguished from an
//! incomplete one.

use std::path::PathBuf;

use crate::disk::SECTOR_BYTES;
use crate::format::frame::{FrameError, HEADER_BYTES, MAGIC, RECORD_BYTES_MAX, frame_length};

/// An incomplete last frame, now cut off. If a crash left it, it was never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornEnd {
    pub file: PathBuf,
    pub offset: u64,
    pub what: String,
}

/// The bytes from the first sector after the last good frame to the segment's end.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// The first sector, or as much of it as there is.
    head: Vec<u8>,
    /// Bytes added so far.
    bytes_seen: u64,
    /// Where the last non-zero byte ends.
    end: u64,
    first_zero_sector: Option<u64>,
}

impl Remains {
    /// Adds the bytes that follow those added before. They begin at a sector's start.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        assert!(self.bytes_seen.is_multiple_of(SECTOR_BYTES), "only whole sectors may come before more bytes");
        if self.bytes_seen == 0 {
            self.head = bytes[..bytes.len().min(SECTOR_BYTES as usize)].to_vec();
        }
        for (number, sector) in bytes.chunks(SECTOR_BYTES as usize).enumerate() {
            let begin = self.bytes_seen + number as u64 * SECTOR_BYTES;
            // Most sectors are zeros, and comparing a whole sector at once is faster than byte by byte.
            if sector.iter().fold(0, |any, byte| any | byte) == 0 {
                self.first_zero_sector = self.first_zero_sector.or(Some(begin));
            } else if let Some(at) = sector.iter().rposition(|byte| *byte != 0) {
                self.end = begin + at as u64 + 1;
            }
        }
        self.bytes_seen += bytes.len() as u64;
    }

    /// Whether all bytes are zero, so that nothing was written here.
    pub(crate) fn is_nothing(&self) -> bool {
        self.end == 0
    }

    /// Why these bytes cannot be what a crash left of one frame; `None` if they can.
    pub(crate) fn damage(&self) -> Option<String> {
        let head_end = self.head.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        if head_end == 0 {
            return (self.end > RECORD_BYTES_MAX).then(|| format!("{} bytes follow, more than a frame has", self.end));
        }
        let begins_so = self.head.iter().zip(MAGIC).take_while(|(found, expected)| *found == expected).count();
        if begins_so < MAGIC.len() {
            // If the write stopped within the magic number, everything after it is zero.
            let is_beginning = begins_so > 0 && self.end == begins_so as u64;
            return (!is_beginning).then(|| "no frame begins with the bytes here".to_owned());
        }
        if self.end < HEADER_BYTES as u64 {
            return None;
        }
        let length = match frame_length(&self.head) {
            Ok(length) => length as u64,
            Err(FrameError::CutShort) => return None,
            Err(error) => return Some(error.to_string()),
        };
        if self.end > length {
            return Some(format!("the frame here has {length} bytes, and {} follow it", self.end - length));
        }
        let is_whole = self.end == length && self.first_zero_sector.is_none_or(|zero| zero >= length);
        is_whole.then(|| format!("nothing of the frame's {length} bytes is missing, and its hash does not match"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTOR: usize = SECTOR_BYTES as usize;

    /// A frame of four sectors and 100 bytes, without zero bytes in its content.
    fn frame() -> Vec<u8> {
        let length = 4 * SECTOR + 100;
        let mut bytes: Vec<u8> = (0..length).map(|index| index as u8 | 1).collect();
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        bytes[112..116].copy_from_slice(&(length as u32).to_le_bytes());
        bytes
    }

    fn damage(bytes: &[u8]) -> Option<String> {
        let mut remains = Remains::default();
        remains.add(bytes);
        assert!(!remains.is_nothing());
        remains.damage()
    }

    #[test]
    fn every_beginning_of_a_frame_is_torn() {
        let frame = frame();
        for length in 1..frame.len() {
            let mut bytes = frame[..length].to_vec();
            assert_eq!(damage(&bytes), None, "{length} bytes, then nothing");
            bytes.resize(10 * SECTOR, 0);
            assert_eq!(damage(&bytes), None, "{length} bytes, then zeros");
        }
    }

    #[test]
    fn every_choice_of_a_frames_sectors_but_all_is_torn() {
        for kept in 1..(1_u32 << 5) - 1 {
            let mut bytes = frame();
            for sector in (0..5).filter(|sector| kept & (1 << sector) == 0) {
                let end = ((sector + 1) * SECTOR).min(bytes.len());
                bytes[sector * SECTOR..end].fill(0);
            }
            bytes.resize(10 * SECTOR, 0);
            assert_eq!(damage(&bytes), None, "sectors {kept:05b}");
        }
    }

    #[test]
    fn a_frame_of_which_nothing_is_missing_is_damaged() {
        let mut bytes = frame();
        bytes.resize(10 * SECTOR, 0);
        assert!(damage(&bytes).unwrap().contains("its hash does not match"));
    }

    #[test]
    fn bytes_that_no_crash_leaves_are_damage() {
        let mut behind = frame();
        behind.extend([0, 0, 1]);
        assert!(damage(&behind).unwrap().contains("3 follow it"));
        let mut far_behind = frame();
        far_behind.resize(9 * SECTOR, 0);
        far_behind.push(1);
        assert!(damage(&far_behind).unwrap().contains("follow it"));
        for garbage in
            [vec![1; 1], vec![0x55; 3 * SECTOR], [&MAGIC[..3], b"x"].concat(), [&MAGIC[..7], &[0, 0, 1]].concat()]
        {
            assert!(damage(&garbage).unwrap().contains("no frame begins"), "{garbage:?}");
        }
        let mut without_header = vec![0; SECTOR];
        without_header.extend(vec![1; SECTOR]);
        assert_eq!(damage(&without_header), None);
        let mut long = Remains::default();
        long.add(&vec![0; SECTOR]);
        for _ in 0..=RECORD_BYTES_MAX / (1024 * 1024) {
            long.add(&vec![1; 1024 * 1024]);
        }
        assert!(long.damage().unwrap().contains("more than a frame has"));
    }
}
