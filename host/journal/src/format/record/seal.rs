//! Sealing: everything in a record after its tenant's name and the mark is encrypted with the tenant's key, in place
//! and without growing.
//!
//! The cipher is AES-256 in counter mode (NIST SP 800-38A). The keystream follows the journal: the counter block of a
//! byte consists of the writer's mark and the byte's address divided by 16. So no two bytes of a journal share a key
//! and a place in the keystream: a later writer that writes an address again has another mark, and so has the same
//! writer after a frame that was not written whole and was cut off. There is no authentication tag, because the
//! frame's hash protects against changes.

use std::sync::Arc;

use aes::Aes256Enc;
use ctr::Ctr64BE;
use ctr::cipher::{InnerIvInit as _, StreamCipher as _, StreamCipherCoreWrapper};

use polder_core::TenantName;

use super::{CHECKSUM_AT, FLAG_SEALED, FLAGS_AT, POSITION_AT, RecordError, TENANT_AT, checksum};
use crate::format::bytes::Cursor;
use crate::keyring::{KeyProblem, Keyring, TenantKey};

pub(super) const MARK_BYTES: usize = 4;
pub(crate) const BLOCK_BYTES: usize = 16;
const BLOCK_NUMBER_AT: usize = 8;
/// Minimum size of a block of keystream for consecutive records, in bytes: processors encrypt dozens of AES blocks in
/// the time of a few.
const KEYSTREAM_BYTES_MIN: usize = 4_096;

/// The result of opening a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// The record was never sealed.
    Plain,
    /// The record was decrypted with its tenant's key. If that is not the key it was sealed with, the bytes are noise
    /// and not a valid record.
    Unsealed,
    /// The tenant's key is missing, or cannot be used.
    Closed,
}

/// Seals and completes the records of one frame.
pub(crate) struct Sealer<'a> {
    keys: &'a Keyring,
    mark: u32,
    keystream: &'a mut Keystream,
    /// The key of the last record's tenant, because the next record is mostly of the same tenant.
    last: Option<(&'a TenantName, Option<Arc<TenantKey>>)>,
}

/// Opens consecutive records.
pub(crate) struct Opener<'a> {
    keys: &'a Keyring,
    keystream: Keystream,
    /// The key of the last record's tenant, because the next record is mostly of the same tenant.
    last: Option<(String, Option<Arc<TenantKey>>)>,
}

/// A block of keystream that is computed in advance, for consecutive records.
#[derive(Default)]
pub(crate) struct Keystream {
    bytes: Vec<u8>,
    /// Address in the journal at which the block begins.
    address: u64,
    made_with: Option<(Arc<TenantKey>, u32)>,
}

impl<'a> Sealer<'a> {
    /// A sealer for one frame. `mark` is the random number of the writer.
    pub(crate) fn new(keys: &'a Keyring, mark: u32, keystream: &'a mut Keystream) -> Self {
        Self { keys, mark, keystream, last: None }
    }

    /// Completes a record in a frame, which will lie at `address`: seals it if its tenant has a key, and sets its
    /// checksum, which covers the bytes as they will be on disk.
    ///
    /// # Errors
    /// Fails if the tenant has a key that cannot be used. The record must not be written then, and least of all as
    /// plain text.
    pub(crate) fn complete(
        &mut self,
        record: &mut [u8],
        tenant: &'a TenantName,
        address: u64,
    ) -> Result<(), KeyProblem> {
        debug_assert_eq!(record[FLAGS_AT] & FLAG_SEALED, 0, "a record is sealed once");
        if self.last.as_ref().is_none_or(|(last, _)| *last != tenant) {
            let key = self.keys.get(tenant);
            if key.is_none()
                && let Some(problem) = self.keys.problem(tenant)
            {
                return Err(problem);
            }
            self.last = Some((tenant, key));
        }
        if let Some((_, Some(key))) = &self.last {
            let (_, mark_at) = tenant_of(record).expect("a record was encoded here");
            record[mark_at..mark_at + MARK_BYTES].copy_from_slice(&self.mark.to_le_bytes());
            record[FLAGS_AT] |= FLAG_SEALED;
            let sealed_at = mark_at + MARK_BYTES;
            self.keystream.apply(key, self.mark, address + sealed_at as u64, &mut record[sealed_at..]);
        }
        let sum = checksum(record);
        record[CHECKSUM_AT..POSITION_AT].copy_from_slice(&sum.to_le_bytes());
        Ok(())
    }
}

impl<'a> Opener<'a> {
    pub(crate) fn new(keys: &'a Keyring) -> Self {
        Self { keys, keystream: Keystream::default(), last: None }
    }

    /// Does the same as [`open`].
    pub(crate) fn open(&mut self, record: &mut [u8], address: u64) -> Result<Opened, RecordError> {
        let Some(sealed) = Sealed::read(record)? else { return Ok(Opened::Plain) };
        if self.last.as_ref().is_none_or(|(last, _)| last != sealed.tenant) {
            self.last = Some((sealed.tenant.to_owned(), self.keys.get_by_text(sealed.tenant)));
        }
        let Some((_, Some(key))) = &self.last else { return Ok(Opened::Closed) };
        let Sealed { mark, at, .. } = sealed;
        record[FLAGS_AT] &= !FLAG_SEALED;
        self.keystream.apply(key, mark, address + at as u64, &mut record[at..]);
        Ok(Opened::Unsealed)
    }
}

/// A random number for one writer; see [`Sealer`].
pub(crate) fn random_mark() -> std::io::Result<u32> {
    getrandom::u32().map_err(std::io::Error::other)
}

