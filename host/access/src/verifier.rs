//! Verifies tokens with the known keys. A token that was verified once is cached by its digest until the keys change,
//! so that a repeated request does not cost a signature check.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use polder_core::access::Grant;

use crate::claims::{self, Claims, TOKEN_BYTES_MAX, TokenError};
use crate::signing_keys::{KeyId, PublicKey};

/// The most verified tokens that are cached. Each takes about as much memory as its text. Tokens that fail are not
/// cached, so a caller without a key cannot fill the cache.
pub const TOKENS_CACHED_MAX: usize = 10_000;

/// A key that was added at some time, and whether it is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    pub public_key: PublicKey,
    pub is_revoked: bool,
}

pub struct Verifier {
    state: RwLock<State>,
}

type Keys = BTreeMap<KeyId, PublicKey>;

struct State {
    /// The keys that are not revoked.
    keys: Arc<Keys>,
    /// Whether a key was ever added, revoked or not. From then on every request needs a token.
    is_closed: bool,
    verified: HashMap<blake3::Hash, Arc<Verified>>,
}

impl State {
    fn new(known: &[KnownKey]) -> Self {
        let good = known.iter().filter(|key| !key.is_revoked);
        let keys = good.map(|key| (key.public_key.id(), key.public_key)).collect();
        Self { keys: Arc::new(keys), is_closed: !known.is_empty(), verified: HashMap::new() }
    }
}

struct Verified {
    claims: Claims,
    token: Arc<VerifiedToken>,
}

/// The grant of a verified token, and when the token expires.
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    pub grant: Arc<Grant>,
    /// The key that signed the token.
    pub key: KeyId,
    /// Seconds since 1970. The token is accepted for up to [`CLOCK_SKEW_S_MAX`](crate::CLOCK_SKEW_S_MAX) seconds
    /// longer.
    pub expires_at_s: u64,
}

impl Verified {
    fn new(claims: Claims, key: KeyId) -> Self {
        let (grant, expires_at_s) = (Arc::new(claims.grant()), claims.expires_at_s);
        Self { claims, token: Arc::new(VerifiedToken { grant, key, expires_at_s }) }
    }
}

impl Verifier {
    pub fn new(known: &[KnownKey]) -> Self {
        Self { state: RwLock::new(State::new(known)) }
    }

