//! The claims of a token: how they are checked, signed and read. This module does not know which keys are valid.

use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use polder_core::ID_BYTES_MAX;
use polder_core::access::{Grant, PATTERNS_MAX, Pattern, Permissions, Scope};
use serde::{Deserialize, Serialize};

use crate::algorithm::{self, ALGORITHM};
use crate::signing_keys::{KeyId, PublicKey, SigningKey};

/// The longest token, in bytes. A longer token is refused before it is parsed.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// The largest difference between an issuer's clock and the host's, in seconds.
pub const CLOCK_SKEW_S_MAX: u64 = 60;
/// The longest lifetime of a token, in seconds: ten years.
pub const LIFETIME_S_MAX: u64 = 10 * 366 * 24 * 3_600;

/// The payload of a token. A token with an unknown claim is refused, since that claim might restrict the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// A tenant's name, or `$host`.
    #[serde(rename = "tenant")]
    pub scope: Scope,
    /// The name of the caller. Events record it.
    #[serde(rename = "sub")]
    pub actor: String,
    /// Seconds since 1970.
    #[serde(rename = "iat")]
    pub issued_at_s: u64,
    /// Seconds since 1970.
    #[serde(rename = "exp")]
    pub expires_at_s: u64,
    #[serde(default)]
    pub publish: Vec<Pattern>,
    #[serde(default)]
    pub subscribe: Vec<Pattern>,
    #[serde(default)]
    pub deny: Vec<Pattern>,
}

/// Why a token is refused. Callers get no more detail than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token is malformed or forged, or its key is unknown or revoked.
    #[error("the token is not valid here")]
    Invalid,
    #[error("the token has expired: ask for a new one")]
    Expired,
    #[error("the token is not valid yet: the clock of its issuer is more than {CLOCK_SKEW_S_MAX} s ahead")]
    NotYet,
}

/// Why claims cannot be signed: the token would not grant what its issuer means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    #[error("an actor has 1 to {ID_BYTES_MAX} bytes without control characters")]
    Actor,
    #[error("a token lasts for at least one second and at most ten years")]
    Lifetime,
    #[error("a token that allows nothing is of no use: allow it to publish or to subscribe to something")]
    Nothing,
    #[error("{0} patterns are too many: at most {PATTERNS_MAX} are allowed")]
    TooMany(usize),
    #[error("pattern {pattern} can match nothing of {scope}, whose subjects begin with {scope}")]
    OtherScope { pattern: Pattern, scope: Scope },
    #[error(
        "pattern {0} has a * or > beside other characters in one token, where it is no wildcard and matches no name"
    )]
    NoWildcard(Pattern),
}

impl Claims {
    pub fn check(&self) -> Result<(), ClaimsError> {
        if self.actor.is_empty() || self.actor.len() > ID_BYTES_MAX || self.actor.chars().any(char::is_control) {
            return Err(ClaimsError::Actor);
        }
        let lifetime_s = self.expires_at_s.saturating_sub(self.issued_at_s);
        if lifetime_s == 0 || lifetime_s > LIFETIME_S_MAX {
            return Err(ClaimsError::Lifetime);
        }
        if self.publish.is_empty() && self.subscribe.is_empty() {
            return Err(ClaimsError::Nothing);
        }
        let patterns = [&self.publish, &self.subscribe, &self.deny].into_iter().flatten();
        let count = patterns.clone().count();
        if count > PATTERNS_MAX {
            return Err(ClaimsError::TooMany(count));
        }
        patterns.into_iter().try_for_each(|pattern| check_pattern(pattern, &self.scope))
    }

    /// Checks the claims and returns the signed token.
    pub fn sign(&self, key: &SigningKey) -> Result<String, ClaimsError> {
        self.check()?;
        algorithm::install();
        let header = Header { kid: Some(key.id().to_string()), ..Header::new(ALGORITHM) };
        let token = jsonwebtoken::encode(&header, self, &EncodingKey::from_ed_der(key.as_bytes()));
        Ok(token.expect("claims are JSON, and the key is one of the algorithm"))
    }

    /// Returns the claims of a token that `key` signed. Does not check the token's times.
    pub(crate) fn verified(token: &str, key: &PublicKey) -> Result<Self, TokenError> {
        algorithm::install();
        let mut validation = Validation::new(ALGORITHM);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        let decoded = jsonwebtoken::decode(token, &DecodingKey::from_ed_der(key.as_bytes()), &validation);
        let claims: Self = decoded.map_err(|_| TokenError::Invalid)?.claims;
        claims.check().map_err(|_| TokenError::Invalid)?;
        Ok(claims)
    }

    /// Returns the claims of a token without checking its signature. They are for display only: never base a permission
    /// on them.
    pub fn unverified(token: &str) -> Result<(KeyId, Self), TokenError> {
        let claims = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| TokenError::Invalid)?;
        Ok((key_id(token)?, claims))
    }

    /// Checks that the token is valid at `now_s`, in seconds since 1970, with a tolerance of [`CLOCK_SKEW_S_MAX`].
    pub fn check_times(&self, now_s: u64) -> Result<(), TokenError> {
        if now_s >= self.expires_at_s.saturating_add(CLOCK_SKEW_S_MAX) {
            return Err(TokenError::Expired);
        }
        if self.issued_at_s > now_s.saturating_add(CLOCK_SKEW_S_MAX) {
            return Err(TokenError::NotYet);
        }
        Ok(())
    }

    pub fn grant(&self) -> Grant {
        let (publish, subscribe, deny) = (self.publish.clone(), self.subscribe.clone(), self.deny.clone());
        let permissions = Permissions { publish, subscribe, deny };
        Grant { scope: self.scope.clone(), actor: self.actor.clone(), permissions }
    }
}

