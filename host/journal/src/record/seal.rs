//! Sealing: everything of a record behind its tenant's name is encrypted with the tenant's key, in place and without growing.
//!
//! AES-256 in counter mode (NIST SP 800-38A). The first counter block is the record's address in the journal, the writer's mark, and zero:
//! no two records share a key and any counter block, since a record takes less than 64 GiB, and an address is written a
//! second time only by a later writer, who has another mark. Against changes the frame's hash guards, so there is no tag.

use aes::Aes256Enc;
use ctr::Ctr32BE;
use ctr::cipher::{InnerIvInit as _, StreamCipher as _, StreamCipherCoreWrapper};

use polder_core::TenantName;

use super::{CHECKSUM_AT, FLAG_SEALED, FLAGS_AT, POSITION_AT, RecordError, TENANT_AT, checksum};
use crate::bytes::Cursor;
use crate::keyring::{Keyring, TenantKey};

const ADDRESS_BYTES: usize = 8;
pub(super) const MARK_BYTES: usize = 4;
const BLOCK_BYTES: usize = 16;
/// Before each sealed snapshot: as much of its first counter block is random.
const NONCE_BYTES: usize = 12;

/// Whether a record can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    Readable,
    /// Its tenant's key is gone.
    Closed,
}

/// Seals and completes the records of one writer.
pub(crate) struct Sealer<'a> {
    keys: &'a Keyring,
    mark: u32,
    /// Most often the next record is the same tenant's.
    last: Option<(&'a TenantName, Option<std::sync::Arc<TenantKey>>)>,
}

impl<'a> Sealer<'a> {
    /// `mark`: a random number of this writer.
    pub(crate) fn new(keys: &'a Keyring, mark: u32) -> Self {
        Self { keys, mark, last: None }
    }

    /// A record that was put into a frame, and will lie at `address`, is sealed if its tenant has a key. The checksum covers what will be
    /// on disk.
    pub(crate) fn complete(&mut self, record: &mut [u8], tenant: &'a TenantName, address: u64) {
        if self.last.as_ref().is_none_or(|(last, _)| *last != tenant) {
            self.last = Some((tenant, self.keys.get(tenant)));
        }
        if let Some((_, Some(key))) = &self.last {
            let (_, mark_at) = tenant_of(record).expect("a record was encoded here");
            record[mark_at..mark_at + MARK_BYTES].copy_from_slice(&self.mark.to_le_bytes());
            record[FLAGS_AT] |= FLAG_SEALED;
            apply(&key.records, first_block(address, self.mark), &mut record[mark_at + MARK_BYTES..]);
        }
        let sum = checksum(record);
        record[CHECKSUM_AT..POSITION_AT].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Makes the bytes of one record readable in place; its checksum does not hold any more then. What was not sealed stays as it is.
pub(crate) fn open(record: &mut [u8], address: u64, keys: &Keyring) -> Result<Opened, RecordError> {
    if record.get(FLAGS_AT).is_none_or(|flags| flags & FLAG_SEALED == 0) {
        return Ok(Opened::Readable);
    }
    let (tenant, mark_at) = tenant_of(record)?;
    let Some(key) = keys.get_by_text(tenant) else { return Ok(Opened::Closed) };
    let mut mark = [0; MARK_BYTES];
    mark.copy_from_slice(&record[mark_at..mark_at + MARK_BYTES]);
    let mark = u32::from_le_bytes(mark);
    record[FLAGS_AT] &= !FLAG_SEALED;
    apply(&key.records, first_block(address, mark), &mut record[mark_at + MARK_BYTES..]);
    Ok(Opened::Readable)
}

/// A state on its way into the index.
pub(crate) fn seal_snapshot(state: &[u8], key: &Aes256Enc) -> std::io::Result<Vec<u8>> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
    let mut sealed = [&nonce, state].concat();
    apply(key, snapshot_block(nonce), &mut sealed[NONCE_BYTES..]);
    Ok(sealed)
}

pub(crate) fn open_snapshot(sealed: &[u8], key: &Aes256Enc) -> Option<Vec<u8>> {
    let (nonce, state) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let mut state = state.to_vec();
    apply(key, snapshot_block(*nonce), &mut state);
    Some(state)
}

fn first_block(address: u64, mark: u32) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..ADDRESS_BYTES].copy_from_slice(&address.to_be_bytes());
    block[ADDRESS_BYTES..ADDRESS_BYTES + MARK_BYTES].copy_from_slice(&mark.to_be_bytes());
    block
}

fn snapshot_block(nonce: [u8; NONCE_BYTES]) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..NONCE_BYTES].copy_from_slice(&nonce);
    block
}

fn apply(key: &Aes256Enc, block: [u8; BLOCK_BYTES], bytes: &mut [u8]) {
    let core = ctr::CtrCore::<_, ctr::flavors::Ctr32BE>::inner_iv_init(key.clone(), &block.into());
    let mut cipher: Ctr32BE<Aes256Enc> = StreamCipherCoreWrapper::from_core(core);
    cipher.apply_keystream(bytes);
}

/// The tenant's name, and where the mark behind it lies.
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
    fn a_snapshot_can_be_read_with_its_tenants_key_alone() {
        let keys = Keyring::default();
        let [acme, other] = ["acme", "other"].map(|name| TenantName::new(name).unwrap());
        keys.create(&acme).unwrap();
        keys.create(&other).unwrap();
        let key = |tenant| keys.get(tenant).unwrap();
        let sealed = seal_snapshot(b"a state", &key(&acme).snapshots).unwrap();
        assert!(!sealed.windows(5).any(|bytes| bytes == b"state"));
        assert_eq!(open_snapshot(&sealed, &key(&acme).snapshots).unwrap(), b"a state");
        assert_ne!(open_snapshot(&sealed, &key(&other).snapshots).unwrap(), b"a state");
        assert_eq!(open_snapshot(&sealed[..NONCE_BYTES - 1], &key(&acme).snapshots), None);
    }
}
