//! Sealing of saved states with AES-256-GCM-SIV (RFC 8452). A state is bound to its aggregate, to the event that it
//! includes last, and to the revision that saved it: a state that was put in another one's place does not open.
//!
//! ```text
//! sealed state := nonce 12 bytes | encrypted state | tag 16
//! associated data := DAG-CBOR [2, log id, domain, aggregate, aggregate id, sequence, head 32 bytes, revision mark 8 bytes]
//! ```

use aes_gcm_siv::Aes256GcmSiv;
use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};

use super::content_id::{EventDigest, LogId};
use super::dag_cbor::{put_array, put_bytes, put_text, put_uint};
use super::error::FormatError;
use super::shape::REVISION_MARK_BYTES;

pub(crate) const STATE_NONCE_BYTES: usize = 12;
const SNAPSHOTS_CONTEXT: &str = "polder journal 2 snapshots";
const STATE_VERSION: u64 = 2;
const PLACE_MEMBERS: u64 = 8;

/// The key for the snapshots of one tenant.
#[derive(Clone)]
pub(crate) struct SnapshotKey([u8; 32]);

/// What a saved state is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StatePlace<'a> {
    pub(crate) log_id: &'a LogId,
    pub(crate) domain: &'a str,
    pub(crate) aggregate: &'a str,
    pub(crate) aggregate_id: &'a str,
    pub(crate) sequence: u64,
    /// The id of the aggregate's event at `sequence`.
    pub(crate) head: &'a EventDigest,
    pub(crate) revision_mark: &'a [u8; REVISION_MARK_BYTES],
}

impl SnapshotKey {
    pub(crate) fn derive(secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key(SNAPSHOTS_CONTEXT, secret))
    }

    /// Seals a state. The nonce is random.
    ///
    /// # Errors
    /// Fails if the state is larger than the cipher allows, 64 GiB.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; STATE_NONCE_BYTES],
        place: &StatePlace<'_>,
        state: &[u8],
    ) -> Result<Vec<u8>, FormatError> {
        let sealed = seal_with_nonce(&self.0, nonce, &place.bytes(), state)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a state.
    ///
    /// # Errors
    /// Fails if the state was sealed with another key or for another place, or was changed.
    pub(crate) fn open(&self, place: &StatePlace<'_>, sealed: &[u8]) -> Result<Vec<u8>, FormatError> {
        let (nonce, sealed) =
            sealed.split_first_chunk::<STATE_NONCE_BYTES>().ok_or(FormatError::CutShort("a saved state"))?;
        open_with_nonce(&self.0, nonce, &place.bytes(), sealed)
    }
}

impl std::fmt::Debug for SnapshotKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotKey").finish_non_exhaustive()
    }
}

impl StatePlace<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        put_array(&mut bytes, PLACE_MEMBERS);
        put_uint(&mut bytes, STATE_VERSION);
        put_bytes(&mut bytes, self.log_id);
        for name in [self.domain, self.aggregate, self.aggregate_id] {
            put_text(&mut bytes, name);
        }
        put_uint(&mut bytes, self.sequence);
        put_bytes(&mut bytes, self.head);
        put_bytes(&mut bytes, self.revision_mark);
        bytes
    }
}

/// Encrypts with AES-256-GCM-SIV; the tag follows the encrypted bytes.
pub(super) fn seal_with_nonce(
    key: &[u8; 32],
    nonce: &[u8; STATE_NONCE_BYTES],
    associated: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, FormatError> {
    let cipher = Aes256GcmSiv::new(&(*key).into());
    let sealed = cipher.encrypt(&(*nonce).into(), Payload { msg: plain, aad: associated });
    sealed.map_err(|_| FormatError::Malformed("a value is too long to be sealed"))
}

pub(super) fn open_with_nonce(
    key: &[u8; 32],
    nonce: &[u8; STATE_NONCE_BYTES],
    associated: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, FormatError> {
    let cipher = Aes256GcmSiv::new(&(*key).into());
    let plain = cipher.decrypt(&(*nonce).into(), Payload { msg: sealed, aad: associated });
    plain.map_err(|_| FormatError::Mismatch("the tag of a sealed value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_opens_in_its_own_place_alone() {
        let key = SnapshotKey::derive(&[1; 32]);
        let place = StatePlace {
            log_id: &[1; 16],
            domain: "orders",
            aggregate: "order",
            aggregate_id: "o-1",
            sequence: 64,
            head: &[5; 32],
            revision_mark: &[6; 8],
        };
        let sealed = key.seal(&[9; 12], &place, b"a state").unwrap();
        assert_eq!(key.open(&place, &sealed).unwrap(), b"a state");
        assert!(SnapshotKey::derive(&[2; 32]).open(&place, &sealed).is_err());
        for other in [
            StatePlace { log_id: &[2; 16], ..place },
            StatePlace { domain: "order", ..place },
            StatePlace { aggregate: "orders", ..place },
            StatePlace { aggregate_id: "o-2", ..place },
            StatePlace { sequence: 65, ..place },
            StatePlace { head: &[6; 32], ..place },
            StatePlace { revision_mark: &[5; 8], ..place },
        ] {
            assert!(key.open(&other, &sealed).is_err(), "{other:?}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(&place, &flipped).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(&place, &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_cipher_is_that_of_rfc_8452() {
        // Appendix C.2, the first test with associated data and a plain text.
        let mut key = [0; 32];
        key[0] = 1;
        let mut nonce = [0; 12];
        nonce[0] = 3;
        let sealed = seal_with_nonce(&key, &nonce, &[1], &[2, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        let text: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "1de22967237a813291213f267e3b452f02d01ae33e4ec854");
    }
}
