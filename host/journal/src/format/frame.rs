//! One frame: a group commit as bytes, chained by hash to the previous frame. Knows nothing of files: a frame is the
//! same wherever it is kept.
//!
//! ```text
//! magic 8 bytes | hash 32 | hash of the frame before 32 | format u32 | kind u32 | epoch u64 | number u64 |
//! address u64 | time u64 | length u32 | record count u32 | records
//! ```
//!
//! The BLAKE3 hash covers everything after itself. Numbers are little-endian.

use polder_core::TimestampMs;

use crate::format::bytes::Cursor;
use crate::format::record::{RecordError, length_of};

/// Maximum size of a frame in bytes, unless it holds a single larger record. A frame fits into one message of a log
/// such as JetStream.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// Maximum size of a record in bytes, as bounded by memory and by messages. A frame that holds a single record may be
/// this large. Twice what the default limits of a tenant allow.
pub(crate) const RECORD_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// The frame format that this host writes and reads.
pub const FRAME_FORMAT: u32 = 1;

/// The bytes 0xff and 0xfe do not occur in UTF-8, so no name and no payload contains what looks like a frame.
pub(crate) const MAGIC: [u8; 8] = [0xff, b'p', b'o', b'l', b'd', b'e', b'r', 0xfe];
pub(crate) const HEADER_BYTES: usize = 120;
const HASH_AT: usize = 8;
const HASHED_FROM: usize = 40;
const LENGTH_AT: usize = 112;

pub(crate) type Hash = [u8; 32];

/// The end of a hash chain, which the next frame continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) number: u64,
    pub(crate) hash: Hash,
}

impl Link {
    /// The link before the first frame.
    pub(crate) const START: Self = Self { number: 0, hash: [0; 32] };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Records,
    /// The last frame of a writer that ended in order. It holds no records.
    Closing,
    /// The first frame of a writer, where several hosts can own the journal in turn. It holds no records.
    Opening,
}

impl FrameKind {
    fn number(self) -> u32 {
        match self {
            Self::Records => 0,
            Self::Closing => 1,
            Self::Opening => 2,
        }
    }

    fn of(number: u32) -> Option<Self> {
        [Self::Records, Self::Closing, Self::Opening].into_iter().find(|kind| kind.number() == number)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHeader {
    pub(crate) hash: Hash,
    pub(crate) previous: Hash,
    pub(crate) kind: FrameKind,
    /// Counts the writers of this journal; the next writer's epoch is one higher.
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    /// Where the frame lies in the whole journal, in bytes from the start.
    pub(crate) address: u64,
    pub(crate) at_ms: TimestampMs,
    /// Length including the header, in bytes.
    pub(crate) length: u32,
    pub(crate) record_count: u32,
}

impl FrameHeader {
    pub(crate) fn link(&self) -> Link {
        Link { number: self.number, hash: self.hash }
    }

    pub(crate) fn continues(&self, link: &Link) -> bool {
        self.number == link.number + 1 && self.previous == link.hash
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("no frame begins here")]
    NoFrame,
    #[error("the frame is cut short")]
    CutShort,
    #[error("the frame's hash does not match its bytes")]
    Hash,
    /// The frame is intact, but this host cannot read its format.
    #[error("the frame has format {0}, this host reads format {FRAME_FORMAT}")]
    Format(u32),
    /// The frame is intact, but this host does not know its kind.
    #[error("the frame is of kind {0}, which this host does not know")]
    Kind(u32),
}

/// A frame with a verified hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) header: FrameHeader,
    bytes: &'a [u8],
}

/// The length in the header of the frame at the start of `bytes`, in bytes. It is unverified until the whole frame is
/// read.
pub(crate) fn frame_length(header: &[u8]) -> Result<usize, FrameError> {
    if !header.starts_with(&MAGIC) {
        return Err(FrameError::NoFrame);
    }
    let length = header.get(LENGTH_AT..).and_then(|bytes| Cursor::new(bytes).u32()).ok_or(FrameError::CutShort)?;
    if (length as usize) < HEADER_BYTES { Err(FrameError::Hash) } else { Ok(length as usize) }
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `bytes` and verifies its hash.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let bytes = bytes.get(..frame_length(bytes)?).ok_or(FrameError::CutShort)?;
        let hash: Hash = *blake3::hash(&bytes[HASHED_FROM..]).as_bytes();
        if bytes[HASH_AT..HASHED_FROM] != hash {
            return Err(FrameError::Hash);
        }
        let header = read_header(&bytes[HASHED_FROM..], hash)?;
        Ok(Self { header, bytes })
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Yields the offset and length of each record in the frame, in bytes. The hash guarantees that the bytes are as
    /// written, so an error means that they were not written by a writer of this format.
    pub(crate) fn record_offsets(&self) -> impl Iterator<Item = Result<(usize, usize), RecordError>> + use<'a> {
        let (bytes, mut offset, mut left) = (self.bytes, HEADER_BYTES, self.header.record_count);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let start = offset;
            let Some(length) = length_of(&bytes[start..]).filter(|length| *length <= bytes.len() - start) else {
                left = 0;
                return Some(Err(RecordError("its length goes beyond its frame".to_owned())));
            };
            offset += length;
            Some(Ok((start, length)))
        })
    }
}

