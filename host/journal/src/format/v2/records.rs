//! Blocks of records: the decisions of one tenant, at most 256. A record holds one decision with its command, outcome
//! and events.
//!
//! ```text
//! section := [frame number varint | block index varint] | record*         in [ ]: in a replacement only
//! record  := flags varint | shape varint | time zigzag | sequence before varint | aggregate id | command id |
//!            [code | message] | [extensions] | [count varint | kind varint*] | event*
//! event   := [extensions] | length varint | payload
//! digests := ([event before 32 bytes] [fingerprint 8 bytes])*             one group for each record, in their order
//! ```
//!
//! The digest of the event before is there if the record has events and does not begin its aggregate; the ids of its
//! events follow from it. The fingerprint is there unless the host made the command's id.

mod builder;
mod reader;

pub(crate) use builder::{CommandOf, NewEvent, NewRecord, RecordsBuilder, Replaced};
pub(crate) use reader::{EventView, RecordView, RecordsReader};

/// The command was rejected; code and message follow.
const FLAG_REJECTED: u64 = 1;
/// The host made the command's id, which is a UUID.
const FLAG_HOST_MADE: u64 = 1 << 1;
/// The record has extensions.
const FLAG_EXTENSIONS: u64 = 1 << 2;
/// The kinds of the events are listed. Otherwise the record has each event of its shape once, in their order.
const FLAG_EVENTS_LISTED: u64 = 1 << 3;
/// Each event begins with its extensions, or with a zero if it has none.
const FLAG_EVENT_EXTENSIONS: u64 = 1 << 4;
const FLAGS_KNOWN: u64 = (1 << 5) - 1;
/// Maximum length of the code of a rejection, in bytes.
const CODE_BYTES_MAX: u64 = 1_024;
/// Maximum number of events in one record.
const EVENTS_MAX: u64 = 1 << 24;
