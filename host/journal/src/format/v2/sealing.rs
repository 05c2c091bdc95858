//! Sealing: the body of a block is encrypted with a key of its tenant, in place and without growing, and each frame has
//! a keyed MAC.
//!
//! The cipher is AES-256 in counter mode (NIST SP 800-38A). The key is made for one tenant and one epoch of one writer:
//! the id of the epoch is random, so no two writers share a key, not even after a restore or a fork. Within an epoch no
//! nonce is used twice: a worker counts its blocks. So no two bytes share a key and a place in the keystream. A tag per
//! block is not necessary, because the MAC of the frame covers the digest of each body (encrypt, then MAC).

use aes::Aes256Enc;
use aes::cipher::KeyInit as _;
use ctr::Ctr128BE;
use ctr::cipher::{InnerIvInit as _, StreamCipher as _, StreamCipherCoreWrapper};

use super::error::{FormatError, within};

pub(crate) const EPOCH_ID_BYTES: usize = 16;
pub(crate) type EpochId = [u8; EPOCH_ID_BYTES];
pub(crate) const MAC_BYTES: usize = 16;
pub(crate) type Mac = [u8; MAC_BYTES];
const SECRET_BYTES: usize = 32;
/// Maximum of the count in a nonce, which has 48 bits.
pub(crate) const NONCE_COUNT_MAX: u64 = (1 << 48) - 1;

const RECORDS_CONTEXT: &str = "polder journal 2 records";
const FRAME_MAC_CONTEXT: &str = "polder journal 2 frame mac";

/// What distinguishes the blocks that are sealed with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Nonce {
    /// Number of the thread that seals.
    pub(crate) worker: u16,
    /// Number of the block among those that the thread has sealed in this epoch; at most [`NONCE_COUNT_MAX`].
    pub(crate) count: u64,
}

impl Nonce {
    /// # Errors
    /// Fails if the count does not fit into 48 bits.
    pub(crate) fn new(worker: u16, count: u64) -> Result<Self, FormatError> {
        within("the count of a nonce", count, NONCE_COUNT_MAX)?;
        Ok(Self { worker, count })
    }

    /// The first counter block: the worker, the count, and 64 bits that count the blocks of the cipher; all with the
    /// highest byte first.
    fn counter_block(self) -> [u8; 16] {
        let mut block = [0; 16];
        block[..8].copy_from_slice(&(u64::from(self.worker) << 48 | self.count).to_be_bytes());
        block
    }
}

/// The key for the blocks of one tenant in one epoch.
#[derive(Clone)]
pub(crate) struct BlockKey(Aes256Enc);

impl BlockKey {
    pub(crate) fn derive(secret: &[u8; SECRET_BYTES], epoch_id: &EpochId) -> Self {
        let material = [secret.as_slice(), epoch_id].concat();
        Self(Aes256Enc::new(&blake3::derive_key(RECORDS_CONTEXT, &material).into()))
    }

    /// Seals or opens bytes; both are the same operation.
    pub(crate) fn apply(&self, nonce: Nonce, bytes: &mut [u8]) {
        let core =
            ctr::CtrCore::<_, ctr::flavors::Ctr128BE>::inner_iv_init(self.0.clone(), &nonce.counter_block().into());
        let mut cipher: Ctr128BE<Aes256Enc> = StreamCipherCoreWrapper::from_core(core);
        cipher.apply_keystream(bytes);
    }
}

impl std::fmt::Debug for BlockKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockKey").finish_non_exhaustive()
    }
}

/// The key for the MACs of the frames of one journal.
#[derive(Clone)]
pub(crate) struct MacKey([u8; 32]);

impl MacKey {
    /// Derives the key from the secret of the host or of the cluster.
    pub(crate) fn derive(secret: &[u8; SECRET_BYTES]) -> Self {
        Self(blake3::derive_key(FRAME_MAC_CONTEXT, secret))
    }

    /// The MAC of a hash.
    pub(crate) fn mac(&self, hash: &[u8; 32]) -> Mac {
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&blake3::keyed_hash(&self.0, hash).as_bytes()[..MAC_BYTES]);
        mac
    }

    /// Checks a MAC in constant time, so that the time reveals nothing of the right one.
    pub(crate) fn check(&self, hash: &[u8; 32], mac: &Mac) -> Result<(), FormatError> {
        let differences = self.mac(hash).iter().zip(mac).fold(0, |all, (right, given)| all | (right ^ given));
        if differences == 0 { Ok(()) } else { Err(FormatError::Mismatch("the MAC")) }
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MacKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_share_keystream() {
        let keys = [([1; 32], [1; 16]), ([2; 32], [1; 16]), ([1; 32], [2; 16])];
        let mut seen = std::collections::HashSet::new();
        for (secret, epoch_id) in keys {
            let key = BlockKey::derive(&secret, &epoch_id);
            for (worker, count) in [(0, 0), (0, 1), (1, 0), (u16::MAX, NONCE_COUNT_MAX), (0, NONCE_COUNT_MAX)] {
                let mut bytes = [0; 64];
                key.apply(Nonce::new(worker, count).unwrap(), &mut bytes);
                for block in bytes.chunks_exact(16) {
                    assert!(seen.insert(block.to_vec()), "worker {worker}, count {count}");
                }
                key.apply(Nonce { worker, count }, &mut bytes);
                assert_eq!(bytes, [0; 64], "opening is sealing again");
            }
        }
        assert!(Nonce::new(0, NONCE_COUNT_MAX + 1).is_err());
    }

    #[test]
    fn a_mac_is_of_one_key_and_one_hash() {
        let (key, other) = (MacKey::derive(&[1; 32]), MacKey::derive(&[2; 32]));
        let mac = key.mac(&[3; 32]);
        assert_eq!(key.check(&[3; 32], &mac), Ok(()));
        assert!(key.check(&[4; 32], &mac).is_err());
        assert!(other.check(&[3; 32], &mac).is_err());
        for bit in 0..MAC_BYTES * 8 {
            let mut flipped = mac;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.check(&[3; 32], &flipped).is_err(), "bit {bit}");
        }
    }
}
