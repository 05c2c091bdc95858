//! Who is asking: keys, and tokens signed with them (JSON Web Tokens, EdDSA over Ed25519). What the holder of a token may do is
//! decided in `polder_core::access`; nothing here knows HTTP, or how public keys are kept.
#![forbid(unsafe_code)]

mod algorithm;
mod claims;
mod key_file;
mod keys;
mod verifier;

pub use claims::{CLOCK_SKEW_S_MAX, Claims, ClaimsError, LIFETIME_S_MAX, TOKEN_BYTES_MAX, TokenError};
pub use key_file::{KeyFileError, KeyFolder};
pub use keys::{KeyError, KeyId, PublicKey, SigningKey};
pub use verifier::{KnownKey, TOKENS_CACHED_MAX, VerifiedToken, Verifier};
