//! The body of a block. A section of bytes is compressed; behind it stand the digests, which are random to a compressor;
//! both are sealed together.
//!
//! ```text
//! body := sealed( [digests' length varint] | section, maybe compressed | [digests] )      in [ ]: with records only
//! ```

use super::codec::{CODEC_LZ4, CODEC_NONE, compress, decompress};
use super::error::{FormatError, ensure};
use super::sealing::{BlockKey, Nonce};
use super::table::{BlockEntry, BlockKind, NO_TENANT};
use super::varint::{Cursor, put_number};

/// Bytes of digests that a record has at most: those of the event before it, and its fingerprint.
pub(crate) const DIGESTS_PER_RECORD_MAX: u64 = 32 + 8;

/// The content of a block before it is compressed and sealed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) kind: BlockKind,
    pub(crate) tenant: u64,
    /// Number of records, or of definitions.
    pub(crate) records: u64,
    pub(crate) events: u64,
    pub(crate) section: &'a [u8],
    /// Empty for blocks without records.
    pub(crate) digests: &'a [u8],
}

/// A block that is ready for a frame. Only the tenant's position is missing, which the appender knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedBlock {
    pub(crate) entry: BlockEntry,
    pub(crate) body: Vec<u8>,
}

/// A body that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenedBody {
    pub(crate) section: Vec<u8>,
    pub(crate) digests: Vec<u8>,
}

impl SealedBlock {
    /// Compresses and seals a block, and computes the digest of its body. Without a key it is not sealed.
    ///
    /// # Errors
    /// Fails if the block is beyond a limit.
    pub(crate) fn new(content: &Content<'_>, key: Option<(&BlockKey, Nonce)>) -> Result<Self, FormatError> {
        let compressed = compress(content.section, content.records);
        let stored = compressed.as_deref().unwrap_or(content.section);
        let mut body = Vec::with_capacity(stored.len() + content.digests.len() + 3);
        if content.kind.has_records() {
            put_number(&mut body, content.digests.len() as u64);
        }
        body.extend_from_slice(stored);
        body.extend_from_slice(content.digests);
        if let Some((key, nonce)) = key {
            key.apply(nonce, &mut body);
        }
        let entry = BlockEntry {
            kind: content.kind,
            codec: if compressed.is_some() { CODEC_LZ4 } else { CODEC_NONE },
            is_sealed: key.is_some(),
            tenant: content.tenant,
            position_before: 0,
            records: content.records,
            events: content.events,
            section_bytes: content.section.len() as u64,
            stored_bytes: body.len() as u64,
            nonce: key.map(|(_, nonce)| nonce).unwrap_or_default(),
            digest: *blake3::hash(&body).as_bytes(),
        };
        entry.check()?;
        Ok(Self { entry, body })
    }

    /// A block of definitions, which belongs to the journal or to a tenant.
    pub(crate) fn of_definitions(
        kind: BlockKind,
        tenant: u64,
        count: u64,
        section: &[u8],
        key: Option<(&BlockKey, Nonce)>,
    ) -> Result<Self, FormatError> {
        debug_assert!(!kind.has_records() && (tenant == NO_TENANT) <= key.is_none(), "definitions have no events");
        Self::new(&Content { kind, tenant, records: count, events: 0, section, digests: &[] }, key)
    }
}

impl OpenedBody {
    /// Opens and decompresses a body whose digest was checked. With another key than that of the block, the result is
    /// noise or an error.
    ///
    /// # Errors
    /// Fails if the body is not as the table announces it, or if it is sealed and there is no key.
    pub(crate) fn open(entry: &BlockEntry, body: &[u8], key: Option<&BlockKey>) -> Result<Self, FormatError> {
        let mut plain = body.to_vec();
        if entry.is_sealed {
            let key = key.ok_or(FormatError::Malformed("the body is sealed, and there is no key for it"))?;
            key.apply(entry.nonce, &mut plain);
        }
        let mut cursor = Cursor::new("the body of a block", &plain);
        let digests_bytes = match entry.kind.has_records() {
            true => cursor.number_to("the length of the digests", entry.records * DIGESTS_PER_RECORD_MAX)?,
            false => 0,
        };
        let section_bytes = (cursor.rest().len() as u64).checked_sub(digests_bytes);
        let section_bytes = section_bytes.ok_or(FormatError::CutShort("the body of a block"))?;
        let stored = cursor.slice(section_bytes)?;
        let digests = cursor.rest().to_vec();
        ensure(digests.len() as u64 == digests_bytes, "the digests of a block have another length")?;
        Ok(Self { section: decompress(entry.codec, stored, entry.section_bytes)?, digests })
    }
}
