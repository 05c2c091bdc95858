//! The list of absent bodies of one segment. It stands beside the segment in `{address}.holes`: a body can be dropped
//! without a change to any byte that a hash covers. Digest, sizes and positions of a dropped body stay in the table.
//!
//! ```text
//! list := magic 8 bytes | format u16 | reader_min u16 | count u32 | journal id 16 bytes | segment address u64 | hole* | MAC 16
//! hole := frame number u64 | block index u16            ascending
//! MAC  := the first 16 bytes of keyed BLAKE3(BLAKE3(everything before))
//! ```
//!
//! The list has a MAC, because a body that only seems to be dropped would be hidden damage.

use super::error::{FormatError, ensure, within};
use super::frame::FORMAT;
use super::limits::HOLES_MAX;
use super::sealing::{MAC_BYTES, MacKey};
use super::varint::Cursor;

const HOLES_MAGIC: [u8; 8] = [0xff, b'p', b'h', b'o', b'l', b'e', b's', 0xfe];
const HOLE_BYTES: u64 = 8 + 2;

/// The place of a block whose body is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hole {
    pub(crate) frame_number: u64,
    pub(crate) block_index: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holes {
    pub(crate) journal_id: [u8; 16],
    pub(crate) segment_address: u64,
    holes: Vec<Hole>,
}

impl Holes {
    /// The holes can be in any order, and more than once.
    pub(crate) fn new(journal_id: [u8; 16], segment_address: u64, mut holes: Vec<Hole>) -> Self {
        holes.sort_unstable();
        holes.dedup();
        Self { journal_id, segment_address, holes }
    }

    pub(crate) fn contains(&self, hole: Hole) -> bool {
        self.holes.binary_search(&hole).is_ok()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Hole> + '_ {
        self.holes.iter().copied()
    }

    pub(crate) fn bytes(&self, key: &MacKey) -> Result<Vec<u8>, FormatError> {
        within("the number of absent bodies", self.holes.len() as u64, HOLES_MAX)?;
        let mut bytes = HOLES_MAGIC.to_vec();
        for number in [FORMAT, FORMAT] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.holes.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.journal_id);
        bytes.extend_from_slice(&self.segment_address.to_le_bytes());
        for Hole { frame_number, block_index } in &self.holes {
            bytes.extend_from_slice(&frame_number.to_le_bytes());
            bytes.extend_from_slice(&block_index.to_le_bytes());
        }
        let mac = key.mac(blake3::hash(&bytes).as_bytes());
        bytes.extend_from_slice(&mac);
        Ok(bytes)
    }

    pub(crate) fn read(bytes: &[u8], key: &MacKey) -> Result<Self, FormatError> {
        let mut cursor = Cursor::new("the list of absent bodies", bytes);
        ensure(cursor.array()? == HOLES_MAGIC, "no list of absent bodies begins here")?;
        let (_format, reader_min) = (cursor.u16()?, cursor.u16()?);
        if reader_min > FORMAT {
            return Err(FormatError::NewerReader(reader_min));
        }
        let count = u64::from(cursor.u32()?);
        within("the number of absent bodies", count, HOLES_MAX)?;
        let (journal_id, segment_address) = (cursor.array()?, cursor.u64()?);
        let mut entries = Cursor::new("the list of absent bodies", cursor.slice(count * HOLE_BYTES)?);
        let mac = cursor.array::<MAC_BYTES>()?;
        cursor.end()?;
        key.check(blake3::hash(&bytes[..bytes.len() - MAC_BYTES]).as_bytes(), &mac)?;
        let mut holes: Vec<Hole> = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let hole = Hole { frame_number: entries.u64()?, block_index: entries.u16()? };
            ensure(holes.last().is_none_or(|last| *last < hole), "the absent bodies do not ascend")?;
            holes.push(hole);
        }
        Ok(Self { journal_id, segment_address, holes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holes() -> Holes {
        let hole = |frame_number, block_index| Hole { frame_number, block_index };
        Holes::new([4; 16], 1 << 26, vec![hole(9, 2), hole(7, 300), hole(9, 2), hole(9, 1)])
    }

    #[test]
    fn lists_and_back() {
        let key = MacKey::derive(&[1; 32]);
        let bytes = holes().bytes(&key).unwrap();
        assert_eq!(Holes::read(&bytes, &key), Ok(holes()));
        assert!(holes().contains(Hole { frame_number: 7, block_index: 300 }));
        assert!(!holes().contains(Hole { frame_number: 7, block_index: 301 }));
        assert!(Holes::read(&bytes, &MacKey::derive(&[2; 32])).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let key = MacKey::derive(&[1; 32]);
        let bytes = holes().bytes(&key).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Holes::read(&flipped, &key).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Holes::read(&bytes[..length], &key).is_err(), "{length} bytes");
        }
        assert!(Holes::read(&[bytes, vec![0]].concat(), &key).is_err());
    }
}
