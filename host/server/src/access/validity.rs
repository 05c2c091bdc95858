//! How long a caller's permission lasts: long streams end with it.

use std::sync::Arc;
use std::time::Duration;

use polder_access::CLOCK_SKEW_S_MAX;

use super::Caller;
use super::authenticate::now_s;
use crate::app::App;

/// The longest pause between two checks of the clock, since the clock can be set.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Resolves when the caller's key is revoked, its token expires, or an open host gets its first key.
pub(crate) async fn ended(app: Arc<App>, caller: Caller) {
    let mut changed = app.keys_changed.subscribe();
    loop {
        let wait = match &caller {
            Caller::Anyone if app.verifier.is_open() => None,
            Caller::Known(token) if app.verifier.has_key_of(token) => {
                let left_s = token.expires_at_s.saturating_add(CLOCK_SKEW_S_MAX).saturating_sub(now_s());
                if left_s == 0 {
                    return;
                }
                Some(Duration::from_secs(left_s).min(LOOK_EVERY))
            }
            _ => return,
        };
        let look = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender lives as long as the app.
            _ = changed.changed() => {}
            () = look => {}
        }
    }
}
