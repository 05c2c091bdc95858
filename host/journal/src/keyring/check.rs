//! The check value of a key. It is stored with the key and in the host's own history, so that a damaged or exchanged
//! key is found before anything is sealed or opened with it.

use std::fmt;
use std::str::FromStr;

use polder_core::TenantName;
use serde::{Deserialize, Serialize};

use super::store::Secret;

pub(super) const CHECK_BYTES: usize = 16;
const CONTEXT: &str = "polder journal 2026-11-30 check value of one tenant's key";

/// Shows whether a secret is the expected one, without revealing anything else about it: 128 bits of BLAKE3's key
/// derivation over the secret and the tenant's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyCheck(pub(super) [u8; CHECK_BYTES]);

/// The text is not a check value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key's check value has {} hexadecimal digits", 2 * CHECK_BYTES)]
pub struct KeyCheckError;

impl KeyCheck {
    pub(super) fn of(tenant: &TenantName, secret: &Secret) -> Self {
        let digest = blake3::derive_key(CONTEXT, &[secret.as_slice(), tenant.as_str().as_bytes()].concat());
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&digest[..CHECK_BYTES]);
        Self(check)
    }
}

impl fmt::Display for KeyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for KeyCheck {
    type Err = KeyCheckError;

    fn from_str(text: &str) -> Result<Self, KeyCheckError> {
        if text.len() != 2 * CHECK_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(KeyCheckError);
        }
        let mut check = [0; CHECK_BYTES];
        for (byte, digits) in check.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| KeyCheckError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| KeyCheckError)?;
        }
        Ok(Self(check))
    }
}

/// Facts contain the check value as text in JSON.
impl TryFrom<String> for KeyCheck {
    type Error = KeyCheckError;

    fn try_from(text: String) -> Result<Self, KeyCheckError> {
        text.parse()
    }
}

impl From<KeyCheck> for String {
    fn from(check: KeyCheck) -> Self {
        check.to_string()
    }
}
