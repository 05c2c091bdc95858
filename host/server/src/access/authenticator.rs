//! Authenticates callers by the host's keys, when a request arrives and for as long as its answer lasts.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use polder_access::{CLOCK_SKEW_S_MAX, KnownKey, Verifier};
use tokio::sync::watch;

use super::caller::Caller;
use crate::wire::headers::Headers;
use crate::wire::http_status;
use crate::wire::problem::Problem;

const AUTHORIZATION: &str = "authorization";
const SCHEME: &str = "bearer";
/// The longest pause between two checks of the clock, since the clock can be set.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) struct Authenticator {
    verifier: Verifier,
    /// Wakes streams whose caller's key may have been revoked.
    keys_changed: watch::Sender<()>,
}

impl Authenticator {
    pub(crate) fn new(keys: &[KnownKey]) -> Self {
        Self { verifier: Verifier::new(keys), keys_changed: watch::Sender::new(()) }
    }

    /// Whether the host has no keys, so that any caller that reaches it may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.verifier.is_open()
    }

    /// Replaces the keys by those that `keys` returns, and ends the streams of callers whose key is revoked. When
    /// `keys` fails, nothing changes.
    pub(crate) fn set_keys(&self, keys: impl FnOnce() -> Result<Vec<KnownKey>, String>) -> Result<(), String> {
        self.verifier.set_keys(keys)?;
        self.keys_changed.send_replace(());
        Ok(())
    }

    /// Authenticates the caller by the token in the headers.
    pub(crate) fn caller(&self, headers: &impl Headers) -> Result<Caller, Problem> {
        if self.is_open() {
            return Ok(Caller::Anyone);
        }
        let mut given = headers.values(AUTHORIZATION);
        let token = match (given.next(), given.next()) {
            (Some(one), None) => bearer(one),
            _ => None,
        };
        let token =
            token.ok_or_else(|| refused("a token is needed here: \"Authorization: Bearer TOKEN\" would be right"))?;
        self.verifier.verify(token, now_s()).map(Caller::Known).map_err(|error| refused(&error.to_string()))
    }
}

/// Resolves when the caller's key is revoked, its token expires, or an open host gets its first key. A long stream ends
/// then.
pub(crate) async fn ended(authenticator: Arc<Authenticator>, caller: Caller) {
    let mut changed = authenticator.keys_changed.subscribe();
    loop {
        let wait = match &caller {
            Caller::Anyone if authenticator.is_open() => None,
            Caller::Known(token) if authenticator.verifier.has_key_of(token) => {
                let left_s = token.expires_at_s.saturating_add(CLOCK_SKEW_S_MAX).saturating_sub(now_s());
                if left_s == 0 {
                    return;
                }
                Some(Duration::from_secs(left_s).min(CLOCK_CHECK_INTERVAL))
            }
            _ => return,
        };
        let time_passes = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender lives as long as the authenticator.
            _ = changed.changed() => {}
            () = time_passes => {}
        }
    }
}

fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = str::from_utf8(value).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_start_matches(' '))
}

fn refused(detail: &str) -> Problem {
    Problem::new(&http_status::NOT_AUTHENTICATED, detail)
}

/// Seconds since 1970. A clock before 1970 counts as 0, so that no token is valid yet.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_follows_its_scheme() {
        let token = |text: &'static str| bearer(text.as_bytes());
        assert_eq!(token("Bearer abc.def"), Some("abc.def"));
        assert_eq!(token("bearer  abc"), Some("abc"));
        for text in ["", "Bearer", "Basic YTpi", "Bearerabc", "abc.def.ghi"] {
            assert_eq!(token(text), None, "{text}");
        }
    }
}