fn read_header(hashed: &[u8], hash: Hash) -> Result<FrameHeader, FrameError> {
    let mut cursor = Cursor::new(hashed);
    let mut fields = || {
        let (previous, format, kind) = (cursor.array()?, cursor.u32()?, cursor.u32()?);
        let (epoch, number, address, at_ms) = (cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let (length, record_count) = (cursor.u32()?, cursor.u32()?);
        let at_ms = TimestampMs(at_ms);
        let header =
            move |kind| FrameHeader { hash, previous, kind, epoch, number, address, at_ms, length, record_count };
        Some((format, kind, header))
    };
    match fields().ok_or(FrameError::CutShort)? {
        (FRAME_FORMAT, kind, header) => FrameKind::of(kind).map(header).ok_or(FrameError::Kind(kind)),
        (other, ..) => Err(FrameError::Format(other)),
    }
}

/// Builds frames in one reused buffer.
#[derive(Debug, Default)]
pub(crate) struct FrameBuilder {
    bytes: Vec<u8>,
    record_count: u32,
}

impl FrameBuilder {
    pub(crate) fn begin(&mut self) {
        self.bytes.clear();
        self.bytes.resize(HEADER_BYTES, 0);
        self.record_count = 0;
    }

    /// Adds the record whose bytes `put` appends.
    pub(crate) fn add_record(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.bytes);
        self.record_count += 1;
    }

    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of one record that begins `offset` bytes into the frame.
    pub(crate) fn record(&mut self, offset: usize, length: usize) -> &mut [u8] {
        debug_assert_eq!(length_of(&self.bytes[offset..]), Some(length), "a record of this length begins here");
        &mut self.bytes[offset..offset + length]
    }

    /// Completes the frame; returns its bytes and its link.
    pub(crate) fn finish(
        &mut self,
        previous: &Link,
        kind: FrameKind,
        epoch: u64,
        address: u64,
        at_ms: TimestampMs,
    ) -> (&[u8], Link) {
        debug_assert_eq!(
            kind == FrameKind::Records,
            self.record_count > 0,
            "a frame of records has at least one, and no other frame has any"
        );
        let number = previous.number + 1;
        let length = u32::try_from(self.bytes.len()).expect("limits keep every record far below 4 GiB");
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&[0; 32]);
        header.extend_from_slice(&previous.hash);
        for number in [FRAME_FORMAT, kind.number()] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        for number in [epoch, number, address, at_ms.0] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        for number in [length, self.record_count] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        debug_assert_eq!(header.len(), HEADER_BYTES, "the header has the length that readers expect");
        self.bytes[..HEADER_BYTES].copy_from_slice(&header);
        let hash: Hash = *blake3::hash(&self.bytes[HASHED_FROM..]).as_bytes();
        self.bytes[HASH_AT..HASHED_FROM].copy_from_slice(&hash);
        (&self.bytes, Link { number, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Vec<u8> {
        let mut builder = FrameBuilder::default();
        builder.begin();
        let previous = Link { number: 6, hash: [9; 32] };
        builder.finish(&previous, FrameKind::Closing, 3, 4096, TimestampMs(77)).0.to_vec()
    }

    #[test]
    fn header_and_back() {
        let bytes = frame();
        let frame = Frame::read(&bytes).unwrap();
        let header = frame.header;
        assert_eq!((header.kind, header.epoch, header.number), (FrameKind::Closing, 3, 7));
        assert_eq!((header.address, header.at_ms, header.record_count), (4096, TimestampMs(77), 0));
        assert!(header.continues(&Link { number: 6, hash: [9; 32] }));
        assert!(!header.continues(&Link { number: 5, hash: [9; 32] }));
        assert!(!header.continues(&Link { number: 6, hash: [8; 32] }));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = frame();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::read(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = frame();
        for length in 0..bytes.len() {
            assert!(Frame::read(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_frame_of_another_version_is_not_reported_as_damage() {
        for (at, expected) in [(72, FrameError::Format(9)), (76, FrameError::Kind(9))] {
            let mut bytes = frame();
            bytes[at] = 9;
            let hash = *blake3::hash(&bytes[HASHED_FROM..]).as_bytes();
            bytes[HASH_AT..HASHED_FROM].copy_from_slice(&hash);
            assert_eq!(Frame::read(&bytes).unwrap_err(), expected);
        }
    }
}
