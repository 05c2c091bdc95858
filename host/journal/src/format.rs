//! The bytes of the journal: a frame holds the records of one group commit, a record holds one decision. A frame's
//! BLAKE3 hash chains it to the frame before; a record's own checksum is for reading it without its frame.

pub(crate) mod bytes;
pub(crate) mod frame;
pub(crate) mod opened_frame;
pub(crate) mod record;
#[allow(dead_code, unused_imports, reason = "format 2 takes the place of format 1 in a later step")]
pub(crate) mod v2;
