//! The bytes of one record: a decision that can be read alone, without its frame and without any index.
//!
//! ```text
//! length u32 | checksum u32 | position before u64 | flags u8 | tenant | domain | aggregate | aggregate id | command id |
//! command name | [correlation id] | [causation id] | [actor] | revision mark 8 bytes | fingerprint u64 | time |
//! sequence before | [reason: code | message] | event count | events: name | version | content id 32 bytes | payload
//! ```
//!
//! Fixed numbers are little-endian, the others LEB128; texts and payloads are led by their length. The position is the
//! tenant's last before the record: the writer alone knows it, and puts it into its fixed place.

mod encode;
mod view;

pub use encode::EncodedRecord;
pub(crate) use view::length_of;
pub use view::{EventView, Events, RecordBuf, RecordError, RecordView};

const LENGTH_AT: usize = 0;
const CHECKSUM_AT: usize = 4;
const POSITION_AT: usize = 8;
/// Length, checksum and position.
const PREFIX_BYTES: usize = 16;
/// Behind the flags.
const TENANT_AT: usize = PREFIX_BYTES + 1;

const FLAG_REJECTED: u8 = 1;
const FLAG_CORRELATION: u8 = 1 << 1;
const FLAG_CAUSATION: u8 = 1 << 2;
const FLAG_ACTOR: u8 = 1 << 3;
const FLAGS_KNOWN: u8 = FLAG_REJECTED | FLAG_CORRELATION | FLAG_CAUSATION | FLAG_ACTOR;

/// Guards a record that is read alone; the frame's hash is what guards the journal. It covers everything but length and
/// checksum; the position is mixed in last, because it is known last.
fn checksum(body: &[u8], position_before: u64) -> u32 {
    fold(xxhash_rust::xxh3::xxh3_64(body), position_before)
}

fn fold(body_hash: u64, position_before: u64) -> u32 {
    // An odd multiplier keeps different positions different; the high half depends on all of their bits.
    let mixed = (body_hash ^ position_before).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}
