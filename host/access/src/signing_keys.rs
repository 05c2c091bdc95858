//! Key pairs: the private key signs tokens, and a host needs only the public key to verify them.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

const KEY_ID_PREFIX: &str = "key-";
/// The number of hexadecimal digits of the public key's digest in a key id.
const KEY_ID_DIGITS: usize = 16;

/// Names a key in tokens and histories. It is derived from the public key, so that a name cannot be given to another
/// key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// A public key, written as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// A private key. Its holder can sign tokens that permit everything.
pub struct SigningKey(ed25519_dalek::SigningKey);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("that is no key: a key is 64 hexadecimal digits")]
    Digits,
    #[error("that is no public key of Ed25519")]
    NotOnCurve,
    #[error("{0:?} is no id of a key: key-0123456789abcdef would be one")]
    Id(String),
    #[error("the system provides no random numbers: {0}")]
    NoRandomness(String),
}

impl SigningKey {
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub fn id(&self) -> KeyId {
        self.public_key().id()
    }

    /// Returns the private key as 64 hexadecimal digits. Store them where only the owner can read them.
    pub fn to_digits(&self) -> String {
        digits(self.0.as_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl FromStr for SigningKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&bytes(text.trim())?)))
    }
}

impl PublicKey {
    pub fn id(&self) -> KeyId {
        let digest = blake3::hash(&self.0).to_hex();
        KeyId(format!("{KEY_ID_PREFIX}{}", &digest[..KEY_ID_DIGITS]))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = bytes(text)?;
        let point = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotOnCurve)?;
        if point.is_weak() { Err(KeyError::NotOnCurve) } else { Ok(Self(bytes)) }
    }
}

impl KeyId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.strip_prefix(KEY_ID_PREFIX) {
            Some(digits) if digits.len() == KEY_ID_DIGITS && digits.bytes().all(is_digit) => Ok(Self(text.to_owned())),
            _ => Err(KeyError::Id(text.chars().take(80).collect())),
        }
    }
}

fn digits(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}

fn bytes(digits: &str) -> Result<[u8; 32], KeyError> {
    blake3::Hash::from_hex(digits).map(|hash| *hash.as_bytes()).map_err(|_| KeyError::Digits)
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&digits(&self.0))
    }
}

/// Shows the key's id, never the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.0
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_round_trip_as_text() {
        let key = SigningKey::generate().unwrap();
        let again: SigningKey = format!("{}\n", key.to_digits()).parse().unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(key.public_key().to_string().parse(), Ok(key.public_key()));
        assert_eq!(key.id().to_string().parse(), Ok(key.id()));
        assert_ne!(SigningKey::generate().unwrap().id(), key.id());
        assert!(!format!("{key:?}").contains(&key.to_digits()));
    }

    #[test]
    fn malformed_and_weak_keys_are_refused() {
        assert_eq!("xyz".parse::<PublicKey>(), Err(KeyError::Digits));
        assert_eq!("".parse::<SigningKey>().unwrap_err(), KeyError::Digits);
        // The neutral element of the curve, for which a signature of any message can be forged.
        let weak = format!("01{}", "00".repeat(31));
        assert_eq!(weak.parse::<PublicKey>(), Err(KeyError::NotOnCurve));
        for id in
            ["", "key-", "key-0123456789ABCDEF", "0123456789abcdef", "key-0123456789abcdef0", "key-../../../etc/pa"]
        {
            assert!(matches!(id.parse::<KeyId>(), Err(KeyError::Id(_))), "{id}");
        }
    }
}
