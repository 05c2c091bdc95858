//! A frame: one group commit as bytes, chained by hash to the frame before. A frame is the same wherever it is kept: in
//! a segment, in a message, in an object.
//!
//! ```text
//! frame := head 128 bytes | table | hash 32 | MAC 16 | bodies, in the order of the table
//! hash  := BLAKE3(head and table)
//! MAC   := the first 16 bytes of keyed BLAKE3(hash)
//! ```

mod builder;
mod head;
mod view;

pub(crate) use builder::{FrameBuilder, FramePlace};
pub(crate) use head::{FLAG_ANCHOR, FORMAT, FrameHead, Link, MAGIC};
pub(crate) use view::{Block, FrameView};

/// Bytes of the hash and the MAC behind the table.
const SEAL_BYTES: usize = 32 + super::sealing::MAC_BYTES;

/// The bytes of a frame before its bodies.
pub(crate) fn bytes_before_bodies(table_bytes: u64) -> u64 {
    (head::HEAD_BYTES + SEAL_BYTES) as u64 + table_bytes
}
