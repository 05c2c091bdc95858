//! Compression of the section of a block: none, or LZ4 (its block format, without a frame and without a size).
//!
//! A section is compressed before it is sealed, because sealed bytes cannot be compressed. Dictionaries are never made
//! from data: such a dictionary would hold plain text that no erasure reaches.

use std::cell::RefCell;

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use super::error::{FormatError, ensure, within};
use super::limits::{COMPRESSED_SECTION_BYTES_MAX, LZ4_RATIO_MAX};

pub(crate) const CODEC_NONE: u8 = 0;
pub(crate) const CODEC_LZ4: u8 = 1;
/// Reserved: Zstandard.
#[cfg(test)]
pub(crate) const CODEC_ZSTD: u8 = 2;

/// A section with fewer records is compressed only if it has [`COMPRESSED_FROM_BYTES`].
const COMPRESSED_FROM_RECORDS: u64 = 4;
const COMPRESSED_FROM_BYTES: usize = 1_024;
/// A larger table would only be kept for sections that are rare.
const KEPT_TABLE_SECTION_BYTES: usize = u16::MAX as usize;

thread_local! {
    /// The table of the compressor, which is cleared for each section.
    static TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::small());
}

/// Compresses a section; `None` if it is shorter without, or not worth the time.
pub(crate) fn compress(section: &[u8], records: u64) -> Option<Vec<u8>> {
    let is_worth_it = records >= COMPRESSED_FROM_RECORDS || section.len() >= COMPRESSED_FROM_BYTES;
    if !is_worth_it || section.len() as u64 > COMPRESSED_SECTION_BYTES_MAX {
        return None;
    }
    let mut compressed = vec![0; get_maximum_output_size(section.len())];
    let length = if section.len() < KEPT_TABLE_SECTION_BYTES {
        TABLE.with_borrow_mut(|table| compress_into_with_table(section, &mut compressed, table))
    } else {
        compress_into_with_table(section, &mut compressed, &mut CompressTable::large())
    };
    // The buffer has the size that the compressor asks for, so it cannot fail; without it the section is merely longer.
    let length = length.ok().filter(|length| *length < section.len())?;
    compressed.truncate(length);
    Some(compressed)
}

/// Decompresses a section that had `section_bytes` before it was compressed.
pub(crate) fn decompress(codec: u8, stored: &[u8], section_bytes: u64) -> Result<Vec<u8>, FormatError> {
    match codec {
        CODEC_NONE => {
            ensure(stored.len() as u64 == section_bytes, "a section has another length than the table announces")?;
            Ok(stored.to_vec())
        }
        CODEC_LZ4 => {
            within("the length of a compressed section", section_bytes, COMPRESSED_SECTION_BYTES_MAX)?;
            within("the expansion of a section", section_bytes, LZ4_RATIO_MAX * stored.len() as u64)?;
            ensure((stored.len() as u64) < section_bytes, "a compressed section is not shorter than before")?;
            let mut section = vec![0; section_bytes as usize];
            let length = decompress_into(stored, &mut section);
            ensure(length.is_ok_and(|length| length == section.len()), "a section cannot be decompressed")?;
            Ok(section)
        }
        other => Err(FormatError::Unknown { what: "the codec", number: u64::from(other) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_back() {
        for length in [0, 1, 12, 13, 100, 5_000, 65_534, 65_535, 65_536, 200_000, 1 << 20] {
            let section: Vec<u8> = (0..length).map(|at: usize| (at / 7 % 11) as u8).collect();
            match compress(&section, 4) {
                Some(compressed) => {
                    assert!(compressed.len() < section.len());
                    assert_eq!(decompress(CODEC_LZ4, &compressed, length as u64).unwrap(), section);
                }
                None => assert!(length < 100, "{length} bytes"),
            }
            assert_eq!(decompress(CODEC_NONE, &section, length as u64).unwrap(), section);
        }
    }

    #[test]
    fn what_does_not_pay_is_not_compressed() {
        let (short, long) = ([7; 500], [7; 1_024]);
        assert_eq!(compress(&short, 3), None);
        assert!(compress(&short, 4).is_some());
        assert!(compress(&long, 1).is_some());
        assert_eq!(compress(&vec![0; (1 << 20) + 1], 9), None);
        let noise: Vec<u8> = blake3::Hasher::new().finalize_xof().take_bytes(500);
        assert_eq!(compress(&noise, 4), None);
    }

    trait TakeBytes {
        fn take_bytes(self, count: usize) -> Vec<u8>;
    }

    impl TakeBytes for blake3::OutputReader {
        fn take_bytes(mut self, count: usize) -> Vec<u8> {
            let mut bytes = vec![0; count];
            self.fill(&mut bytes);
            bytes
        }
    }

    #[test]
    fn bombs_and_lies_are_refused() {
        let section = vec![0; 1 << 20];
        let compressed = compress(&section, 1).unwrap();
        assert_eq!(decompress(CODEC_LZ4, &compressed, 1 << 20).unwrap(), section);
        for announced in [0, 1, 5_000, (1 << 20) - 1, (1 << 20) + 1, 1 << 40, u64::MAX] {
            assert!(decompress(CODEC_LZ4, &compressed, announced).is_err(), "{announced} bytes");
        }
        assert!(matches!(decompress(CODEC_LZ4, &[0x1f, 0, 1, 0], 1 << 20), Err(FormatError::Limit { .. })));
        assert!(decompress(CODEC_NONE, &section, 5).is_err());
        let unknown = FormatError::Unknown { what: "the codec", number: 2 };
        assert_eq!(decompress(CODEC_ZSTD, &compressed, 1 << 20), Err(unknown));
    }
}
