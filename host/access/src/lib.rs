//! Authenticates callers: signing keys, and tokens signed with them (JSON Web Tokens, EdDSA over Ed25519).
//! `polder_core::access` decides what the holder of a token may do. This crate knows nothing of HTTP, or of how public
//! keys are stored.
#![forbid(unsafe_code)]

mod algorithm;
mod claims;
#[cfg(test)]
mod fuzz_tests;
mod key_file;
mod signing_keys;
mod verifier;

pub use claims::{CLOCK_SKEW_S_MAX, Claims, ClaimsError, LIFETIME_S_MAX, TOKEN_BYTES_MAX, TokenError};
pub use key_file::{KeyFileError, KeyFolder};
pub use signing_keys::{KeyError, KeyId, PublicKey, SigningKey};
pub use verifier::{KnownKey, TOKENS_CACHED_MAX, VerifiedToken, Verifier};
