//! A saved state. It replaces the replay of the events before it, and only for the revision that saved it. The state of
//! a tenant that has a key is sealed with that key before it is put into the index.

use aes::Aes256Enc;
use ctr::cipher::StreamCipher as _;
use polder_core::{ContentId, Sequence};

use crate::format::record::{BLOCK_BYTES, cipher};

/// Size of the random nonce before each sealed snapshot, in bytes. It is the start of the first counter block.
const NONCE_BYTES: usize = 12;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub sequence: Sequence,
    /// Content id of the aggregate's event at `sequence`.
    pub head: ContentId,
    pub state: Vec<u8>,
}

/// Encrypts a snapshot's state for the index.
pub(crate) fn seal_state(state: &[u8], key: &Aes256Enc) -> std::io::Result<Vec<u8>> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
    let mut sealed = [&nonce, state].concat();
    cipher(key, first_block(nonce)).apply_keystream(&mut sealed[NONCE_BYTES..]);
    Ok(sealed)
}

pub(crate) fn open_state(sealed: &[u8], key: &Aes256Enc) -> Option<Vec<u8>> {
    let (nonce, state) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let mut state = state.to_vec();
    cipher(key, first_block(*nonce)).apply_keystream(&mut state);
    Some(state)
}

fn first_block(nonce: [u8; NONCE_BYTES]) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..NONCE_BYTES].copy_from_slice(&nonce);
    block
}

#[cfg(test)]
mod tests {
    use polder_core::TenantName;

    use super::*;
    use crate::keyring::Keyring;

    #[test]
    fn a_snapshot_can_be_read_with_its_tenants_key_alone() {
        let keys = Keyring::default();
        let [acme, other] = ["acme", "other"].map(|name| TenantName::new(name).unwrap());
        keys.create(&acme).unwrap();
        keys.create(&other).unwrap();
        let key = |tenant| keys.get(tenant).unwrap();
        let sealed = seal_state(b"a state", &key(&acme).snapshots).unwrap();
        assert!(!sealed.windows(5).any(|bytes| bytes == b"state"));
        assert_eq!(open_state(&sealed, &key(&acme).snapshots).unwrap(), b"a state");
        assert_ne!(open_state(&sealed, &key(&other).snapshots).unwrap(), b"a state");
        assert_eq!(open_state(&sealed[..NONCE_BYTES - 1], &key(&acme).snapshots), None);
    }
}
