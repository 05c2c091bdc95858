//! Keys and values of the store. A run contains every kind of entry, so that a memtable is written as one atomic file.
//! The first byte of a key is its kind. A key without its trailing number is the key's mark; a run's filter contains
//! the marks of its keys.
//!
//! | key | value |
//! |---|---|
//! | `c` command key | location |
//! | `h` aggregate key, first sequence | the history entries from there on, at most 256 |
//! | `m` | number and hash of the last frame in the run |
//! | `o` tenant | empty: some records of the tenant could not be read, and are missing in the run |
//! | `p` tenant | last position, bytes of its records |
//! | `t` tenant, 0, first position | range |
//!
//! Sequences and positions in keys are big-endian, so that keys sort in numeric order.

use polder_core::{Position, Sequence, TenantName};

use super::IndexError;
use super::entry::{FrameRange, HistoryEntry, RecordLocation, TenantTotals};
use crate::format::bytes::{Cursor, put_number};
use crate::format::frame::Link;
use crate::lookup_keys::{AggregateKey, CommandKey};

/// Maximum number of history entries per value, so that reading the end of a long history does not decode all of it.
pub(super) const HISTORY_ENTRIES_PER_VALUE_MAX: usize = 256;

pub(super) const CHECKPOINT_KEY: &[u8] = b"m";
pub(super) const PASSED_OVER_PREFIX: &[u8] = b"o";
pub(super) const TOTALS_PREFIX: &[u8] = b"p";

/// Length of a history's mark in bytes: the kind and the aggregate's key.
const HISTORY_MARK_BYTES: usize = 17;
/// Length of a sequence or a position in bytes.
const NUMBER_BYTES: usize = 8;

pub(super) fn mark_of(key: &[u8]) -> &[u8] {
    match key.first() {
        Some(b'h') => &key[..HISTORY_MARK_BYTES.min(key.len())],
        Some(b't') => &key[..key.len().saturating_sub(NUMBER_BYTES)],
        _ => key,
    }
}

pub(super) fn history_mark(key: AggregateKey) -> [u8; HISTORY_MARK_BYTES] {
    let mut bytes = [b'h'; HISTORY_MARK_BYTES];
    bytes[1..].copy_from_slice(&key.0);
    bytes
}

pub(super) fn range_mark(tenant: &TenantName) -> Vec<u8> {
    [b"t", tenant.as_str().as_bytes(), &[0]].concat()
}

pub(super) fn command_key(key: CommandKey) -> [u8; 17] {
    let mut bytes = [b'c'; 17];
    bytes[1..].copy_from_slice(&key.0);
    bytes
}

pub(super) fn history_key(key: AggregateKey, first: Sequence) -> [u8; 25] {
    let mut bytes = [0; 25];
    bytes[..HISTORY_MARK_BYTES].copy_from_slice(&history_mark(key));
    bytes[HISTORY_MARK_BYTES..].copy_from_slice(&first.0.to_be_bytes());
    bytes
}

pub(super) fn passed_over_key(tenant: &TenantName) -> Vec<u8> {
    [PASSED_OVER_PREFIX, tenant.as_str().as_bytes()].concat()
}

pub(super) fn read_passed_over(key: &[u8]) -> Result<TenantName, IndexError> {
    let tenant = key.strip_prefix(PASSED_OVER_PREFIX).and_then(|tenant| std::str::from_utf8(tenant).ok());
    tenant.and_then(|tenant| TenantName::new(tenant).ok()).ok_or_else(|| broken("tenant"))
}

pub(super) fn totals_key(tenant: &TenantName) -> Vec<u8> {
    [TOTALS_PREFIX, tenant.as_str().as_bytes()].concat()
}

pub(super) fn range_key(tenant: &TenantName, first: Position) -> Vec<u8> {
    [range_mark(tenant).as_slice(), &first.0.to_be_bytes()].concat()
}

pub(super) fn location_value(location: RecordLocation) -> Vec<u8> {
    let mut value = Vec::with_capacity(12);
    put_number(&mut value, location.address);
    put_number(&mut value, u64::from(location.length));
    value
}