    /// Replaces the keys by those that `known` returns, and clears the cache. `known` runs under the write lock: of two
    /// concurrent calls, the one whose list is read later wins. When `known` fails, nothing changes.
    pub fn set_keys<E>(&self, known: impl FnOnce() -> Result<Vec<KnownKey>, E>) -> Result<(), E> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = State::new(&known()?);
        Ok(())
    }

    /// Whether the host is open: no key was ever added, so no token can exist. Revoking every key does not open the
    /// host again.
    pub fn is_open(&self) -> bool {
        !self.state().is_closed
    }

    /// Verifies a token and returns what it grants. `now_s` is in seconds since 1970.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Arc<VerifiedToken>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let digest = blake3::hash(token.as_bytes());
        let (known, keys) = {
            let state = self.state();
            (state.verified.get(&digest).cloned(), Arc::clone(&state.keys))
        };
        let verified = match known {
            Some(verified) => verified,
            None => {
                let id = claims::key_id(token)?;
                let key = keys.get(&id).ok_or(TokenError::Invalid)?;
                let claims = Claims::verified(token, key)?;
                let verified = Arc::new(Verified::new(claims, id));
                self.remember(digest, &verified, &keys, now_s);
                verified
            }
        };
        verified.claims.check_times(now_s)?;
        Ok(Arc::clone(&verified.token))
    }

    /// Returns whether the token's key is still known and not revoked.
    pub fn has_key_of(&self, token: &VerifiedToken) -> bool {
        self.state().keys.contains_key(&token.key)
    }

    fn remember(&self, digest: blake3::Hash, verified: &Arc<Verified>, keys: &Arc<Keys>, now_s: u64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // The keys may have changed while the signature was checked.
        if !Arc::ptr_eq(&state.keys, keys) {
            return;
        }
        if state.verified.len() >= TOKENS_CACHED_MAX {
            state.verified.retain(|_, verified| verified.claims.check_times(now_s).is_ok());
        }
        // Still full. So many live tokens are rare, and clearing costs each of them one more signature check.
        if state.verified.len() >= TOKENS_CACHED_MAX {
            state.verified.clear();
        }
        state.verified.insert(digest, Arc::clone(verified));
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::signing_keys::SigningKey;

    const NOW_S: u64 = 1_500;

    fn claims() -> Claims {
        Claims {
            scope: "acme".to_owned().try_into().unwrap(),
            actor: "ann".into(),
            issued_at_s: 1_000,
            expires_at_s: 2_000,
            publish: vec!["acme.cmd.>".parse().unwrap()],
            subscribe: Vec::new(),
            deny: Vec::new(),
        }
    }

    fn known(key: &SigningKey, is_revoked: bool) -> KnownKey {
        KnownKey { public_key: key.public_key(), is_revoked }
    }

    fn base64(text: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn cached(verifier: &Verifier) -> usize {
        verifier.state().verified.len()
    }

    #[test]
    fn a_good_token_grants_its_claims_and_is_cached() {
        let key = SigningKey::generate().unwrap();
        let verifier = Verifier::new(&[known(&key, false)]);
        let token = claims().sign(&key).unwrap();
        for _ in 0..2 {
            let verified = verifier.verify(&token, NOW_S).unwrap();
            assert_eq!(*verified.grant, claims().grant());
            assert_eq!((&verified.key, verified.expires_at_s), (&key.public_key().id(), 2_000));
            assert!(verifier.has_key_of(&verified));
            assert_eq!(cached(&verifier), 1);
        }
        // A cached token expires like any other.
        assert_eq!(verifier.verify(&token, 2_060), Err(TokenError::Expired));
        assert_eq!(verifier.verify(&token, 900), Err(TokenError::NotYet));
    }

    #[test]
    fn a_token_of_an_unknown_or_revoked_key_is_refused() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let token = claims().sign(&key).unwrap();
        let verifier = Verifier::new(&[]);
        let set = |known: Vec<KnownKey>| verifier.set_keys(|| Ok::<_, ()>(known)).unwrap();
        assert!(verifier.is_open());
        assert_eq!(verifier.verify(&token, NOW_S), Err(TokenError::Invalid));
        set(vec![known(&other, false)]);
        assert_eq!(verifier.verify(&token, NOW_S), Err(TokenError::Invalid));
        set(vec![known(&other, false), known(&key, false)]);
        let verified = verifier.verify(&token, NOW_S).unwrap();
        // Revocation also ends cached tokens, and revoking the last key does not open the host again.
        set(vec![known(&other, true), known(&key, true)]);
        assert_eq!((verifier.verify(&token, NOW_S), cached(&verifier)), (Err(TokenError::Invalid), 0));
        assert!(!verifier.is_open() && !verifier.has_key_of(&verified));
        // A list that cannot be read changes nothing.
        assert_eq!(verifier.set_keys(|| Err("unreadable")), Err("unreadable"));
        assert!(!verifier.is_open());
    }

    /// Forgeries that were accepted by other systems.
    #[test]
    fn a_forged_token_is_refused_and_not_cached() {
        let (key, thief) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let verifier = Verifier::new(&[known(&key, false)]);
        let token = claims().sign(&key).unwrap();
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let header_of = |algorithm: &str, more: &str| {
            base64(format!("{{\"typ\":\"JWT\",\"alg\":\"{algorithm}\",\"kid\":\"{}\"{more}}}", key.id()).as_bytes())
        };
        let more = base64(serde_json::to_string(&claims()).unwrap().replace("acme.cmd.>", ">").as_bytes());
        let stolen = claims().sign(&thief).unwrap();
        let thiefs_signature = stolen.rsplit('.').next().unwrap();
        let hs256 = format!("{}.{payload}", header_of("HS256", ""));
        let hmac = |secret: &[u8]| base64(&hmac_sha256(secret, hs256.as_bytes()));
        let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
        flipped[63] ^= 1;
        for (what, forged) in [
            ("other claims", format!("{header}.{more}.{signature}")),
            ("another's signature", format!("{header}.{payload}.{thiefs_signature}")),
            ("another's key by its own name", stolen.clone()),
            ("a flipped bit", format!("{header}.{payload}.{}", base64(&flipped))),
            ("no signature", format!("{header}.{payload}.")),
            ("none", format!("{}.{payload}.", header_of("none", ""))),
            ("None", format!("{}.{payload}.", header_of("None", ""))),
            ("none, signed", format!("{}.{payload}.{signature}", header_of("none", ""))),
            ("HS256 with the public key's bytes", format!("{hs256}.{}", hmac(key.public_key().as_bytes()))),
            ("HS256 with the public key's text", format!("{hs256}.{}", hmac(key.public_key().to_string().as_bytes()))),
            ("HS256 with nothing", format!("{hs256}.{}", hmac(b""))),
            ("ES256", format!("{}.{payload}.{signature}", header_of("ES256", ""))),
            ("a key that it brings", format!("{}.{payload}.{signature}", header_of("EdDSA", ",\"jwk\":{}"))),
            ("no kid", format!("{}.{payload}.{signature}", base64(b"{\"typ\":\"JWT\",\"alg\":\"EdDSA\"}"))),
            ("text", "acme".to_owned()),
            ("nothing", String::new()),
            ("dots", "..".to_owned()),
            ("one part more", format!("{token}.{signature}")),
            ("too long", format!("{token}{}", "A".repeat(TOKEN_BYTES_MAX))),
            ("space", format!(" {token}")),
        ] {
            assert_eq!(verifier.verify(&forged, NOW_S), Err(TokenError::Invalid), "{what}");
            assert_eq!(cached(&verifier), 0, "{what}");
        }
        assert!(verifier.verify(&token, NOW_S).is_ok());
    }

    fn hmac_sha256(secret: &[u8], message: &[u8]) -> [u8; 32] {
        let mut block = [0; 64];
        let secret = if secret.len() > 64 { Sha256::digest(secret).to_vec() } else { secret.to_vec() };
        block[..secret.len()].copy_from_slice(&secret);
        let padded = |pad: u8| block.map(|byte| byte ^ pad);
        let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
    }

    #[test]
    fn the_cache_is_bounded() {
        let key = SigningKey::generate().unwrap();
        let verifier = Verifier::new(&[known(&key, false)]);
        let token = |number: usize, expires_at_s: u64| {
            Claims { actor: format!("a-{number}"), expires_at_s, ..claims() }.sign(&key).unwrap()
        };
        let id = key.public_key().id();
        let fill = |count: usize, expires_at_s: u64| {
            let mut state = verifier.state.write().unwrap();
            for number in state.verified.len()..count {
                let claims = Claims { expires_at_s, ..claims() };
                let verified = Verified::new(claims, id.clone());
                state.verified.insert(blake3::hash(&number.to_le_bytes()), Arc::new(verified));
            }
        };
        fill(10, 5_000);
        fill(TOKENS_CACHED_MAX, 1_200);
        assert!(verifier.verify(&token(1, 5_000), NOW_S).is_ok());
        assert_eq!(cached(&verifier), 11, "the expired ones went");
        fill(TOKENS_CACHED_MAX, 5_000);
        assert!(verifier.verify(&token(2, 5_000), NOW_S).is_ok());
        assert_eq!(cached(&verifier), 1);
    }
}