/// Decrypts one record in place, after which its checksum does not match any more. Leaves a record that is not sealed
/// as it is.
pub(crate) fn open(record: &mut [u8], address: u64, keys: &Keyring) -> Result<Opened, RecordError> {
    let Some(sealed) = Sealed::read(record)? else { return Ok(Opened::Plain) };
    let Some(key) = keys.get_by_text(sealed.tenant) else { return Ok(Opened::Closed) };
    let Sealed { mark, at, .. } = sealed;
    record[FLAGS_AT] &= !FLAG_SEALED;
    apply(&key.records, mark, address + at as u64, &mut record[at..]);
    Ok(Opened::Unsealed)
}

struct Sealed<'a> {
    tenant: &'a str,
    mark: u32,
    /// Offset in the record at which the sealed bytes begin.
    at: usize,
}

impl<'a> Sealed<'a> {
    /// Reads the head of a record; `None` if it is not sealed.
    fn read(record: &'a [u8]) -> Result<Option<Self>, RecordError> {
        if record.get(FLAGS_AT).is_none_or(|flags| flags & FLAG_SEALED == 0) {
            return Ok(None);
        }
        let (tenant, mark_at) = tenant_of(record)?;
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&record[mark_at..mark_at + MARK_BYTES]);
        Ok(Some(Self { tenant, mark: u32::from_le_bytes(mark), at: mark_at + MARK_BYTES }))
    }
}

impl Keystream {
    /// Does the same as [`apply`], with keystream computed in advance.
    fn apply(&mut self, key: &Arc<TenantKey>, mark: u32, address: u64, bytes: &mut [u8]) {
        let is_same = self.made_with.as_ref().is_some_and(|(made, of)| Arc::ptr_eq(made, key) && *of == mark);
        let offset = address.checked_sub(self.address).and_then(|offset| usize::try_from(offset).ok());
        let at_hand = offset.filter(|_| is_same).and_then(|offset| self.bytes.get(offset..)?.get(..bytes.len()));
        if let Some(at_hand) = at_hand {
            return combine(bytes, at_hand);
        }
        self.bytes.clear();
        self.bytes.resize(bytes.len().max(KEYSTREAM_BYTES_MIN), 0);
        apply(&key.records, mark, address, &mut self.bytes);
        (self.address, self.made_with) = (address, Some((Arc::clone(key), mark)));
        combine(bytes, &self.bytes[..bytes.len()]);
    }
}

fn combine(bytes: &mut [u8], keystream: &[u8]) {
    // A keystream that is too short would leave the rest of the bytes as plain text.
    assert_eq!(bytes.len(), keystream.len(), "each byte is combined with one byte of the keystream");
    bytes.iter_mut().zip(keystream).for_each(|(byte, key)| *byte ^= key);
}

/// Seals or opens the bytes at `address`; both are the same operation.
fn apply(key: &Aes256Enc, mark: u32, address: u64, bytes: &mut [u8]) {
    let mut block = [0; BLOCK_BYTES];
    block[..MARK_BYTES].copy_from_slice(&mark.to_be_bytes());
    block[BLOCK_NUMBER_AT..].copy_from_slice(&(address / BLOCK_BYTES as u64).to_be_bytes());
    let mut cipher = cipher(key, block);
    // Skip the part of the first block that precedes the address.
    let mut begun = [0; BLOCK_BYTES];
    cipher.apply_keystream(&mut begun[..(address % BLOCK_BYTES as u64) as usize]);
    cipher.apply_keystream(bytes);
}

/// The cipher, which begins with this counter block.
pub(crate) fn cipher(key: &Aes256Enc, block: [u8; BLOCK_BYTES]) -> Ctr64BE<Aes256Enc> {
    let core = ctr::CtrCore::<_, ctr::flavors::Ctr64BE>::inner_iv_init(key.clone(), &block.into());
    StreamCipherCoreWrapper::from_core(core)
}

/// The tenant's name, and the offset of the mark that follows it.
pub(crate) fn tenant_of(record: &[u8]) -> Result<(&str, usize), RecordError> {
    let read = || {
        let mut cursor = Cursor::new(record.get(TENANT_AT..)?);
        let tenant = cursor.text()?;
        let mark_at = record.len() - cursor.rest().len();
        (cursor.rest().len() >= MARK_BYTES).then_some((tenant, mark_at))
    };
    read().ok_or_else(|| RecordError("its tenant cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ahead_or_not_the_keystream_is_the_same() {
        let keys = Keyring::default();
        let tenants = ["acme", "other"].map(|name| TenantName::new(name).unwrap());
        tenants.iter().for_each(|tenant| keys.create(tenant).unwrap());
        let mut keystream = Keystream::default();
        let mut address = 1_000_003;
        for (number, length) in [1, 15, 16, 17, 300, 5_000, 0, 4_096, 3, 260].into_iter().cycle().take(60).enumerate() {
            let key = keys.get(&tenants[number / 7 % 2]).unwrap();
            let mark = (number / 20) as u32;
            let [mut one, mut other] = [vec![7; length], vec![7; length]];
            keystream.apply(&key, mark, address, &mut one);
            apply(&key.records, mark, address, &mut other);
            assert_eq!(one, other, "{length} bytes at {address}");
            address += length as u64 + number as u64 % 3;
        }
    }

    #[test]
    fn no_two_places_share_keystream() {
        let keys = Keyring::default();
        let tenant = TenantName::new("acme").unwrap();
        keys.create(&tenant).unwrap();
        let key = keys.get(&tenant).unwrap();
        let mut seen = std::collections::HashSet::new();
        for mark in [0, 1, u32::MAX] {
            for block in 0..100 {
                let mut bytes = [0; BLOCK_BYTES];
                apply(&key.records, mark, block * BLOCK_BYTES as u64, &mut bytes);
                assert!(seen.insert(bytes), "mark {mark}, block {block}");
            }
        }
    }
}