/// Returns the id of the key that the token's header names.
pub(crate) fn key_id(token: &str) -> Result<KeyId, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
    header.kid.and_then(|id| id.parse().ok()).ok_or(TokenError::Invalid)
}

fn check_pattern(pattern: &Pattern, scope: &Scope) -> Result<(), ClaimsError> {
    let is_wildcard = |token: &str| matches!(token, "*" | ">");
    if pattern.tokens().any(|token| token.contains(['*', '>']) && !is_wildcard(token)) {
        return Err(ClaimsError::NoWildcard(pattern.clone()));
    }
    let first = pattern.tokens().next().unwrap_or_default();
    match scope {
        Scope::Tenant(tenant) if !is_wildcard(first) && first != tenant.as_str() => {
            Err(ClaimsError::OtherScope { pattern: pattern.clone(), scope: scope.clone() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn claims(scope: &str, publish: &[&str]) -> Claims {
        Claims {
            scope: scope.to_owned().try_into().unwrap(),
            actor: "ann".into(),
            issued_at_s: 1_000,
            expires_at_s: 2_000,
            publish: publish.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            subscribe: Vec::new(),
            deny: Vec::new(),
        }
    }

    #[test]
    fn signed_claims_are_read_back() {
        let key = SigningKey::generate().unwrap();
        let claims = claims("acme", &["acme.cmd.>"]);
        let token = claims.sign(&key).unwrap();
        assert!(token.len() < TOKEN_BYTES_MAX);
        assert_eq!(Claims::verified(&token, &key.public_key()), Ok(claims.clone()));
        assert_eq!(Claims::unverified(&token), Ok((key.id(), claims)));
        let other = SigningKey::generate().unwrap();
        assert_eq!(Claims::verified(&token, &other.public_key()), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_holds_for_its_time_and_a_minute_of_skew() {
        let claims = claims("acme", &[">"]);
        for (now_s, expected) in [
            (0, Err(TokenError::NotYet)),
            (939, Err(TokenError::NotYet)),
            (940, Ok(())),
            (2_059, Ok(())),
            (2_060, Err(TokenError::Expired)),
            (u64::MAX, Err(TokenError::Expired)),
        ] {
            assert_eq!(claims.check_times(now_s), expected, "{now_s}");
        }
    }

    #[test]
    fn claims_that_make_no_sense_are_refused() {
        let refused = |change: &dyn Fn(&mut Claims)| {
            let mut claims = claims("acme", &["acme.>"]);
            change(&mut claims);
            claims.check().unwrap_err().to_string()
        };
        let pattern = |text: &str| Pattern::new(text).unwrap();
        assert!(refused(&|c| c.actor = "a\nb".into()).contains("without control characters"));
        assert!(refused(&|c| c.actor.clear()).contains("1 to 128 bytes"));
        assert!(refused(&|c| c.expires_at_s = c.issued_at_s).contains("at least one second"));
        assert!(refused(&|c| c.expires_at_s = u64::MAX).contains("at most ten years"));
        assert!(refused(&|c| c.publish.clear()).contains("allows nothing"));
        assert!(refused(&|c| c.publish = vec![pattern("acme.x"); 101]).contains("101 patterns"));
        assert!(refused(&|c| c.deny.push(pattern("other.>"))).contains("subjects begin with acme"));
        assert!(refused(&|c| c.publish.push(pattern("$host.metrics"))).contains("$host.metrics"));
        assert!(refused(&|c| c.deny.push(pattern("acme.cmd.pay*.>"))).contains("is no wildcard"));
        assert_eq!(claims("acme", &["*.cmd.>", ">", "acme.query.>"]).check(), Ok(()));
        assert_eq!(claims("$host", &["acme.cmd.>", "$host.>"]).check(), Ok(()));
    }

    #[test]
    fn a_token_is_read_strictly() {
        let key = SigningKey::generate().unwrap();
        algorithm::install();
        let sign = |claims: &serde_json::Value| {
            let header = Header { kid: Some(key.id().to_string()), ..Header::new(ALGORITHM) };
            jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(key.as_bytes())).unwrap()
        };
        let good = serde_json::to_value(claims("acme", &["acme.>"])).unwrap();
        assert!(Claims::verified(&sign(&good), &key.public_key()).is_ok());
        for (member, value) in [
            ("aud", serde_json::json!("elsewhere")),
            ("only_on_sundays", serde_json::json!(true)),
            ("tenant", serde_json::json!("$all")),
            ("tenant", serde_json::json!(null)),
            ("sub", serde_json::json!("")),
            ("exp", serde_json::json!(-1)),
            ("exp", serde_json::json!(1e300)),
            ("publish", serde_json::json!(["a..b"])),
            ("publish", serde_json::json!([])),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            assert_eq!(Claims::verified(&sign(&bad), &key.public_key()), Err(TokenError::Invalid), "{bad}");
        }
        for member in ["tenant", "sub", "iat", "exp"] {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().remove(member);
            assert_eq!(Claims::verified(&sign(&bad), &key.public_key()), Err(TokenError::Invalid), "{bad}");
        }
    }
}
