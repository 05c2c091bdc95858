//! Format 2 of the journal as pure code: bytes in, values out, and back. It knows nothing of files, threads or the
//! index. `FORMAT.md` beside the crate describes every byte; the names of its sections are the names of the modules.
//!
//! A frame is a head, a table, a hash with its MAC, and the bodies of small blocks. A block holds records of one tenant,
//! or what is needed to read them: names of tenants, shapes of records, an anchor.
//!
//! The modules, each of which imports only those before it:
//! 1. `error` and `limits`; `varint`, `base32` and `dag_cbor` are encodings that others defined.
//! 2. `identifier`, `extensions`, `shape` and `content_id` are parts of a record.
//! 3. `sealing`, `codec` and `table` turn a section of bytes into the body of a block, and describe it; `body` joins them.
//! 4. `names`, `shapes`, `records` and `anchor` are the kinds of blocks.
//! 5. `frame` has the head, and reads and builds frames.
//! 6. `holes`, `personal` and `snapshot` stand beside the frames.

pub(crate) mod anchor;
pub(crate) mod base32;
pub(crate) mod body;
pub(crate) mod codec;
pub(crate) mod content_id;
pub(crate) mod dag_cbor;
pub(crate) mod error;
pub(crate) mod extensions;
pub(crate) mod frame;
pub(crate) mod holes;
pub(crate) mod identifier;
pub(crate) mod limits;
pub(crate) mod names;
pub(crate) mod personal;
pub(crate) mod records;
pub(crate) mod sealing;
pub(crate) mod shape;
pub(crate) mod shapes;
pub(crate) mod snapshot;
pub(crate) mod table;
pub(crate) mod varint;

#[cfg(test)]
mod tests;
