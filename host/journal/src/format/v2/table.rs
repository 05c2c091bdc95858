//! The table of a frame: one entry for each block, with its kind, its tenant, its positions, its sizes and the digest of
//! its body. Who has the table can check one body without the others.
//!
//! ```text
//! entry := kind u8 | codec u8 | tenant varint | position before varint | records varint | events varint |
//!          section bytes varint | stored bytes varint | worker varint | count varint | digest 32 bytes
//! ```

use super::error::{FormatError, ensure, within};
use super::limits::{
    ANCHOR_BYTES_MAX, DEFINITIONS_MAX, LARGE_FRAME_BYTES_MAX, NUMBER_MAX, RECORD_BYTES_MAX, RECORDS_MAX, REFERENCE_MAX,
    SECTION_BYTES_MAX,
};
use super::sealing::{NONCE_COUNT_MAX, Nonce};
use super::varint::{Cursor, put_number};

pub(crate) const DIGEST_BYTES: usize = 32;
/// Bytes that an entry takes at least.
pub(crate) const ENTRY_BYTES_MIN: u64 = 10 + DIGEST_BYTES as u64;
/// Readers that do not know a kind from here on pass over its blocks.
const KINDS_PASSED_OVER_FROM: u8 = 64;
/// The bit of the codec that says that the body is sealed.
const SEALED: u8 = 1 << 7;
/// Stands for the journal itself in the place of a tenant.
pub(crate) const NO_TENANT: u64 = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Records of one tenant.
    Records,
    /// Names of tenants.
    Names,
    /// Shapes of one tenant's records.
    Shapes,
    /// What opening needs.
    Anchor,
    /// Records in place of those of an earlier block, whose body is dropped.
    Replacement,
    /// A kind of a later version, which is passed over.
    Later(u8),
}

impl BlockKind {
    fn number(self) -> u8 {
        match self {
            Self::Records => 0,
            Self::Names => 1,
            Self::Shapes => 2,
            Self::Anchor => 3,
            Self::Replacement => 4,
            Self::Later(number) => number,
        }
    }

    fn of(number: u8) -> Result<Self, FormatError> {
        let known = [Self::Records, Self::Names, Self::Shapes, Self::Anchor, Self::Replacement];
        match known.into_iter().find(|kind| kind.number() == number) {
            Some(kind) => Ok(kind),
            None if number >= KINDS_PASSED_OVER_FROM => Ok(Self::Later(number)),
            None => Err(FormatError::Unknown { what: "the kind of a block", number: u64::from(number) }),
        }
    }

    /// Whether the body has records and their digests.
    pub(crate) fn has_records(self) -> bool {
        matches!(self, Self::Records | Self::Replacement)
    }
}

/// What the table says of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub(crate) kind: BlockKind,
    /// How the section is compressed; see [`codec`](super::codec).
    pub(crate) codec: u8,
    pub(crate) is_sealed: bool,
    /// Number of the tenant; [`NO_TENANT`] for names and anchors.
    pub(crate) tenant: u64,
    /// The tenant's last position before the block; 0 if the block has no records.
    pub(crate) position_before: u64,
    /// Number of records, or of definitions; 1 for an anchor.
    pub(crate) records: u64,
    /// Number of events in all records.
    pub(crate) events: u64,
    /// Length of the section before it was compressed, in bytes.
    pub(crate) section_bytes: u64,
    /// Length of the body in the frame.
    pub(crate) stored_bytes: u64,
    /// All zeros if the body is not sealed.
    pub(crate) nonce: Nonce,
    /// BLAKE3 of the body as it is stored.
    pub(crate) digest: [u8; DIGEST_BYTES],
}