pub(super) fn read_location(value: &[u8]) -> Result<RecordLocation, IndexError> {
    take_location(&mut Cursor::new(value)).ok_or_else(|| broken("location"))
}

fn take_location(cursor: &mut Cursor<'_>) -> Option<RecordLocation> {
    Some(RecordLocation { address: cursor.number()?, length: u32::try_from(cursor.number()?).ok()? })
}

pub(super) fn history_value(entries: &[HistoryEntry]) -> Vec<u8> {
    debug_assert!(entries.len() <= HISTORY_ENTRIES_PER_VALUE_MAX, "a value holds a bounded number of entries");
    let mut value = Vec::with_capacity(8 * entries.len());
    let mut address = 0;
    for entry in entries {
        put_number(&mut value, entry.last.0 - entry.first.0);
        // Histories are in the journal's order, so addresses only increase.
        put_number(&mut value, entry.location.address - address);
        put_number(&mut value, u64::from(entry.location.length));
        address = entry.location.address;
    }
    value
}

/// Decodes a history value. Its `key` ends with the sequence of the first entry.
pub(super) fn read_history(key: &[u8], value: &[u8]) -> Result<Vec<HistoryEntry>, IndexError> {
    let read = || {
        let mut first = u64::from_be_bytes(*key.last_chunk()?);
        let mut entries = Vec::new();
        let (mut cursor, mut address) = (Cursor::new(value), 0_u64);
        while !cursor.rest().is_empty() {
            let last = first.checked_add(cursor.number()?)?;
            address = address.checked_add(cursor.number()?)?;
            let length = u32::try_from(cursor.number()?).ok()?;
            let location = RecordLocation { address, length };
            entries.push(HistoryEntry { first: Sequence(first), last: Sequence(last), location });
            first = last.checked_add(1)?;
        }
        Some(entries)
    };
    read().ok_or_else(|| broken("history"))
}

pub(super) fn range_value(range: &FrameRange) -> Vec<u8> {
    let mut value = Vec::with_capacity(16);
    for number in [range.address, range.length, range.address - range.segment] {
        put_number(&mut value, number);
    }
    value
}

pub(super) fn read_range(key: &[u8], value: &[u8]) -> Result<FrameRange, IndexError> {
    let read = || {
        let first = Position(u64::from_be_bytes(*key.last_chunk()?));
        let mut cursor = Cursor::new(value);
        let (address, length) = (cursor.number()?, cursor.number()?);
        Some(FrameRange { first, address, length, segment: address.checked_sub(cursor.number()?)? })
    };
    read().ok_or_else(|| broken("range"))
}

pub(super) fn checkpoint_value(link: &Link) -> Vec<u8> {
    let mut value = Vec::new();
    put_number(&mut value, link.number);
    value.extend_from_slice(&link.hash);
    value
}

pub(super) fn read_checkpoint(value: &[u8]) -> Result<Link, IndexError> {
    let mut cursor = Cursor::new(value);
    let link = (|| Some(Link { number: cursor.number()?, hash: cursor.array()? }))();
    link.ok_or_else(|| broken("checkpoint"))
}

pub(super) fn totals_value(totals: TenantTotals) -> Vec<u8> {
    let mut value = Vec::with_capacity(16);
    put_number(&mut value, totals.position.0);
    put_number(&mut value, totals.bytes);
    value
}

pub(super) fn read_totals(key: &[u8], value: &[u8]) -> Result<(TenantName, TenantTotals), IndexError> {
    let read = || {
        let tenant = std::str::from_utf8(key.strip_prefix(TOTALS_PREFIX)?).ok()?;
        let mut cursor = Cursor::new(value);
        let totals = TenantTotals { position: Position(cursor.number()?), bytes: cursor.number()? };
        Some((TenantName::new(tenant).ok()?, totals))
    };
    read().ok_or_else(|| broken("position"))
}

fn broken(what: &str) -> IndexError {
    IndexError(format!("a {what} in it cannot be read"))
}
