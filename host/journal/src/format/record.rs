//! The bytes of one record: a decision that can be read by itself, without its frame and without any index.
//!
//! ```text
//! length u32 | checksum u32 | position before u64 | flags u8 | tenant | mark u32 | domain | aggregate | aggregate id |
//! command id | command name | [correlation id] | [causation id] | [actor] | revision mark 8 bytes | fingerprint u64 |
//! time | sequence before | [reason: code | message] | event count |
//! events: name | version | content id 32 bytes | payload
//! ```
//!
//! Fixed-size numbers are little-endian, the others LEB128. Texts and payloads are preceded by their length. "Position
//! before" is the tenant's last position before the record; only the writer knows it, and puts it into its fixed place.
//! For tenants that have a key the writer also encrypts what follows the mark.

mod encode;
mod seal;
mod view;

pub use encode::EncodedRecord;
pub(crate) use seal::{BLOCK_BYTES, Keystream, Opened, Opener, Sealer, cipher, open, random_mark, tenant_of};
pub use view::{EventView, Events, RecordBuf, RecordView};
pub(crate) use view::{check, length_of};

const LENGTH_AT: usize = 0;
const CHECKSUM_AT: usize = 4;
const POSITION_AT: usize = 8;
/// Bytes of length, checksum and position.
const PREFIX_BYTES: usize = 16;
const FLAGS_AT: usize = PREFIX_BYTES;
const TENANT_AT: usize = FLAGS_AT + 1;

const FLAG_REJECTED: u8 = 1;
const FLAG_CORRELATION: u8 = 1 << 1;
const FLAG_CAUSATION: u8 = 1 << 2;
const FLAG_ACTOR: u8 = 1 << 3;
/// Set if what follows the mark can be read only with the tenant's key; see [`seal`].
const FLAG_SEALED: u8 = 1 << 4;
const FLAG_TRACEPARENT: u8 = 1 << 5;
const FLAG_HOPS: u8 = 1 << 6;
const FLAGS_KNOWN: u8 = FLAG_REJECTED | FLAG_CORRELATION | FLAG_CAUSATION | FLAG_ACTOR | FLAG_TRACEPARENT | FLAG_HOPS;

/// The bytes are not a record of this journal: they are damaged, or not written by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a record: {0}")]
pub struct RecordError(pub(crate) String);

/// Checksum for a record that is read without its frame; the frame's hash protects the journal as a whole. It covers
/// everything but length and checksum, as stored on disk.
fn checksum(record: &[u8]) -> u32 {
    // The upper half suffices: xxh3 mixes all its bits well.
    (xxhash_rust::xxh3::xxh3_64(&record[POSITION_AT..]) >> 32) as u32
}