impl BlockEntry {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind.number(), self.codec | if self.is_sealed { SEALED } else { 0 }]);
        for number in [
            self.tenant,
            self.position_before,
            self.records,
            self.events,
            self.section_bytes,
            self.stored_bytes,
            u64::from(self.nonce.worker),
            self.nonce.count,
        ] {
            put_number(out, number);
        }
        out.extend_from_slice(&self.digest);
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, FormatError> {
        let (kind, codec) = (BlockKind::of(cursor.byte()?)?, cursor.byte()?);
        let entry = Self {
            kind,
            codec: codec & !SEALED,
            is_sealed: codec & SEALED != 0,
            tenant: cursor.number_to("the number of a tenant", REFERENCE_MAX)?,
            position_before: cursor.number_to("a position", NUMBER_MAX)?,
            records: cursor.number_to("the number of records", NUMBER_MAX)?,
            events: cursor.number_to("the number of events", NUMBER_MAX)?,
            section_bytes: cursor.number_to("the length of a section", RECORD_BYTES_MAX)?,
            stored_bytes: cursor.number_to("the length of a body", LARGE_FRAME_BYTES_MAX)?,
            nonce: Nonce {
                worker: cursor.number_to("the worker of a nonce", u64::from(u16::MAX))? as u16,
                count: cursor.number_to("the count of a nonce", NONCE_COUNT_MAX)?,
            },
            digest: cursor.array()?,
        };
        entry.check()?;
        Ok(entry)
    }

    /// Checks what every entry of a known kind has to fulfil. Writers check it, too.
    pub(crate) fn check(&self) -> Result<(), FormatError> {
        ensure(self.is_sealed || self.nonce == Nonce::default(), "a block that is not sealed has a nonce")?;
        match self.kind {
            BlockKind::Records | BlockKind::Replacement => self.check_records(),
            BlockKind::Names => self.check_definitions(NO_TENANT, SECTION_BYTES_MAX),
            BlockKind::Shapes => {
                ensure(self.tenant != NO_TENANT, "shapes belong to no tenant")?;
                self.check_definitions(self.tenant, SECTION_BYTES_MAX)
            }
            BlockKind::Anchor => {
                ensure(self.records == 1, "an anchor block has another number of anchors than one")?;
                self.check_definitions(NO_TENANT, ANCHOR_BYTES_MAX)
            }
            BlockKind::Later(_) => Ok(()),
        }
    }

    fn check_records(&self) -> Result<(), FormatError> {
        ensure(self.tenant != NO_TENANT, "records belong to no tenant")?;
        ensure(self.records > 0, "a block of records has none")?;
        within("the number of records", self.records, RECORDS_MAX)?;
        let section_bytes_max = if self.records == 1 { RECORD_BYTES_MAX } else { SECTION_BYTES_MAX };
        within("the length of a section", self.section_bytes, section_bytes_max)?;
        within("a position", self.position_before + self.events, NUMBER_MAX)?;
        // Each record and each event takes a byte at least.
        ensure(self.records + self.events <= self.section_bytes, "a section is too short for its records")
    }

    fn check_definitions(&self, tenant: u64, section_bytes_max: u64) -> Result<(), FormatError> {
        ensure(self.tenant == tenant, "a block of the journal names a tenant")?;
        ensure(self.tenant != NO_TENANT || !self.is_sealed, "a block of the journal is sealed")?;
        ensure(self.position_before == 0 && self.events == 0, "a block of definitions has a position or events")?;
        ensure(self.records > 0, "a block of definitions has none")?;
        within("the number of definitions", self.records, DEFINITIONS_MAX)?;
        within("the length of a section", self.section_bytes, section_bytes_max)?;
        ensure(self.records <= self.section_bytes, "a section is too short for its definitions")
    }

    /// Checks that a body is the one that the table announces.
    pub(crate) fn check_body(&self, body: &[u8]) -> Result<(), FormatError> {
        let is_same = body.len() as u64 == self.stored_bytes && *blake3::hash(body).as_bytes() == self.digest;
        if is_same { Ok(()) } else { Err(FormatError::Mismatch("the digest of a body")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> BlockEntry {
        BlockEntry {
            kind: BlockKind::Records,
            codec: 1,
            is_sealed: true,
            tenant: 7,
            position_before: 300,
            records: 16,
            events: 17,
            section_bytes: 2_000,
            stored_bytes: 900,
            nonce: Nonce { worker: 2, count: 1 << 40 },
            digest: [9; 32],
        }
    }

    fn read(bytes: &[u8]) -> Result<BlockEntry, FormatError> {
        let mut cursor = Cursor::new("the table", bytes);
        let entry = BlockEntry::read(&mut cursor)?;
        cursor.end()?;
        Ok(entry)
    }

    fn written(entry: &BlockEntry) -> Vec<u8> {
        let mut bytes = Vec::new();
        entry.put(&mut bytes);
        bytes
    }

    #[test]
    fn entries_and_back() {
        let of = |kind, tenant| BlockEntry {
            kind,
            tenant,
            position_before: 0,
            records: 1,
            events: 0,
            is_sealed: tenant > 0,
            nonce: Nonce::default(),
            ..entry()
        };
        for entry in [
            entry(),
            BlockEntry { kind: BlockKind::Replacement, ..entry() },
            of(BlockKind::Names, 0),
            of(BlockKind::Shapes, 3),
            of(BlockKind::Anchor, 0),
            BlockEntry { kind: BlockKind::Later(64), records: 0, section_bytes: 0, ..entry() },
        ] {
            let bytes = written(&entry);
            assert_eq!(read(&bytes), Ok(entry));
            for length in 0..bytes.len() {
                assert!(read(&bytes[..length]).is_err(), "{length} bytes");
            }
        }
    }

    #[test]
    fn unknown_kinds_below_64_are_refused() {
        for number in 5..=63 {
            let bytes = written(&BlockEntry { kind: BlockKind::Later(number), ..entry() });
            let what = "the kind of a block";
            assert_eq!(read(&bytes), Err(FormatError::Unknown { what, number: u64::from(number) }));
        }
        let later = BlockEntry { kind: BlockKind::Later(255), ..entry() };
        assert_eq!(read(&written(&later)), Ok(later));
    }

    #[test]
    fn lies_are_refused() {
        let definitions = BlockEntry { position_before: 0, events: 0, ..entry() };
        for lie in [
            BlockEntry { tenant: 0, ..entry() },
            BlockEntry { records: 0, ..entry() },
            BlockEntry { records: 257, ..entry() },
            BlockEntry { section_bytes: 64 * 1024 + 1, ..entry() },
            BlockEntry { section_bytes: 32, ..entry() },
            BlockEntry { records: 1, section_bytes: RECORD_BYTES_MAX + 1, ..entry() },
            BlockEntry { stored_bytes: LARGE_FRAME_BYTES_MAX + 1, ..entry() },
            BlockEntry { position_before: NUMBER_MAX, ..entry() },
            BlockEntry { position_before: u64::MAX, ..entry() },
            BlockEntry { events: u64::MAX, ..entry() },
            BlockEntry { tenant: REFERENCE_MAX + 1, ..entry() },
            BlockEntry { is_sealed: false, ..entry() },
            BlockEntry { kind: BlockKind::Names, ..definitions },
            BlockEntry { kind: BlockKind::Names, tenant: 0, ..definitions },
            BlockEntry { kind: BlockKind::Shapes, events: 1, ..definitions },
            BlockEntry { kind: BlockKind::Shapes, records: 4_097, ..definitions },
            BlockEntry { kind: BlockKind::Anchor, tenant: 0, is_sealed: false, nonce: Nonce::default(), ..definitions },
        ] {
            assert!(read(&written(&lie)).is_err(), "{lie:?}");
        }
    }
}
